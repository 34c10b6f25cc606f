"""What a meter's or a breaker's word changes.

Decided here: a last gasp counts like a report that nobody made; an open breaker confirms the outage of its device;
power at an incident's meters (of many, at all but a few: some words are lost), or its breaker closed, suggests that it
is over, and power that is gone again takes that back. Only a crew or a person closes it. Late, repeated and disordered
readings change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.values import IncidentState, Reading
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.report import Report
from services.dedup.domain.telemetry import OFF, subject_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from services.contracts.messages import TelemetryReceived
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.state import AreaState

_LOST: Final = 0.1
"""Share of those without power whose meters need not have said that it is back for an outage to seem over."""


def read(
    state: AreaState,
    message: TelemetryReceived,
    reported: Callable[[Report], list[e.Event]],
    explained: Callable[[Report, str], list[e.Event]],
) -> list[e.Event]:
    """Return the events of a reading; none for one that is not the newest of its meter or breaker.

    Args:
        state: The area.
        message: The reading.
        reported: What a report comes to.
        explained: What a report of an open device comes to, together with what is predicted under the device.
    """
    leaf = state.leaf(message.device)
    if leaf is None or not state.telemetry.newer(message):
        return []
    events: list[e.Event] = [a.TelemetryNoted(message)]
    planned = state.planned.covering(state.upstream(leaf), message.at)
    if message.reading in OFF and planned is None:
        events += _gone_again(state, message, leaf)
    if message.reading is Reading.LAST_GASP and planned is None:
        events += reported(_report(state, message))
    elif message.reading in {Reading.POWER_UP, Reading.PING_OK}:
        events += _power(state, message, leaf)
    elif message.reading is Reading.BREAKER_OPEN and planned is None and leaf == message.device:
        events += _opened(state, message, explained)
    elif message.reading is Reading.BREAKER_CLOSED:
        events += _suggest(
            state.incidents.get(state.by_device.get(leaf, message.message_id)), message, Rule.BREAKER_CLOSED
        )
    return events


def _report(state: AreaState, message: TelemetryReceived) -> Report:
    tree, device = state.tree, message.device
    feeder = tree.feeder_of(device) if tree is not None and device in tree else None
    return Report.of_reading(message, feeder, state.rules.trusted_lag)


def _opened(
    state: AreaState, message: TelemetryReceived, explained: Callable[[Report, str], list[e.Event]]
) -> list[e.Event]:
    """Confirm the outage of a breaker that is open; begin it where nobody has reported yet.

    A tie, or what was switched over before, has nobody under it who could be without power.
    """
    device = message.device
    if not state.customers_under(device):
        return []
    known = state.by_device.get(device)
    events = [] if known is not None else explained(_report(state, message), device)
    for event in events:
        if isinstance(event, (e.IncidentOpened, e.PredictionMoved)) and event.device.id == device:
            known = event.incident_id
    if known is not None and (known not in state.incidents or state.incidents[known].state is IncidentState.PREDICTED):
        events.append(a.IncidentStateSet(known, IncidentState.CONFIRMED, Rule.BREAKER_OPEN))
    return events


def _power(state: AreaState, message: TelemetryReceived, leaf: str) -> list[e.Event]:
    """Suggest that an outage is over once every meter under it that went dark, and every caller asked, has power.

    Of many meters all but a few: what one says that power is back is lost as easily as that it is gone.
    """
    for key in _known_at(state, message, leaf):
        incident = state.incidents[key]
        before = state.telemetry.known.get(subject_of(message))
        was_dark = before is not None and before.reading is Reading.LAST_GASP
        dark = state.telemetry.dark_under(incident.device.id) - was_dark
        if incident.kind is e.Kind.SINGLE:
            dark = 0
        few = was_dark and dark <= _LOST * incident.standing.callers
        if few or (dark == 0 and _all_powered(state, incident, message)):
            return _suggest(incident, message, Rule.METERS_ON)
    return []


def _gone_again(state: AreaState, message: TelemetryReceived, leaf: str) -> list[e.Event]:
    """Take back that the outages are over that a meter or breaker is under, once it says otherwise."""
    rule = Rule.BREAKER_OPEN if message.reading is Reading.BREAKER_OPEN else Rule.METERS_OFF
    return [
        a.RestorationSuggested(key, None, rule)
        for key in _known_at(state, message, leaf)
        if (said_at := state.incidents[key].suggested_at) is not None and said_at <= message.at
    ]


def _known_at(state: AreaState, message: TelemetryReceived, leaf: str) -> Iterable[UUID]:
    """Return the open incidents that a reading may be of: the customer's own, and from the device upwards."""
    keys = [state.by_device[device] for device in state.upstream(leaf) if device in state.by_device]
    if message.account_id is not None and message.account_id in state.by_premises:
        keys.insert(0, state.by_premises[message.account_id])
    return dict.fromkeys(keys)


def _all_powered(state: AreaState, incident: Incident, message: TelemetryReceived) -> bool:
    return all(
        (report.account_id is not None and report.account_id == message.account_id)
        or state.telemetry.powered(report.device or "", report.account_id, incident.opened_at)
        for report in incident.reports.values()
    )


def _suggest(incident: Incident | None, message: TelemetryReceived, rule: Rule) -> list[e.Event]:
    if incident is None or incident.suggested_at is not None or message.at < incident.opened_at:
        return []
    return [a.RestorationSuggested(incident.incident_id, message.at, rule)]
