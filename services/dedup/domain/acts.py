"""What people, meters and breakers do to incidents, as events.

Never here: a decision. Which events a command comes to is ``commands`` and ``undo``; what they do is ``acting``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.contracts.frozen import frozen
from services.contracts.messages import OutageCommanded, TelemetryReceived
from services.contracts.values import IncidentState
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.done import Closed, Done
from services.dedup.domain.plan_acts import PlanAct
from services.dedup.domain.report import Report


class Wrong(NamedTuple):
    """Why a command is refused: the field and the reason, for the person who gave it."""

    field: str
    reason: str


@frozen()
class CommandDone:
    """A command was carried out; ``undoes`` is the earlier one it took back."""

    command: OutageCommanded
    done: Done
    undoes: UUID | None = None


@frozen()
class CommandRefused:
    """A command changes nothing; every reason is named."""

    command: OutageCommanded
    wrong: tuple[Wrong, ...]


@frozen()
class IncidentPinned:
    """A person has arranged this incident: from now on inference leaves it where it is."""

    incident_id: UUID


@frozen()
class IncidentUnpinned:
    """No person's command on it stands any more, so inference may move it again."""

    incident_id: UUID


@frozen()
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


@frozen()
class IncidentReopened:
    """The command that had emptied the incident was undone: it is what it was."""

    incident_id: UUID
    closed: Closed
    rule: Rule


@frozen()
class IncidentRecounted:
    """Reports came to the incident or left it one by one, so what they add up to is counted anew."""

    incident_id: UUID


@frozen()
class IncidentStateSet:
    """A person or a breaker's state confirmed the incident, or a person took that back."""

    incident_id: UUID
    state: IncidentState
    rule: Rule


@frozen()
class IncidentRelated:
    """The incident has to do with another, or no longer."""

    incident_id: UUID
    related_to: UUID | None
    rule: Rule


@frozen()
class ReportPlaced:
    """A report that waited for a place has one; where it went is the next event about it."""

    report_id: UUID
    command_id: UUID


@frozen()
class ReportUnplaced:
    """A report waits for a place again. ``seq`` is its ledger row: it left an incident."""

    report: Report
    rule: Rule
    author: str
    command_id: UUID
    incident_id: UUID
    seq: int


@frozen()
class TelemetryNoted:
    """A meter or a breaker said something newer than what was known of it."""

    telemetry: TelemetryReceived


@frozen()
class RestorationSuggested:
    """Telemetry or a second wave of calls says that power is or was back at an open incident, or telemetry no longer.

    Only a crew or a person closes it.

    Attributes:
        at: Since when; None where it is gone again.
    """

    incident_id: UUID
    at: datetime | None
    rule: Rule


@frozen()
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


@frozen()
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


@frozen()
class ElsewhereNoted:
    """Another area has an outage open at a device of this one: reports under it need no order of their own."""

    outage: Elsewhere


@frozen()
class ElsewhereOver:
    """That outage has ended."""

    incident_id: UUID


@frozen()
class DeadlineBreached:
    """A due time of the incident has passed without what was due. Once an incident and kind."""

    incident_id: UUID
    what: str
    due_at: datetime
    rule: Rule


@frozen()
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


@frozen()
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
