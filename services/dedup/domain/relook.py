"""Looking again at what was lifted, when silence has spoken.

Decided here: whether the calls of one incident are better explained by its device, by one further down, or by
several apart; and when it is looked at again. Changes nothing.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from services.dedup.domain.gasps import Gasp, Outage, with_gasps
from services.dedup.domain.report import SAT_OUT, Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.dedup.domain.incident import Incident
    from services.dedup.domain.state import AreaState

RELOOK: Final = "relook"
"""Kind of the timer that has an incident looked at again."""


class Piece(NamedTuple):
    """An outage of one device and the reports it explains, in the order they joined."""

    device: str
    reports: tuple[Report, ...]
    score: float


class _Word(NamedTuple):
    """When who spoke, where, and whether it was a person: else a meter or a breaker."""

    at: float
    caller: str | UUID
    device: str | None
    person: bool


class _Call(NamedTuple):
    """A report with the devices from the incident's own down to the report's."""

    word: _Word
    chain: tuple[str, ...]
    report: Report


def is_sparse(state: AreaState, incident: Incident, now: float, *, meters: bool = False) -> bool:
    """Tell whether clearly fewer have called than an outage of the incident's device would make call by now.

    Meters call for nobody: those of one feeder are more than the people of all that would call. ``meters``: count them
    all the same, as where another look costs too much to take it often.
    """
    weigh = state.likelihood
    n = incident.customers_served
    begun = state.onset(incident) - weigh.lead(n)
    enough = state.rules.inference.enough * n * weigh.called_by(now - begun)
    if incident.standing.callers < enough:
        return True
    if meters or not state.telemetry.known:
        return False
    return len({report.customer for report in incident.reports.values() if report.has_ticket}) < enough


def as_one(state: AreaState, device: str, reports: Iterable[Report], now: float) -> float:
    """Return how likely one outage of ``device`` made these reports; the arguments are those of ``partition``."""
    return _score(state, device, map(_word_of, reports), now)


def by_itself(state: AreaState, incident: Incident, now: float) -> float:
    """Return how likely an open incident is as an outage of its own, with the others silent until ``now``."""
    if incident.standing.people:
        return state.own_score(incident, now)
    return as_one(state, incident.device.id, incident.reports.values(), now)


def partition(state: AreaState, device: str, reports: Iterable[Report], now: float) -> list[Piece]:
    """Return the likeliest explanation of the reports under a device; what telemetry shows closed takes more of them.

    Args:
        state: The area.
        device: A device that all the reports are under.
        reports: In the order they joined.
        now: Until when the others have kept silent.
    """
    chains: dict[str | None, tuple[str, ...]] = {}
    calls: list[_Call] = []
    for report in reports:
        chain = chains.get(report.device)
        if chain is None:
            chain = chains[report.device] = _chain(state, device, report.device)
        calls.append(_Call(_word_of(report), chain, report))
    return _best(state, 0, calls, now)


def _word_of(report: Report) -> _Word:
    return _Word(report.made_at.timestamp(), report.caller, report.device, report.has_ticket)


def _chain(state: AreaState, device: str, place: str | None) -> tuple[str, ...]:
    """Return the devices from ``device`` down to that of a report."""
    up = state.chain_of(place)
    if device not in up:
        return (device,)  # another network has the place elsewhere: it was under the device when it was reported
    return tuple(reversed(up[: up.index(device) + 1]))


def _best(state: AreaState, depth: int, calls: list[_Call], now: float) -> list[Piece]:
    """Return the likeliest outages for calls that share their chains up to ``depth``."""
    branches = _branches(depth, calls)
    while len(branches) == 1 and None not in branches:
        depth += 1
        branches = _branches(depth, calls)
    device = calls[0].chain[depth]
    score = _score_of(state, device, calls, now)
    if len(branches) == 1:
        return [Piece(device, _reports(calls), score)]
    apart: list[Piece] = []
    for branch, under in branches.items():
        if branch is None:
            apart.append(Piece(device, _reports(under), _score_of(state, device, under, now)))
        else:
            apart += _best(state, depth + 1, under, now)
    margin = state.rules.inference.split_margin
    if sum(piece.score for piece in apart) > score + margin:
        return apart
    return [Piece(device, _reports(calls), score)]


def _branches(depth: int, calls: list[_Call]) -> dict[str | None, list[_Call]]:
    found: dict[str | None, list[_Call]] = {}
    for call in calls:
        branch = call.chain[depth + 1] if len(call.chain) > depth + 1 else None
        found.setdefault(branch, []).append(call)
    return found


def _reports(calls: list[_Call]) -> tuple[Report, ...]:
    return tuple([call.report for call in calls])


def _score_of(state: AreaState, device: str, calls: Iterable[_Call], now: float) -> float:
    return _score(state, device, [call.word for call in calls], now)


def _score(state: AreaState, device: str, words: Iterable[_Word], now: float) -> float:
    """Return how likely one outage of ``device`` made these words; what a customer says again counts once."""
    calls: dict[str | UUID, float] = {}
    gasps: dict[str | UUID, Gasp] = {}
    for at, caller, where, person in words:
        if not person:
            if (gasped := gasps.get(caller)) is None or at < gasped.at:
                gasps[caller] = Gasp(at, where)
        elif (known := calls.get(caller)) is None or at < known:
            calls[caller] = at
    weigh, kind, customers = state.likelihood, state.kind_of(device), state.customers_under(device)
    times = sorted(calls.values())
    if not gasps:
        return state.telemetry.against(device, times[0]) + weigh.outage(kind, customers, times, len(times), now)
    told, tree = sorted(gasps.values(), key=attrgetter("at")), state.tree
    transformers = 0 if tree is None or device not in tree else tree.transformer_count(device)
    dark = told[0].at + SAT_OUT.total_seconds()
    against = state.telemetry.against(device, min(dark, times[0]) if times else dark)
    homes = weigh.homes(kind, len(calls.keys() | gasps.keys()))
    outage = Outage(device, kind, customers, transformers)
    return against + max(with_gasps(weigh, outage, times, told, now), homes)
