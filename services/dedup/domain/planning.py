"""What a dispatcher does about planned work: enter, change, cancel it; say that an incident is that work, or is not.

Decided here: which reports a planned outage answers once a person accepted it for their incident. Danger is never
answered by a plan, nor who depends on power. A plan is proposed for the open incidents under it whose earliest report
lies in its time; only a person accepts it. Never here: what a report under a plan that was known before comes to
(``planned``, ``decide``), and what comes back when one is withdrawn (``withdrawing``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from services.contracts.values import CustomerClass
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.acting import MOST_MOVED, RefusedError
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.done import Closed
from services.dedup.domain.planned import Planned
from services.dedup.domain.withdrawing import change, covers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from services.dedup.domain.acting import Acting
    from services.dedup.domain.done import Done
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.planned import PlannedOutages
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState


def proposed_plan(state: AreaState, incident: Incident, plans: PlannedOutages | None = None) -> Planned | None:
    """Return the planned outage that an open incident may be the work of, and nobody accepted or declined for it.

    Else the one that some of its reports may be, of an incident that was lifted above it. ``plans`` are those that are
    known, if they are others than the state's.
    """
    plans = plans or state.planned
    if not plans.known or incident.kind is e.Kind.HAZARD or not incident.is_open:
        return None
    whole = plans.covering(state.upstream(incident.device.id), incident.opened_at, but=incident.settled_plans)
    if whole is not None:
        return whole
    parts = [one for one in plans_of_a_part(state, incident, plans) if one.planned_id not in incident.settled_plans]
    return max(parts, key=lambda one: (one.ends_at, str(one.planned_id)), default=None)


def plans_of_a_part(state: AreaState, incident: Incident, plans: PlannedOutages | None = None) -> list[Planned]:
    """Return the planned outages below an incident's device that answer reports of it."""
    device = incident.device.id
    found = [one for one in (plans or state.planned).known.values() if not one.cancelled and one.device != device]
    found = [one for one in found if state.is_under(one.device, device)]
    if not found:
        return []
    reports = incident.reports.values()
    places = {report.device for report in reports}  # far fewer than reports, where many have called
    under = {one.planned_id: {place for place in places if state.is_under(place, one.device)} for one in found}
    return [
        one
        for one in found
        if (within := under[one.planned_id])
        and any(report.device in within and _answers(state, one, report) for report in reports)
    ]


def settled_together(state: AreaState, survivor: Incident, others: Iterable[Incident]) -> list[tuple[UUID, bool]]:
    """Return of which planned outages it is settled, or no longer, what they are to an incident that absorbs others.

    Nobody is asked twice about the same reports. But where a planned outage may answer one that nobody was asked about,
    somebody is: a crew may be on its way to a switch that was opened on purpose.
    """
    together = (survivor, *others)
    found = []
    for key in dict.fromkeys(key for one in together for key in one.settled_plans):
        planned = state.planned.known.get(key)
        unasked = (report for one in together if key not in one.settled_plans for report in one.reports.values())
        settled = planned is None or not any(_answers(state, planned, report) for report in unasked)
        if settled is not (key in survivor.settled_plans):
            found.append((key, settled))
    return found


# --- entering, changing, cancelling ---


def plan(acting: Acting) -> Done:
    """Enter a planned outage, or change it."""
    command, known = acting.command, acting.state.planned.known
    if command.planned_id is None or command.starts_at is None or command.ends_at is None or command.device is None:
        raise RefusedError(("body", "planned_id, device, starts_at and ends_at are needed for this action"))
    if command.ends_at <= command.starts_at:
        raise RefusedError(("ends_at", "is not after starts_at"))
    before = known.get(command.planned_id)
    if before is not None and before.cancelled:
        raise RefusedError(("planned_id", f"planned outage {command.planned_id} was cancelled: make a new one"))
    device, _ = acting.device(command.device)
    planned = Planned(
        planned_id=command.planned_id,
        device=device.id,
        starts_at=command.starts_at,
        ends_at=command.ends_at,
        author=command.author,
        reason=command.reason,
        revision=1 + ((command.planned_revision or 0) if before is None else before.revision),
    )
    return _set(acting, before, planned)


def cancel_plan(acting: Acting) -> Done:
    """Cancel a planned outage."""
    command = acting.command
    before = None if command.planned_id is None else acting.state.planned.known.get(command.planned_id)
    if before is None:
        what = f"is not known in area {acting.state.area}, or was over long ago"
        raise RefusedError(("planned_id", f"planned outage {command.planned_id} {what}"))
    if before.cancelled:
        raise RefusedError(("planned_id", f"planned outage {command.planned_id} is cancelled already"))
    revision = before.revision + 1
    planned = replace(before, author=command.author, reason=command.reason, revision=revision, cancelled=True)
    return _set(acting, before, planned)


def _set(acting: Acting, before: Planned | None, after: Planned) -> Done:
    """Let a planned outage be as it is now; what it would still have covered, and does not, is an incident again."""
    acting.events.append(pa.PlannedSet(after, acting.command.command_id, acting.command.accepted_at, before is None))
    if before is not None:
        change(acting, before, after)
    _propose(acting, after)
    return acting.done()


