"""The doors of dedup, by subject: incidents, dispatching, reports, orders, plans, telemetry, power back, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from services.dedup.api.access import Access
from services.dedup.api.commands import command_doors
from services.dedup.api.figures import figure_doors
from services.dedup.api.incidents import incident_doors
from services.dedup.api.orders import order_doors
from services.dedup.api.planned import planned_doors
from services.dedup.api.reports import report_doors
from services.dedup.api.restorations import restoration_doors
from services.dedup.api.storms import storm_doors
from services.dedup.api.surroundings import surroundings_doors
from services.dedup.api.telemetry import telemetry_doors

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.dedup.ground import Ground
    from services.dedup.keys import KeyRing
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

__all__ = ["make_router"]


def make_router(pool: Pool, outbox: Outbox, keys: Callable[[], KeyRing], ground: Ground | None) -> APIRouter:
    """Make the doors. Without ``ground`` they can be described, not asked why."""
    access = Access(keys)
    router = APIRouter(prefix="/v1")
    for doors in (
        incident_doors(pool, access),
        surroundings_doors(pool, access),
        command_doors(pool, outbox, access),
        report_doors(pool, ground, access),
        order_doors(pool, outbox, access),
        planned_doors(pool, outbox, access),
        telemetry_doors(pool, outbox, access),
        restoration_doors(pool, outbox, access),
        figure_doors(pool, ground, access),
        storm_doors(pool, access),
    ):
        router.include_router(doors)
    return router
