"""The labelled utterances and their halves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILES: Final = {
    author: Path(__file__).with_name(name)
    for author, name in (
        ("one", "said.txt"),
        ("two", "told.txt"),
        ("three", "called.txt"),
        ("four", "posted.txt"),
        ("five", "phoned.txt"),
        ("six", "wrote.txt"),
    )
}
"""What each of six authors wrote, apart from one another: each before having seen the lists."""
NO_BUSINESS: Final = "none"
"""Label of what is no business of a hotline's: thanks, wrong numbers, advertisements, "a person, please"."""
DANGER, OUTAGE, NOTHING, EITHER, OPEN = "danger", "outage", "nothing", "either", "open"
KINDS: Final = (OUTAGE, "voltage", "metering", "facility")
WHAT: Final = frozenset({DANGER, NOTHING, EITHER, OPEN, *KINDS})
"""What is wrong. ``either``: a complaint about an outage that may still last, no danger. ``open``: what a person may
see otherwise than the product does on purpose (a danger that is over, one that is asked about): it is not judged."""
HALVES: Final = ("A", "B")

_BEFORE: Final = (
    "我是幸福花园的业主，今天给你们打电话是想说一下我们小区的情况，我们小区是二零零五年建的，一共有十二栋楼，"
    "物业换了好几家。"
)
_TALK: Final = (
    "前几天物业说要把楼道的墙重新刷一下，我们都同意了，后来又说钱不够，要大家再交一点。",
    "楼下超市的老板人很好，经常帮我们收快递，孩子们放学也喜欢去那边写作业。",
    "我家住在三楼，窗户外面正好是一棵很大的桂花树，每年秋天都很香。",
    "我上次去营业厅办业务，排了半个小时的队，不过里面的人还是挺客气的。",
    "我女儿在外地上大学，放假才回来，家里平时就我和老伴两个人。",
    "我们这边的菜市场搬到河对面去了，买菜要走十几分钟。",
)


@dataclass(frozen=True)
class Said:
    """One utterance and what a person takes it for.

    Attributes:
        text: As it was said, typed, or written down by speech recognition.
        language: Its language, or the manner of speaking.
        types: Business types that are right; ``none`` where it is no business of a hotline's.
        what: What is wrong, one of ``WHAT``.
        alone: It says that only the speaker's own home is concerned.
        half: ``A`` or ``B``.
    """

    text: str
    language: str
    types: tuple[str, ...]
    what: str
    alone: bool
    half: str


def read_said(text: str) -> list[Said]:
    """Read labelled utterances.

    Args:
        text: Lines. One that begins with ``@`` labels those after it: language, business types with ``/`` between,
            what is wrong, then ``alone`` and ``long=N`` if they hold: in the middle of N characters of small talk.

    Raises:
        ValueError: a label is unknown, or an utterance comes twice.
    """
    found: dict[str, Said] = {}
    label: list[str] = []
    for line in text.splitlines():
        if line.startswith("@ "):
            label = line.split()[1:]
            continue
        language, types, what, *more = label
        if what not in WHAT:
            raise ValueError(f"{what!r} is no label: {line}")
        around = [int(one.removeprefix("long=")) for one in more if one.startswith("long=")]
        said = _in_small_talk(line, *around) if around else line
        if said in found:
            raise ValueError(f"it is there twice: {line}")
        found[said] = Said(said, language, tuple(types.split("/")), what, "alone" in more, half_of(said))
    return list(found.values())


def half_of(text: str) -> str:
    """Return the half an utterance is in."""
    return HALVES[hashlib.sha256(f"words{text}".encode()).digest()[0] % 2]


def _in_small_talk(said: str, length: int) -> str:
    at = 0
    parts = {"before": "", "after": ""}
    for part, enough in (("before", length // 2 - len(said) // 2), ("after", length // 2)):
        while len(parts[part]) < enough:
            parts[part] += _TALK[at % len(_TALK)]
            at += 1
    return _BEFORE + parts["before"] + said + parts["after"]
