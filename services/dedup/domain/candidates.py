"""Which device explains a new report together with what is open around it.

Decided here: for each device above the report that could have opened, the incidents under it that one outage of it
would explain, and whether that is likelier than one outage each. Changes nothing. Only an incident that is about to
open asks this: a report that joins one is as likely under either cause.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain.likelihood import Part

if TYPE_CHECKING:
    from datetime import datetime

    from services.dedup.domain.events import Evidence
    from services.dedup.domain.likelihood import Likelihood
    from services.dedup.domain.state import AreaState, Incident, Step

_NEWEST: Final = 24
"""Incidents under one device that are looked at, newest first: its own outage would show in these."""
_STARTS: Final = 8
"""Of these, how many are tried as the first sign of it."""


class Lifted(NamedTuple):
    """A device that explains several incidents at once.

    Attributes:
        device: The common upstream device.
        incidents: What it explains, oldest first; the oldest survives.
        evidence: What was considered, for the ledger.
    """

    device: str
    incidents: list[Incident]
    evidence: Evidence


class _Found(NamedTuple):
    gain: float
    together: float
    apart: float
    step: Step
    incidents: list[Incident]
    callers: int


def look_up_the_tree(state: AreaState, leaf: str, made_at: datetime, now: float) -> Lifted | None:
    """Return the device whose one outage explains a call from ``leaf`` and incidents near it best, or None.

    Args:
        state: The area, before the report.
        leaf: The report's device, under no open incident.
        made_at: When the call was made.
        now: Until when the others have kept silent.
    """
    weigh, at = state.likelihood, made_at.timestamp()
    best: _Found | None = None
    seen = 0
    alone: float | None = None
    considered: list[str] = []
    own: dict[int, float] = {}  # what is under one device is under the next one up as well
    for step in state.path(leaf):
        if step.device in state.by_device:
            break  # an outage that the report is no part of stands there: nothing above it is asked
        under = state.below.get(step.device)
        if not under or len(under) == seen:
            continue  # no more to explain than for the device before, with more silence
        if state.telemetry.closed(step.device, made_at):
            continue
        seen = len(under)
        if alone is None:
            alone = weigh.outage(state.kind_of(leaf), state.customers_under(leaf), (at,), 1, now)
        found = _best_start(state, weigh, step, at, now, alone, own)
        if found is None:
            continue
        considered.append(f"{step.device} {found.gain:+.1f}")
        if best is None or found.gain > best.gain:
            best = found
    if best is None or best.gain <= state.rules.inference.lift_margin:
        return None
    best.incidents.sort(key=lambda incident: incident.opened_seq)
    evidence: Evidence = {
        "device": best.step.device,
        "device_class": best.step.kind.value,
        "calls": best.callers,
        "customers": best.step.customers,
        "incidents": len(best.incidents),
        "together": round(best.together, 2),
        "apart": round(best.apart, 2),
        "considered": "; ".join(considered),
    }
    return Lifted(best.step.device, best.incidents, evidence)


def _best_start(
    state: AreaState, weigh: Likelihood, step: Step, at: float, now: float, alone: float, own: dict[int, float]
) -> _Found | None:
    """Return the likeliest outage of one device: its beginning, and the incidents it explains."""
    rate = weigh.rates.get(step.kind)
    if rate is None:
        return None  # a class that is never predicted
    parts = _parts(state, step.device, now, own)
    starts = sorted({part.onset for part in parts if part.onset <= at}, reverse=True)[:_STARTS]
    if len(starts) < _STARTS:
        starts.append(at)
    lead = weigh.lead(step.customers)
    unseen = rate + weigh.first(step.customers) - weigh.call(lead)
    best: _Found | None = None
    for start in starts:
        begun = start - lead
        incidents, together, apart, callers = weigh.explained(parts, begun)
        if not incidents:
            continue
        together += weigh.call(at - begun) + unseen + weigh.silence(step.customers - callers - 1, now - begun)
        gain = together - apart - alone
        if best is None or gain > best.gain:
            best = _Found(gain, together, apart + alone, step, incidents, callers + 1)
    return best


def _parts(state: AreaState, device: str, now: float, own: dict[int, float]) -> list[Part[Incident]]:
    """Return the incidents under a device that could be part of its outage, oldest call first.

    ``own`` is how likely each is by itself as of ``now``, by its number, as far as it is known; more is added.
    """
    restored = state.restored.get(device)
    since = -math.inf if restored is None else restored.restored_at.timestamp()
    parts: list[Part[Incident]] = []
    for order, incident in reversed(state.below[device].items()):
        if incident.frozen:
            continue
        standing = incident.standing
        calls = standing.calls
        if calls[0] < since:
            continue  # it was there when power came back to the others: it is by itself
        score = own.get(order)
        if score is None:
            score = own[order] = state.own_score(incident, now)
        parts.append(Part(calls[0], order, incident, calls, standing.callers, score))
        if len(parts) == _NEWEST:
            break
    parts.sort()  # no two of one order: nothing behind it is compared
    return parts
