"""Readings of meters and breakers, in batches, from a head-end or SCADA system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.messages import TelemetryReceived
from services.contracts.values import Reading  # noqa: TC001 - pydantic reads it
from services.dedup.api.batches import MOST, At, BatchAccepted, Posted, check, take_in
from services.dedup.keys import Scope
from services.runtime.keys import Holder, let_in
from services.runtime.periods import Instant  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.runtime.keys import KeyRing
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool


class ReadingPosted(Posted):
    """One reading. Name the device, or for a meter the account whose meter it is."""

    reading: Reading
    commanded: bool = False
    at: Instant = Field(description="By the clock of the meter or breaker, with its offset")


class ReadingsPosted(BaseModel):
    """A batch of readings."""

    model_config = ConfigDict(extra="forbid")

    readings: list[ReadingPosted] = Field(min_length=1, max_length=MOST)


def telemetry_doors(pool: Pool, outbox: Outbox, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door. Which system sends is what its key says, never the payload."""
    router = APIRouter(prefix="/telemetry", tags=["telemetry"])
    sender = Depends(let_in(keys, Scope.TELEMETRY))

    @router.post("", status_code=202, summary="Readings of meters and breakers")
    async def report_readings(said: ReadingsPosted, holder: Holder[Scope] = sender) -> BatchAccepted:
        reason = "device or account_id is needed"
        check("readings", said.readings, lambda one: one.device is None and one.account_id is None, reason)

        def made(one: ReadingPosted, at: At, now: datetime) -> TelemetryReceived:
            return TelemetryReceived(
                area=at.area,
                source=holder.name,
                source_event_id=one.event_id,
                reading=one.reading,
                device=at.device,
                account_id=one.account_id,
                commanded=one.commanded,
                at=min(one.at, now),
                received_at=now,
            )

        return await take_in(pool, outbox, said.readings, made, everywhere=False)

    return router
