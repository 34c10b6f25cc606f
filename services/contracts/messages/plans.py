"""Planned work, for those who answer customers at the doors."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.ids import derive
from services.contracts.messages.message import Message
from services.contracts.values import Name, Timestamp


class PlanChanged(Message):
    """A planned outage as it now is: entered, changed or cancelled. Never who entered it, or why in their words."""

    ce_type: ClassVar[str] = "gridline.plan.changed.v1"

    planned_id: UUID
    area: Name
    device: Name = Field(description="Power is off under it")
    starts_at: Timestamp
    ends_at: Timestamp = Field(description="Exclusive")
    cancelled: bool = False
    command_id: UUID = Field(description="The command by which a person said so")
    changed_at: Timestamp = Field(description="When they did")

    @property
    def message_id(self) -> UUID:
        return derive("plan.changed", self.command_id)

    @property
    def occurred(self) -> Timestamp:
        return self.changed_at

    @property
    def partition_key(self) -> str:
        return str(self.planned_id)
