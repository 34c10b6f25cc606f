"""Which accounts may have been meant by one that nobody has: those a single slip of the finger away.

Decided here: what a slip is: one character wrong, missing or too many, or two neighbours in each other's place; four of
five typing errors are one of these (Damerau 1964). Never here: whether any of them is meant (``candidates``), I/O.
"""

from __future__ import annotations

from typing import Final

_DIGITS: Final = "0123456789"
_LONGEST: Final = 24  # what is longer was pasted, not typed, and would cost too many look-ups
_SHORTEST: Final = 6  # of shorter ones nearly all that are a slip away are somebody's


def slips(key: str) -> tuple[str, ...]:
    """Return the account keys (see ``account_key``) that may be meant by one: itself, and all that are a slip away.

    Only digits are put in: they are what accounts are told apart by.
    """
    if not _SHORTEST <= len(key) <= _LONGEST:
        return ()
    found = [key]
    for n in range(len(key) + 1):
        before, after, rest = key[:n], key[n:], key[n + 1 :]
        found += [f"{before}{digit}{after}" for digit in _DIGITS]
        if after:
            found.append(before + rest)
            found += [f"{before}{digit}{rest}" for digit in _DIGITS]
        if rest:
            found.append(f"{before}{rest[0]}{after[0]}{rest[1:]}")
    return tuple(dict.fromkeys(bare for one in found if (bare := one.lstrip("0"))))
