"""The district, the county or the town that an address names before its road or its village.

Never here: the other parts of an address (``address``), which districts the network has (``streets``).
"""

from __future__ import annotations

import re
from typing import Final

_DISTRICT: Final = re.compile(
    r"(?:\d{1,5}|[\u4e00-\u9fff]{1,6})(?:(?<![小社园校片工])区|县|镇|乡|街道|苏木|(?<=[左右中前后])旗)"
)
TOWNS: Final = re.compile(r"^.+(?:[省市]|自治区)(?!社区|小区|花园|家园)(?=.{2})")
_TWICE: Final = re.compile(r"^(.{2,})\1$")


def district_before(plain: str, last: int, until: int) -> tuple[str, int]:
    """Return the last district that stands before ``last`` and ends no later than ``until``, and where it ends.

    A town right behind its county is one with it: 平川县清溪镇, 余杭区五常街道.
    """
    district, start = "", 0
    for found in _DISTRICT.finditer(plain, 0, last):
        if found.end() > until:
            break
        within = district if start and start == found.start() and district.endswith(("区", "县")) else ""
        name = _TWICE.sub(r"\1", TOWNS.sub("", found[0]))
        if name.endswith(("区", "县")):
            within = ""  # 鼓楼区鼓楼区, and a county under a name of before
        district, start = within + name, found.end()
    return district, start
