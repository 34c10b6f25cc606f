"""Power that is back, in batches, from whoever knows it: a switching log, a field system without our order ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.envelope import fingerprint
from services.contracts.ids import derive
from services.contracts.messages import PowerRestored
from services.contracts.topics import OUTAGE_INPUT
from services.contracts.values import Name, Timestamp
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


class RestorationPosted(BaseModel):
    """Power is back at a device and all under it, or at one account."""

    model_config = ConfigDict(extra="forbid")

    event_id: Name = Field(description="Your own id of the event: the same again changes nothing")
    device: Name | None = None
    account_id: Name | None = None
    restored_at: Timestamp = Field(description="With its offset; one that lies ahead counts from its arrival")


class RestorationsPosted(BaseModel):
    """A batch of restorations."""

    model_config = ConfigDict(extra="forbid")

    restorations: list[RestorationPosted] = Field(min_length=1, max_length=_MOST)


class RestorationsAccepted(BaseModel):
    """What was taken in, and what belongs to nothing in the network in force."""

    accepted: int
    unknown: list[str] = Field(description="event_id of those whose device or account the network does not have")


def restoration_doors(pool: Pool, outbox: Outbox, access: Access) -> APIRouter:
    """Make the door. Which system sends is what its key says: two systems may use the same event ids."""
    router = APIRouter(prefix="/restorations", tags=["restorations"])
    sender = Depends(access.holder(Scope.FIELD))

    @router.post("", status_code=202, summary="Power that is back at devices or accounts")
    async def restorations(said: RestorationsPosted, holder: Holder = sender) -> RestorationsAccepted:
        errors = [
            {"field": f"restorations.{n}", "reason": "exactly one of device and account_id is needed"}
            for n, one in enumerate(said.restorations)
            if (one.device is None) == (one.account_id is None)
        ]
        if errors:
            raise Problem(422, "some fields do not fit", errors=errors)
        now = clock.now()
        with translated():
            async with pool.acquire() as connection, connection.transaction():
                known = await people.meters(connection, {one.account_id for one in said.restorations if one.account_id})
                devices = {one.device for one in said.restorations if one.device}
                areas = await people.areas_of_devices(connection, devices)
                publications, unknown = [], []
                for one in said.restorations:
                    device, area = known.get(one.account_id or "", (None, None))
                    if one.device is not None:
                        device, area = one.device, areas.get(one.device)
                    if device is None or area is None:
                        unknown.append(one.event_id)
                        continue
                    message = PowerRestored(
                        area=area,
                        restoration_id=derive("restoration", holder.name, one.event_id),
                        device=device,
                        account_id=one.account_id,
                        restored_at=one.restored_at,
                        received_at=now,
                    )
                    same = fingerprint(message, without=("received_at",))
                    publications.append(Publication(OUTAGE_INPUT, message, None, same))
                await outbox.publish(connection, publications, now)
        outbox.wake()
        return RestorationsAccepted(accepted=len(publications), unknown=unknown)

    return router
