"""Calls under an outage that is open though power was back there: nobody said so, or the word came after them.

Decided here: who called well after a late word says that power was back; and whether what was called lately, from all
under the incident's device or from one branch of it, is too much for the tail of the first outage, and which device
explains it. Changes nothing. The tail is taken as heavy as can be: as the delays that were learned have it, as if they
had no scale of their own, or as loud as just before; in the morning those who slept are of it, too (``night``). Some
restorations are never told; without this the next outage there would disappear in the one before. Of a confirmed one of
which nothing was heard for a day, one call is enough to ask whether it is over.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.dedup.domain.call_times import CallTimes
from services.dedup.domain.events import Kind
from services.dedup.domain.night import woken
from services.dedup.domain.relook import Piece, partition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.dedup.domain.incident import Incident
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState

_LONG: Final = 2400.0  # seconds an outage is open before its calls could be those of another
_LATELY: Final = timedelta(minutes=20)  # a wave takes to show
FEWEST: Final = 3
"""Callers who make a wave."""
_REMEMBERED: Final = timedelta(minutes=20)
"""By how much a crew that writes it down later may say too early that power was back: it rounds, and remembers."""
_SILENCE: Final = timedelta(days=1)  # without a call or a crew's word, after which the outage is rather over
_STRAYS: Final = 0.05  # calls in that time that are nobody's tail
_MANY: Final = 256  # reports, before which reading them costs less than to keep count
_MINUTE: Final = 60.0


def second_wave(state: AreaState, incident: Incident, report: Report) -> Piece | None:
    """Return the outage that the latest calls are of, this report's last, or None where they may be of the first."""
    at = report.made_at.timestamp()
    if state.tree is None or incident.standing.reports < FEWEST or report.kept_back:
        return None  # of what comes late, later calls are known already: who calls next shows whether there is one
    # The first to arrive cannot have arrived before it began, whatever a clock said.
    first = next(iter(incident.reports.values())).received_at.timestamp()
    lead = state.likelihood.lead(incident.customers_served)
    if at - first + lead < _LONG or (lasted := at - max(first, state.onset(incident)) + lead) < _LONG:
        return None
    calls = _calls(state, incident, report)
    lately = calls.lately
    if calls.callers < FEWEST or lately == len(incident.reports):
        return None
    for scope in _devices_down(state, incident.device.id, report.device):
        calls.go_down(scope)
        if calls.callers < FEWEST:
            break  # nor are there more in a branch of this one
        expected = max(_tail(state, incident, scope, lately, lasted), calls.before) + _STRAYS
        if _are_more(state, calls.callers, expected) and _are_more(
            state, calls.callers, expected + _slept(state, scope, at, lasted)
        ):
            return _piece(state, incident, scope, report)
    return None


def after_silence(incident: Incident, report: Report) -> bool:
    """Tell whether a report of a confirmed outage comes a day after anybody called or the crew said anything of it."""
    if incident.etr is not None and incident.etr.at > report.made_at:
        return False
    last = next(reversed(incident.reports.values())).made_at
    return report.made_at - max(last, incident.stage_at or last) >= _SILENCE


def called_after(state: AreaState, incident: Incident, restored_at: datetime, reports: Sequence[Report]) -> list[Piece]:
    """Return the outages of those who called well after power was back, by a word that came after them (ADR 34)."""
    if state.tree is None or incident.kind is not Kind.OUTAGE:
        return []
    late = [one for one in reports if one.made_at > restored_at + _REMEMBERED]
    if not late or len(late) == len(reports):
        return []
    return partition(state, incident.device.id, late, state.silent_until(late[-1]))


def _calls(state: AreaState, incident: Incident, report: Report) -> _FewCalls | _ManyCalls:
    """Return the incident's calls of lately, the report's among them, and of as long before."""
    top, since = incident.device.id, report.made_at - _LATELY
    if len(incident.reports) < _MANY:
        return _FewCalls(state, incident, report, since, since - _LATELY)
    found = incident.call_times
    if found is None:
        found = incident.call_times = CallTimes()
    found.catch_up(incident.reports, lambda device: _devices_down(state, top, device))
    return _ManyCalls(found, top, report, since, since - _LATELY)


