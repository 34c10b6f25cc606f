"""What planned outages that are entered late do to incidents, as events (ADR 27).

Never here: a decision. Which events a plan comes to is ``planning``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.contracts.frozen import frozen
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.done import Closed, Done
from services.dedup.domain.planned import Planned
from services.dedup.domain.report import Report


@frozen()
class PlannedSet:
    """A planned outage is known, has changed or was cancelled, as a person said ``at`` that time by our clock.

    Attributes:
        anew: It was not known: new, or over so long ago that whom it had answered is answered for good.
    """

    planned: Planned
    command_id: UUID
    at: datetime
    anew: bool = False


@frozen()
class PlanProposed:
    """What a planned outage that was entered, changed or cancelled is to an open incident; None: nothing any more."""

    incident_id: UUID
    planned_id: UUID | None
    rule: Rule


@frozen()
class PlanSettled:
    """What a planned outage is to an open incident is settled, or no longer: then it is proposed again.

    A person said so or took that back; or what the incident has now, a person was asked about elsewhere, or not.
    """

    incident_id: UUID
    planned_id: UUID
    rule: Rule
    settled: bool = True


@frozen()
class ReportCovered:
    """A planned outage answers a report of an incident. ``seq`` is its ledger row: it left."""

    report: Report
    incident_id: UUID
    planned: Planned
    seq: int
    rule: Rule
    author: str
    command_id: UUID
    evidence: Mapping[str, str | int | float]


@frozen()
class CoverMoved:
    """The planned outage that answers a report ends at another time than ``before``, as was said.

    Attributes:
        instead_of: The one that answered the report until now, if it was another.
    """

    report: Report
    planned: Planned
    before: datetime
    command_id: UUID
    instead_of: UUID | None = None


@frozen()
class AnswerOver:
    """Power came back to whom a planned outage answered."""

    report: Report
    planned_id: UUID | None
    rule: Rule


@frozen()
class AcceptanceNarrowed:
    """An acceptance is of fewer reports: power came back to the others."""

    done: Done


@frozen()
class ReportUncovered:
    """A report that a planned outage answered is in an incident again. ``seq`` is its ledger row: it joined."""

    report: Report
    incident_id: UUID
    planned_id: UUID | None
    seq: int
    rule: Rule
    author: str
    command_id: UUID
    evidence: Mapping[str, str | int | float]


@frozen()
class IncidentCovered:
    """A planned outage answers all that an incident had."""

    incident_id: UUID
    planned_id: UUID
    rule: Rule


@frozen()
class IncidentUncovered:
    """No planned outage answers what an incident had: it is open as before.

    Attributes:
        into: Another that stands at its place by now and has its reports instead.
    """

    incident_id: UUID
    closed: Closed
    rule: Rule
    into: UUID | None = None


@frozen()
class AcceptanceOver:
    """An acceptance is over: its plan was withdrawn (``by``) or over long ago, or power came back to all.

    Attributes:
        gone: The incident that it had closed and that does not come back.
    """

    command_id: UUID
    by: UUID | None = None
    gone: UUID | None = None


PlanAct = (
    PlannedSet
    | PlanProposed
    | PlanSettled
    | ReportCovered
    | CoverMoved
    | AnswerOver
    | AcceptanceNarrowed
    | ReportUncovered
    | IncidentCovered
    | IncidentUncovered
    | AcceptanceOver
)
