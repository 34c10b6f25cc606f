"""How people say where they are: an address as it stands in the books, and what becomes of it in a sentence.

Decided here: which parts people leave out and which words they put for others. The shares are ours: nobody publishes
any. Never here: what a resolver makes of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_PARTS: Final = re.compile(
    r"(?P<district>\d+区)?(?P<street>\D+?)(?P<number>\d+号)?(?P<block>\d+栋)?(?P<unit>\d+单元)?(?P<room>\d+室)?"
)
_ONE_DIGIT: Final = re.compile(r"^\d(?!\d)")
_DIGITS: Final = "零一二三四五六七八九"
_BLOCK_WORDS: Final = ("号楼", "幢", "座", "栋楼")
_OPENINGS: Final = ("我家在", "我住", "地址是", "就在")
_NO_ROOM, _NO_DISTRICT, _NO_BLOCK, _NEARBY, _ONLY_STREET = 0.6, 0.35, 0.15, 0.1, 0.02
_NO_SUFFIX = 0.5  # a room's number without 室
_OTHER_BLOCK, _SPELLED, _OPENED, _SPACED = 0.4, 0.05, 0.1, 0.05


def spoken(address: str, rng: Random) -> str:
    """Return an address as somebody might say it: short, without the district, 3号楼 for 3栋, 附近."""
    parts = _PARTS.fullmatch(address)
    if parts is None:
        return address
    district, street = parts["district"] or "", parts["street"]
    number, block, unit, room = (parts[name] or "" for name in ("number", "block", "unit", "room"))
    if rng.random() < _NO_DISTRICT:
        district = ""
    if rng.random() < _NO_ROOM:
        room = ""
        unit = "" if rng.random() < _NO_ROOM else unit
    if rng.random() < _NO_BLOCK:
        block = unit = room = ""
    if rng.random() < _NEARBY:
        block, unit, room = "附近", "", ""
        if rng.random() < _ONLY_STREET / _NEARBY:
            number = ""
    elif block and rng.random() < _OTHER_BLOCK:
        block = block.removesuffix("栋") + rng.choice(_BLOCK_WORDS)
    if rng.random() < _SPELLED:
        block = _ONE_DIGIT.sub(lambda digit: _DIGITS[int(digit[0])], block)
    if room and rng.random() < _NO_SUFFIX:
        room = room.removesuffix("室")
    gap = " " if rng.random() < _SPACED else ""
    opening = rng.choice(_OPENINGS) if rng.random() < _OPENED else ""
    return opening + gap.join(part for part in (district, street + number, block, unit + room) if part)
