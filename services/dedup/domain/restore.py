"""Power is back: whose outage that was.

Decided here: what a restoration closes. The device or the customer it names had an outage, whatever was predicted.
What is predicted at that device or under it, and was not there before, was that outage; and what lies under it in a
larger open incident was too, unless the larger one explains it so much better that this is a step of restoring it.
Never here: whom to tell.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from datetime import timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from services.contracts.values import IncidentState
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.gasps import of_one_time
from services.dedup.domain.incident import Standing
from services.dedup.domain.likelihood import MANY
from services.dedup.domain.relook import Piece, as_one, is_sparse, partition
from services.dedup.domain.switched_over import step_of_what_was_switched_over

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from services.dedup.domain.draft import Draft
    from services.dedup.domain.events import Evidence
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState

_ROUNDING: Final = 1e-6
_LAST_STEP: Final = -6.0
"""How much less likely outages apart may be once each has ended by itself: crews seldom leave a last word unsaid."""
_ONE_HOME: Final = 2  # callers that may be one customer, who once said who it was and once did not
_HOMES: Final = 3  # callers that may each have an outage of their own: what one is told of is theirs alone
_CLOCKS: Final = 300.0  # seconds the clocks of who took the reports in may differ
_AT_ONCE: Final = timedelta(minutes=2)  # steps this close are one switching, told place by place


def restore_account(draft: Draft, account: str, transformer: str, at: datetime) -> None:
    """One customer has power again: close what was theirs alone."""
    state = draft.state
    leaf = state.leaf(transformer)
    key = state.by_premises.get(account)
    own = None if key is None else state.incidents[key]
    if own is not None and own.kind is e.Kind.SINGLE:
        draft.close(own, at, Rule.POWER_BACK)
    elif own is None and leaf is not None:
        for _, single in sorted(state.singles_at.get(leaf, {}).items()):
            if not single.standing.customers and single.opened_at <= at:
                draft.close(single, at, Rule.POWER_BACK)  # whoever it was: nobody else's power was mended there
                break
    if leaf is None:
        return
    key = state.by_device.get(leaf)
    if key is not None and _only_of(state.incidents[key], account):
        draft.close(state.incidents[key], at, Rule.POWER_BACK)
        return
    for incident in state.outages_at(state.upstream(leaf)):
        mine = [report for report in incident.reports.values() if report.account_id == account]
        if mine:
            _part(draft, incident, leaf, mine, at, account=account)
            return
        if not incident.frozen and _is_told_in_steps(state, incident, at):
            _step(draft, incident, leaf, at)
            return


def _only_of(incident: Incident, account: str) -> bool:
    """Tell whether an incident is of one customer alone, who did not always say who it was."""
    standing = incident.standing
    return standing.customers <= {account} and standing.callers <= _ONE_HOME


def restore_device(draft: Draft, device: str, at: datetime) -> None:
    """A device and all under it have power again."""
    state = draft.state
    key = state.by_device.get(device)
    core = None if key is None else state.incidents[key]
    if core is not None and core.device.id != device:
        _step_where_reported(draft, core, device, at)
        return
    group, before = _of_the_outage(state, device, core, at)
    draft.ending.update(incident.incident_id for incident in (*group, *before))
    for incident in before:
        draft.close(incident, at, Rule.POWER_BACK)
    larger = [
        (incident, under)
        for incident, under in inside(state, device)
        if incident.opened_at <= at and incident.incident_id not in draft.ending  # one may stand above as well
    ]
    if not group:
        for incident, under in larger:
            _part(draft, incident, device, under, at)
        if not larger and not before:
            step_of_what_was_switched_over(draft, device, at)
        return
    survivor = next((incident for incident in group if incident.order is not None), group[0])
    if core is not None and core.frozen and not core.waits:
        survivor = core  # a crew is at it, or a person arranged it: the others go there
    others = [incident for incident in group if incident is not survivor]
    if survivor.order is None and any(other.order is not None for other in others):
        draft.issue_held(survivor, draft.subject(survivor, survivor.standing), Rule.POWER_BACK)
    evidence: Evidence = {"device": device, "restored_at": at.isoformat()}
    for other in others:
        draft.absorb(other, survivor, Rule.POWER_BACK, evidence)
    taken = _take_its_share(draft, larger, survivor, device, at)
    reports = [report for incident in group for report in incident.reports.values()] + taken
    if survivor.device.id != device:
        draft.stand_at(survivor, device, reports, Rule.POWER_BACK, evidence)
    draft.learn(device, Standing.of(reports) if others or taken else survivor.standing, at)
    draft.close(survivor, at, Rule.POWER_BACK, reports=reports)


def _take_its_share(
    draft: Draft, larger: Iterable[tuple[Incident, list[Report]]], survivor: Incident, device: str, at: datetime
) -> list[Report]:
    """Let an outage that is over take from larger open ones what was its own, and return that."""
    evidence: Evidence = {"device": device, "restored_at": at.isoformat()}
    taken: list[Report] = []
    for incident, under in larger:
        if len(under) == len(incident.reports) and _is_known_above(incident, device):
            _step(draft, incident, device, at)
            continue
        whole, rest = _without(draft.state, incident, under, at)
        if _own_outage(draft.state, whole, rest, device, under, at):
            draft.take_out(under, incident, survivor.incident_id, Rule.RESTORED_INSIDE, evidence)
            taken += under
            _go_on(draft, incident, rest, under, survivor, evidence)
    return taken


def _step_where_reported(draft: Draft, incident: Incident, device: str, at: datetime) -> None:
    """Note a step of an incident at a place that it stands for and is not at: merged there, or told by another network.

    It ends with the last of those places.
    """
    state = draft.state

    def is_back(report: Report) -> bool:
        last = state.restored.get(report.device or "")
        if report.device == device or (last is not None and last.restored_at >= report.made_at):
            return True
        return state.is_under(report.device, device) or _step_of(state, incident, report) is not None

    if not all(map(is_back, incident.reports.values())):
        draft.part_restored(incident.incident_id, device, at, incident.began_at)
    else:
        draft.close(incident, at, Rule.POWER_BACK)


def inside(state: AreaState, device: str) -> list[tuple[Incident, list[Report]]]:
    """Return the open incidents above a device that were reported at or under it, nearest first, with those reports."""
    above = state.outages_at(step.device for step in state.path(device))
    found = ((incident, state.reported_under(device, incident.reports.values())) for incident in above)
    return [(incident, under) for incident, under in found if under]


def _of_the_outage(
    state: AreaState, device: str, core: Incident | None, at: datetime
) -> tuple[list[Incident], list[Incident]]:
    """Return the incidents at and under a device that its outage explains, and those that were told of before it.

    That there was one is known, so one of them at least was it; the others each are if they began with it. What a wrong
    clock says is of before may be of it; what had arrived before it began was something else. Both oldest first.
    """
    now = at.timestamp()
    below = state.outages_below(device)
    free = [incident for incident in below if not incident.frozen and incident.standing.calls[0] <= now]
    if core is not None:
        starts = [state.onset(core)]
        free = of_one_time(core, free)
    else:
        starts = sorted({state.onset(incident) for incident in free}, reverse=True)
    lead = state.likelihood.lead(state.customers_under(device))
    start, explained = explained_by_one(state, free, starts, lead, now)
    group = explained if core is None else [core, *explained]
    group.sort(key=lambda incident: incident.opened_seq)
    before = [incident for incident in group if _arrived_before(incident, start - lead)]
    return [incident for incident in group if incident not in before], before


def _arrived_before(incident: Incident, begun: float) -> bool:
    """Tell whether all reports of an incident had arrived before an outage began."""
    return all(report.received_at.timestamp() < begun - _CLOCKS for report in incident.reports.values())


def explained_by_one(
    state: AreaState, incidents: Sequence[Incident], starts: Sequence[float], lead: float, now: float
) -> tuple[float, list[Incident]]:
    """Return the likeliest of ``starts``, and those an outage explains that began ``lead`` seconds before it.

    In a storm there are hundreds under one device, each a beginning to try. Many are explained whenever it began, as
    strays if by nothing else; of the others only those need be weighed that called soon enough after a beginning.
    """
    weigh, margin = state.likelihood, state.rules.inference.restored_margin
    owns = [state.own_score(incident, now) for incident in incidents]
    calls = [incident.standing.calls for incident in incidents]
    longest = [weigh.until(own + margin - (len(of) - 1) * weigh.peak) for own, of in zip(owns, calls, strict=True)]
    always = [n for n, delay in enumerate(longest) if delay == math.inf]
    timely = sorted((state.onset(incidents[n]), n) for n, delay in enumerate(longest) if 0 < delay < math.inf)
    if not timely and all(len(calls[n]) * weigh.stray - owns[n] > margin + _ROUNDING for n in always):
        return min(starts, default=now), [incidents[n] for n in always]
    reach = max((longest[n] for _, n in timely), default=0.0)

    def share(start: float) -> tuple[float, float, list[Incident]]:
        first, last = bisect_left(timely, (start - lead,)), bisect_left(timely, (start - lead + reach,))
        gain = 0.0
        explained: list[Incident] = []
        for n in sorted((*always, *(n for _, n in timely[first:last]))):
            more = sum(weigh.call(call - start + lead) for call in calls[n]) - owns[n]
            if more > margin:
                explained.append(incidents[n])
                gain += more
        return gain, start, explained

    shares = (share(start) for start in starts)
    return max((one for one in shares if one[2]), key=itemgetter(0), default=(0.0, now, []))[1:]


def _without(state: AreaState, incident: Incident, under: Sequence[Report], at: datetime) -> tuple[float, list[Piece]]:
    """Return how likely the incident is as one outage, and what best explains it without some of its reports.

    Where so many have called as one outage makes call, what many others told is not looked through for several.
    """
    gone = {report.report_id for report in under}
    rest = [report for report in incident.reports.values() if report.report_id not in gone]
    now, device = at.timestamp(), incident.device.id
    whole = as_one(state, device, incident.reports.values(), now)
    if len(rest) > MANY and not is_sparse(state, incident, now, meters=True):
        return whole, [Piece(device, tuple(rest), as_one(state, device, rest, now))]
    return whole, partition(state, device, rest, now) if rest else []


def _own_outage(
    state: AreaState, whole: float, rest: Sequence[Piece], device: str, under: Sequence[Report], at: datetime
) -> bool:
    """Tell whether the restoration ended an outage inside, and was no step of restoring the larger one."""
    inside = as_one(state, device, under, at.timestamp())
    apart = inside + sum(piece.score for piece in rest)
    return apart - whole > state.rules.inference.restored_margin


def _part(
    draft: Draft, incident: Incident, device: str, under: Sequence[Report], at: datetime, *, account: str | None = None
) -> None:
    """Close the outage inside a larger open incident; or note the step, if it was one of restoring that.

    With ``account`` the outage inside is that customer's own; where they live, others may be out of another one.
    """
    state = draft.state
    evidence: Evidence = {"device": device, "restored_at": at.isoformat()}
    taken = state.by_device.get(device, incident.incident_id) != incident.incident_id
    if len(under) == len(incident.reports) and not _is_known_above(incident, device):
        if incident.device.id != device and not taken:
            draft.stand_at(incident, device, under, Rule.POWER_BACK, evidence)
        draft.close(incident, at, Rule.POWER_BACK)
        return
    if taken or len(under) == len(incident.reports) or _is_told_in_steps(state, incident, at):
        _step(draft, incident, device, at)
        return
    whole, rest = _without(state, incident, under, at)
    alone = account is not None and incident.standing.callers <= _HOMES
    if not alone and not _own_outage(state, whole, rest, device, under, at):
        _step(draft, incident, device, at, whole)
        return
    _ended_inside(draft, incident, Piece(device, tuple(under), 0.0), at, evidence, account)
    _stay(draft, incident, rest, evidence)


def _is_known_above(incident: Incident, device: str) -> bool:
    """Tell whether a crew, a person or a breaker said that an incident is of more than a device, whoever called."""
    return incident.state is IncidentState.CONFIRMED and incident.device.id != device


def _ended_inside(
    draft: Draft, incident: Incident, piece: Piece, at: datetime, evidence: Evidence, account: str | None = None
) -> None:
    """Let a piece of an open incident have been an outage of its own that is over; not before it was reported."""
    target, _ = draft.open_for(incident, piece, Rule.RESTORED_INSIDE, account)
    draft.take_out(piece.reports, incident, target, Rule.RESTORED_INSIDE, evidence)
    begun = min(report.made_at for report in piece.reports)
    draft.events.append(e.IncidentRestored(target, max(at, begun), None, Rule.RESTORED_INSIDE))


def _is_told_in_steps(state: AreaState, incident: Incident, at: datetime) -> bool:
    """Tell whether power came back somewhere else in an incident at the same time: faults apart do not end at once."""
    near = {
        step
        for step, last in state.restored.items()
        if last.incident_id == incident.incident_id and abs(last.restored_at - at) <= _AT_ONCE
    }
    if not near:
        return False  # as mostly: then who reported it, and from where, need not be looked through
    for device in {report.device for report in incident.reports.values()}:
        for step in state.chain_of(device):
            if step == incident.device.id:
                break
            if step in near:
                return True
    return False


def _step(draft: Draft, incident: Incident, device: str, at: datetime, whole: float | None = None) -> None:
    """Note a step of restoring an incident. With the last one it ends; what a crew or a person confirmed is marked."""
    if incident.frozen:
        draft.part_restored(incident.incident_id, device, at, incident.began_at)
        _suggest_over(draft, incident, device, at)
        return
    if not _last_step(draft, incident, device, whole, at):
        draft.part_restored(incident.incident_id, device, at, incident.began_at)


def _suggest_over(draft: Draft, incident: Incident, device: str, at: datetime) -> None:
    """Say that an incident may be over once everybody who reported it has power, step by step."""
    state = draft.state

    def has_power(report: Report) -> bool:
        here = state.is_under(report.device, device) and report.made_at <= at
        return here or _step_of(state, incident, report) is not None

    if incident.suggested_at is None and not incident.waits and all(map(has_power, incident.reports.values())):
        draft.events.append(a.RestorationSuggested(incident.incident_id, at, Rule.POWER_BACK))


def _last_step(draft: Draft, incident: Incident, device: str, whole: float | None, at: datetime) -> bool:
    """End an outage once power is back, step by step, wherever it was reported; tell whether it was so.

    Its own device was never named. So each step may as well have been an outage of its own, unless one explains the
    calls by so much better that a crew must have left its last word unsaid.
    """
    state = draft.state
    ended: dict[str, tuple[datetime, list[Report]]] = {}
    for report in incident.reports.values():
        step = (device, at) if state.is_under(report.device, device) else _step_of(state, incident, report)
        if step is None:
            return False
        ended.setdefault(step[0], (step[1], []))[1].append(report)
    pieces = [Piece(one, tuple(under), as_one(state, one, under, at.timestamp())) for one, (_, under) in ended.items()]
    evidence: Evidence = {"device": device, "restored_at": at.isoformat(), "steps": len(pieces)}
    if whole is None:
        whole = as_one(state, incident.device.id, incident.reports.values(), at.timestamp())
    taken = any(piece.device in state.by_device for piece in pieces)  # somebody is still out there: leave that alone
    if taken or sum(piece.score for piece in pieces) - whole <= _LAST_STEP:
        draft.close(incident, at, Rule.POWER_BACK)
        return True
    kept = max(pieces, key=lambda piece: len(piece.reports))
    for piece in pieces:
        if piece is not kept:
            _ended_inside(draft, incident, piece, ended[piece.device][0], evidence)
    draft.stand_at(incident, kept.device, kept.reports, Rule.RESTORED_INSIDE, evidence)
    draft.close(incident, ended[kept.device][0], Rule.POWER_BACK, reports=kept.reports)
    return True


def _step_of(state: AreaState, incident: Incident, report: Report) -> tuple[str, datetime] | None:
    """Return the first step that gave power back to a report, and when; None where none has."""
    found: tuple[datetime, str] | None = None
    for device in state.chain_of(report.device):
        if device == incident.device.id:
            break
        step = state.restored.get(device)
        if step is not None and step.incident_id == incident.incident_id and step.restored_at >= report.made_at:
            found = min(found or (step.restored_at, device), (step.restored_at, device))
    return None if found is None else (found[1], found[0])


def _go_on(
    draft: Draft,
    incident: Incident,
    rest: Sequence[Piece],
    under: Sequence[Report],
    survivor: Incident,
    evidence: Evidence,
) -> None:
    """Let the larger incident go on with what it is left with; with nothing left it ends."""
    if len(under) == len(incident.reports):
        if incident.order is not None and draft.last_order(survivor) is None:
            draft.issue_held(survivor, draft.subject(survivor, survivor.standing), Rule.POWER_BACK)
        draft.end_empty(incident, survivor, Rule.RESTORED_INSIDE)
    else:
        _stay(draft, incident, rest, evidence)


def _stay(draft: Draft, incident: Incident, rest: Sequence[Piece], evidence: Evidence) -> None:
    """Let an incident stand where what it is left with is best explained; a crew's word stays where it is."""
    kept = max(rest, key=lambda piece: len(piece.reports))
    others = [piece for piece in rest if piece is not kept]
    taken = draft.standing_at(kept.device)
    if incident.frozen or taken not in {None, incident.incident_id}:
        left = [report for piece in rest for report in piece.reports]
        draft.stand_at(incident, incident.device.id, left, Rule.RESTORED_INSIDE, evidence)
    else:
        draft.split(incident, kept, others, Rule.APART, evidence)
