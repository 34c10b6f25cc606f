"""Another network is in force, and outages are open: what that means for them and for the reports that follow.

Decided here: an outage stays in the area it opened in, with its order, whatever feeds its device now. Where its device
is gone or in another area, that is told to people, and it goes on standing for the devices it was reported at. The area
that has its device now takes reports under it in without a second order, and they end with it. What is no longer below
its device is fed by something else: for the outage that is a step of restoring. Never here: which network that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import IncidentState
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule

if TYPE_CHECKING:
    from datetime import datetime

    from services.contracts.messages import OutageMoved
    from services.dedup.domain.draft import Draft
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.state import AreaState

_RULE = {
    a.NetworkChange.DEVICE_GONE: Rule.DEVICE_GONE,
    a.NetworkChange.DEVICE_MOVED: Rule.DEVICE_MOVED,
    None: Rule.DEVICE_BACK,
}


def network_changed(draft: Draft, message: OutageMoved) -> None:
    """Take in what another network did to an open outage, of this area or of another."""
    state = draft.state
    if message.over:
        _over(draft, message)
    elif message.area == message.home:
        incident = state.incidents.get(message.incident_id)
        if incident is None:
            return
        if incident.network != message.network and not message.refed:
            _at_home(draft, incident, message)
        _step(draft, message, incident.began_at)
    else:
        since = message.since or message.noticed_at
        if message.now_in == state.area and not message.refed:
            outage = a.Elsewhere(message.incident_id, message.home, message.device, since)
            known = state.elsewhere.get(outage.device)
            if known is None or known.incident_id == outage.incident_id:
                draft.events.append(a.ElsewhereNoted(outage))  # else what waits there waits for the one known first
            _relate(draft, outage)
        _step(draft, message, since)


def open_elsewhere(state: AreaState, leaf: str) -> a.Elsewhere | None:
    """Return the outage of another area that a device of this one lies under."""
    return next((state.elsewhere[device] for device in state.upstream(leaf) if device in state.elsewhere), None)


def _at_home(draft: Draft, incident: Incident, message: OutageMoved) -> None:
    state = draft.state
    change = None
    if message.now_in != state.area:
        change = a.NetworkChange.DEVICE_GONE if message.now_in is None else a.NetworkChange.DEVICE_MOVED
    places: tuple[str, ...] = ()
    if change is not None and incident.kind is e.Kind.OUTAGE:
        reported = {report.device for report in incident.reports.values() if report.device is not None}
        places = tuple(sorted(reported - state.by_device.keys()))
    moved = a.IncidentMoved(
        incident.incident_id, change, message.now_in, message.network, places, message.noticed_at, _RULE[change]
    )
    draft.events.append(moved)
    if change is a.NetworkChange.DEVICE_GONE:
        _propose(draft, incident)


def _propose(draft: Draft, incident: Incident) -> None:
    """Say which device of the network in force lies above everything that was reported, if one does and is free."""
    state, tree = draft.state, draft.state.tree
    known = sorted({report.device for report in incident.reports.values() if report.device is not None})
    if incident.kind is not e.Kind.OUTAGE or tree is None or not known or any(one not in tree for one in known):
        return
    common = tree.common_ancestor(known)
    device = None if common is None else state.leaf(common)
    if device is not None and state.by_device.get(device, incident.incident_id) == incident.incident_id:
        evidence: e.Evidence = {"device": device, "device_before": incident.device.id}
        draft.events.append(a.RelocationProposed(incident.incident_id, device, Rule.DEVICE_GONE, evidence))


def _relate(draft: Draft, outage: a.Elsewhere) -> None:
    """Say of what was opened there before this was known that it has to do with it: its order is out already."""
    state = draft.state
    at_device = state.by_device.get(outage.device)
    known = [] if at_device is None else [state.incidents[at_device]]
    draft.events += [
        a.IncidentRelated(one.incident_id, outage.incident_id, Rule.OPEN_ELSEWHERE)
        for one in (*known, *state.outages_below(outage.device))
        if one.related_to is None
    ]


def _step(draft: Draft, message: OutageMoved, since: datetime) -> None:
    """Let reports made before answer as restored where something else feeds now; who calls after is still out."""
    for device in message.refed:
        if draft.state.leaf(device) == device and device not in draft.state.by_device:
            draft.part_restored(message.incident_id, device, message.noticed_at, since)


def _over(draft: Draft, message: OutageMoved) -> None:
    """End what waited for an outage elsewhere, or send a crew to who is still out after it."""
    state, ended = draft.state, message.ended_at
    if not any(one.incident_id == message.incident_id for one in state.elsewhere.values()):
        return
    draft.events.append(a.ElsewhereOver(message.incident_id))
    for device, outage in state.elsewhere.items():
        key = state.by_device.get(device)
        if outage.incident_id != message.incident_id or key is None:
            continue
        incident = state.incidents[key]
        if incident.related_to != message.incident_id and not incident.waits:  # a person may have related it otherwise
            continue
        arranged = incident.pinned or incident.state is not IncidentState.PREDICTED
        if ended is not None and not arranged and all(report.made_at <= ended for report in incident.reports.values()):
            draft.close(incident, ended, Rule.POWER_BACK)
        elif incident.order is None:
            rule = Rule.NOT_ELSEWHERE if ended is None else Rule.STILL_OUT
            draft.issue_held(incident, draft.subject(incident, incident.standing), rule)
