"""The router's HTTP doors, by subject: tickets, queues, a dry run of the route tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from services.router.api.explain import explain_doors
from services.router.api.queues import measure_queues, queue_doors
from services.router.api.tickets import ticket_doors

if TYPE_CHECKING:
    from services.router.tree.book import RuleBook
    from services.runtime.postgres import Pool

__all__ = ["make_router", "measure_queues"]


def make_router(pool: Pool, book: RuleBook) -> APIRouter:
    """Make the doors."""
    router = APIRouter(prefix="/v1")
    for doors in (ticket_doors(pool), queue_doors(pool, book), explain_doors(pool, book)):
        router.include_router(doors)
    return router
