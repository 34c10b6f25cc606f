"""Addresses of which the number stands before the name: 德洋区57号 东台路, 3栋2单元102室阳光小区.

Customer files whose columns are joined in another order have them so, and some callers say them so. Decided here: what
is turned round, and into what. Never here: the parts of an address (``address``).
"""

from __future__ import annotations

import re
from typing import Final

from services.grid.estates import ESTATES, ESTATES_OR_NOT

_LONGEST: Final = 60
_NUMBER: Final = (
    r"(?=\d*[号栋室]|\d+-\d+-\d|\d{1,2}期\d|[a-z]栋)(?P<number>(?:[a-z]栋|\d{1,2}期)?(?:(?:\d{1,5}[a-z]?|[a-z](?=室))(?:号院?|栋|单元|室|层|楼|-))*"
    r"(?:\d{1,5}(?!\d)|[东西中]户?室)?)"
)
_KIND: Final = rf"(?:大道|大街|胡同|[路街巷]|{ESTATES}|{ESTATES_OR_NOT})"
_NAME: Final = rf"(?P<name>(?![号栋线院楼杆路街巷室])[\u4e00-\u9fff][\u4e00-\u9fff\d]{{0,11}}?{_KIND})"
_BEFORE: Final = "(?P<before>(?:.{0,30}(?:[省市区县镇乡]|街道|社区))?)"
_TURNED: Final = re.compile(
    rf"{_BEFORE}[ -]?{_NUMBER}[ -]?{_NAME}(?P<after>$|[停没断跳全整家就只怎好]|这一?[里边片]|一片| )"
)
_MAY_BE: Final = re.compile(r"(?:^|[省市区县镇乡道 -])(?:\d{1,5}(?:号|栋|-|期)|[a-z]栋)")


def number_last(plain: str) -> str:
    """Return an address in one form with its number behind its name, where the number stands before it."""
    if len(plain) > _LONGEST or _MAY_BE.search(plain) is None:
        return plain
    found = _TURNED.match(plain)
    if found is None or not found["number"]:
        return plain
    return f"{found['before']}{found['name']}{found['number'].rstrip('-')}{plain[found.start('after') :]}"
