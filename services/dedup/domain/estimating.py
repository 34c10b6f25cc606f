"""When power may be back, in a storm, before any crew has said so: by the class of the predicted device.

Decided here: whose estimate that is. Outside of storms nobody but a crew says one: a first estimate that is wrong costs
more trust than none for some minutes; in a storm it is hours until a crew has looked, and people plan by it. The hours
are the operator's (``storm.etr_hours`` in deploy/dedup.yaml). A crew's word always takes its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.values import Confidence, Etr
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.dedup.domain.state import AreaState

_SOURCE: Final = "history"


def with_estimates(state: AreaState, events: list[e.Event], now: datetime) -> list[e.Event]:
    """Return the events with an estimate behind each that opens or moves an outage in a storm, or begins the storm."""
    rules = state.rules.storm
    if rules is None or not rules.etr:
        return events
    stormy = state.stormy(now.timestamp())
    told: list[e.Event] = []
    for n, event in enumerate(events):
        told.append(event)
        if isinstance(event, a.StormBegan):
            stormy = True
            told += [
                one
                for incident in state.incidents.values()
                if incident.etr is None and incident.kind is e.Kind.OUTAGE
                for one in _estimate(state, incident.incident_id, incident.device.type, incident.opened_at, now)
            ]
        elif not stormy:
            continue
        elif isinstance(event, e.IncidentOpened) and event.kind is e.Kind.OUTAGE:
            first = _first_report(state, event.incident_id, events[n:])
            told += _estimate(state, event.incident_id, event.device.type, first, now)
        elif isinstance(event, e.PredictionMoved) and (incident := state.incidents.get(event.incident_id)) is not None:
            ours = incident.etr is None or incident.etr.source == _SOURCE
            if ours and incident.device.type != event.device.type and incident.kind is e.Kind.OUTAGE:
                told += _estimate(state, event.incident_id, event.device.type, incident.opened_at, now)
    return told


def _estimate(
    state: AreaState, incident: UUID, device_class: str, since: datetime | None, now: datetime
) -> Iterator[e.Event]:
    storm = state.rules.storm
    after = None if storm is None else storm.etr.get(device_class)
    if after is not None and since is not None and since + after > now:
        etr = Etr(at=since + after, source=_SOURCE, confidence=Confidence.LOW)
        yield e.EtrSet(incident, etr, Rule.STORM)


def _first_report(state: AreaState, incident: UUID, events: Sequence[e.Event]) -> datetime | None:
    """Return the time of the earliest of the reports that the events put into a new incident."""
    made = [
        event.report.made_at for event in events if isinstance(event, e.ReportJoined) and event.incident_id == incident
    ]
    made += [
        state.incidents[event.source].reports[event.report_id].made_at
        for event in events
        if isinstance(event, e.ReportMoved) and event.target == incident and event.source in state.incidents
    ]
    return min(made, default=None)
