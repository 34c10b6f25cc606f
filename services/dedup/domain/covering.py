"""What is known of the power at a device: the open incident it is under, a restoration that answers or left it out.

Decided here: how a restoration and an open incident above each other are read. Never here: what becomes of the report.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain.decided_by import Rule
from services.dedup.domain.incident import Incident
from services.dedup.domain.open_places import lately_begun_above
from services.dedup.domain.state import Restored

if TYPE_CHECKING:
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState


_OFFLINE: Final = timedelta(hours=1)
"""How long a report takes at most to get through; what says it is older has a wrong clock."""


class Cover(NamedTuple):
    """What is known of the power at a device: an open incident, a restoration that answers it or left it out."""

    incident: Incident | None = None
    answer: Restored | None = None
    still_out: Restored | None = None
    rule: Rule = Rule.FIRST_REPORT


def cover_of(state: AreaState, report: Report, leaf: str) -> Cover:
    """Walk up from a device to the first open incident, minding restorations on the way.

    A restoration at or below that incident's device either answers the report, if it was made before; or,
    if it came after the incident stood there, has taken the device out of it.
    """
    by_device, restored = state.by_device, state.restored
    last = restored.get(leaf)
    key = by_device.get(leaf)
    if key is None:
        for device, _, _ in state.path(leaf):
            if device in restored and (last is None or restored[device] > last):
                last = restored[device]
            if device in by_device and not _has_power_again(state, report, device):
                key = by_device[device]
                break
    if last is not None and was_before(state, report, last):
        return Cover(answer=last, rule=Rule.ALREADY_RESTORED)
    if key is None:
        return Cover() if last is None else _since(state, report, last)
    incident = state.incidents[key]
    if (over := lately_begun_above(state, report, incident)) is not None:
        return Cover(over, rule=Rule.UNDER_OPEN_INCIDENT)
    if incident.device.id == leaf:
        return Cover(incident, rule=Rule.SAME_DEVICE)
    gone = state.tree is not None and leaf not in state.tree  # nothing new can stand there: the incident stands for it
    if last is not None and not gone and last.seq > incident.since_seq and _remembered(state, report, last):
        return Cover(rule=Rule.OUT_AGAIN)
    return Cover(incident, rule=Rule.UNDER_OPEN_INCIDENT)


def _since(state: AreaState, report: Report, last: Restored) -> Cover:
    """Return what a restoration is to a report from a place where nothing is open."""
    if _came_late(state, report, last):
        return Cover(answer=last, rule=Rule.ALREADY_RESTORED)
    return Cover(still_out=last if _left_out(state, report, last) else None)


def _has_power_again(state: AreaState, report: Report, device: str) -> bool:
    """Tell whether what stood open at a device has closed again before a report: whoever is out then is out below it.

    A breaker that trips and recloses is open for seconds, and its outage for as long as it takes to be sure.
    """
    if not state.telemetry.known:
        return False
    return state.telemetry.closed_again(device, state.incidents[state.by_device[device]].opened_at, report.dark_at)


def was_before(state: AreaState, report: Report, restored: Restored) -> bool:
    """Tell whether a report was made before a restoration that answers it, and that is not long ago."""
    before = report.made_at + state.rules.restored_tolerance <= restored.restored_at
    return before and _remembered(state, report, restored)


def _came_late(state: AreaState, report: Report, restored: Restored) -> bool:
    """Tell whether a report that says it is old is of an outage that was open then and is over, and of no new one.

    Its clock may be wrong, and is not believed while an outage is open there. But a phone that was offline is likelier
    than that a wrong clock shows the time of the very outage that was there, and that another began just now.
    """
    if report.reported_at == report.made_at or report.special or report.received_at - report.reported_at > _OFFLINE:
        return False
    return restored.since <= report.reported_at <= restored.restored_at - state.rules.restored_tolerance


def _left_out(state: AreaState, report: Report, restored: Restored) -> bool:
    """Tell whether somebody without power soon after a restoration never had it back."""
    return restored.restored_at <= report.made_at <= restored.restored_at + state.rules.still_out


def _remembered(state: AreaState, report: Report, restored: Restored) -> bool:
    latest = state.seen_from(report.made_at)
    return restored.restored_at >= latest - state.rules.restored_memory
