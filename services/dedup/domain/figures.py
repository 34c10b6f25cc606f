"""IEEE 1366 figures out of interruptions: SAIDI, SAIFI, CAIDI, MAIFI.

Decided here: what counts how. The indices are of customers, so they are counted by groups of customers for whom every
interruption is the same: those under a device that was out and under none further down that was. What touches or
overlaps is one interruption of a group, whatever devices it was of: a nested outage, those still out after a
restoration, a device above that opened and closed meanwhile. Not longer than ``momentary`` it is momentary; of those,
what begins within that time of the first is one event, or part of the sustained interruption that follows. An
interruption is of the day on which it began for its customers, with all its minutes, however long it went on: days add
up to months, and months to the year. Planned work is not in it.

Source: IEEE Std 1366-2012, clauses 3 and 4; the threshold is a setting, as regulators differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta, tzinfo

_MINUTE: Final = 60.0
EVER: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


class Step(NamedTuple):
    """Power that came back at a device inside an outage, before all of it was back.

    Attributes:
        upstream: The device, and what could open above it.
        customers: Customers under it.
    """

    device: str
    upstream: tuple[str, ...]
    customers: int
    ended_at: datetime


class Interruption(NamedTuple):
    """Customers without power from one moment on, until power was back, for some of them in steps.

    Attributes:
        device: What was out.
        upstream: The device, and what could open above it.
        customers: Customers under it, those of the steps among them.
        started_at: Earliest report; of those still out after a restoration, of the outage that goes on for them.
        ended_at: Power back for all; None while it is out.
        steps: Power that was back before.
        premises: Who it was, of one customer's own; their neighbours' are other interruptions of other customers.
        outage: What it is of: what a person merged is of one, at several devices. None: one by itself.
    """

    area: str
    device: str
    upstream: tuple[str, ...]
    customers: int
    started_at: datetime
    ended_at: datetime | None
    steps: tuple[Step, ...] = ()
    premises: str | None = None
    outage: UUID | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The indices of some customers over some time.

    Attributes:
        customers_served: Customers served, N_T.
        customer_minutes: Minutes without power, summed over customers, of sustained interruptions (CMI).
        customers_interrupted: Customers summed over sustained interruptions (CI).
        momentary_customers: Customers summed over momentary events.
        interruptions: Sustained interruptions.
    """

    customers_served: int
    customer_minutes: float = 0.0
    customers_interrupted: int = 0
    momentary_customers: int = 0
    interruptions: int = 0

    def __add__(self, other: Figures) -> Figures:
        """Return the indices of the customers of both: nobody is among both."""
        return Figures(
            self.customers_served + other.customers_served,
            self.customer_minutes + other.customer_minutes,
            self.customers_interrupted + other.customers_interrupted,
            self.momentary_customers + other.momentary_customers,
            self.interruptions + other.interruptions,
        )

    @property
    def saidi_minutes(self) -> float:
        """System average interruption duration: CMI / N_T, in minutes."""
        return _ratio(self.customer_minutes, self.customers_served)

    @property
    def saifi(self) -> float:
        """System average interruption frequency: CI / N_T."""
        return _ratio(self.customers_interrupted, self.customers_served)

    @property
    def caidi_minutes(self) -> float:
        """Customer average interruption duration: SAIDI / SAIFI, in minutes."""
        return _ratio(self.customer_minutes, self.customers_interrupted)

    @property
    def maifi(self) -> float:
        """Momentary average interruption frequency (of events): momentary customers / N_T."""
        return _ratio(self.momentary_customers, self.customers_served)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def figures(
    interruptions: Iterable[Interruption],
    customers_served: int,
    *,
    momentary: timedelta,
    until: datetime,
    between: tuple[datetime, datetime] = EVER,
) -> Figures:
    """Return the indices.

    Args:
        interruptions: Of the customers and the time asked about, and whatever touches or overlaps those.
        customers_served: Customers served, N_T.
        momentary: Not longer than this is momentary; what is still out counts as sustained once it is longer.
        until: The moment up to which an outage that goes on counts.
        between: Counted is what began for its customers at the first of these or later, and before the second.
    """
    days = by_day(interruptions, UTC, momentary=momentary, until=until, between=between)
    return sum(days.values(), Figures(customers_served))


