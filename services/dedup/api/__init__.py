"""Dedup's HTTP API, by subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from services.dedup.api.commands import command_doors
from services.dedup.api.figures import figure_doors
from services.dedup.api.incidents import incident_doors
from services.dedup.api.orders import order_doors
from services.dedup.api.places import place_doors
from services.dedup.api.planned import planned_doors
from services.dedup.api.reports import report_doors
from services.dedup.api.restorations import restoration_doors
from services.dedup.api.storms import storm_doors
from services.dedup.api.surroundings import surroundings_doors
from services.dedup.api.telemetry import telemetry_doors
from services.runtime.pool import for_looking

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.dedup.ground import Ground
    from services.dedup.keys import Scope
    from services.runtime.keys import KeyRing
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

__all__ = ["make_router"]


def make_router(pool: Pool, outbox: Outbox, keys: Callable[[], KeyRing[Scope]], ground: Ground | None) -> APIRouter:
    """Make the doors. Without ``ground`` they can be described, not asked why."""
    router, looking = APIRouter(prefix="/v1"), for_looking(pool)
    for doors in (
        incident_doors(looking, keys),
        surroundings_doors(looking, keys),
        place_doors(looking, keys),
        command_doors(pool, outbox, keys),
        report_doors(looking, ground, keys),
        order_doors(pool, outbox, keys),
        planned_doors(pool, outbox, keys),
        telemetry_doors(pool, outbox, keys),
        restoration_doors(pool, outbox, keys),
        figure_doors(looking, ground, keys),
        storm_doors(looking, keys),
    ):
        router.include_router(doors)
    return router
