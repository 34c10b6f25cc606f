"""One believed outage, and what its reports add up to.

Changed only by ``evolve``. Never here: where it is found in its area (``indexing``), a decision (``decide``).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from services.contracts.messages import OrderVersion
from services.contracts.values import CustomerClass, DeviceRef, Etr, IncidentState, ProgressStage
from services.dedup.domain.acts import NetworkChange
from services.dedup.domain.call_times import CallTimes
from services.dedup.domain.events import Kind
from services.dedup.domain.likelihood import KEPT, Part
from services.dedup.domain.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable


ADDRESSES = 5
"""Addresses an order carries at most."""


@dataclass(slots=True)
class Standing:
    """What the reports of an incident add up to: all that an order says of them."""

    reports: int = 0
    hazards: tuple[str, ...] = ()
    life_support: set[str] = field(default_factory=set)
    important: set[str] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    said: bool = False
    """Whether somebody said it, and not only hung up after the fault menu."""
    first_reported_at: datetime | None = None
    customers: set[str] = field(default_factory=set)
    """Accounts among the reports."""
    people: bool = False
    """Whether anybody made one of them, even if they hung up; else only meters and breakers spoke of it."""
    callers: int = 0
    """Distinct customers among the reports; one without an account counts by itself."""
    calls: list[float] = field(default_factory=list)
    """Times of the earliest first reports of a customer, ascending, at most ``KEPT``: seconds since the epoch."""

    def add(self, report: Report) -> None:
        """Count one more report."""
        self.reports += 1
        account = report.account_id
        if account is None or account not in self.customers:
            self.callers += 1
            self._keep_call(report.made_at.timestamp())
            if account is not None:
                self.customers.add(account)
        if report.hazards:
            self.hazards = tuple(sorted({*self.hazards, *report.hazards}))
        if report.customer_class is CustomerClass.LIFE_SUPPORT:
            self.life_support.add(report.customer)
        elif report.customer_class is CustomerClass.IMPORTANT:
            self.important.add(report.customer)
        if report.address:
            self._keep(report.address)
        self.said = self.said or not report.unconfirmed
        self.people = self.people or report.has_ticket
        if self.first_reported_at is None or report.made_at < self.first_reported_at:
            self.first_reported_at = report.made_at

    def _keep_call(self, at: float) -> None:
        calls = self.calls
        if len(calls) < KEPT:
            insort(calls, at)
        elif at < calls[-1]:
            calls.pop()
            insort(calls, at)

    def only_of(self, account: str | None) -> bool:
        """Tell whether every report is of this one customer."""
        return account is not None and self.callers == 1 and account in self.customers

    def _keep(self, address: str) -> None:
        if len(self.addresses) < ADDRESSES and address not in self.addresses:
            self.addresses.append(address)

    def with_one(self, report: Report) -> Standing:
        """Return what an order would say with one report more: not who has called, of whom there may be many."""
        found = self._as_said()
        found.add(report)
        return found

    def copy(self) -> Standing:
        """Return an independent copy."""
        found = self._as_said()
        found.customers, found.callers, found.calls = set(self.customers), self.callers, list(self.calls)
        return found

    def _as_said(self) -> Standing:
        """Return an independent copy without who has called, and when."""
        return Standing(
            self.reports,
            self.hazards,
            set(self.life_support),
            set(self.important),
            list(self.addresses),
            self.said,
            self.first_reported_at,
            people=self.people,
        )

    @classmethod
    def of(cls, reports: Iterable[Report]) -> Standing:
        """Count reports from the start, in order."""
        standing = cls()
        for report in reports:
            standing.add(report)
        return standing

    @property
    def urgent(self) -> bool:
        """Whether danger was reported, or a life-support or important customer is among the reports."""
        return bool(self.hazards or self.life_support or self.important)

    def knows(self, report: Report) -> bool:
        """Tell whether a special customer is counted already."""
        return report.customer in self.life_support or report.customer in self.important


class Hold(NamedTuple):
    """What waits: an order for more evidence; or, once it is out, the end of an outage that only machines spoke of."""

    timer_id: UUID
    due_at: datetime


class Relook(NamedTuple):
    """When a lifted incident is looked at again.

    Attributes:
        since: When it was lifted.
        step: How often it has been looked at since.
    """

    timer_id: UUID
    due_at: datetime
    since: datetime
    step: int


@dataclass(slots=True)
class Incident:
    """One believed outage.

    Attributes:
        opened_seq: Place in the area's ledger: the lower, the older.
        since_seq: Place in the ledger from which it stands at its device.
        premises: Account of the only customer of a single-premises incident.
        continues: Restored incident whose outage goes on here.
        out_since: When that one began.
        reports: Live members by id, in the order they joined.
        order: The last version; None while the order is held.
        stage_at: Time of the crew's last word.
        revision: Of the last published snapshot; counted by the shell.
        pinned: Whether a person arranged it: then inference leaves it where it is.
        also: Devices of incidents that a person merged into this one: it stands for them too.
        also_premises: Accounts of single incidents that a person merged into this one.
        arrived_at: When a crew was first on the spot.
        breached: Due times that were missed.
        suggested_at: Since when telemetry or steps say that power is back, or a second wave that it had been.
        proposed_device: Where the evidence points, of an incident that only a person moves.
        network_change: What another network did to its device.
        network: That network.
        told: Other areas that know of it, as its device is or was in them.
        settled_plans: Planned outages that a person accepted or declined for it.
        covered_by: The planned outage that answers its reports, of one that a person closed by it.
        weighed: How it was weighed since its reports or its device were last others.
        call_times: When those of many were made; None where nobody asked since one left, or it moved.
    """

    incident_id: UUID
    order_id: UUID
    kind: Kind
    device: DeviceRef
    customers_served: int
    opened_seq: int
    since_seq: int
    premises: str | None = None
    related_to: UUID | None = None
    continues: UUID | None = None
    out_since: datetime | None = None
    state: IncidentState = IncidentState.PREDICTED
    reports: dict[UUID, Report] = field(default_factory=dict)
    order: OrderVersion | None = None
    hold: Hold | None = None
    relook: Relook | None = None
    stage: ProgressStage | None = None
    stage_at: datetime | None = None
    etr: Etr | None = None
    cause: str | None = None
    restored_at: datetime | None = None
    restored_seq: int | None = None
    merged_into: UUID | None = None
    revision: int = 0
    pinned: bool = False
    also: tuple[str, ...] = ()
    also_premises: tuple[str, ...] = ()
    arrived_at: datetime | None = None
    breached: tuple[str, ...] = ()
    suggested_at: datetime | None = None
    proposed_device: str | None = None
    network_change: NetworkChange | None = None
    network: str | None = None
    told: tuple[str, ...] = ()
    settled_plans: tuple[UUID, ...] = ()
    covered_by: UUID | None = None
    weighed: Part | None = field(default=None, compare=False, repr=False)
    call_times: CallTimes | None = field(default=None, compare=False, repr=False)
    _standing: Standing | None = field(default_factory=Standing)
    _begun: datetime | None = field(default=None, compare=False)

    @property
    def standing(self) -> Standing:
        """What the reports add up to, as if counted from the start in the order they joined."""
        if self._standing is None:
            self._standing = Standing.of(self.reports.values())
        return self._standing

    @property
    def opened_at(self) -> datetime:
        """Time of the earliest report; of those it had, once they have all gone elsewhere."""
        first = self.standing.first_reported_at or self._begun
        if first is None:
            raise AssertionError("an incident has a report")
        return first

    @property
    def began_at(self) -> datetime:
        """When its outage began: with the one that goes on in it, if it is nested."""
        return self.out_since or self.opened_at

    @property
    def is_open(self) -> bool:
        """Whether its power is not back, and nothing else stands for it."""
        return self.state is IncidentState.PREDICTED or self.state is IncidentState.CONFIRMED

    @property
    def frozen(self) -> bool:
        """Whether a crew confirmed or a person arranged it, or it waits for one in another area.

        Then reports may join, but inference moves nothing.
        """
        return (
            self.pinned
            or self.state is not IncidentState.PREDICTED
            or (self.order is None and self.hold is None)  # ``waits``; asked of every incident under a device
        )

    @property
    def waits(self) -> bool:
        """Whether it has no order because the same outage is open in another area, with an order there."""
        return self.order is None and self.hold is None

    def add(self, report: Report) -> None:
        """Take a report in."""
        self.reports[report.report_id] = report
        if self._begun is None or report.made_at < self._begun:
            self._begun = report.made_at
        if self._standing is not None:
            self._standing.add(report)
        self.weighed = None

    def remove(self, report_id: UUID) -> Report:
        """Let a report go."""
        self.recount()
        return self.reports.pop(report_id)

    def recount(self) -> None:
        """Count anew what the reports add up to."""
        self._standing = self.weighed = self.call_times = None

    def move(self, device: DeviceRef, customers_served: int) -> None:
        """Let it stand at another device."""
        self.device, self.customers_served = device, customers_served
        self.proposed_device = self.weighed = self.call_times = None
