"""Planned outages: add, change, cancel, list. What comes of it is decided in the area's topic."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from services.contracts.ids import derive
from services.contracts.values import CommandAction, Name
from services.dedup.api.giving import GIVEN, Command, CommandView, Hand, IfMatch, SeenPlan, command_id, hand_of
from services.dedup.api.pages import After, cut, read_cursor
from services.dedup.keys import Scope
from services.dedup.store import commands, network
from services.runtime import clock
from services.runtime.etags import TAGGED, etag
from services.runtime.keys import let_in
from services.runtime.periods import Instant, QueryInstant
from services.runtime.postgres import connected
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from services.runtime.keys import KeyRing
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool


class Plan(Command):
    """Power will be off under a device for a time."""

    device: Name
    starts_at: Instant
    ends_at: Instant


class PlannedView(BaseModel):
    """A planned outage as it stands."""

    planned_id: UUID
    area: str
    device_id: str
    starts_at: datetime
    ends_at: datetime
    author: str
    reason: str
    cancelled: bool
    revision: int = Field(description="Its ETag")
    changed_at: datetime


class PlannedPage(BaseModel):
    """Planned outages, by their start."""

    planned_outages: list[PlannedView]
    next: str | None = Field(description="Give it as `after` for the next page; null on the last")


def planned_doors(pool: Pool, outbox: Outbox, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:  # noqa: C901 - one door an action
    """Make the doors."""
    router = APIRouter(prefix="/planned-outages", tags=["planned outages"])
    dispatcher = hand_of(pool, outbox, keys)
    may_read = Depends(let_in(keys, Scope.READ))

    async def area_of(device: str) -> str:
        async with connected(pool) as connection:
            area = await network.area_of_device(connection, device)
        if area is None:
            errors = [{"field": "device", "reason": f"the network has no device {device!r}"}]
            raise Problem(422, "some fields do not fit", errors=errors)
        return area

    async def known(key: UUID) -> asyncpg.Record:
        async with connected(pool) as connection:
            row = await commands.planned_outage(connection, key)
        if row is None:
            raise Problem(404, f"no planned outage {key}")
        return row

    @router.get("", dependencies=[may_read], summary="Planned outages that are not over")
    async def list_planned_outages(
        area: Annotated[Name | None, Query()] = None,
        ending_after: Annotated[QueryInstant | None, Query(description="Now, if absent")] = None,
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> PlannedPage:
        since = read_cursor(after)
        async with connected(pool) as connection:
            rows = await commands.planned_outages(connection, area, ending_after or clock.now(), since, limit + 1)
        page, following = cut(rows, limit, "starts_at", "planned_id")
        return PlannedPage(planned_outages=[PlannedView(**dict(row)) for row in page], next=following)

    @router.get("/{planned_id}", dependencies=[may_read], summary="One planned outage", responses=TAGGED)
    async def get_planned_outage(planned_id: UUID, response: Response) -> PlannedView:
        row = await known(planned_id)
        response.headers["ETag"] = etag(row["revision"])
        return PlannedView(**dict(row))

    @router.post("", summary="Add a planned outage; its id is derived from the command's id", responses=GIVEN)
    async def add_planned_outage(said: Plan, by: Hand = dispatcher) -> CommandView:
        key, area = derive("planned", command_id(said.command_id)), await area_of(said.device)
        return await by.give(said, area, CommandAction.PLAN, planned_id=key, **_told(said))

    @router.put("/{planned_id}", summary="Change its device or time", responses=GIVEN)
    async def change_planned_outage(
        planned_id: UUID, said: Plan, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        seen = SeenPlan(planned_id, if_match)
        row, area = await known(planned_id), await area_of(said.device)
        if row["area"] != area:
            reason = f"is in area {area}, the planned outage in {row['area']}: cancel it and make a new one"
            raise Problem(409, "the command was refused", errors=[{"field": "device", "reason": reason}])
        told = {**_told(said), "planned_revision": row["revision"]}
        return await by.give(said, area, CommandAction.PLAN, seen, planned_id=planned_id, **told)

    @router.post("/{planned_id}/cancel", summary="Cancel it; of work that ends early, change the end", responses=GIVEN)
    async def cancel_planned_outage(
        planned_id: UUID, said: Command, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        seen = SeenPlan(planned_id, if_match)
        row = await known(planned_id)
        return await by.give(said, row["area"], CommandAction.CANCEL_PLAN, seen, planned_id=planned_id)

    return router


def _told(said: Plan) -> dict[str, Any]:
    return {"device": said.device, "starts_at": said.starts_at, "ends_at": said.ends_at}
