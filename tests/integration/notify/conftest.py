"""Notify's tables in a real Postgres, its handler on them, and a gateway on a real socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import deploy
from services.contracts.topics import INCIDENT_CHANGED, PLAN_CHANGED, RECIPIENT_HEARD, REPORT_SETTLED, TICKET_ROUTED
from services.contracts.values import Channel
from services.notify.__main__ import SCHEMA
from services.notify.delivery import Delivery, Patience
from services.notify.handler import NotifyHandler
from services.notify.senders.webhook import WebhookSender
from services.notify.wording import Wording, read_wording
from services.runtime.cluster import apply_topics
from services.runtime.handling import Received
from services.runtime.migration import migrate
from services.runtime.pool import open_pool
from services.runtime.watched import Watched, watched_file
from tests.integration.notify.receiver import KEY, Receiver
from tests.service_process import Service
from tests.unit.notify.snapshots import NOW, Snapshots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from datetime import datetime

    from services.contracts.messages import Message
    from services.notify.senders import Sender
    from services.runtime.postgres import Connection, Pool

READ = (INCIDENT_CHANGED, REPORT_SETTLED, RECIPIENT_HEARD, TICKET_ROUTED, PLAN_CHANGED)
TEMPLATES = Path(deploy.__file__).parent / "templates.yaml"


@dataclass
class Desk:
    """Hands batches to the handler as the consume loop does: one transaction each."""

    pool: Pool
    templates: Watched[Wording]
    woken: int = 0
    make: Snapshots = field(default_factory=Snapshots)

    def __post_init__(self) -> None:
        self.handler = NotifyHandler(self.templates, self._wake)

    def _wake(self) -> None:
        self.woken += 1

    async def take(self, *messages: Message, now: datetime = NOW) -> int:
        """Handle and commit a batch; return how many notices were made."""
        async with self.pool.acquire() as connection:
            return await self.handle(connection, messages, now)

    async def handle(self, connection: Connection, messages: Iterable[Message], now: datetime = NOW) -> int:
        batch = [
            Received(next(topic for topic in READ if type(one) in topic.messages).name, 0, n, one, None)
            for n, one in enumerate(messages)
        ]
        async with connection.transaction():
            decided = await self.handler.handle(connection, batch, now)
        if decided.after_commit is not None:
            decided.after_commit()
        return decided.tally["notices"]

    async def notices(self, **where: Any) -> list[dict[str, Any]]:
        """The notice rows, oldest first, that have these values."""
        rows = [dict(row) for row in await self.pool.fetch("SELECT * FROM notice ORDER BY seq")]
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    async def states(self) -> list[tuple[str, str]]:
        return [(row["stage"], row["state"]) for row in await self.notices()]

    async def wait_states(self, *expected: tuple[str, str], seconds: float = 20) -> None:
        """Wait until the notices, in any order, are in these stages and states."""
        found: list[tuple[str, str]] = []
        try:
            async with asyncio.timeout(seconds):
                while sorted(found := await self.states()) != sorted(expected):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"expected {sorted(expected)}, found {sorted(found)}") from None

    async def wait_row(self, seconds: float = 20, **values: Any) -> dict[str, Any]:
        """Wait until a notice has these values, and return it."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := await self.notices(**values)):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"no notice with {values} among {await self.notices()}") from None
        return found[0]


@dataclass
class Deliveries:
    """Makes delivery loops on the desk's tables, and ends them."""

    pool: Pool
    templates: Watched[Wording]
    webhooks: list[WebhookSender] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def webhook(self, url: str, *, timeout_s: float = 5.0, ca_file: Path | None = None) -> WebhookSender:
        sender = WebhookSender(url, [KEY], timeout_s=timeout_s, connections=64, ca_file=ca_file)
        self.webhooks.append(sender)
        return sender

    def make(self, sender: Sender, *others: tuple[Sender, tuple[Channel, ...]], **how: Any) -> Delivery:
        patience = Patience(**{"calls": 8, "call_s": 5.0, "attempts": 20, "first_s": 0.05, "longest_s": 0.2, **how})
        return Delivery(self.pool, self.templates, [(sender, (Channel.SMS,)), *others], patience)

    def start(self, delivery: Delivery) -> asyncio.Task[None]:
        task = asyncio.create_task(delivery.run())
        self.tasks.append(task)
        return task

    async def stop(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        self.tasks.remove(task)

    async def end(self) -> None:
        for task in self.tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for sender in self.webhooks:
            await sender.__aexit__(None, None, None)


@pytest.fixture
def templates() -> Watched[Wording]:
    return watched_file(TEMPLATES, read_wording)


async def filled(dsn: str) -> None:
    await migrate(dsn, "notify", SCHEMA)
    await migrate(dsn, "notify", SCHEMA)  # again: the DDL changes nothing that is there


@pytest.fixture
def notify_dsn(make_database: Callable[..., str], make_template: Callable[..., str]) -> str:
    """A database with notify's tables."""
    return make_database(make_template(filled))


@pytest.fixture
async def pool(notify_dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(notify_dsn, schema="notify", size=10)
    yield pool
    async with asyncio.timeout(10):
        await pool.close()


@pytest.fixture
def desk(pool: Pool, templates: Watched[Wording]) -> Desk:
    return Desk(pool, templates)


@pytest.fixture
async def deliveries(pool: Pool, templates: Watched[Wording]) -> AsyncIterator[Deliveries]:
    made = Deliveries(pool, templates)
    yield made
    await made.end()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def service(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Notify as processes of its own, not started."""
    made = Service("notify", kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path)
    await apply_topics(made.settings(), partitions=2)
    yield made
    made.end()
