"""What the field is told: the versions of an incident's one order.

Decided here: urgency, what a version carries, who never waits for a hold. Never here: which reports are one outage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from services.contracts.frozen import frozen
from services.contracts.messages import OrderVersion
from services.contracts.values import DeviceRef, OrderStatus, Priority
from services.dedup.domain.events import Kind, OrderEvent
from services.dedup.domain.incident import Standing
from services.grid.device import DeviceType

if TYPE_CHECKING:
    from datetime import datetime

    from services.dedup.domain.decided_by import Rule
    from services.dedup.domain.events import Event

_RANK: Final = {priority: rank for rank, priority in enumerate(Priority)}
_WHOLE_FEEDER: Final[frozenset[str]] = frozenset({DeviceType.BREAKER, DeviceType.SUBSTATION})


@frozen()
class Subject:
    """The incident an order is for, as it will stand once the version is out."""

    incident_id: UUID
    order_id: UUID
    area: str
    kind: Kind
    device: DeviceRef
    customers_served: int
    standing: Standing

    @property
    def priority(self) -> Priority:
        """How urgent it is."""
        standing = self.standing
        if self.kind is Kind.HAZARD or standing.hazards:
            return Priority.EMERGENCY
        if standing.life_support or standing.important or self.device.type in _WHOLE_FEEDER:
            return Priority.URGENT
        return Priority.HIGH if standing.said else Priority.NORMAL

    @property
    def never_waits(self) -> bool:
        """Whether somebody among the reports must not wait for a hold."""
        return self.standing.urgent


def more_urgent(one: Priority, other: Priority) -> bool:
    """Tell whether ``one`` comes before ``other``."""
    return _RANK[one] < _RANK[other]


def version_of(subject: Subject, version: int, rule: Rule, now: datetime) -> OrderVersion:
    """Return a version that asks for work: 1 issues the order, later ones change it."""
    standing = subject.standing
    if standing.first_reported_at is None:
        raise AssertionError("an order is for an incident with reports")
    return OrderVersion(
        order_id=subject.order_id,
        version=version,
        incident_id=subject.incident_id,
        status=OrderStatus.ISSUED if version == 1 else OrderStatus.UPDATED,
        priority=subject.priority,
        area=subject.area,
        device=subject.device,
        hazards=standing.hazards,
        life_support=len(standing.life_support),
        important=len(standing.important),
        reports=standing.reports,
        customers_served=subject.customers_served,
        addresses=tuple(standing.addresses),
        first_reported_at=standing.first_reported_at,
        issued_at=now,
        reason=rule.value,
    )


def last_version(
    order: OrderVersion, status: OrderStatus, rule: Rule, now: datetime, *, superseded_by: UUID | None = None
) -> OrderVersion:
    """Return the version that ends an order: closed, or cancelled with the order that took over."""
    return order.model_copy(
        update={
            "version": order.version + 1,
            "status": status,
            "issued_at": now,
            "reason": rule.value,
            "superseded_by": superseded_by,
        }
    )


def above(floor: int, events: list[Event]) -> list[Event]:
    """Return the events with no version of an order up to ``floor``, and each order's still ascending."""
    lifted: set[UUID] = set()
    told: list[Event] = []
    for event in events:
        if isinstance(event, OrderEvent) and (event.order.version <= floor or event.order.order_id in lifted):
            lifted.add(event.order.order_id)
            version = event.order.version + floor
            told.append(replace(event, order=event.order.model_copy(update={"version": version})))
        else:
            told.append(event)
    return told
