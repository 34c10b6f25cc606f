"""Which device explains a new report together with what is open around it.

Decided here: for each device above the report that could have opened, the incidents under it that one outage of it
would explain, and whether that is likelier than one outage each. Changes nothing. Only an incident that is about to
open asks this: a report that joins one is as likely under either cause.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain.events import Evidence
from services.dedup.domain.gasps import is_about
from services.dedup.domain.incident import Incident
from services.dedup.domain.likelihood import Part
from services.dedup.domain.report import SAT_OUT
from services.dedup.domain.state import Step
from services.grid.device import DeviceType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from services.dedup.domain.likelihood import Likelihood
    from services.dedup.domain.state import AreaState

_NEWEST: Final = 24
"""Incidents under one device that are looked at, newest first: its own outage would show in these."""
_STARTS: Final = 8
"""Of these, how many are tried as the first sign of it."""
_LATELY: Final = 4 * 3600.0
"""Seconds in which what has opened under a device, and stands open, tells how often something opens there."""
_STANDING: Final = 1800.0
"""Seconds after which an open incident is no sign of the outage that a call may be the next of."""
_BEFORE: Final = 4.0
"""So many must have opened for that to count as much as what was believed before."""
_TWO: Final = 2
"""Callers that a common cause explains at the least: of more, silence costs no less."""
EVEN: Final = 0.0
"""How much likelier a common cause is, as a logarithm, that is as likely as causes apart."""
_ROUNDING: Final = 1e-6
"""By how much a bound is too high, so that it stays one however sums are rounded."""


class Lifted(NamedTuple):
    """A device that explains several incidents at once.

    Attributes:
        device: The common upstream device.
        incidents: What it explains, oldest first; the oldest survives.
        evidence: What was considered, for the ledger.
        gain: How much likelier than an outage each it is, as a logarithm.
    """

    device: str
    incidents: list[Incident]
    evidence: Evidence
    gain: float = 0.0


class Asked(NamedTuple):
    """A device whose outage may explain what is under it.

    Attributes:
        step: The device.
        under: The incidents under it, by their place in the ledger.
        parts: Those of them that may be part of its outage, oldest first.
        starts: When it may have begun, latest first.
        bounds: No more can be gained by each.
        spare: What its outage costs, whenever it began.
        alone: How likely the report is as an outage of its own device.
        often: How much more often than believed one place is dark there lately, as a logarithm: each outage that
            it would explain is the likelier to be one of those.
    """

    step: Step
    under: Mapping[int, Incident]
    parts: list[Part]
    starts: list[float]
    bounds: list[float]
    spare: float
    alone: float
    often: float


class _Found(NamedTuple):
    gain: float
    together: float
    apart: float
    step: Step
    incidents: list[Incident]
    callers: int


def look_up_the_tree(
    state: AreaState, leaf: str, made_at: datetime, now: float, *, gasp: bool = False
) -> Lifted | None:
    """Return the device whose one outage explains a call from ``leaf`` and incidents near it best, or None.

    It must be likelier than an outage each by the margin; where all of them are fresh, at all.

    Args:
        state: The area, before the report.
        leaf: The report's device, under no open incident.
        made_at: When the call was made.
        now: Until when the others have kept silent.
        gasp: Whether a meter said so and not a person: it gasps as its outage begins.
    """
    at = made_at.timestamp()
    margin, fresh = state.lift_margin(now), state.rules.inference.fresh
    least = min(margin, EVEN) if fresh else margin
    asked = list(askable(state, leaf, made_at, now, least, gasp=gasp))
    owns: dict[int, float] = {}

    def own(incident: Incident) -> float:
        found = owns.get(incident.opened_seq)
        if found is None:
            found = owns[incident.opened_seq] = state.own_score(incident, now)
        return found

    def needed(incidents: list[Incident]) -> float:
        lately = all(now - each.opened_at.timestamp() <= fresh for each in incidents)
        return least if lately else margin

    likely = (best_start(state.likelihood, one, at, now, own, above=least) for one in asked)
    if not any(found is not None and found.gain > needed(found.incidents) for found in likely):
        return None  # as it is mostly: then what gains less need not be weighed out for the ledger
    best: _Found | None = None
    considered: list[str] = []
    for one in asked:
        found = best_start(state.likelihood, one, at, now, own)
        if found is None:
            continue
        considered.append(f"{one.step.device} {found.gain:+.1f}")
        if found.gain > needed(found.incidents) and (best is None or found.gain > best.gain):
            best = found
    if best is None:
        raise AssertionError("what gains as much as is needed is found again")
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
    return Lifted(best.step.device, best.incidents, evidence, best.gain)


def askable(
    state: AreaState, leaf: str, made_at: datetime, now: float, margin: float, *, gasp: bool = False
) -> Iterator[Asked]:
    """Yield the devices above a leaf that have more to explain than the one before, nearest first.

    A bound that is not above ``margin`` without it is not made closer by what the others' silence costs.
    """
    weigh, at = state.likelihood, made_at.timestamp()
    dark_at = made_at + SAT_OUT if gasp else made_at
    seen = 0
    alone: float | None = None
    for step in state.path(leaf):
        if step.device in state.by_device:
            return  # an outage that the report is no part of stands there: nothing above it is asked
        under = state.below.get(step.device)
        if not under or len(under) == seen:
            continue  # no more to explain than for the device before, with more silence
        if state.telemetry.closed(step.device, dark_at):
            continue
        seen = len(under)
        if alone is None:
            alone = weigh.outage(state.kind_of(leaf), state.customers_under(leaf), (at,), 1, now)
        if step.kind in weigh.rates:  # else a class that is never predicted
            newest = _newest(state, step.device, under, at if gasp else None)
            yield _ask(state, step, under, newest, at, now, alone, margin)


def _ask(
    state: AreaState,
    step: Step,
    under: dict[int, Incident],
    newest: Sequence[tuple[float, int]],
    at: float,
    now: float,
    alone: float,
    margin: float,
) -> Asked:
    """Return what one device's outage could explain, when it may have begun, and how much that can gain at most."""
    weigh, customers = state.likelihood, step.customers
    starts = _starts(newest, at, lead := weigh.lead(customers))
    there_before = bisect_left(newest, (starts[-1],))  # before any of these: no part of it, and not to be weighed
    parts = [state.weighed(under[order]) for _, order in newest[there_before:]]
    spare = weigh.rates[step.kind] + weigh.first(customers) - weigh.call(lead)
    often = _more_often(state, step.device, newest, at)
    alone += often
    bounds: list[float] = []
    room, callers, first, late = _ROUNDING, 0, len(parts), len(parts)
    for begun in starts:
        while first and (part := parts[first - 1]).onset >= begun:
            first -= 1
            if part.most > 0:
                room += part.most
                callers += part.callers
        while late > first and (part := parts[late - 1]).calls[0] - begun > weigh.reach:
            late -= 1  # so long after it, each of its calls can be a stray at best
            room -= max(0.0, part.most) - max(0.0, part.most - len(part.calls) * (weigh.peak - weigh.stray))
        bound = room + weigh.peak + spare - alone  # as mostly: then how likely the call is need not be known
        if bound > margin:
            bound = room + weigh.call(at - begun) + spare - alone
        if bound > margin:
            bound += weigh.silence(customers - callers - 1, now - begun, _TWO)
        bounds.append(bound)
    return Asked(step, under, parts, starts, bounds, spare, alone, often)


