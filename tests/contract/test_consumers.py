"""The example records pass through every consumer of their topic: none is refused, none fails.

The examples of a room are one story in the order of their times (a call, its report, its outage, the crew), so each
finds what came before it, as in the running system. The handlers run on a real Postgres, as the kernel runs them.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.cli.record_examples import Example, examples_of
from services.contracts.envelope import decode, encode, open_record, parse_time
from services.contracts.topics import BY_NAME, TOPICS
from services.dedup.ground import Ground
from services.dedup.handler import DedupHandler
from services.dedup.settings import DedupSettings
from services.grid import store as grid
from services.notify.handler import NotifyHandler
from services.notify.settings import NotifySettings
from services.notify.wording import read_wording
from services.router.handler import RouterHandler
from services.router.settings import RouterSettings
from services.router.tree.book import RuleBook
from services.runtime.handling import Received
from services.runtime.migration import migrate
from services.runtime.pool import open_pool
from services.runtime.watched import watched_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from services.runtime.handling import Handler
    from services.runtime.postgres import Pool

pytestmark = pytest.mark.integration

ROOMS = ("router", "dedup", "notify")
SERVICES = Path(__file__).parents[2] / "services"

NETWORK = """\
id,parent,type,normally_open,lat,lon
SUB-07,,substation,0,30.5,114.3
SUB-07-F2,SUB-07,breaker,0,30.5,114.3
SUB-07-F2-L4,SUB-07-F2,fuse,0,30.503,114.304
T-0412,SUB-07-F2-L4,transformer,0,30.5021,114.3017
T-0413,SUB-07-F2-L4,transformer,0,30.5033,114.3029
"""
CUSTOMERS = """\
account_id,transformer_id,lat,lon,address,phone,priority
0070412001,T-0412,30.5021,114.3017,临江市柳荫路 18 号 2 单元 501,10000000001,life_support
0070412002,T-0412,30.5022,114.3018,临江市柳荫路 18 号 2 单元 502,10000000002,normal
0070412003,T-0412,30.5022,114.3018,临江市柳荫路 18 号 2 单元 503,,normal
0070412004,T-0412,30.5020,114.3016,临江市柳荫路 18 号 2 单元 504,10000000005,normal
0070412005,T-0412,30.5020,114.3016,临江市柳荫路 18 号 2 单元 505,10000000006,normal
0070413001,T-0413,30.5033,114.3029,临江市柳荫路 20 号,,normal
"""


def story(room: str) -> list[Example]:
    """The examples of every topic the room reads, in the order of their times."""
    found = [example for topic in TOPICS if room in topic.consumers for example in examples_of(topic)]
    return sorted(found, key=lambda one: parse_time(one.headers.get("ce_time") or one.value["time"]))


def received(example: Example, offset: int) -> Received:
    incoming = open_record(example.record.value, example.record.headers)
    message = decode(incoming, BY_NAME[example.topic].types)
    return Received(example.topic, 0, offset, message, incoming.traceparent)


@pytest.fixture
async def prepared(database_dsn: str, tmp_path: Path) -> str:
    (tmp_path / "network.csv").write_text(NETWORK, encoding="utf-8")
    (tmp_path / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    connection = await asyncpg.connect(database_dsn)
    try:
        await grid.migrate(connection)
        await grid.import_network(connection, tmp_path / "network.csv", tmp_path / "customers.csv")
    finally:
        await connection.close()
    return database_dsn


@pytest.fixture(params=ROOMS)
def room(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def pool(prepared: str, room: str) -> AsyncIterator[Pool]:
    await migrate(prepared, room, SERVICES / room / "schema.sql")
    opened = await open_pool(prepared, schema=room, size=3)
    yield opened
    await opened.close()


@pytest.fixture
async def handler(room: str, pool: Pool) -> Handler:
    match room:
        case "router":
            settings = RouterSettings()
            return RouterHandler(RuleBook(settings.routes_file, settings.classify_file), settings.bounds())
        case "dedup":
            ground = Ground(DedupSettings().thresholds_file)
            await ground.look_at_network(pool)
            return DedupHandler(ground, cached_areas=10)
        case _:
            return NotifyHandler(watched_file(NotifySettings().notify_templates, read_wording), lambda: None)


async def handle(pool: Pool, handler: Handler, batch: Sequence[Received]) -> list[str]:
    """One batch as the kernel runs it; returns what was refused and what was published where it must not be."""
    now = max(one.message.occurred for one in batch) + timedelta(seconds=2)
    async with pool.acquire() as connection, connection.transaction():
        decided = await handler.handle(connection, batch, now)
    if decided.after_commit is not None:
        decided.after_commit()
    for one in decided.publish:
        encode(one.message, topic=one.topic.name, source="gridline/test", structured=one.topic.structured)
    found = [f"{one.record.topic} at {one.record.offset}: {one.reason}: {one.detail}" for one in decided.refused]
    wrong = [one for one in decided.publish if type(one.message) not in one.topic.messages]
    return found + [f"{one.message.ce_type} on {one.topic.name}" for one in wrong]


def test_a_room_reads_the_topics_that_the_table_says(handler: Handler, room: str):
    assert set(handler.topics) == {topic for topic in TOPICS if room in topic.consumers}


async def test_every_example_passes_one_by_one(pool: Pool, handler: Handler, room: str):
    for offset, example in enumerate(story(room)):
        found = await handle(pool, handler, [received(example, offset)])
        assert found == [], f"{example.topic}/{example.name}"


async def test_the_examples_of_a_topic_pass_in_one_batch(pool: Pool, handler: Handler, room: str):
    batch = [received(example, offset) for offset, example in enumerate(story(room))]
    for topic in handler.topics:
        assert await handle(pool, handler, [one for one in batch if one.topic == topic.name]) == []


@pytest.mark.parametrize(
    ("room", "topic"), [("router", "report.settled.v1"), ("dedup", "dispatch.progress.v1")], indirect=["room"]
)
async def test_an_example_out_of_its_story_is_refused(pool: Pool, handler: Handler, topic: str):
    """The control: a refusal would be seen."""
    [first, *_] = examples_of(BY_NAME[topic])
    assert "unknown_subject" in (await handle(pool, handler, [received(first, 0)]))[0]
