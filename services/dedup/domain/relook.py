"""Looking again at what was lifted, when silence has spoken.

Decided here: whether the calls of one incident are better explained by its device, by one further down, or by
several apart; and when it is looked at again. Changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState, Incident

RELOOK: Final = "relook"
"""Kind of the timer that has an incident looked at again."""


class Piece(NamedTuple):
    """An outage of one device and the reports it explains, in the order they joined."""

    device: str
    reports: tuple[Report, ...]
    score: float


class _Call(NamedTuple):
    """A report with the devices from the incident's own down to the report's."""

    at: float
    chain: tuple[str, ...]
    report: Report


def is_sparse(state: AreaState, incident: Incident, now: float) -> bool:
    """Tell whether clearly fewer have called than an outage of the incident's device would make call by now."""
    weigh = state.likelihood
    n = incident.customers_served
    begun = incident.standing.calls[0] - weigh.lead(n)
    return incident.standing.callers < state.rules.inference.enough * n * weigh.called_by(now - begun)


def partition(state: AreaState, device: str, reports: Iterable[Report], now: float) -> tuple[float, list[Piece]]:
    """Return how likely one outage of ``device`` is, and the likeliest explanation of the reports under it.

    Args:
        state: The area.
        device: A device that all the reports are under.
        reports: In the order they joined.
        now: Until when the others have kept silent.
    """
    calls = [_Call(r.made_at.timestamp(), _chain(state, device, r), r) for r in reports]
    whole = _score(state, device, calls, now)
    return whole, _best(state, 0, calls, now)


def _chain(state: AreaState, device: str, report: Report) -> tuple[str, ...]:
    """Return the devices from ``device`` down to the report's own."""
    leaf = state.leaf(report.device)
    if leaf is None or leaf == device:
        return (device,)
    down = [leaf]
    for step in state.path(leaf):
        down.append(step.device)
        if step.device == device:
            break
    return tuple(reversed(down))


def _best(state: AreaState, depth: int, calls: list[_Call], now: float) -> list[Piece]:
    """Return the likeliest outages for calls that share their chains up to ``depth``."""
    branches = _branches(depth, calls)
    while len(branches) == 1 and None not in branches:
        depth += 1
        branches = _branches(depth, calls)
    device = calls[0].chain[depth]
    here = Piece(device, _reports(calls), _score(state, device, calls, now))
    if len(branches) == 1:
        return [here]
    apart: list[Piece] = []
    for branch, under in branches.items():
        if branch is None:
            apart.append(Piece(device, _reports(under), _score(state, device, under, now)))
        else:
            apart += _best(state, depth + 1, under, now)
    margin = state.rules.inference.split_margin
    return apart if sum(piece.score for piece in apart) > here.score + margin else [here]


def _branches(depth: int, calls: list[_Call]) -> dict[str | None, list[_Call]]:
    found: dict[str | None, list[_Call]] = {}
    for call in calls:
        branch = call.chain[depth + 1] if len(call.chain) > depth + 1 else None
        found.setdefault(branch, []).append(call)
    return found


def _reports(calls: list[_Call]) -> tuple[Report, ...]:
    return tuple(call.report for call in calls)


def _score(state: AreaState, device: str, calls: Sequence[_Call], now: float) -> float:
    """Return how likely one outage of ``device`` made these calls; a customer's repeated call counts once."""
    firsts: dict[str, float] = {}
    for call in calls:
        customer = call.report.customer
        if customer not in firsts or call.at < firsts[customer]:
            firsts[customer] = call.at
    times = sorted(firsts.values())
    return state.likelihood.outage(state.kind_of(device), state.customers_under(device), times, len(times), now)