def _more_often(state: AreaState, device: str, newest: Sequence[tuple[float, int]], at: float) -> float:
    """Return how much more often than believed one place under a device is dark lately, as a logarithm.

    Where many small outages have stood open for hours, the next two calls are rather two more of them than a line's.
    """
    if not newest or newest[0][0] >= at - _STANDING:
        return 0.0  # as it is mostly
    opened = bisect_left(newest, (at - _STANDING,)) - bisect_left(newest, (at - _LATELY,))
    rate = state.likelihood.rates.get(DeviceType.TRANSFORMER)
    if not opened or rate is None or state.tree is None:
        return 0.0
    believed = state.tree.transformer_count(device) * math.exp(rate) * _LATELY
    return max(0.0, math.log((_BEFORE + opened) / (_BEFORE + believed)))


def _starts(newest: Sequence[tuple[float, int]], at: float, lead: float) -> list[float]:
    """Return when an outage may have begun: ``lead`` before an onset up to ``at``, or before that; latest first."""
    onsets: list[float] = []
    for onset, _ in reversed(newest):
        if onset <= at and (not onsets or onset < onsets[-1]):
            onsets.append(onset)
            if len(onsets) == _STARTS:
                break
    else:
        onsets = [at, *onsets]
    return [onset - lead for onset in onsets]


def best_start(
    weigh: Likelihood,
    asked: Asked,
    at: float,
    now: float,
    own: Callable[[Incident], float],
    *,
    above: float = -math.inf,
) -> _Found | None:
    """Return the likeliest outage of one device that gains more than ``above``: when it began, what it explains.

    ``own`` tells how likely each of the incidents is as an outage of its own.
    """
    customers = asked.step.customers
    best: _Found | None = None
    for begun, bound in zip(asked.starts, asked.bounds, strict=True):
        if bound <= above or (best is not None and bound < best.gain):
            continue
        incidents, together, apart, callers = weigh.explained(asked.parts, begun, asked.under, own)
        if not incidents:
            continue
        callers += 1
        together += weigh.call(at - begun) + asked.spare + weigh.silence(customers - callers, now - begun, callers)
        apart += asked.often * len(incidents)
        gain = together - apart - asked.alone
        if gain > above and (best is None or gain > best.gain):
            best = _Found(gain, together, apart + asked.alone, asked.step, incidents, callers)
    return best


def _newest(state: AreaState, device: str, under: dict[int, Incident], gasp: float | None) -> list[tuple[float, int]]:
    """Return the newest incidents under a device that could be part of its outage: onset and place in the ledger.

    By onset, the earliest first. ``gasp``: when a meter gasped that may be of it: then what began earlier is not, nor
    is what another meter said at another time.
    """
    restored = state.restored.get(device)
    since = -math.inf if restored is None else restored.restored_at.timestamp()
    found: list[tuple[float, int]] = []
    for incident in reversed(under.values()):
        if incident.frozen:
            continue
        if incident.standing.calls[0] < since:
            continue  # it was there when power came back to the others: it is by itself
        onset = state.onset(incident)
        if gasp is not None and not is_about(onset, gasp, by_people=incident.standing.people):
            continue
        found.append((onset, incident.opened_seq))
        if len(found) == _NEWEST:
            break
    found.sort()
    return found
