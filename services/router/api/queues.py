"""How the queues are shown: what waits in them, and for how long.

Never here: a change.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.contracts.values import Priority, Word
from services.router import metrics, roster, store
from services.router.api.guard import guard
from services.router.api.tickets import TicketView, view
from services.router.domain.classify import URGENCY
from services.router.domain.desk import ANY
from services.router.domain.targets import Duty
from services.router.tree.keys import Scope
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.http import Problem
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from services.router.acting import Desk
    from services.router.domain.routes import Queue
    from services.router.domain.ticket import Rules
    from services.router.store import Depth
    from services.router.tree.book import RuleBook
    from services.router.tree.keys import KeyRing
    from services.runtime.postgres import Pool

_MOST: Final = 500
_REST: Final = 50
"""Times as long as it took, the queues are not counted again."""
_log = structlog.get_logger()


class QueueView(BaseModel):
    """A skill queue and what waits in it."""

    name: Word
    title: str
    description: str
    declared: bool = Field(description="False: the tree in force lacks it, yet tickets wait in it")
    waiting: int
    oldest_seconds: float = Field(description="Age of the ticket that waits longest; 0 if none")
    by_priority: dict[Priority, int]


class QueuesView(BaseModel):
    """Every queue of the tree in force."""

    queues: list[QueueView]
    tree_hash: str


class QueueTicketsView(BaseModel):
    """The head of a queue, in the order it is to be worked: most urgent first, but none waits behind too many."""

    queue: QueueView
    tickets: list[TicketView]


def queue_doors(desk: Desk, keys: Callable[[], KeyRing]) -> APIRouter:
    """Make the doors of the queues."""
    router = APIRouter(tags=["queues"])
    pool, book = desk.pool, desk.book

    @router.get("/queues", summary="Every queue, with what waits in it")
    async def get_queues() -> QueuesView:
        rules = book.rules
        with translated():
            async with pool.acquire() as connection:
                depths = await store.depths(connection)
        return QueuesView(queues=queue_views(rules, depths, clock.now()), tree_hash=rules.hash)

    @router.get("/queues/{name}", summary="The head of a queue", dependencies=[Depends(guard(keys, Scope.READ))])
    async def get_queue(name: str, limit: Annotated[int, Query(ge=1, le=_MOST)] = 50) -> QueueTicketsView:
        rules = book.rules
        with translated():
            async with pool.acquire() as connection:
                depths = await store.depths(connection, name)
                tickets = await store.waiting(connection, name, limit)
        if name not in rules.tree.queues and not depths:
            raise Problem(404, f"no such queue; there are {', '.join(rules.tree.queues)}")
        head = _queue_view(name, rules.tree.queues, depths, clock.now())
        return QueueTicketsView(queue=head, tickets=[view(ticket, desk.rules()) for ticket in tickets])

    return router


def queue_views(rules: Rules, depths: Sequence[Depth], now: datetime) -> list[QueueView]:
    """Show every queue of the tree, and those that it lacks and something waits in."""
    names = [*rules.tree.queues, *sorted({depth.queue for depth in depths} - set(rules.tree.queues))]
    return [_queue_view(name, rules.tree.queues, depths, now) for name in names]


def _queue_view(name: str, queues: Mapping[str, Queue], depths: Sequence[Depth], now: datetime) -> QueueView:
    mine = [depth for depth in depths if depth.queue == name]
    declared = queues.get(name)
    return QueueView(
        name=name,
        title=declared.title if declared else name,
        description=declared.description if declared else "",
        declared=declared is not None,
        waiting=sum(depth.waiting for depth in mine),
        oldest_seconds=_age(mine, now),
        by_priority={depth.priority: depth.waiting for depth in mine},
    )


def _age(depths: Sequence[Depth], now: datetime) -> float:
    return max((max(0.0, (now - depth.oldest_at).total_seconds()) for depth in depths), default=0.0)


async def measure_queues(pool: Pool, book: RuleBook, every_s: float) -> None:
    """Keep the gauges of waiting tickets, and what the route tree skips targets by, for the life of the service.

    Counting costs as much as waits: with a million tickets it is done more rarely, so that it takes a small part of the
    database's time whatever the backlog.
    """
    while True:
        began = clock.monotonic()
        try:
            with translated():
                async with pool.acquire() as connection:
                    depths = await store.depths(connection)
                    staffed = await roster.on_duty(connection)
        except UnavailableError as error:
            _log.warning("queues_not_measured", reason=str(error)[:200])
        else:
            _measure(depths, book.rules)
            book.note_duty(_duty(depths, staffed, book.rules))
        await asyncio.sleep(max(every_s, _REST * (clock.monotonic() - began)))


def _duty(depths: Sequence[Depth], staffed: frozenset[str] | None, rules: Rules) -> Duty:
    everything = staffed is not None and ANY in staffed
    waiting: Counter[str] = Counter()
    for depth in depths:
        waiting[depth.queue] += depth.waiting
    return Duty(frozenset(rules.tree.queues) if everything else staffed, waiting)


def _measure(depths: Sequence[Depth], rules: Rules) -> None:
    now = clock.now()
    metrics.WAITING.clear()
    metrics.OLDEST.clear()
    for name in {*rules.tree.queues, *(depth.queue for depth in depths)}:
        mine = [depth for depth in depths if depth.queue == name]
        counts = {depth.priority: depth.waiting for depth in mine}
        for priority in URGENCY:
            metrics.WAITING.labels(name, priority.value).set(counts.get(priority, 0))
        metrics.OLDEST.labels(name).set(_age(mine, now))