def _devices_down(state: AreaState, top: str, place: str | None) -> list[str]:
    """Return an incident's device, and those between it and that of a report, from the top down."""
    leaf = state.leaf(place)
    if leaf is None or leaf == top:
        return [top]
    upstream = state.upstream(leaf)
    return [top, *reversed(upstream[: upstream.index(top)])] if top in upstream else [top]


def _tail(state: AreaState, incident: Incident, scope: str, lately: int, lasted: float) -> float:
    """Return how many callers the first outage may still have had lately from under one device."""
    weigh, customers = state.likelihood, incident.customers_served
    part = 1.0 if scope == incident.device.id else state.customers_under(scope) / max(customers, 1)
    before = lasted - _LATELY.total_seconds()
    learned = customers * (weigh.called_by(lasted) - weigh.called_by(before))
    unscaled = (incident.standing.callers - lately) * math.log(lasted / before) / math.log(lasted / _MINUTE)
    return part * max(learned, unscaled)


def _slept(state: AreaState, scope: str, at: float, lasted: float) -> float:
    """Return how many callers the first outage may have had lately who had slept since it began."""
    night = state.rules.night
    if night is None:
        return 0.0
    lately = at - _LATELY.total_seconds()
    return woken(night, state.likelihood.called_by, state.customers_under(scope), at - lasted, lately, at)


def _are_more(state: AreaState, callers: int, expected: float) -> bool:
    return callers > expected and _surprise(callers, expected) >= state.rules.inference.wave


def _surprise(callers: int, expected: float) -> float:
    """Return how much likelier so many callers are at their own rate than at the expected one, as a logarithm."""
    return callers * math.log(callers / expected) - callers + expected


def _piece(state: AreaState, incident: Incident, scope: str, report: Report) -> Piece | None:
    since = report.made_at - _LATELY
    lately = [one for one in incident.reports.values() if one.made_at >= since]
    here = lately if scope == incident.device.id else state.reported_under(scope, lately)
    pieces = partition(state, scope, (*here, report), state.silent_until(report))
    piece = next(piece for piece in pieces if report in piece.reports)
    if len({one.caller for one in piece.reports}) < FEWEST:
        return None
    there = state.by_device.get(piece.device)
    return piece if there is None or there == incident.incident_id else None


class _ManyCalls:
    """The calls at one device after another, from the incident's own down to the last report's, as counted.

    Attributes:
        callers: How many called since a time, whoever made the last report included.
        lately: How many calls they made, that one aside.
    """

    __slots__ = ("_device", "_earlier", "_last", "_since", "_times", "callers", "lately")

    def __init__(self, times: CallTimes, device: str, last: Report, since: datetime, earlier: datetime) -> None:
        self._times = times
        self._last = last
        self._since = since
        self._earlier = earlier
        self._device = device
        self.callers = times.callers(device, since, last)
        self.lately = times.made(device, since)

    def go_down(self, device: str) -> None:
        """Look at the next device down; the first is the incident's own."""
        self._device = device
        self.callers = self._times.callers(device, self._since, self._last)

    @property
    def before(self) -> int:
        """How many calls were made as long before."""
        return self._times.made(self._device, self._earlier, self._since)


class _FewCalls:
    """The same, as read."""

    __slots__ = ("_before", "_device", "_last", "_lately", "_state", "_top", "callers", "lately")

    def __init__(self, state: AreaState, incident: Incident, last: Report, since: datetime, earlier: datetime) -> None:
        self._state = state
        self._last = last
        self._top = self._device = incident.device.id
        self._lately: list[Report] = []
        self._before: list[Report] = []
        for known in reversed(incident.reports.values()):
            if known.received_at < earlier:
                break
            if known.made_at >= since:
                self._lately.append(known)
            elif known.made_at >= earlier:
                self._before.append(known)
        self.callers = self._count()
        self.lately = len(self._lately)

    def go_down(self, device: str) -> None:
        """Look at the next device down; the first is the incident's own."""
        self._device = device
        if device != self._top:
            self._lately = self._state.reported_under(device, self._lately)
            self.callers = self._count()

    @property
    def before(self) -> int:
        """How many calls were made as long before."""
        if self._device == self._top:
            return len(self._before)
        return len(self._state.reported_under(self._device, self._before))

    def _count(self) -> int:
        return len({self._last.caller, *(one.caller for one in self._lately)})
