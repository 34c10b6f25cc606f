"""IEEE 1366 figures out of interruptions: SAIDI, SAIFI, CAIDI, MAIFI.

Decided here: what counts how. A customer under two devices that are out at once is one customer without power: the
minutes that a device above was out too count there, and an interruption that goes on when the larger one ends (a nested
outage, or those still out after a restoration) is the same interruption going on, not a second. An interruption not
longer than ``momentary`` counts as one momentary event. An outage belongs to the day it began. Planned work is not in
it.

Source: IEEE Std 1366-2012, clause 4; the threshold is a setting, as regulators differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

_MINUTE: Final = 60.0


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
    """

    area: str
    device: str
    upstream: tuple[str, ...]
    customers: int
    started_at: datetime
    ended_at: datetime | None
    steps: tuple[Step, ...] = ()

    def groups(self, until: datetime) -> list[tuple[int, datetime]]:
        """Return customers with the same end, the last first: a step's are those no deeper step restored before."""
        end, left = self.ended_at or until, self.customers
        done: list[tuple[Step, int]] = []
        for step in sorted(self.steps, key=lambda one: (one.ended_at, -len(one.upstream))):
            if step.ended_at >= end or any(one.device in step.upstream for one, _ in done):
                continue
            own = step.customers - sum(some for one, some in done if step.device in one.upstream)
            own = min(max(own, 0), left)
            left -= own
            done.append((step, own))
        return [(left, end), *((own, step.ended_at) for step, own in done)]

    def ended_for(self, upstream: tuple[str, ...], until: datetime) -> datetime:
        """Return when power was back, in this outage, for what has ``upstream`` above it."""
        back = [step.ended_at for step in self.steps if step.device in upstream]
        return min([self.ended_at or until, *back])


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
    customer_minutes: float
    customers_interrupted: int
    momentary_customers: int
    interruptions: int

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
    interruptions: Iterable[Interruption], customers_served: int, *, momentary: timedelta, until: datetime
) -> Figures:
    """Return the indices.

    Args:
        interruptions: Of the customers and the time asked about.
        customers_served: Customers served, N_T.
        momentary: Not longer than this is momentary; what is still out counts as sustained once it is longer.
        until: The moment up to which an outage that goes on counts.
    """
    by_place: dict[tuple[str, str], list[Interruption]] = {}
    known = sorted(interruptions, key=lambda one: (one.started_at, one.area, one.device))
    for one in known:
        by_place.setdefault((one.area, one.device), []).append(one)
    minutes, customers, brief, sustained = 0.0, 0, 0, 0
    for one in known:
        if (one.ended_at or until) <= one.started_at:
            continue
        larger = [
            (other.started_at, other.ended_for(one.upstream, until))
            for device in one.upstream
            for other in by_place.get((one.area, device), ())
            if _before(other, one)
        ]
        lasted = False
        for some, end in one.groups(until):
            own, goes_on = _own(one.started_at, end, larger)
            if goes_on:
                minutes += own * some
            elif end - one.started_at <= momentary:
                brief += some
            else:
                minutes += own * some
                customers += some
                lasted = True
        sustained += lasted
    return Figures(customers_served, minutes, customers, brief, sustained)


def _before(other: Interruption, one: Interruption) -> bool:
    """Tell whether ``other`` counts first: it is of a device above, or of the same device and began earlier."""
    if other is one:
        return False
    if other.device != one.device:
        return True
    if other.started_at != one.started_at:
        return other.started_at < one.started_at
    if other.customers != one.customers:
        return other.customers > one.customers  # the smaller goes on for some of the larger
    if other.ended_at is None or one.ended_at is None:
        return other.ended_at is not None and one.ended_at is None
    return other.ended_at < one.ended_at


def _own(start: datetime, end: datetime, larger: Sequence[tuple[datetime, datetime]]) -> tuple[float, bool]:
    """Return the minutes that no larger interruption covers, and whether it is one of those going on."""
    own, at, touched = 0.0, start, False
    for begin, finish in sorted(larger):
        if finish < start or begin > end:
            continue
        touched = True
        if begin > at:
            own += (begin - at).total_seconds() / _MINUTE
        at = max(at, min(finish, end))
    return own + max(0.0, (end - at).total_seconds() / _MINUTE), touched


def by_day(found: Iterable[Interruption]) -> dict[str, list[Interruption]]:
    """Return the interruptions by the day each began, by the offset of its time."""
    days: dict[str, list[Interruption]] = {}
    for one in found:
        days.setdefault(one.started_at.date().isoformat(), []).append(one)
    return dict(sorted(days.items()))
