"""What people, meters and breakers do to incidents, as events, and what is kept of a command so that it can be undone.

Never here: a decision. Which events a command comes to is ``commands`` and ``undo``; what they do is ``acting``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # the store reads Done back by its annotations
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from services.contracts.values import CommandAction, DeviceRef, IncidentState
from services.dedup.domain.plan_acts import PlanAct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.contracts.messages import OutageCommanded, TelemetryReceived
    from services.dedup.domain.events import Rule
    from services.dedup.domain.report import Report


class Wrong(NamedTuple):
    """Why a command is refused: the field and the reason, for the person who gave it."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """An incident that a command emptied, as it stood before: its id, and what the emptied one no longer says."""

    incident_id: UUID
    state: IncidentState
    devices: tuple[str, ...]
    premises: tuple[str, ...]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class CommandDone:
    """A command was carried out; ``undoes`` is the earlier one it took back."""

    command: OutageCommanded
    done: Done
    undoes: UUID | None = None


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """A command changes nothing; every reason is named."""

    command: OutageCommanded
    wrong: tuple[Wrong, ...]


@dataclass(frozen=True, slots=True)
class IncidentPinned:
    """A person has arranged this incident: from now on inference leaves it where it is."""

    incident_id: UUID


@dataclass(frozen=True, slots=True)
class IncidentUnpinned:
    """No person's command on it stands any more, so inference may move it again."""

    incident_id: UUID


@dataclass(frozen=True, slots=True)
class IncidentSetAside:
    """A person's command emptied the incident.

    Attributes:
        successor: Has its reports now; None where its only report waits for a place again.
        returns: Whether undoing can bring it back: until then the successor stands for its places too.
    """

    incident_id: UUID
    successor: UUID | None
    rule: Rule
    returns: bool = True


@dataclass(frozen=True, slots=True)
class IncidentReopened:
    """The command that had emptied the incident was undone: it is what it was."""

    incident_id: UUID
    closed: Closed
    rule: Rule


@dataclass(frozen=True, slots=True)
class IncidentRecounted:
    """Reports came to the incident or left it one by one, so what they add up to is counted anew."""

    incident_id: UUID


@dataclass(frozen=True, slots=True)
class IncidentStateSet:
    """A person or a breaker's state confirmed the incident, or a person took that back."""

    incident_id: UUID
    state: IncidentState
    rule: Rule


@dataclass(frozen=True, slots=True)
class IncidentRelated:
    """The incident has to do with another, or no longer."""

    incident_id: UUID
    related_to: UUID | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class ReportPlaced:
    """A report that waited for a place has one; where it went is the next event about it."""

    report_id: UUID
    command_id: UUID


@dataclass(frozen=True, slots=True)
class ReportUnplaced:
    """A report waits for a place again. ``seq`` is its ledger row, where it left an incident."""

    report: Report
    rule: Rule
    author: str
    command_id: UUID
    incident_id: UUID | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class TelemetryNoted:
    """A meter or a breaker said something newer than what was known of it."""

    telemetry: TelemetryReceived


@dataclass(frozen=True, slots=True)
class RestorationSuggested:
    """Telemetry says that power is back at an open incident. Only a crew or a person closes it."""

    incident_id: UUID
    at: datetime
    rule: Rule


@dataclass(frozen=True, slots=True)
class RelocationProposed:
    """Evidence points to another device than a crew or a person confirmed. Only a person moves it (``confirm``).

    Attributes:
        device: What one outage of would explain it together with what else is out, or most of its calls; None where
            the evidence no longer points away.
        evidence: What was considered.
    """

    incident_id: UUID
    device: str | None
    rule: Rule
    evidence: Mapping[str, str | int | float]


class NetworkChange(StrEnum):
    """What another network means for an incident that was open before."""

    DEVICE_GONE = "device_gone"
    DEVICE_MOVED = "device_moved"


@dataclass(frozen=True, slots=True)
class IncidentMoved:
    """The network in force has the incident's device elsewhere, not at all, or here again.

    Attributes:
        change: None where its device is here, as it was when it opened.
        now_in: Area of its device.
        network: Version and revision of the network.
        places: Devices it was reported at: it stands for them too while its own is not here.
    """

    incident_id: UUID
    change: NetworkChange | None
    now_in: str | None
    network: str
    places: tuple[str, ...]
    at: datetime
    rule: Rule


class Elsewhere(NamedTuple):
    """An outage that is open in another area, at a device that is in this one now."""

    incident_id: UUID
    home: str
    device: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ElsewhereNoted:
    """Another area has an outage open at a device of this one: reports under it need no order of their own."""

    outage: Elsewhere


@dataclass(frozen=True, slots=True)
class ElsewhereOver:
    """That outage has ended."""

    incident_id: UUID


@dataclass(frozen=True, slots=True)
class DeadlineBreached:
    """A due time of the incident has passed without what was due. Once an incident and kind."""

    incident_id: UUID
    what: str
    due_at: datetime
    rule: Rule


@dataclass(frozen=True, slots=True)
class StormBegan:
    """Reports of the area arrive so much faster than usual that the rules for storms hold.

    Attributes:
        at: Arrival of the report it began with.
        per_hour: Rate of reports then.
        usual_per_hour: The area's usual rate.
        reports: Recent reports, each fading.
    """

    at: datetime
    per_hour: float
    usual_per_hour: float
    reports: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class StormEnded:
    """The storm that began at ``began_at`` was over at ``at``: said with the first message after that."""

    began_at: datetime
    at: datetime
    rule: Rule


Act = (
    CommandDone
    | CommandRefused
    | IncidentPinned
    | IncidentUnpinned
    | IncidentSetAside
    | IncidentReopened
    | IncidentRecounted
    | IncidentStateSet
    | IncidentRelated
    | ReportPlaced
    | ReportUnplaced
    | PlanAct
    | TelemetryNoted
    | RestorationSuggested
    | RelocationProposed
    | DeadlineBreached
    | StormBegan
    | StormEnded
    | IncidentMoved
    | ElsewhereNoted
    | ElsewhereOver
)
