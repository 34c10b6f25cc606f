"""Storms of areas: when they began and by which figures, and when they ended."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.contracts.values import Name  # noqa: TC001 - FastAPI reads annotations at run time
from services.dedup.keys import Scope
from services.dedup.store.storms import storms_of
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.runtime.keys import KeyRing
    from services.runtime.postgres import Pool


class StormView(BaseModel):
    """One storm of an area."""

    area: str
    began_at: datetime
    over_at: datetime = Field(description="If it goes on: when it is over if nobody reports any more")
    goes_on: bool
    per_hour: float = Field(description="Reports an hour when it began")
    usual_per_hour: float
    reports: int = Field(description="Recent reports when it began")
    rules_hash: str


class Storms(BaseModel):
    """Storms, the latest first."""

    storms: list[StormView]


def storm_doors(pool: Pool, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door."""
    router = APIRouter(tags=["figures"])
    may_read = Depends(let_in(keys, Scope.READ))

    @router.get("/storms", dependencies=[may_read], summary="When areas were in a storm, and why")
    async def list_storms(
        area: Annotated[Name | None, Query(description="Only this substation or cell")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Storms:
        now = clock.now()
        async with connected(pool) as connection:
            rows = await storms_of(connection, area, limit)
        shown = []
        for row in rows:
            told = dict(row)
            ended, calm = told.pop("ended_at"), told.pop("calm_at")
            over = ended or calm or now
            shown.append(StormView(**told, over_at=over, goes_on=ended is None and over > now))
        return Storms(storms=shown)

    return router
