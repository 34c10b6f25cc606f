"""What the names of estates and villages end in, and what no name has in it; as alternatives of a pattern.

Never here: what an estate is called for short (``short_names``), or where a name stands in an address (``address``).
"""

from __future__ import annotations

from typing import Final

ESTATES: Final = (
    "小区|花园|家园|公寓|新村|社区|花苑|雅苑|嘉苑|佳苑|大厦|别墅|山庄|华府|公馆|庄园|新城|家属院|大院|名苑|豪庭|名邸|"
    "宿舍|生活区|家属区|家属楼|名城|工业园(?!区)|(?:产业|科技|软件|创业|物流)园区?"
)
"""What names of estates and of parks of firms end in, and nearly nothing else does; a 工业园区 may be a district."""
VILLAGES: Final = "村|庄|屯|寨|堡|嘎查"
ESTATES_OR_NOT: Final = f"苑|{VILLAGES}|府|湾|庭|院|城|轩|居|园|广场"
"""What they end in, as do other words."""
NO_NAME: Final = "我你他她咱俺们这那的是了吗呢请问住在号栋层室"
"""Characters that stand before the name of an estate, and in none."""