def by_day(
    interruptions: Iterable[Interruption],
    zone: tzinfo,
    *,
    momentary: timedelta,
    until: datetime,
    between: tuple[datetime, datetime] = EVER,
) -> dict[str, Figures]:
    """Return the indices by day, for ``figures`` of nobody served: what they add up to is the whole.

    An interruption of customers counts on the day it began for them in ``zone``, whatever else had them dark before it
    was over; the other arguments are those of ``figures``.
    """
    known = [one for one in interruptions if (one.ended_at or until) > one.started_at]
    days: dict[str, _Day] = {}
    not_asked = _Day()

    def day_of(start: datetime) -> _Day:
        if not between[0] <= start < between[1]:
            return not_asked
        return days.setdefault(start.astimezone(zone).date().isoformat(), _Day())

    for group in _groups(known):
        some = max(0, group.customers)
        event: datetime | None = None  # when the momentary event that may still go on began
        for interruption in _spells(group, until):
            before = event if event is not None and interruption.start - event <= momentary else None
            lasted = interruption.end - interruption.start
            if lasted > momentary:
                day = day_of(interruption.start)
                day.minutes += lasted.total_seconds() / _MINUTE * some
                day.customers += some
                day.lasted.add(known[interruption.first].outage or interruption.first)
                if before is not None:
                    day_of(before).brief -= some
                event = None
            elif before is None:
                event = interruption.start
                day_of(event).brief += some
    return {
        name: Figures(0, day.minutes, day.customers, day.brief, len(day.lasted)) for name, day in sorted(days.items())
    }


@dataclass(slots=True)
class _Day:
    """What began on one day; ``lasted`` are the outages of the sustained interruptions, or their numbers."""

    minutes: float = 0.0
    customers: int = 0
    brief: int = 0
    lasted: set[UUID | int] = field(default_factory=set)


@dataclass(slots=True)
class _Group:
    """Customers for whom every interruption is the same.

    Attributes:
        customers: How many they are; fewer than none where the numbers of several networks do not fit.
        above: The group of the next device above that was out.
        device: What feeds them; empty for one customer's own.
        own: Interruptions of exactly these and all below, by their number.
    """

    customers: int
    above: _Group | None
    device: str = ""
    own: list[tuple[int, Interruption]] = field(default_factory=list)


class _Spell(NamedTuple):
    """Without power from ``start`` to ``end``; ``first`` is the number of the interruption it began with."""

    start: datetime
    end: datetime
    first: int


_Place = tuple[str, str]
"""Area and device."""


def _groups(known: Sequence[Interruption]) -> list[_Group]:
    """Return the groups of customers, each without those of the groups below it.

    Interruptions of one device may be of different numbers of customers: the fewer are some of the more.
    """
    chains, sizes = _places(known)
    groups: dict[tuple[str, str, int | str], _Group] = {}
    top: dict[_Place, _Group] = {}

    def nearest(area: str, devices: Iterable[str]) -> _Group | None:
        return next((top[area, device] for device in devices if (area, device) in top), None)

    for place in sorted(chains, key=lambda place: len(chains[place])):
        area, device = place
        group = nearest(area, (one for one in chains[place] if one != device))
        for size in sorted(sizes[place], reverse=True):
            group = groups[area, device, size] = _Group(size, group, device)
            top.setdefault(place, group)
    for number, one in enumerate(known):
        key = (one.area, one.device, one.customers if one.premises is None else one.premises)
        if key not in groups:
            groups[key] = _Group(one.customers, nearest(one.area, chains[one.area, one.device]))
        groups[key].own.append((number, one))
    served = [group.customers for group in groups.values()]
    for group, customers in zip(groups.values(), served, strict=True):
        if group.above is not None:
            group.above.customers -= customers
    return [group for group in groups.values() if group.customers > 0 or group.own]


def _places(known: Sequence[Interruption]) -> tuple[dict[_Place, tuple[str, ...]], dict[_Place, set[int]]]:
    """Return what is upstream of each device that was out or restored, and the numbers of customers under it."""
    chains: dict[_Place, tuple[str, ...]] = {}
    sizes: dict[_Place, set[int]] = {}
    for one in known:
        place = (one.area, one.device)
        chains[place] = one.upstream
        of = sizes.setdefault(place, set())
        if one.premises is None:
            of.add(one.customers)
    for one in known:
        for step in one.steps:
            place = (one.area, step.device)
            chains.setdefault(place, step.upstream)
            if not sizes.setdefault(place, set()):  # of one customer's own, none has told how many are under it
                sizes[place].add(step.customers)
    return chains, sizes


def _spells(group: _Group, until: datetime) -> list[_Spell]:
    """Return when a group was without power, first to last: what touches is one."""
    path: list[_Group] = []
    at: _Group | None = group
    while at is not None:
        path.append(at)
        at = at.above
    devices = {one.device for one in path}
    single: list[tuple[datetime, int, datetime, int]] = []
    for depth, one in enumerate(reversed(path)):
        for number, interruption in one.own:
            back = [step.ended_at for step in interruption.steps if step.device in devices]
            end = min([interruption.ended_at or until, *back])
            if end > interruption.started_at:
                single.append((interruption.started_at, depth, end, number))
    found: list[_Spell] = []
    for start, _, end, number in sorted(single):
        if found and start <= found[-1].end:
            found[-1] = found[-1]._replace(end=max(found[-1].end, end))
        else:
            found.append(_Spell(start, end, number))
    return found
