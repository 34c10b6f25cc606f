"""What a cell of network.csv or customers.csv may say, and what is made of one that says it oddly.

Decided here: one cell, or the two of a position, by itself. Never here: what rows are to one another, and which line
it is (``network_file``).
"""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from services.grid.evidence import stand_swapped

_NOT_SAID: Final = frozenset({"", "-", "--", "nan", "null", "none", "n/a", "#n/a", "na", "\\n"})
"""What programs write where there is nothing."""
_LONGEST_ID: Final = 200
_LONGEST_NAME: Final = 200
MOST_KILOVOLTS: Final = 1500.0
_A_NUMBER: Final = re.compile(r"\d\.\d+[eE]\+?\d{1,2}|\d[eE]\+\d{1,2}|\d{5,}\.0+")
"""1.23E+11 and 1E+11, of which digits are lost, and 123456789.0."""


def said(text: str) -> str:
    """Return what a text says; nothing where it is what a program writes that knows nothing."""
    return "" if text.lower() in _NOT_SAID else text


def number(text: str) -> float:
    """Return a number as files write one; NaN for what is none, Python's own 1_0 and other scripts' digits too."""
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan


def kilovolts_problem(text: str) -> str | None:
    """Return what is wrong with a nominal voltage; no voltage is none."""
    if not text:
        return None
    fits = 0 < number(text) <= MOST_KILOVOLTS
    return None if fits else f"voltage_kv must be kilovolts, such as 0.38 or 10, not {text!r}"


def id_problem(column: str, value: str) -> str | None:
    """Return what is wrong with an id of a device or an account."""
    if not value:
        return f"{column} is empty"
    if len(value) > _LONGEST_ID:
        return f"{column} is longer than {_LONGEST_ID} characters"
    if not value.isprintable():
        return f"{column} {value!r} has a character that cannot be printed"
    if value.startswith("cell:"):
        return f"{column} {value!r} must not start with 'cell:', which names places without a network"
    return None


def account_problem(account: str) -> str | None:
    """Return what is wrong with an account of which a spreadsheet made a number."""
    if account[-1].isdigit() and ("." in account or "+" in account) and _A_NUMBER.fullmatch(account):
        return f"account_id {account!r} is a number as a spreadsheet writes one: save the column as text"
    return None


def phone_oddity(phone: str) -> str | None:
    """Return what a telephone number lacks of which a spreadsheet made a number."""
    if "E+" in phone and _A_NUMBER.fullmatch(phone):
        return f"phone {phone!r} is a number as a spreadsheet writes one, with digits lost: nobody is found by it"
    return None


def name_problem(name: str) -> str | None:
    """Return what is wrong with a name; an empty one is none."""
    if len(name) > _LONGEST_NAME:
        return f"name is longer than {_LONGEST_NAME} characters"
    if name and not name.isprintable():
        return f"name {name!r} has a character that cannot be printed"
    return None


class Degrees(NamedTuple):
    """A position as its row gives it.

    ``wrong`` says why the row cannot be used; ``odd`` what it lacks, or what was put right.
    """

    lat: float | None
    lon: float | None
    wrong: str | None = None
    odd: str | None = None


def degrees(lat: str, lon: str) -> Degrees:
    """Return where a row says something is."""
    north, east = number(lat), number(lon)
    swapped = stand_swapped(north, east)
    if not swapped and -90 <= north <= 90 and -180 <= east <= 180 and (north or east):  # noqa: PLR2004  false for NaN
        return Degrees(north, east)
    if absent := [name for name, text in (("lat", lat), ("lon", lon)) if not said(text)]:
        return Degrees(None, None, odd=f"{' and '.join(absent)} {'are' if len(absent) > 1 else 'is'} empty")
    if math.isnan(north) or math.isnan(east):
        return Degrees(None, None, f"lat {lat!r}, lon {lon!r}: not two numbers")
    if north == east == 0:
        return Degrees(None, None, odd=f"lat {lat}, lon {lon} is no place but what a program writes that knows none")
    if swapped:
        return Degrees(
            east, north, odd=f"lat {lat}, lon {lon} stand in each other's place: read as lat {lon}, lon {lat}"
        )
    return Degrees(None, None, f"lat {lat}, lon {lon}: not degrees on the globe")
