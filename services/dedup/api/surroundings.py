"""The network around an incident, for maps and drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.dedup.domain.surroundings import surroundings
from services.dedup.keys import Scope
from services.dedup.store import views
from services.grid.store import load_trees
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.postgres import connected
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.runtime.keys import KeyRing
    from services.runtime.postgres import Pool


class DeviceAround(BaseModel):
    """One device of the incident's feeder, or on the way up to the substation."""

    id: str
    parent: str | None = Field(description="The device upstream; absent at the substation")
    type: str
    normally_open: bool
    lat: float = Field(description="Degrees north, WGS-84")
    lon: float = Field(description="Degrees east, WGS-84")
    customers: int = Field(description="Customers fed through it")
    dark: bool = Field(description="At or under the incident's device")
    reports: int = Field(description="Of the incident, at this device")
    incident: UUID | None = Field(description="An open outage predicted here")


class Surroundings(BaseModel):
    """An incident's feeder with who called where."""

    incident_id: UUID
    device: str
    state: str
    customers_served: int
    reports: int
    devices: list[DeviceAround] = Field(description="A parent before its children")


def surroundings_doors(pool: Pool, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door."""
    router = APIRouter(tags=["incidents"])
    may_read = Depends(let_in(keys, Scope.READ))

    @router.get(
        "/incidents/{incident_id}/surroundings",
        dependencies=[may_read],
        summary="The network around an incident, and where calls came from",
    )
    async def get_surroundings(incident_id: UUID) -> Surroundings:
        async with connected(pool) as connection:
            shown = await views.successor_of(connection, incident_id)
            row = None if shown is None else await views.incident_of(connection, shown, clock.now())
            if row is None or shown is None:
                raise Problem(404, f"no incident {incident_id}")
            reports = await views.reports_by_device(connection, shown)
            standing = await views.standing_in(connection, row["area"])
            trees = await load_trees(connection, [row["area"]])
        tree, device = trees.get(row["area"]), row["device_id"]
        if tree is None or device not in tree:
            raise Problem(404, f"the network in force has no device {device}, so there is nothing to draw around it")
        return Surroundings(
            incident_id=shown,
            device=device,
            state=row["state"],
            customers_served=row["customers_served"],
            reports=row["reports"],
            devices=[DeviceAround(**one._asdict()) for one in surroundings(tree, device, reports, standing)],
        )

    return router
