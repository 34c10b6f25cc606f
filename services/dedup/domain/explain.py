"""What else a report could have belonged to, and what would change where it is, in words for a dispatcher.

Said from the area as it stands now. Never here: a decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.dedup.domain import events as e

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.dedup.domain.state import AreaState


def considered(state: AreaState, device: str | None, at: datetime, home: UUID | None) -> list[str]:
    """Return what was looked at for a report at ``device``, from there upwards."""
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
            said.append(
                f"incident {there} stands there ({own}, {len(incident.reports)} reports, {incident.state.value})"
            )
        if state.telemetry.open(one):
            said.append("telemetry shows it open")
        elif state.telemetry.closed(one, at):
            said.append("telemetry shows it closed, so it is not predicted")
        if (last := state.restored.get(one)) is not None:
            said.append(f"power came back there at {last.restored_at.isoformat()}")
        if (planned := state.planned.covering([one], at)) is not None:
            said.append(f"a planned outage lasts until {planned.ends_at.isoformat()}")
        words.append(f"{kind} {one}: {'; '.join(said) if said else 'nothing is known that would explain it there'}.")
    return words


def would_change(state: AreaState, report: UUID, reason: str) -> list[str]:
    """Return what would put a report elsewhere."""
    if report in state.waiting:
        return [f"Placing it: POST /v1/reports/{report}/place with its device."]
    if report not in state.members:
        return _settled(reason)
    incident = state.incidents[state.members[report]]
    words = [
        f"Undoing {done.action.value} {done.command_id} of {done.author} puts it back where it was."
        for done in state.commands.values()
        if any(report == moved for moved, _ in done.moves)
    ]
    if incident.kind is e.Kind.HAZARD:
        return [*words, "Nothing: danger keeps an incident and an order of its own."]
    if incident.frozen:
        why = "a person arranged it" if incident.pinned else "it was confirmed"
        words.append(f"Only a person moves it now, as {why}.")
    else:
        above = [
            one for one in state.upstream(incident.device.id)[1:] if not state.telemetry.closed(one, incident.opened_at)
        ]
        if above:
            words.append(f"Reports on other branches of {above[0]} would lift the incident to it.")
        words.append(f"Telemetry that shows {incident.device.id} closed, or its meters on, speaks against it.")
        words.append("A crew on the spot, or a dispatcher who confirms a device, settles where it is.")
    words.append(f"A dispatcher can move it or split it off: POST /v1/incidents/{incident.incident_id}/move or /split.")
    return words


def _settled(reason: str) -> list[str]:
    if reason == e.Rule.PLANNED.value:
        return [
            "Made after the planned outage's end, or reporting danger, it would have been an outage like any other."
        ]
    if reason == e.Rule.ARREARS.value:
        return ["With the account active, or reporting danger, it would have been an outage like any other."]
    if reason == e.Rule.ALREADY_RESTORED.value:
        return ["Made after power came back, it would have been a new outage."]
    return ["Its incident is closed: a new report of the customer is decided anew."]
