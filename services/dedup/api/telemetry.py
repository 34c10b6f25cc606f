"""Readings of meters and breakers, in batches, from a head-end or SCADA system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.envelope import fingerprint
from services.contracts.messages import TelemetryReceived
from services.contracts.topics import OUTAGE_INPUT
from services.contracts.values import Name, Reading, Timestamp
from services.dedup.keys import Holder, Scope
from services.dedup.store import people
from services.runtime import clock
from services.runtime.handling import Publication
from services.runtime.http import Problem
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from services.dedup.api.access import Access
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

_MOST: Final = 500


class ReadingPosted(BaseModel):
    """One reading. Name the device, or for a meter the account whose meter it is."""

    model_config = ConfigDict(extra="forbid")

    event_id: Name = Field(description="Your own id of the event: the same again changes nothing")
    reading: Reading
    device: Name | None = None
    account_id: Name | None = None
    commanded: bool = False
    at: Timestamp = Field(description="By the clock of the meter or breaker, with its offset")


class ReadingsPosted(BaseModel):
    """A batch of readings."""

    model_config = ConfigDict(extra="forbid")

    readings: list[ReadingPosted] = Field(min_length=1, max_length=_MOST)


class ReadingsAccepted(BaseModel):
    """What was taken in, and what belongs to nothing in the network in force."""

    accepted: int
    unknown: list[str] = Field(description="event_id of readings whose device or account the network does not have")


def telemetry_doors(pool: Pool, outbox: Outbox, access: Access) -> APIRouter:
    """Make the door. Which system sends is what its key says, never the payload."""
    router = APIRouter(prefix="/telemetry", tags=["telemetry"])
    sender = Depends(access.holder(Scope.TELEMETRY))

    @router.post("", status_code=202, summary="Readings of meters and breakers")
    async def readings(said: ReadingsPosted, holder: Holder = sender) -> ReadingsAccepted:
        errors = [
            {"field": f"readings.{n}", "reason": "device or account_id is needed"}
            for n, one in enumerate(said.readings)
            if one.device is None and one.account_id is None
        ]
        if errors:
            raise Problem(422, "some fields do not fit", errors=errors)
        now = clock.now()
        with translated():
            async with pool.acquire() as connection, connection.transaction():
                accounts = {one.account_id for one in said.readings if one.device is None and one.account_id}
                known = await people.meters(connection, accounts)
                areas = await people.areas_of_devices(connection, {one.device for one in said.readings if one.device})
                publications, unknown = [], []
                for one in said.readings:
                    device, area = known.get(one.account_id or "", (None, None))
                    if one.device is not None:
                        device, area = one.device, areas.get(one.device)
                    if device is None or area is None:
                        unknown.append(one.event_id)
                        continue
                    message = TelemetryReceived(
                        area=area,
                        source=holder.name,
                        source_event_id=one.event_id,
                        reading=one.reading,
                        device=device,
                        account_id=one.account_id,
                        commanded=one.commanded,
                        at=min(one.at, now),
                        received_at=now,
                    )
                    same = fingerprint(message, without=("received_at",))
                    publications.append(Publication(OUTAGE_INPUT, message, None, same))
                await outbox.publish(connection, publications, now)
        outbox.wake()
        return ReadingsAccepted(accepted=len(publications), unknown=unknown)

    return router