def _propose(acting: Acting, after: Planned) -> None:
    """Say of which open incidents something else is proposed now."""
    state = acting.state
    plans = state.planned.copy()
    plans.set(after)
    for incident in sorted(state.incidents.values(), key=lambda one: one.opened_seq):  # in memory and loaded alike
        proposed, parts = proposed_plan(state, incident, plans), plans_of_a_part(state, incident, plans)
        if proposed != proposed_plan(state, incident) or parts != plans_of_a_part(state, incident):
            key = None if proposed is None else proposed.planned_id
            acting.events.append(pa.PlanProposed(incident.incident_id, key, Rule.PLAN_ENTERED))


def _answers(state: AreaState, planned: Planned, report: Report) -> bool:
    """Tell whether a planned outage may answer a report: it is of it, neither danger nor of who depends on power."""
    urgent = report.hazards or report.customer_class is CustomerClass.LIFE_SUPPORT
    return not urgent and covers(state, planned, report)


# --- accepting and declining ---


def accept(acting: Acting) -> Done:
    """Let a planned outage answer the reports of an incident that opened before it was entered.

    Who depends on power, and who is not under it or did not report in its time, stays in the incident, which goes on.
    """
    state, command = acting.state, acting.command
    incident, planned = _named(acting)
    if planned.ends_at <= command.accepted_at:
        ended = planned.ends_at.isoformat()
        why = f"the planned outage ended at {ended}: post restored if power is back; else a crew is needed"
        raise RefusedError(("planned_id", why))
    if incident.waits:
        raise RefusedError(("incident_id", f"its order is that of incident {incident.related_to}, in another area"))
    covered = [one for one in incident.reports.values() if _answers(state, planned, one)]
    if not covered:
        why = "it answers no report of the incident: they were not made in its time, or by who depends on power"
        raise RefusedError(("planned_id", why))
    if len(covered) > MOST_MOVED:
        why = f"it would answer {len(covered)} reports of the incident, of which {MOST_MOVED} can be answered at once"
        raise RefusedError(("planned_id", f"{why}: decline it, and post its end as the estimate of the order (etr)"))
    key, rule = incident.incident_id, Rule.PLAN_ACCEPTED
    why_so: e.Evidence = {"planned": str(planned.planned_id), **acting.why}
    for one in covered:
        del acting.inside(key)[one.report_id]
        said = command.author, command.command_id, why_so
        acting.events.append(pa.ReportCovered(one, key, planned, acting.number(), rule, *said))
    closed: tuple[Closed, ...] = ()
    if acting.inside(key):
        acting.events += [a.IncidentRecounted(key), pa.PlanSettled(key, planned.planned_id, rule)]
        acting.tell_field(incident, rule)
    else:
        closed = (_close(acting, incident, planned),)
    return replace(
        acting.done(),
        incidents=(key,),
        moves=tuple((one.report_id, key) for one in covered),
        target=key,
        closed=closed,
        planned_id=planned.planned_id,
    )


def decline(acting: Acting) -> Done:
    """Say that an incident is not the work of a planned outage: it is not proposed for it again."""
    incident, planned = _named(acting)
    if planned.planned_id in incident.settled_plans:
        raise RefusedError(
            ("planned_id", f"planned outage {planned.planned_id} was accepted or declined for it already")
        )
    key = incident.incident_id
    acting.events.append(pa.PlanSettled(key, planned.planned_id, Rule.PLAN_DECLINED))
    return replace(
        acting.done(),
        incidents=(key,),
        target=key,
        planned_id=planned.planned_id,
    )


def _named(acting: Acting) -> tuple[Incident, Planned]:
    """Return the open incident and the planned outage over it, or over a part of it, that a command names.

    Raises:
        RefusedError: one is missing, over or cancelled; or the plan is elsewhere, or the incident danger.
    """
    state, command = acting.state, acting.command
    incident = acting.incident(command.incident_id, "incident_id")
    if incident.kind is e.Kind.HAZARD:
        raise RefusedError(("incident_id", "danger is never answered by a plan: it keeps its own incident and order"))
    if command.planned_id is None:
        raise RefusedError(("planned_id", "is needed for this action"))
    planned = state.planned.known.get(command.planned_id)
    if planned is None or planned.cancelled:
        what = "was cancelled" if planned is not None else f"is not known in area {state.area}, or was over long ago"
        raise RefusedError(("planned_id", f"planned outage {command.planned_id} {what}"))
    device = incident.device.id
    if planned.device not in state.upstream(device) and not state.is_under(planned.device, device):
        at = f"{planned.device!r} is not at or above {device!r}, where the incident stands, nor below it"
        raise RefusedError(("planned_id", at))
    return incident, planned


def _close(acting: Acting, incident: Incident, planned: Planned) -> Closed:
    """Close an incident whose reports a planned outage answers, and call its crew back."""
    key, rule = incident.incident_id, Rule.PLAN_ACCEPTED
    acting.call_back(incident, rule)
    acting.events.append(pa.IncidentCovered(key, planned.planned_id, rule))
    devices = (incident.device.id,) if incident.kind is e.Kind.OUTAGE else ()
    return Closed(key, incident.state, devices, () if incident.premises is None else (incident.premises,))
