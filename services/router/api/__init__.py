"""The router's HTTP API, by subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from services.router.api.acts import act_doors
from services.router.api.agents import agent_doors
from services.router.api.explain import explain_doors
from services.router.api.finding import finding_doors
from services.router.api.kpis import kpi_doors
from services.router.api.queues import queue_doors
from services.router.api.shifts import shift_doors
from services.router.api.stream import stream_doors
from services.router.api.supervision import supervision_doors
from services.router.api.tickets import ticket_doors

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.router.acting import Desk
    from services.router.tree.keys import Scope
    from services.runtime.keys import KeyRing

__all__ = ["make_router"]


def make_router(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors."""
    router = APIRouter(prefix="/v1")
    for doors in (
        finding_doors(desk, keys),
        ticket_doors(desk, keys),
        act_doors(desk, keys),
        queue_doors(desk, keys),
        agent_doors(desk, keys),
        shift_doors(desk, keys),
        stream_doors(desk, keys),
        kpi_doors(desk, keys),
        supervision_doors(desk, keys),
        explain_doors(desk.looking, desk.book, keys),
    ):
        router.include_router(doors)
    return router
