"""Chinese numerals, digits of other scripts, and digits in which two numbers stand with nothing between them.

Decided here: which number a numeral is, which digit one of another script is, and where one number may end and the
next begin. Never here: what they number.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

NUMERALS: Final = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "幺": 1}
UNITS: Final = {"十": 10, "百": 100, "千": 1000}
SECTION: Final = r"\d{1,2}段"
"""Of a road, behind its name: 3段 of 人民南路3段."""
_LONGEST_BUILDING: Final = 3  # digits
_OTHER_SCRIPT: Final = re.compile(r"[^\D0-9]")


def western(text: str) -> str:
    """Return a text in compatibility form (NFKC) with 0 to 9 for the digits of other scripts: ༡༢ and ١٢ are 12."""
    if text.isascii():  # as nearly all accounts and numbers are
        return text
    plain = unicodedata.normalize("NFKC", text)
    return _OTHER_SCRIPT.sub(lambda found: str(unicodedata.decimal(found[0])), plain)


def arabic(numeral: str) -> str:
    """Return a Chinese numeral in digits: 二百二十七 and 二二七 are both 227, 一百二 is 120 and 一百零二 102.

    Where a digit follows one that ends a numeral, another number begins: 十二三 is 12 3.
    """
    if not any(char in UNITS for char in numeral):
        return "".join(str(NUMERALS[char]) for char in numeral)
    total, digit, last = 0, -1, 0
    for n, char in enumerate(numeral):
        if (unit := UNITS.get(char)) is not None:
            total += unit * (1 if digit < 0 or (digit == 0 and unit == 10) else digit)  # noqa: PLR2004  十五, 零十五
            digit, last = -1, unit
        elif digit > 0 and last == UNITS["十"]:
            return f"{total + digit} {arabic(numeral[n:])}"
        else:
            digit = NUMERALS[char]
    unsaid = last // 10 if numeral[-2:-1] in UNITS and last > UNITS["十"] else 1  # 一百二[十]
    return str(total + max(digit, 0) * unsaid)


def run_together(digits: str) -> tuple[tuple[int, str], ...]:
    """Return the house numbers and buildings that digits may be with nothing between them: 123 is 1 3栋 of 12, 23 of 1.

    None for two digits: they are a building's number more often than they are two numbers.
    """
    if len(digits) <= 2 or digits[0] == "0":  # noqa: PLR2004
        return ()
    return tuple(
        (int(digits[:n]), digits[n:])
        for n in range(max(1, len(digits) - _LONGEST_BUILDING), len(digits))
        if digits[n] != "0"
    )
