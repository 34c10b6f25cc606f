"""The parts of an estate (三期, 东区, 东院, 2街坊, 2组团, 12排), and what tells two buildings of it apart.

Each part numbers its buildings anew: 三期5栋 is another house than 一期5栋. Never here: the other parts of an address
(``address``), I/O.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

PART: Final = (
    r"(?:(?:\d{1,2}|[a-z])期)?(?:(?:\d{1,2}|[a-z]|[东南西北中])区|[东南西北前后]院|\d{1,2}号?街坊)?(?:\d{1,2}组团)?"
    r"(?:\d{1,3}排)?"
)
"""Right behind the name of an estate; may be empty."""
_PART: Final = re.compile(rf"的?({PART})")
_QUARTER_LAST: Final = re.compile(r"(?<=..)(?:[东南西北中]区|[东南西北]院)$")
"""In characters alone, it cannot be told from the name of an estate that may be called anything."""
_PIECE: Final = re.compile(r"(\d{1,3}|[a-z]|[东南西北中前后])(期|区|院|街坊|组团|排)")


def part_at(plain: str, at: int) -> tuple[str, int]:
    """Return the part of an estate whose name ends at ``at``, and where it ends; empty where none is named."""
    found = _PART.match(plain, at)
    return (found[1].replace("号", ""), found.end()) if found is not None and found[1] else ("", at)


def quarter_of(name: str) -> str:
    """Return the quarter that what may be the name of any estate ends in: 东区 of 丽景东区."""
    found = _QUARTER_LAST.search(name)
    return "" if found is None else found[0]


@lru_cache(maxsize=4096)
def _pieces(building: str) -> tuple[dict[str, str], str]:
    pieces = {found[2]: found[1] for found in _PIECE.finditer(building)}
    return pieces, _PIECE.sub("", building) if pieces else building


def apart(said: str, stored: str) -> bool:
    """Tell whether two buildings, each with its part of the estate, are told apart by what both of them name.

    5 and 三期5 are not, 一期5 and 三期5 are, and so are 三期5 and 三期6.
    """
    if said == stored:
        return False
    (one, own), (other, its) = _pieces(said), _pieces(stored)
    return bool(own and its and own != its) or any(other.get(kind, value) != value for kind, value in one.items())


def is_in(part: str, building: str) -> bool:
    """Tell whether a building names the part, or one of those that it is in: 三期 of 三期5 or 三期东区5."""
    named = _pieces(building)[0]
    return any(named.get(kind) == value for kind, value in _pieces(part)[0].items()) and not apart(part, building)


def names_a_part(building: str) -> bool:
    """Tell whether a building names a part of its estate."""
    return bool(_pieces(building)[0])
