"""One form for a telephone number, so that a caller's number finds the customer's.

Decided here: which spellings are the same number. Never here: I/O, or whose number it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from services.grid.numerals import western

_EXTENSION: Final = re.compile(r"转|分机|ext|[x#,;]", re.IGNORECASE)
_FRACTION: Final = re.compile(r"\.0+$")  # from a program for which all numbers have one
_DASHED: Final = re.compile(r"(.*\(?0\d{2,3}\)?[- ]?\d{7,8})[-*]\d{1,6}")  # 021-62345678-801
_SEVERAL: Final = re.compile(r"(?<=\d)\s*[/、|或]\s*(?=[+(]?\d)")
_A_MOBILE: Final = re.compile(r"(?<!\d)1\d{10}(?!\d)")
_SHORTEST: Final = 7  # a Chinese landline without its area code; anything shorter is a service number
_LONGEST: Final = 15  # ITU-T E.164
_MOBILE: Final = 11
_ABROAD: Final = range(12, 15)  # 86 and a national number, where no + says that a country's code begins it


@lru_cache(maxsize=4096)  # deciding a report asks several times, and who calls once calls again
def phone_key(raw: str | None) -> str | None:
    """Return the form under which a number is stored and looked up; None where there is no usable number.

    Chinese mobile numbers become 11 digits, landlines start with the 0 of their area code, other countries keep
    ``+`` and their code. Extensions are cut off; of several numbers in one field the first counts. Withheld and
    service numbers (``anonymous``, 95598) give None.
    """
    if not raw:
        return None
    if len(raw) == _MOBILE and raw[0] == "1" and raw.isascii() and raw.isdigit():
        return raw  # nearly every number of nearly every customer, as it is
    text = _one_number(_FRACTION.sub("", western(raw).strip()))
    digits = _digits(text)
    foreign = text.startswith("+") or digits.startswith("00")
    if foreign:
        digits = digits.lstrip("0")  # no country's code begins with one
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return None
    if digits.startswith("86") and (foreign or len(digits) in _ABROAD):
        digits = digits[2:]
        if not digits.startswith(("0", "400", "800")) and not is_mobile(digits):  # no area has 400 or 800
            digits = f"0{digits}"
    elif foreign:
        return f"+{digits}"
    if digits.startswith("0") and is_mobile(digits[1:]):
        return digits[1:]
    return None if digits.startswith("00") or len(digits) < _SHORTEST else digits


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isascii() and char.isdigit())


def _one_number(text: str) -> str:
    """Return the first number of a text, without its extension."""
    text = _EXTENSION.split(text, maxsplit=1)[0]
    if (extended := _DASHED.fullmatch(text)) is not None:
        text = extended[1]
    length = len(_digits(text))
    if length <= _MOBILE:
        return text
    first = next((part for part in _SEVERAL.split(text) if len(_digits(part)) >= _SHORTEST), text)
    if first == text and length > _LONGEST and (mobile := _A_MOBILE.search(text)) is not None:
        return mobile[0]
    return first


def is_mobile(digits: str) -> bool:
    """Tell whether digits are a Chinese mobile number."""
    return len(digits) == _MOBILE and digits.startswith("1")
