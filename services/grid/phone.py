"""One form for a telephone number, so that a caller's number finds the customer's.

Decided here: which spellings are the same number. Never here: I/O, or whose number it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_EXTENSION: Final = re.compile(r"转|ext|[x#,;]", re.IGNORECASE)
_SHORTEST: Final = 7  # a Chinese landline without its area code; anything shorter is a service number
_LONGEST: Final = 15  # ITU-T E.164
_MOBILE: Final = 11


def phone_key(raw: str | None) -> str | None:
    """Return the form under which a number is stored and looked up; None where there is no usable number.

    Chinese mobile numbers become 11 digits, landlines start with the 0 of their area code, other countries keep
    ``+`` and their code. Extensions are cut off. Withheld and service numbers (``anonymous``, 95598) give None.
    """
    if not raw:
        return None
    if len(raw) == _MOBILE and raw[0] == "1" and raw.isascii() and raw.isdigit():
        return raw  # nearly every number of nearly every customer, as it is
    text = _EXTENSION.split(unicodedata.normalize("NFKC", raw).strip(), maxsplit=1)[0]
    digits = "".join(char for char in text if char.isascii() and char.isdigit())
    foreign = text.startswith("+") or digits.startswith("00")
    digits = digits.removeprefix("00")
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return None
    if digits.startswith("86") and (foreign or is_mobile(digits[2:])):
        national = digits[2:]
        key = national if is_mobile(national) or national.startswith("0") else f"0{national}"
        return None if key.startswith("00") or len(key) < _SHORTEST else key
    if foreign:
        return f"+{digits}"
    if digits.startswith("0") and is_mobile(digits[1:]):
        return digits[1:]
    return digits


def is_mobile(digits: str) -> bool:
    """Tell whether digits are a Chinese mobile number."""
    return len(digits) == _MOBILE and digits.startswith("1")
