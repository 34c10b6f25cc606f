"""Calls of an outage that kept an incident of their own when it was lifted.

Decided here: which outages open below a lifted one began about when it did, had opened before it was lifted, and are
rather its own calls. A lift takes what explains the calls of that moment best; where people are slow to call, as at
night, that is an outage that began after the first of them, and of a substation one without the feeder whose customers
were quickest. Later calls show it. Changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.dedup.domain.relook import as_one, by_itself

if TYPE_CHECKING:
    from services.dedup.domain.events import Evidence
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.state import AreaState

_ABOUT_THEN: Final = 900.0
"""Seconds before and after an outage's first call within which what it left began."""


def left_behind(state: AreaState, incident: Incident, now: float) -> tuple[list[Incident], Evidence]:
    """Return the outages below a lifted one that are rather its own calls, oldest first, and why.

    Each must be likelier as a part of it than by itself, by the margin of a lift.

    Args:
        state: The area.
        incident: An outage that nobody has confirmed.
        now: Until when the others have kept silent.
    """
    device, onset, margin = incident.device.id, state.onset(incident), state.lift_margin(now)
    nearest = [
        (began, one.opened_seq, one)
        for one in state.outages_below(device)
        if not one.frozen
        and one.opened_seq < incident.since_seq
        and abs((began := state.onset(one)) - onset) <= _ABOUT_THEN
        and not _had_power(state, one, device, began)
    ]
    found: list[Incident] = []
    if not nearest:
        return found, {}
    reports = list(incident.reports.values())
    whole = as_one(state, device, reports, now)
    apart = whole
    for _, _, one in sorted(nearest, reverse=True):
        more, own = [*reports, *one.reports.values()], by_itself(state, one, now)
        together = as_one(state, device, more, now)
        if together - whole - own > margin:
            reports, whole = more, together
            apart += own
            found.append(one)
    found.sort(key=lambda one: one.opened_seq)
    return found, {
        "device": device,
        "device_class": incident.device.type,
        "calls": len({report.caller for report in reports}),
        "customers": incident.customers_served,
        "incidents": 1 + len(found),
        "together": round(whole, 2),
        "apart": round(apart, 2),
        "considered": f"{device} {whole - apart:+.1f}",
    }


def _had_power(state: AreaState, incident: Incident, top: str, began: float) -> bool:
    """Tell whether power came back at or above an outage, up to a device, since it began: then it is by itself."""
    for device in state.upstream(incident.device.id):
        restored = state.restored.get(device)
        if restored is not None and restored.restored_at.timestamp() >= began:
            return True
        if device == top:
            break
    return False
