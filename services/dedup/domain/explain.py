"""What else a report could have belonged to, and what would change where it is, in words for a dispatcher.

Said from the area as it stands now. Never here: a decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.planning import proposed_plan
from services.dedup.domain.what_if import MOST_CALLS, calls_that_lift, silence_that_moves

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from services.dedup.domain.incident import Hold, Incident
    from services.dedup.domain.state import AreaState

_UNTRIED: Final = "More calls, or none, may move it: which, is not tried where so many have reported."


def considered(
    state: AreaState, device: str | None, at: datetime, home: UUID | None, counts: Mapping[UUID, int]
) -> list[str]:
    """Return what was looked at for a report made at ``device`` at a time (``report.made_at``), from there upwards.

    ``counts``: reports of each open incident, of which the state may not have all.
    """
    leaf = state.leaf(device)
    if leaf is None:
        return ["No device of the network in force is known for it."]
    words = []
    for one in state.upstream(leaf):
        kind = "cell" if state.tree is None or one not in state.tree else state.tree.type_of(one).value
        said = []
        there = state.by_device.get(one)
        if there is not None:
            incident = state.incidents[there]
            own = "its own" if there == home else "another"
            said.append(f"incident {there} stands there ({own}, {counts[there]} reports, {incident.state.value})")
        if state.telemetry.open(one):
            said.append("telemetry shows it open")
        elif state.telemetry.closed(one, at):
            said.append("telemetry shows it closed, so calls do not predict it, but the silence around it may")
        if (last := state.restored.get(one)) is not None:
            said.append(f"power came back there at {last.restored_at.isoformat()}")
        if (planned := state.planned.covering([one], at)) is not None:
            said.append(f"a planned outage lasts until {planned.ends_at.isoformat()}")
        words.append(f"{kind} {one}: {'; '.join(said) if said else 'nothing is known that would explain it there'}.")
    return words


def would_change(state: AreaState, report: UUID, reason: str, now: datetime, *, tries: bool = True) -> list[str]:
    """Return what would put a report elsewhere as of ``now``: which calls, which silence, which word of a person.

    ``tries``: whether calls and silence are tried, for which the state must have all its reports.
    """
    if report in state.waiting:
        if reason in {Rule.PLANNED.value, Rule.ARREARS.value}:  # its place is known
            return ["A person sees to it: the customer depends on power.", *_settled(reason)]
        return [f"Placing it: POST /v1/reports/{report}/place with its device."]
    words = [
        f"Undoing {done.action.value} {done.command_id} of {done.author} puts it back where it was."
        for done in state.commands.values()
        if any(report == moved for moved, _ in done.moves)
    ]
    if report in state.covered:
        return [*words, "So does cancelling the planned outage, or changing it so that it no longer covers the report."]
    if any(report in answered for answered in state.answered.values()):
        words.append("Cancelling the planned outage, or changing it so that it no longer covers the report.")
        return [*words, *_settled(reason)]
    if report not in state.members:
        return _settled(reason)
    incident = state.incidents[state.members[report]]
    if (planned := proposed_plan(state, incident)) is not None:
        part = "" if planned.device in state.upstream(incident.device.id) else f"the part of it under {planned.device} "
        words.append(
            f"A dispatcher can say whether {part or 'it '}is planned outage {planned.planned_id}, which was entered "
            f"later: POST /v1/incidents/{incident.incident_id}/accept-plan or /decline-plan."
        )
    if incident.kind is e.Kind.HAZARD:
        return [*words, "Nothing: danger keeps an incident and an order of its own."]
    if incident.order is None and incident.hold is not None:
        words.append(_wait(incident, incident.hold))
    if incident.frozen:
        why = "a person arranged it" if incident.pinned else "it was confirmed"
        words.append(f"Only a person moves it now, as {why}.")
    else:
        words += _by_itself(state, report, incident, now, tries=tries)
        words.append(f"Telemetry that shows {incident.device.id} closed, or its meters on, speaks against it.")
        words.append("A crew on the spot, or a dispatcher who confirms a device, settles where it is.")
    words.append(f"A dispatcher can move it or split it off: POST /v1/incidents/{incident.incident_id}/move or /split.")
    return words


def _wait(incident: Incident, hold: Hold) -> str:
    """Say until when its order waits, and for what."""
    until = f"Its order waits until {hold.due_at.isoformat(timespec='seconds')}"
    if incident.standing.people:
        return f"{until}, unless danger, a life-support or an important customer is reported."
    return (
        f"{until}, as only meters and breakers spoke of it: a person who reports it ends that. If all of them say by "
        "then that power is back, it was momentary and no order goes out."
    )


def _by_itself(state: AreaState, report: UUID, incident: Incident, now: datetime, *, tries: bool) -> list[str]:
    """Say what more calls, or none, would do."""
    if incident.kind is not e.Kind.OUTAGE:
        return []
    if not tries:
        return [_UNTRIED]
    return [_calls(state, report, incident, now), _silence(state, report, incident)]


def _calls(state: AreaState, report: UUID, incident: Incident, now: datetime) -> str:
    """Say how many more calls would lift the incident, and from where."""
    found = calls_that_lift(state, report, now)
    if found is None:
        return f"Not even {MOST_CALLS} more reports from other branches would lift it from {incident.device.id} by now."
    count = len(found.at)
    device = f"{state.kind_of(found.device).value} {found.device}, {state.customers_under(found.device)} customers"
    reports = "1 more report" if count == 1 else f"{count} more reports"
    return f"{reports} by now from other branches, as at {', '.join(found.at)}, would lift it to {device}."


def _silence(state: AreaState, report: UUID, incident: Incident) -> str:
    """Say until when nobody else must call for it to come apart or go down."""
    found = silence_that_moves(state, report)
    if found is not None:
        what = "the report goes to an incident of its own at" if found.apart else "it goes down to"
        return f"If nobody else calls until {found.until.isoformat(timespec='minutes')}, {what} {found.device}."
    if incident.relook is None:
        return "Silence changes nothing: it stands where it was reported, or has been looked at for the last time."
    return f"Silence alone changes nothing: {incident.standing.callers} callers are enough for {incident.device.id}."


def _settled(reason: str) -> list[str]:
    if reason == Rule.PLANNED.value:
        return [
            "Made after the planned outage's end, or reporting danger, it would have been an outage like any other."
        ]
    if reason == Rule.ARREARS.value:
        return ["With the account active, or reporting danger, it would have been an outage like any other."]
    if reason == Rule.ALREADY_RESTORED.value:
        return ["Made after power came back, it would have been a new outage."]
    return ["Its incident is closed: a new report of the customer is decided anew."]
