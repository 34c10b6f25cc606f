"""The accounts of customers, however they are said: 0012-345b, 户号：0012345b, or a number somewhere in the words.

Decided here: what is an account, and which spellings are one. Never here: whose it is (``lookup``), or which account is
a slip of the finger away (``slips``).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from services.grid.numerals import NUMERALS, western

_LONGEST_ACCOUNT: Final = 200
_LONGEST_TEXT: Final = 300
_NUMBER: Final = re.compile(
    r"(?<![0-9A-Za-z.])[A-Za-z]{0,4}[0-9](?:[ -]?[0-9A-Za-z]|[,、] ?[0-9]){5,30}(?![0-9A-Za-z]|\.[0-9])"
)
"""A recogniser writes a comma where somebody draws breath: 户号3401，3000，9991."""
_DIGITS_SAID: Final = {ord("〇"): "0"} | {ord(char): str(digit) for char, digit in NUMERALS.items()}
_SAID: Final = re.compile(r"[〇{0}](?:[ ,、-]?[〇{0}]){{5,30}}".format("".join(NUMERALS)))
"""A number digit by digit, as one who takes down what is said may write it: 三四零二幺三六."""
_PART: Final = re.compile(r"[0-9A-Za-z]+")
_FEWEST_DIGITS: Final = 6  # fewer are a date, a room, a price
_LONGEST_NUMBER: Final = 24
_ACCOUNT_WORDS: Final = re.compile(
    r"^(?:用电|客户|用户|我的|缴费)*(?:户号|编号|账号|帐号|号码)?[是为:#\s]*(?=[0-9A-Za-z])"
)
_NO_ACCOUNT: Final = frozenset(
    {
        *("", "NULL", "NIL", "NONE", "NAN", "NA", "UNDEFINED", "UNKNOWN", "ANONYMOUS"),
        *("无", "没有", "暂无", "未知", "不详", "不知道", "不清楚"),
    }
)
"""Keys of what programs and people write who have none; zeros and signs alone have the empty one."""
_AS_A_FRACTION: Final = re.compile(r"(\d{5,})\.0+")
"""A number that went through a program for which all numbers have fractions."""


def said_account(said: str | None) -> str | None:
    """Return an account as it was said; None for the words of somebody, or of a program, that knows none.

    They must not count as an account: all who say ``undefined`` would be one customer.
    """
    return None if said is None or account_key(said) in _NO_ACCOUNT else said


@lru_cache(maxsize=4096)
def account_spellings(said: str) -> tuple[str, ...]:
    """Return under which spellings an account may be found: as said, then without signs, in capitals, without zeros.

    Nearly all are in capitals and digits as they are. What a chat copies along and nobody sees is left out.
    """
    account = _whole(western(said).strip())
    if not account.isprintable():
        account = "".join(char for char in account if unicodedata.category(char) != "Cf").strip()
    # What cannot be printed (NUL, half a surrogate pair) is no account, and the database would refuse the batch.
    if not account or not account.isprintable() or len(account) > _LONGEST_ACCOUNT:
        return ()
    plain = _ACCOUNT_WORDS.sub("", account)
    dense = "".join(plain.split())
    bare = "".join(filter(str.isalnum, plain))
    forms = (account, plain, dense, dense.upper(), bare, bare.upper(), bare.upper().lstrip("0"))
    return tuple(dict.fromkeys(filter(None, forms)))


@lru_cache(maxsize=4096)  # deciding a report asks several times, and who calls once calls again
def account_key(account: str) -> str:
    """Return the form that all spellings of an account share: 0012-345b, 12 345B and 户号：0012345b are 12345B.

    Two accounts that share one are told apart only by who says one of them as the customer file has it.
    """
    if not (account.isascii() and account.isalnum()):  # nearly all are in letters and digits as they are
        plain = _ACCOUNT_WORDS.sub("", _whole(western(account).strip()))
        account = "".join(filter(str.isalnum, plain))
    return account.upper().lstrip("0")


def _whole(number: str) -> str:
    found = _AS_A_FRACTION.fullmatch(number)
    return number if found is None else found[1]


@lru_cache(maxsize=4096)  # people say much the same
def numbers_in(text: str) -> tuple[str, ...]:
    """Return what in a text may be the account or the phone of a customer, nobody having said which it is.

    As it is written without its gaps, and each part that is long enough by itself: 打我电话 139-1234-5678, 31000012.
    So are digits in Chinese: 户号三一零零零零幺二.
    """
    found: dict[str, None] = {}
    plain = western(text[:_LONGEST_TEXT])
    if not plain.isascii():
        plain = _SAID.sub(lambda said: said[0].translate(_DIGITS_SAID), plain)
    for run in _NUMBER.finditer(plain):
        parts = _PART.findall(run[0])
        for one in ("".join(parts), *parts):
            if len(one) <= _LONGEST_NUMBER and sum(map(str.isdigit, one)) >= _FEWEST_DIGITS:
                found[one.upper()] = None
    return tuple(found)
