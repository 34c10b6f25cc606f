"""Two routers over one database in the router's stories: each step is done at one of them, and some at both at once.

Each has its own doors, tree, and memory of what was reported lately. Never here: what one router does (``teller``).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx

from services.router.api.tickets import one_ticket
from tests.stories.routing.rooms import Book, InPostgres
from tests.stories.routing.teller import Teller, an_app, asked, quietly
from tests.stories.routing.world import AGENTS, ANYBODY, OWN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Pool
    from tests.stories.telling import Step


class InTwoProcesses(InPostgres):
    """Two routers that share the rows where they are. What is called the room's is of the one that goes on."""

    def the_other_goes_on(self) -> None:
        """Let the steps that follow be done at the other one."""
        mine = self.people, self.handler, self.book
        self.people, self.handler, self.book = self._other
        self._other = mine

    @property
    def queues(self) -> frozenset[str]:
        return super().queues | frozenset(self._other[2].rules.tree.queues)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        first = self.people
        async with super().open():
            self._other = first, self.handler, self.book
            _, [self.people] = an_app(1)
            self.book = Book(self.book.rules)
            self.start()
            yield

    async def only_here(self) -> None:
        """Let there be these two, and no third; each has listened long enough to the other."""
        async with self._pool.acquire() as connection:
            await connection.execute("TRUNCATE tree_in_force, desk_in_force")
            minute = timedelta(minutes=1)
            for rules in {book.rules.hash: book.rules for book in (self.book, self._other[2])}.values():
                await connection.execute(
                    "INSERT INTO tree_in_force VALUES ($1, $2, now() - $3::interval, now() + $3::interval)",
                    rules.hash,
                    list(rules.tree.queues),
                    minute,
                )


class AtBoth(Teller):
    """Does what a story tells, at one of two routers or at both at once."""

    room: InTwoProcesses

    def __init__(self, room: InTwoProcesses, here: httpx.AsyncClient, there: httpx.AsyncClient) -> None:
        super().__init__(room, there)
        self._other_doors = here

    async def the_other_router_goes_on(self) -> None:
        """What comes next comes to the other one; the partitions that this one read are its now."""
        self.room.the_other_goes_on()
        self.doors, self._other_doors = self._other_doors, self.doors

    async def read(self, pool: Pool, key: str, field: str | None = None) -> Ticket:
        """Read a ticket at a door; then the other router takes what customers said meanwhile."""
        found = await one_ticket(pool, key, field)
        self.room.the_other_goes_on()
        await self.take()
        self.room.the_other_goes_on()
        return found

    async def _at_once(self, one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]) -> list[Any]:
        return await asyncio.gather(
            asked(self.doors, one[0], "POST", one[1]), asked(self._other_doors, other[0], "POST", other[1])
        )

    async def two_agents_ask_at_once(self, agent: str, number: int) -> None:
        """The same ticket may be next for both."""
        others = [one for one in AGENTS if one != agent]
        what = "claims" if number % 2 else "offers"
        given = await self._at_once(
            (f"agents/{agent}/{what}", {}), (f"agents/{others[number % len(others)]}/{what}", {})
        )
        held = [one["ticket_id"] for one in given if one]
        assert len(held) == len(set(held)), f"one ticket is given to two agents: {held}"

    async def two_act_on_one_ticket_at_once(self, agent: str, own: int, act: int, number: int) -> None:
        if (ticket := self.ticket(number)) is not None:
            (mine, said), (theirs, told) = OWN[own], ANYBODY[act]
            path = f"tickets/{ticket.ticket_id}"
            await self._at_once((f"{path}/{mine}", {"agent_id": agent, **said}), (f"{path}/{theirs}", told))


async def lived_by_two(room: InTwoProcesses, steps: list[Step]) -> None:
    """Live a story at two routers."""
    apps = [an_app(number) for number in range(2)]
    room.people = apps[0][1][0]
    clients = [httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") for app, _ in apps]
    async with quietly(), room.open(), clients[0] as here, clients[1] as there:
        await AtBoth(room, here, there).lives(steps)
