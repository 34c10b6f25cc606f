"""Restored power, in batches, from systems that do not know our order ids: a switching log, a field system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.ids import derive
from services.contracts.messages import PowerRestored
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


class RestorationPosted(Posted):
    """Power is back at a device and all under it, or at one account."""

    restored_at: Instant = Field(description="With its offset; one that lies ahead counts from its arrival")


class RestorationsPosted(BaseModel):
    """A batch of restorations."""

    model_config = ConfigDict(extra="forbid")

    restorations: list[RestorationPosted] = Field(min_length=1, max_length=MOST)


def restoration_doors(pool: Pool, outbox: Outbox, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door. Which system sends is what its key says: two systems may use the same event ids."""
    router = APIRouter(prefix="/restorations", tags=["restorations"])
    sender = Depends(let_in(keys, Scope.FIELD))

    @router.post("", status_code=202, summary="Restored power at devices or accounts")
    async def report_restorations(said: RestorationsPosted, holder: Holder[Scope] = sender) -> BatchAccepted:
        reason = "exactly one of device and account_id is needed"
        check("restorations", said.restorations, lambda one: (one.device is None) == (one.account_id is None), reason)

        def made(one: RestorationPosted, at: At, now: datetime) -> PowerRestored:
            beside = () if at.in_force else (at.area,)
            return PowerRestored(
                area=at.area,
                restoration_id=derive("restoration", holder.name, one.event_id, *beside),
                device=at.device,
                account_id=one.account_id,
                restored_at=one.restored_at,
                received_at=now,
            )

        return await take_in(pool, outbox, said.restorations, made, everywhere=True)

    return router
