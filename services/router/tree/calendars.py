"""Calendars and the holidays they name: YAML to values, every fault with its line.

Decided here: what the files may say, and that there is one list of holidays for routes and clocks alike. Never here:
what a calendar is asked for (``domain.working_time``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Final

from services.router.domain.working_time import WorkingTime
from services.router.tree.beside import beside
from services.runtime.yaml_reading import Reader, line_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from yaml.nodes import Node

_CALENDAR: Final = ("hours", "offset", "weekend", "holidays")
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_MIDNIGHT: Final = time(0)
_OFFSET: Final = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN_OF_DAYS: Final = re.compile(r"(?:(20\d{2})-)?(\d{2}-\d{2})(?:\.\.(\d{2}-\d{2}))?")
_YEAR: Final = re.compile(r"20\d{2}")
_YEARS: Final = range(2024, 2061)
_OTHERWISE: Final = "otherwise"
FILE: Final = "holidays.yaml"


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days off, and days of weekends that are worked to make up for them.

    Attributes:
        until: From this day on only what holds ``otherwise`` is known: the first year after those listed that is not
            listed itself. None where none is.
    """

    off: frozenset[date]
    worked: frozenset[date]
    until: date | None = None


def holidays_beside(file: Path) -> Path:
    """Return the list of holidays: the one beside a file of rules, else the one that is shipped."""
    return beside(file, FILE)


def read_holidays(file: str, text: str) -> dict[str, Holidays]:
    """Read the holidays of each country or region.

    Raises:
        RulesError: every fault, with its line and what is allowed.
    """
    reader = Reader(file, text)
    found: dict[str, Holidays] = {}
    for entry in reader.entries(reader.root, "the file"):
        if entry.key == "version":
            reader.version(entry.value)
            continue
        found[entry.key] = _holidays(reader, entry.value, entry.key)
    reader.finish()
    return found


def _holidays(reader: Reader, node: Node, where: str) -> Holidays:
    off: set[date] = set()
    worked: set[date] = set()
    listed: set[int] = set()
    otherwise: Node | None = None
    for entry in reader.entries(node, where):
        if entry.key == _OTHERWISE:
            otherwise = entry.value
        elif _YEAR.fullmatch(entry.key) is None:
            reader.fault(entry.line, f"{entry.key!r} is neither a year of this century nor {_OTHERWISE!r}")
        else:
            year = int(entry.key)
            listed.add(year)
            fields = reader.fields(entry.value, entry.key, ("off", "worked"), ("off", "worked"))
            off.update(_days(reader, fields["off"], year) if "off" in fields else ())
            worked.update(_days(reader, fields["worked"], year, off) if "worked" in fields else ())
    faults = len(reader.faults)
    for year in _YEARS:
        if otherwise is None or len(reader.faults) > faults:  # what is wrong in one year is mostly wrong in each
            break
        days = set(_days(reader, otherwise, year, may_name_years=True))
        off.update(days if year not in listed else ())
    until = next((year for year in range(min(listed), max(listed) + 2) if year not in listed), None) if listed else None
    return Holidays(frozenset(off), frozenset(worked), None if until is None else date(until, 1, 1))


def _days(
    reader: Reader, node: Node, year: int, off: Collection[date] = (), *, may_name_years: bool = False
) -> Iterator[date]:
    """Yield the days of a year that a list names. Where days may name a year, those of other years are passed over."""
    for text, line in reader.texts(node, "days"):
        match = _SPAN_OF_DAYS.fullmatch(text)
        named = int(match[1]) if match is not None and match[1] else None
        if may_name_years and named in _YEARS and named != year:
            continue
        fits = match is not None and (named is None or (may_name_years and named == year))
        begins, ends = (match[2], match[3] or match[2]) if match is not None and fits else ("", "")
        try:
            first, last = date.fromisoformat(f"{year}-{begins}"), date.fromisoformat(f"{year}-{ends}")
        except ValueError:
            of_one = f", or of one year to {_YEARS[-1]}, such as 2027-02-05..02-08" if may_name_years else ""
            such = f"must be a day of {year} or a span of them, such as 10-01 or 10-01..10-07"
            reader.fault(line, f"{text!r} {such}{of_one}")
            continue
        if last < first:
            reader.fault(line, f"{text!r} ends before it begins")
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        if both := [day for day in days if day in off]:
            reader.fault(line, f"{both[0]:%m-%d} of {year} is off and worked: it can be one of the two")
        yield from days


def read_calendars(reader: Reader, node: Node, holidays: Mapping[str, Holidays]) -> dict[str, WorkingTime]:
    """Read the calendars that targets are open by and that clocks run by."""
    found: dict[str, WorkingTime] = {}
    for entry in reader.entries(node, "calendars"):
        name = reader.checked_word(entry.key, entry.line, "calendar name")
        what = f"calendar {entry.key!r}"
        fields = reader.fields(entry.value, what, _CALENDAR, ("hours", "offset"))
        hours = _hours(reader, fields["hours"]) if "hours" in fields else ()
        listed = reader.items(fields["weekend"], "weekend") if "weekend" in fields else []
        weekend = [reader.word(day, "day of the week", _DAYS) for day in listed]
        off = frozenset(_DAYS.index(day) for day in weekend if day is not None)
        if len(off) == len(_DAYS):
            reader.fault(line_of(fields["weekend"]), "a week needs a working day")
        whose = reader.word(fields["holidays"], "list of holidays.yaml", holidays) if "holidays" in fields else None
        days = holidays[whose] if whose is not None else Holidays(frozenset(), frozenset())
        if name is not None:
            found[name] = WorkingTime(
                hours=hours,
                offset=_offset(reader, fields["offset"]) if "offset" in fields else timedelta(),
                weekend=off,
                holidays=days.off,
                workdays=days.worked,
            )
    return found


def _hours(reader: Reader, node: Node) -> tuple[tuple[time, time], ...]:
    spans: list[tuple[time, time]] = []
    for text, line in reader.texts(node, "hours"):
        match = _HOURS.fullmatch(text)
        begins, ends = (
            (time(int(match[1]), int(match[2])), time(int(match[3] or 0), int(match[4] or 0)))
            if match
            else (None, None)
        )
        over = spans and (spans[-1][1] == _MIDNIGHT or (begins is not None and begins < spans[-1][1]))
        if begins is None or ends is None:
            reader.fault(line, f"{text!r} must be like 08:30-12:00, at most until 24:00")
        elif (begins >= ends and not text.endswith("24:00")) or over:
            reader.fault(line, f"{text!r} must begin before it ends, and after the one before it")
        else:
            spans.append((begins, ends))
    if isinstance(node.value, list) and not node.value:
        reader.fault(line_of(node), "hours must have at least one span")
    return tuple(spans)


def _offset(reader: Reader, node: Node) -> timedelta:
    text = reader.text(node, "offset")
    match = _OFFSET.fullmatch(text or "")
    if match is None:
        if text is not None:
            reader.fault(line_of(node), f"offset {text!r} must be like +08:00 (Asia/Shanghai, the whole year)")
        return timedelta()
    sign = -1 if match[1] == "-" else 1
    return sign * timedelta(hours=int(match[2]), minutes=int(match[3]))
