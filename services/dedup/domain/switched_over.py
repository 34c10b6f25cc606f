"""Power that is back at a device that something else feeds now than what is out.

Decided here: which outage it is a step of. Nothing above the device is out any more, by the network in force; who was
below it when they reported has power again. Never here: what closes an outage (``restore``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.dedup.domain.events import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from services.dedup.domain.draft import Draft


def step_of_what_was_switched_over(draft: Draft, device: str, at: datetime) -> None:
    """Note a step of the open outages that were reported under a device and are neither above nor below it."""
    state = draft.state
    for incident in sorted(state.incidents.values(), key=lambda one: one.opened_seq):
        if incident.kind is not Kind.OUTAGE or incident.opened_at > at or state.is_under(incident.device.id, device):
            continue
        if state.reported_under(device, incident.reports.values()):
            draft.part_restored(incident.incident_id, device, at, incident.began_at)
