"""What is kept of a command that was carried out, so that it can be undone.

Never here: undoing it (``undo``).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.contracts.frozen import frozen
from services.contracts.values import CommandAction, DeviceRef, IncidentState


@frozen()
class Closed:
    """An incident that a command emptied, as it stood before: its id, and what the emptied one no longer says."""

    incident_id: UUID
    state: IncidentState
    devices: tuple[str, ...]
    premises: tuple[str, ...]


@frozen()
class Done:
    """A command that was carried out, with what it takes to undo it.

    Attributes:
        seq: Place in the area's ledger: the higher, the later.
        incidents: The incidents it changed; once one of them is gone for good it can hardly ever be undone.
        moves: Report and the incident it came from; None where it waited for a place.
        target: Where the reports went; or the incident confirmed or related.
        opened: Whether the command opened the target.
        closed: What it emptied.
        device: Device before, of a confirmation.
        state: State before, of a confirmation.
        served: Customers served before, of a confirmation.
        related_to: Relation before.
        waited_at: Device that a placed report had named before, if any.
        pinned: What it was the first to arrange, of its incidents; None where that was not yet noted.
        planned_id: Planned outage that was accepted or declined.
    """

    command_id: UUID
    action: CommandAction
    author: str
    at: datetime
    seq: int
    incidents: tuple[UUID, ...] = ()
    moves: tuple[tuple[UUID, UUID | None], ...] = ()
    target: UUID | None = None
    opened: bool = False
    closed: tuple[Closed, ...] = ()
    device: DeviceRef | None = None
    state: IncidentState | None = None
    served: int = 0
    related_to: UUID | None = None
    waited_at: str | None = None
    pinned: tuple[UUID, ...] | None = None
    planned_id: UUID | None = None

    @property
    def outlives_its_incident(self) -> bool:
        """Whether it can be undone when its incident is gone for good: a plan that answers some reports of one."""
        return self.action is CommandAction.ACCEPT_PLAN and not self.closed
