"""What a meter's or a breaker's word changes.

Decided here: a last gasp counts like a report that nobody made; an open breaker confirms the outage of its device;
power at an incident's meters (of many, at all but a few: some words are lost), or its breaker closed, suggests that it
is over, and power that is gone again takes that back. A meter that had gone dark and is silent when asked after power
was back is still out. What only machines spoke of ends by their word, where the rules say so (``all_back``); where a
person reported, or a crew is on the spot, only a crew or a person closes it. Late, repeated and disordered readings
change nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.ids import timer_id
from services.contracts.values import IncidentState, Reading
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.report import Report
from services.dedup.domain.telemetry import OFF, ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from services.contracts.messages import TelemetryReceived
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.state import AreaState

OVER: Final = "over"
"""Kind of the timer that asks whether what only machines spoke of is over."""
_LOST: Final = 0.1
"""Share of those without power whose meters need not have said that it is back for an outage to seem over."""


class Back(NamedTuple):
    """Power that is back by the word of machines: since when, and which."""

    at: datetime
    rule: Rule


def read(
    state: AreaState,
    message: TelemetryReceived,
    lost: Callable[[Report], list[e.Event]],
    reported: Callable[[Report], list[e.Event]],
    explained: Callable[[Report, str], list[e.Event]],
) -> list[e.Event]:
    """Return the events of a reading; none for one that is not the newest of its meter or breaker.

    Args:
        state: The area.
        message: The reading.
        lost: What a report comes to of who had power until then.
        reported: What any report comes to.
        explained: What a report of an open device comes to, together with what is predicted under the device.
    """
    leaf = state.leaf(message.device)
    if leaf is None or not state.telemetry.newer(message):
        return []
    events: list[e.Event] = [a.TelemetryNoted(message)]
    meter = state.telemetry.meter(message.device, message.account_id)
    if message.reading in ON | {Reading.PING_SILENT} and meter is not None and meter.at > message.at:
        return events  # it has said another thing since
    planned = _planned(state, message, leaf)
    if message.reading in OFF and not planned:
        events += _gone_again(state, message, leaf)
    if message.reading is Reading.LAST_GASP and not planned:
        events += lost(_report(state, message))
    elif message.reading is Reading.PING_SILENT and not planned and _still_out(state, message, leaf):
        events += reported(_report(state, message))
    elif message.reading in ON:
        events += _power(state, message, leaf)
    elif message.reading is Reading.BREAKER_OPEN and not planned and leaf == message.device:
        events += _opened(state, message, explained)
    elif message.reading is Reading.BREAKER_CLOSED:
        known = state.incidents.get(state.by_device.get(leaf, message.message_id))
        events += _suggest(state, known, message, Rule.BREAKER_CLOSED)
    return events


def _planned(state: AreaState, message: TelemetryReceived, leaf: str) -> bool:
    """Tell whether planned work explains a reading: crews begin some minutes early, and its meters say so."""
    if not state.planned.known:
        return False
    up = state.upstream(leaf)
    return any(state.planned.covering(up, at) is not None for at in (message.at, message.at + state.rules.early))


def _still_out(state: AreaState, message: TelemetryReceived, leaf: str) -> bool:
    """Tell whether a meter that is silent now had gone dark in an outage that is over: power never came back to it.

    Silence alone proves nothing, nor does that it has not said that it has power: both words are lost often. Of meters
    that have power some do not answer either; the rules say whether one must not have answered before, after that end.
    """
    said, silent = state.telemetry.words(message.device, message.account_id)
    if said is None or said.reading is not Reading.LAST_GASP or any(_known_at(state, message, leaf)):
        return False
    first = message.at
    if state.rules.asked_twice:
        if silent is None:
            return False
        first = silent.at
    ends = (state.restored.get(device) for device in state.upstream(leaf))
    return any(one is not None and said.since <= one.restored_at < first for one in ends)


def all_back(state: AreaState, incident: Incident) -> Back | None:
    """Return since when all of an outage have power that only machines spoke of; None where not all say so.

    Nor where a person reported or arranged it, or a crew is on the spot. Of many, a few words are lost.
    """
    if not _is_of_machines(state, incident):
        return None
    telemetry, silent, back, rule = state.telemetry, 0, incident.opened_at, Rule.METERS_ON
    for report in incident.reports.values():
        known = telemetry.meter(report.device, report.account_id)
        if known is None and (known := telemetry.known.get(f"breaker:{report.device}")) is not None:
            if known.reading is not Reading.BREAKER_CLOSED:
                return None
            rule = Rule.BREAKER_CLOSED
        if known is None or known.reading in OFF or known.at < report.made_at:
            silent += 1
        else:
            back = max(back, known.since)
    return Back(back, rule) if silent <= _LOST * incident.standing.callers else None


def _is_of_machines(state: AreaState, incident: Incident) -> bool:
    if incident.standing.people or incident.arrived_at is not None or incident.pinned or incident.waits:
        return False
    return not any(incident.incident_id in done.incidents for done in state.commands.values())


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
    events = explained(_report(state, message), device)
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
        before = state.telemetry.meter(message.device, message.account_id)
        was_dark = before is not None and before.reading is Reading.LAST_GASP
        dark = state.telemetry.dark_under(incident.device.id) - was_dark
        if incident.kind is e.Kind.SINGLE:
            dark = 0
        few = was_dark and dark <= _LOST * incident.standing.callers
        if few or (dark == 0 and _all_powered(state, incident, message)):
            return _suggest(state, incident, message, Rule.METERS_ON)
    return []


def _gone_again(state: AreaState, message: TelemetryReceived, leaf: str) -> list[e.Event]:
    """Take back that the outages are over that a meter or breaker is under, once it says otherwise."""
    rule = Rule.BREAKER_OPEN if message.reading is Reading.BREAKER_OPEN else Rule.METERS_OFF
    events: list[e.Event] = []
    for key in _known_at(state, message, leaf):
        incident = state.incidents[key]
        if incident.suggested_at is not None and incident.suggested_at <= message.at:
            events.append(a.RestorationSuggested(key, None, rule))
            if incident.order is not None and incident.hold is not None:
                events.append(e.TimerCleared(incident.hold.timer_id, key))
    return events


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


def _suggest(state: AreaState, incident: Incident | None, message: TelemetryReceived, rule: Rule) -> list[e.Event]:
    """Say that an incident seems to be over, and when it will be if nobody says otherwise until then."""
    if incident is None or message.at < incident.opened_at:
        return []
    key = incident.incident_id
    events: list[e.Event] = []
    if incident.suggested_at is None:
        events.append(a.RestorationSuggested(key, message.at, rule))
    after = state.rules.closed_after
    if after is not None and incident.order is not None and incident.hold is None and _is_of_machines(state, incident):
        due_at = message.received_at + after
        events.append(e.TimerSet(timer_id(state.area, OVER, key, due_at), OVER, key, due_at))
    return events
