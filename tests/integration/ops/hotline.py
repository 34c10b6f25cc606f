"""Router, dedup and notify on one database, each message handed on: all that is stored of a contact."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import httpx

from services.contracts.messages import (
    ContactReceived,
    FieldProgress,
    FieldProgressed,
    OrderVersion,
    OutageReported,
    ReportSettled,
    TicketRouted,
    TimerFired,
)
from services.contracts.topics import DISPATCH_ORDER, INCIDENT_CHANGED, REPORT_SETTLED
from services.contracts.values import ProgressStage
from services.dedup.__main__ import SCHEMA as DEDUP
from services.dedup.ground import Ground
from services.grid.store import SCHEMA as GRID
from services.grid.store import import_network
from services.notify import pending
from services.notify.__main__ import SCHEMA as NOTIFY
from services.notify.handler import NotifyHandler
from services.notify.wording import read_wording
from services.router.__main__ import SCHEMA as ROUTER
from services.router.acting import Desk as People
from services.router.api import make_router
from services.router.bell import Bell
from services.router.tree.keys import read_keys
from services.runtime import clock
from services.runtime.http import make_app
from services.runtime.migration import migrate
from services.runtime.outbox import Outbox
from services.runtime.pool import open_pool
from services.runtime.watched import watched_file
from tests.integration.dedup.room import Room
from tests.integration.notify.conftest import TEMPLATES
from tests.integration.notify.conftest import Desk as Told
from tests.integration.router.conftest import KEYS
from tests.integration.router.desk import Desk, shipped_book
from tests.integration.router.seat import Seat
from tests.unit.dedup.timeline import NETWORKS, RULES
from tests.unit.router.making import SHIPPED_DESK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import Message

FOLDER = NETWORKS / "ieee123"


@dataclass
class Hotline:
    """The three services, and an agent's desktop."""

    dsn: str
    desk: Desk
    room: Room
    told: Told
    people: People
    doors: httpx.AsyncClient
    ann: Seat
    read: Counter[str] = field(default_factory=Counter)

    async def take(self, *contacts: ContactReceived) -> None:
        """Route contacts; dedup has their reports, and the router and notify hear what became of them."""
        await self.take_at(clock.now(), *contacts)

    async def take_at(self, now: datetime, *contacts: ContactReceived) -> None:
        """Do the same at another time."""
        before = len(self.desk.published)
        self.desk.now = now
        await self.desk.take(*contacts)
        new = self.desk.published[before:]
        if reports := [each for each in new if isinstance(each, OutageReported)]:
            await self.feed(*reports, now=now)
        if routed := [each for each in new if isinstance(each, TicketRouted)]:
            await self.told.take(*routed, now=now)

    async def feed(self, *messages: Message, now: datetime | None = None) -> None:
        """Let dedup decide, and tell the others."""
        now = now or clock.now()
        await self.room.feed(messages, now)
        fresh: list[Message] = []
        for topic in (INCIDENT_CHANGED.name, REPORT_SETTLED.name):
            all_of_it = await self.room.published(topic)
            fresh += all_of_it[self.read[topic] :]
            self.read[topic] = len(all_of_it)
        if settled := [each for each in fresh if isinstance(each, ReportSettled)]:
            await self.desk.take(*settled)
        if fresh:
            await self.told.take(*fresh, now=now)

    async def restore_all(self, notes: Mapping[UUID, str]) -> None:
        """Let crews bring power back at every order, with a note on some incidents."""
        for row in await self.room.pool.fetch("DELETE FROM timer RETURNING area, timer_id, kind, subject, due_at"):
            await self.feed(TimerFired(**dict(row), fired_at=clock.now()))
        orders: dict[object, OrderVersion] = {}
        for order in await self.room.published(DISPATCH_ORDER.name):
            assert isinstance(order, OrderVersion)
            orders[order.order_id] = order
        for order in orders.values():
            said = FieldProgress(
                progress_id=uuid4(),
                order_id=order.order_id,
                stage=ProgressStage.RESTORED,
                at=clock.now(),
                note=notes.get(order.incident_id),
            )
            await self.feed(
                FieldProgressed(area=order.area, incident_id=order.incident_id, progress=said, received_at=clock.now())
            )

    async def tell(self) -> None:
        """Send all that is to be told."""
        while claimed := await pending.claim(
            self.told.pool, ["sms", "phone", "web", "app", "wechat"], sender="log", most=100, claim_s=60
        ):
            ended = [pending.Attempt(one.notice_id, one.attempt, pending.Outcome.DELIVERED) for one in claimed]
            await pending.settle(self.told.pool, ended, most_attempts=3)


async def filled(dsn: str) -> None:
    """Make the tables of all services, and import the IEEE 123-node feeder."""
    await migrate(dsn, "grid", GRID, kernel=False)
    for name, schema in (("router", ROUTER), ("dedup", DEDUP), ("notify", NOTIFY)):
        await migrate(dsn, name, schema)
    connection = await asyncpg.connect(dsn)
    try:
        await import_network(connection, FOLDER / "network.csv", FOLDER / "customers.csv")
    finally:
        await connection.close()


@asynccontextmanager
async def hotline(dsn: str) -> AsyncIterator[Hotline]:
    """Make them, over a database that was ``filled``."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "router"})
    async with AsyncExitStack() as stack:
        pools = {}
        for name in ("router", "dedup", "notify"):
            pools[name] = await open_pool(dsn, schema=name, size=3)
            stack.push_async_callback(pools[name].close)
        stack.push_async_callback(connection.close)
        book = shipped_book()
        people = People(pools["router"], Outbox("gridline/router", shards=1), book, lambda: SHIPPED_DESK, Bell())
        told = Told(pools["notify"], watched_file(TEMPLATES, read_wording))
        told.handler = NotifyHandler(told.templates, lambda: None)

        async def ready() -> list[str]:
            return []

        app = make_app("router", ready=ready)
        ring = read_keys(str(KEYS), KEYS.read_text(encoding="utf-8"))
        app.include_router(make_router(people, lambda: ring))
        transport = httpx.ASGITransport(app)
        doors = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://router"))
        ann = await Seat(doors, "ann").begin("*", capacity=9)
        room = Room(pools["dedup"], Ground(RULES), RULES)
        yield Hotline(dsn, Desk(connection, book), room, told, people, doors, ann)
