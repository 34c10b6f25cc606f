"""What is known at a place: where an address is in the network, what feeds it, what is out or planned there.

Never here: which evidence to believe (``services.grid.place``). What is asked is in the body and not in the URL: a
telephone number must not be in a proxy's log. It tells who lives where, so reading alone does not open it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.contracts.values import Name, Place, Position
from services.dedup.api.incidents import IncidentView, incident_view
from services.dedup.api.planned import PlannedView
from services.dedup.keys import Scope
from services.dedup.store.commands import planned_at
from services.dedup.store.incident_pages import incidents_at
from services.grid.evidence import PlaceEvidence
from services.grid.lookup import resolve_places
from services.grid.store import load_trees
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.postgres import connected
from services.runtime.problems import wrong_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.grid.tree import Tree
    from services.runtime.keys import KeyRing
    from services.runtime.postgres import Pool

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
_OVER_FOR: Final = timedelta(hours=24)


class Whereabouts(BaseModel):
    """What is known of a place: all of it counts, and what contradicts itself is said."""

    model_config = ConfigDict(extra="forbid")

    address: Words | None = Field(
        default=None, description="As people say it; or a pole, a line or a transformer", examples=["人民路12号3栋"]
    )
    text: Words | None = Field(default=None, description="A whole message, which may say where its customer is")
    account_id: Name | None = None
    phone: Name | None = None
    position: Position | None = None


class SupplyDevice(BaseModel):
    """A device on the way from a place up to the substation."""

    id: str
    type: str
    feeder: str
    lat: float = Field(description="Degrees north, WGS-84")
    lon: float = Field(description="Degrees east, WGS-84")
    customers: int = Field(description="Customers fed through it")


class KnownAtPlace(BaseModel):
    """A place, and what is known there."""

    place: Place = Field(description="As a report with this evidence is placed, but for what was reported lately")
    supply: list[SupplyDevice] = Field(
        description="Its transformer and what could have opened above it, upwards; none where that is not clear, or no "
        "network model covers the place"
    )
    incidents: list[IncidentView] = Field(
        description="Open, or restored in the last 24 hours, at what feeds it: the nearest first, up to 50"
    )
    planned_outages: list[PlannedView] = Field(description="Not over, at what feeds it: by their start")


def place_doors(pool: Pool, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door."""
    router = APIRouter(tags=["incidents"], dependencies=[Depends(let_in(keys, Scope.DISPATCHER))])

    @router.post("/places/search", summary="Where a place is in the network, and what is known there")
    async def search_place(said: Whereabouts) -> KnownAtPlace:
        """Answer who asks whether something is known about an address, an account or a position."""
        if said == Whereabouts():
            raise wrong_field("address", "give this, or text, account_id, phone or position")
        now = clock.now()
        async with connected(pool) as connection:
            try:
                [found] = await resolve_places(connection, [_evidence(said)])
            except asyncpg.UndefinedTableError:  # no network model was ever imported here
                return KnownAtPlace(place=Place(), supply=[], incidents=[], planned_outages=[])
            place = found.as_value()
            if place.area is None or place.transformer_id is None:
                return KnownAtPlace(place=place, supply=[], incidents=[], planned_outages=[])
            at, tree = place.transformer_id, (await load_trees(connection, [place.area])).get(place.area)
            supply: list[SupplyDevice] = []
            devices = [at]
            if tree is not None and at in tree:
                supply = [_device(tree, one) for one in tree.chain(at)]
                devices += tree.ancestors(at)
            incidents = await incidents_at(connection, place.area, devices, now - _OVER_FOR, now)
            planned = await planned_at(connection, place.area, devices, now)
        return KnownAtPlace(
            place=place,
            supply=supply,
            incidents=[incident_view(row) for row in incidents],
            planned_outages=[PlannedView(**dict(row)) for row in planned],
        )

    return router


def _evidence(said: Whereabouts) -> PlaceEvidence:
    at = said.position
    return PlaceEvidence(
        account_id=said.account_id,
        phone=said.phone,
        lat=at.lat if at else None,
        lon=at.lon if at else None,
        crs=at.crs.value if at else None,
        accuracy_m=at.accuracy_m if at else None,
        address=said.address,
        text=said.text,
    )


def _device(tree: Tree, device: str) -> SupplyDevice:
    lat, lon = tree.position(device)
    return SupplyDevice(
        id=device,
        type=tree.type_of(device).value,
        feeder=tree.feeder_of(device),
        lat=lat,
        lon=lon,
        customers=tree.customers_under(device),
    )
