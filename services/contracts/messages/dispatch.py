"""Dispatch orders to the field, and crews' progress back."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.ids import derive
from services.contracts.messages.message import Message
from services.contracts.values import (
    AddressLine,
    DeviceRef,
    Etr,
    Name,
    OrderStatus,
    Priority,
    ProgressStage,
    Text,
    Timestamp,
    Word,
)


class OrderVersion(Message):
    """One version of the one dispatch order of an incident, with what a crew needs and no more.

    Apply it only if ``version`` is greater than the one you hold for ``order_id``, and store the version in the
    same transaction as your action. Records repeat; an older version may come again after a newer one; equal
    ``(order_id, version)`` are equal bytes.
    """

    ce_type: ClassVar[str] = "gridline.dispatch.order.v1"

    order_id: UUID
    version: int = Field(ge=1)
    incident_id: UUID
    status: OrderStatus
    priority: Priority
    area: Name
    device: DeviceRef = Field(description="Predicted or confirmed device")
    hazards: tuple[Word, ...] = ()
    life_support: int = Field(default=0, ge=0, description="Life-support customers among the reports")
    important: int = Field(default=0, ge=0, description="Important customers among the reports")
    reports: int = Field(ge=1, description="Reports in the incident when this version was made")
    customers_served: int = Field(ge=0, description="Customers below the device; 0 where no network model covers it")
    addresses: tuple[AddressLine, ...] = Field(
        default=(), max_length=5, description="Where people reported from, at most five"
    )
    first_reported_at: Timestamp
    issued_at: Timestamp
    superseded_by: UUID | None = Field(default=None, description="On a cancelled order: the one that took over")
    reason: Word = Field(description="Why this version was made")
    arrive_by: Timestamp | None = Field(default=None, description="When a crew is due on site (service level)")
    restore_by: Timestamp | None = Field(default=None, description="When power is due to be restored (service level)")

    @property
    def message_id(self) -> UUID:
        return derive("order", self.order_id, self.version)

    @property
    def occurred(self) -> Timestamp:
        return self.issued_at

    @property
    def partition_key(self) -> str:
        return str(self.order_id)


class FieldProgress(Message):
    """What a field-repair system reports of an order: posted over HTTP or to ``dispatch.progress.v1``."""

    ce_type: ClassVar[str] = "gridline.dispatch.progress.v1"

    progress_id: UUID = Field(description="The sender's id of this report; the same id again changes nothing")
    order_id: UUID
    stage: ProgressStage
    at: Timestamp
    etr: Etr | None = None
    crew: Name | None = None
    cause: Name | None = None
    note: Text | None = None

    @property
    def message_id(self) -> UUID:
        return self.progress_id

    @property
    def occurred(self) -> Timestamp:
        return self.at

    @property
    def partition_key(self) -> str:
        return str(self.order_id)
