"""Crews' progress on their orders. It goes into the area's topic like everything that can change an incident: 202."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.ids import derive
from services.contracts.messages import FieldProgress
from services.contracts.values import Etr, Name, ProgressStage, Text
from services.dedup.keys import Scope
from services.dedup.progress import rekeyed
from services.dedup.store import views
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.periods import Instant
from services.runtime.postgres import connected
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.runtime.keys import KeyRing
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool


class ProgressPosted(BaseModel):
    """What a field-repair system posts of an order."""

    model_config = ConfigDict(extra="forbid")

    progress_id: Name = Field(
        description="Your own id of this word, a UUID or any text: the same again of this order changes nothing"
    )
    stage: ProgressStage
    at: Instant = Field(description="By the crew's clock, with its offset")
    etr: Etr | None = None
    crew: Name | None = None
    cause: Name | None = None
    note: Text | None = None


class ProgressAccepted(BaseModel):
    """The word is kept."""

    progress_id: UUID
    incident_id: UUID


def order_doors(pool: Pool, outbox: Outbox, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors."""
    router = APIRouter()
    field = Depends(let_in(keys, Scope.FIELD))

    @router.post(
        "/orders/{order_id}/progress",
        dependencies=[field],
        tags=["orders"],
        status_code=202,
        summary="A crew's progress on its order",
    )
    async def report_progress(
        order_id: UUID, said: ProgressPosted, traceparent: Annotated[str | None, Header()] = None
    ) -> ProgressAccepted:
        now = clock.now()
        message = FieldProgress(
            **said.model_dump(exclude={"progress_id"}),
            progress_id=_progress_id(order_id, said.progress_id),
            order_id=order_id,
        )
        async with connected(pool) as connection, connection.transaction():
            order = (await views.orders_by_id(connection, [order_id])).get(order_id)
            if order is None:
                raise Problem(404, f"no order {order_id} was ever issued here")
            await outbox.publish(connection, [rekeyed(order, message, now, traceparent)], now)
        outbox.wake()
        return ProgressAccepted(progress_id=message.progress_id, incident_id=order.incident_id)

    return router


def _progress_id(order_id: UUID, given: str) -> UUID:
    """Return the id of a word: a UUID is the same on the topic, a text is of its order ("arrived")."""
    try:
        return UUID(given)
    except ValueError:
        return derive("progress", order_id, given)
