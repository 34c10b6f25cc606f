"""The queues: what waits in them, and for how long.

Never here: a change.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID  # noqa: TC003 - FastAPI reads the types

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.contracts.values import Name, Priority, Word
from services.router import store
from services.router.api.tickets import TicketView, view
from services.router.backlog import oldest_s
from services.router.tree.keys import Scope
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.postgres import connected
from services.runtime.problems import Problem, wrong_field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.router.acting import Desk
    from services.router.domain.ticket import Rules
    from services.router.store import Depth
    from services.runtime.keys import KeyRing

_MOST: Final = 500


class QueueView(BaseModel):
    """A skill queue and what waits in it."""

    name: Word
    title: str
    description: str
    declared: bool = Field(description="False: the tree in force lacks it, yet tickets wait in it")
    waiting: int
    oldest_seconds: float = Field(
        description="How long the ticket that waits longest has waited, since it came back or its danger became known;"
        " 0 if none"
    )
    by_priority: dict[Priority, int]
    staffed: bool | None = Field(
        description="An available agent serves it, as of some seconds ago; absent where no agent was ever made"
    )


class QueuesView(BaseModel):
    """Every queue of the tree in force."""

    queues: list[QueueView]
    counted_at: datetime = Field(description="Now, but with thousands of tickets waiting some seconds ago")
    tree_hash: str


class QueueTicketsView(BaseModel):
    """The head of a queue, in the order it is to be worked: most urgent first, but none waits behind too many."""

    queue: QueueView
    counted_at: datetime
    tickets: list[TicketView]


def queue_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors of the queues."""
    router = APIRouter(tags=["queues"])
    pool, book = desk.looking, desk.book

    reads = Depends(let_in(keys, Scope.READ))

    @router.get("/queues", summary="All queues and what waits in them", dependencies=[reads])
    async def list_queues() -> QueuesView:
        rules, counted = book.rules, await desk.backlog.seen()
        queues = queue_views(rules, counted.depths, clock.now())
        return QueuesView(queues=queues, counted_at=counted.at, tree_hash=rules.hash)

    @router.get("/queues/{name}", summary="The head of a queue", dependencies=[reads])
    async def get_queue(
        name: Name,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
        after: Annotated[UUID | None, Query(description="Id of the last ticket of the page before")] = None,
    ) -> QueueTicketsView:
        rules, counted = book.rules, await desk.backlog.seen()
        async with connected(pool) as connection:
            tickets = await store.waiting(connection, name, limit, after)
            lost = after is not None and not tickets and not await store.by_id(connection, after)
        if lost:
            raise wrong_field("after", "no ticket has this id")
        if name not in book.declared and not tickets:
            raise Problem(404, f"no such queue; there are {', '.join(book.declared)}")
        head = _queue_view(name, rules, counted.depths, clock.now())
        shown = [view(ticket, desk.rules()) for ticket in tickets]
        return QueueTicketsView(queue=head, counted_at=counted.at, tickets=shown)

    return router


def queue_views(rules: Rules, depths: Sequence[Depth], now: datetime) -> list[QueueView]:
    """Show every queue of the tree, and those that it lacks and something waits in."""
    names = [*rules.tree.queues, *sorted({depth.queue for depth in depths} - set(rules.tree.queues))]
    return [_queue_view(name, rules, depths, now) for name in names]


def _queue_view(name: str, rules: Rules, depths: Sequence[Depth], now: datetime) -> QueueView:
    mine = [depth for depth in depths if depth.queue == name]
    declared, staffed = rules.tree.queues.get(name), rules.duty.staffed
    return QueueView(
        name=name,
        title=declared.title if declared else name,
        description=declared.description if declared else "",
        declared=declared is not None,
        waiting=sum(depth.waiting for depth in mine),
        oldest_seconds=oldest_s(mine, now),
        by_priority={depth.priority: depth.waiting for depth in mine},
        staffed=None if staffed is None else name in staffed,
    )
