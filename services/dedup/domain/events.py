"""What can happen to reports, incidents and orders. Every event says by which rule.

An event carries all that ``evolve`` and the store need, so that folding events gives the state that decided them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.contracts.frozen import frozen
from services.contracts.messages import FieldProgress, OrderVersion
from services.contracts.values import DeviceRef, Etr
from services.dedup.domain.acts import Act
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.learning import Learned
from services.dedup.domain.planned import Planned
from services.dedup.domain.report import Report

Evidence = Mapping[str, str | int | float]

ENGINE: Final = "engine"
"""Author of what no person decided."""


class Kind(StrEnum):
    """What an incident stands for."""

    OUTAGE = "outage"
    """A device is believed open: reports under it join, and it may move up or be absorbed."""
    SINGLE = "single"
    """One customer's own premises. It never counts as evidence and is never absorbed."""
    HAZARD = "hazard"
    """Danger to life. It has one report, is never absorbed, and nothing joins it."""


@frozen()
class IncidentOpened:
    """A new outage is believed.

    Attributes:
        seq: Place in the area's ledger; orders incidents by age.
        premises: Account of the only customer of a ``SINGLE`` incident.
        related_to: Open incident that covers the place of a hazard.
        continues: Restored incident whose customers are still out here: its outage goes on for them.
        out_since: When that one began.
    """

    incident_id: UUID
    order_id: UUID
    kind: Kind
    device: DeviceRef
    customers_served: int
    seq: int
    rule: Rule
    premises: str | None = None
    related_to: UUID | None = None
    continues: UUID | None = None
    out_since: datetime | None = None


@frozen()
class ReportJoined:
    """A report is in an incident: one ledger row.

    Attributes:
        seq: Number of the row in the area's ledger.
    """

    report: Report
    incident_id: UUID
    seq: int
    rule: Rule
    evidence: Evidence = field(default_factory=dict)
    author: str = ENGINE


@frozen()
class ReportMoved:
    """A report went from one incident to another: ledger row ``seq`` says it left, ``seq + 1`` that it joined."""

    report_id: UUID
    source: UUID
    target: UUID
    seq: int
    rule: Rule
    evidence: Evidence = field(default_factory=dict)
    author: str = ENGINE


@frozen()
class PredictionMoved:
    """The evidence is better explained by another device: further up, or further down; it may be the same again.

    ``seq`` is its place in the area's ledger, from which it stands there.
    """

    incident_id: UUID
    device: DeviceRef
    customers_served: int
    seq: int
    rule: Rule
    evidence: Evidence = field(default_factory=dict)


@frozen()
class IncidentAbsorbed:
    """The incident stopped standing for an outage of its own; its reports have moved to ``successor``."""

    incident_id: UUID
    successor: UUID
    rule: Rule


@frozen()
class OrderIssued:
    """Version 1 of the order of an incident."""

    order: OrderVersion


@frozen()
class OrderUpdated:
    """A later version: the device or the urgency changed."""

    order: OrderVersion


@frozen()
class OrderCancelled:
    """The last version of an order that another took over."""

    order: OrderVersion


@frozen()
class OrderClosed:
    """The last version of an order whose power is back."""

    order: OrderVersion


@frozen()
class ProgressNoted:
    """A crew said where it stands. ``confirmed``: a crew is on the spot, so the prediction is frozen."""

    incident_id: UUID
    progress: FieldProgress
    confirmed: bool


@frozen()
class ProgressIgnored:
    """A crew's word that changes nothing, kept for the record."""

    incident_id: UUID
    progress: FieldProgress
    rule: Rule


@frozen()
class EtrSet:
    """The estimated time of restoration is known or has changed."""

    incident_id: UUID
    etr: Etr
    rule: Rule = Rule.CREW_ESTIMATE


@frozen()
class IncidentRestored:
    """Power is back. ``restored_at`` is the crew's time, not before the first report and not after arrival.

    ``progress`` is the crew's word; None where nobody said it of this incident's own order.
    """

    incident_id: UUID
    restored_at: datetime
    progress: FieldProgress | None
    rule: Rule


@frozen()
class PartRestored:
    """Power is back at a device under the incident's own, as a step: the incident goes on for the rest."""

    incident_id: UUID
    device: str
    restored_at: datetime
    seq: int
    since: datetime


@frozen()
class OutageLearned:
    """A closed incident taught who reports, and when: the area's sums from now on."""

    learned: Learned


@frozen()
class ReportAnswered:
    """The report is known and needs no order. ``incident_id`` names the outage it was about, if one."""

    report: Report
    rule: Rule
    incident_id: UUID | None = None
    planned: Planned | None = None


@frozen()
class ReportNeedsPerson:
    """The report cannot be placed; a person must look."""

    report: Report
    rule: Rule


@frozen()
class TimerSet:
    """Wake the area at ``due_at`` with a ``TimerFired`` about ``incident_id``.

    Attributes:
        since: What a second look counts from.
        step: How many there were.
    """

    timer_id: UUID
    kind: str
    incident_id: UUID
    due_at: datetime
    since: datetime | None = None
    step: int = 0


@frozen()
class TimerCleared:
    """The moment is no longer waited for."""

    timer_id: UUID
    incident_id: UUID


OrderEvent = OrderIssued | OrderUpdated | OrderCancelled | OrderClosed
Event = (
    IncidentOpened
    | ReportJoined
    | ReportMoved
    | PredictionMoved
    | IncidentAbsorbed
    | OrderIssued
    | OrderUpdated
    | OrderCancelled
    | OrderClosed
    | ProgressNoted
    | ProgressIgnored
    | EtrSet
    | IncidentRestored
    | PartRestored
    | OutageLearned
    | ReportAnswered
    | ReportNeedsPerson
    | TimerSet
    | TimerCleared
    | Act
)
