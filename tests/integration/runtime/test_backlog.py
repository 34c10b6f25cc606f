"""What has piled up in the outbox is worked off, however slowly a broker takes it, and in order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.runtime import outbox
from services.runtime.errors import UnavailableError
from services.runtime.migration import migrate
from services.runtime.outbox import Outbox, Relay
from services.runtime.pool import open_pool
from services.runtime.producer import Producer
from services.runtime.settings import ServiceSettings
from services.runtime.sorting import place_of, tell_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from services.contracts.envelope import Outgoing
    from services.runtime.errors import Place
    from services.runtime.postgres import Pool

pytestmark = pytest.mark.integration

_WRITE = """
WITH n AS MATERIALIZED (SELECT nextval('outbox_id_seq') AS id FROM generate_series(1, $1::int)), o AS (
    INSERT INTO outbox (id, topic, key, value, headers, created_at)
    SELECT id, 't', '', id::text::bytea, '[]', now() FROM n
)
INSERT INTO outbox_waiting (shard, id) SELECT 0, id FROM n
"""


class Broker(Producer):
    """One that takes its time for every record, and what it has taken, in order."""

    def __init__(self, seconds: float, *, deadline_s: float) -> None:
        super().__init__(ServiceSettings())
        self._seconds = seconds
        self._deadline_s = deadline_s
        self.taken: list[bytes] = []

    async def send_batch(
        self, batch: Sequence[Outgoing], *, apart: Collection[Place] = (), deadline_s: float | None = None
    ) -> None:
        takes = self._seconds * len(batch)
        await asyncio.sleep(min(takes, deadline_s or self._deadline_s))
        if takes > self._deadline_s:
            raise UnavailableError("kafka: no acknowledgement, outcome unknown")
        self.taken += [one.value for one in batch]


@pytest.fixture
async def pool(database_dsn: str) -> AsyncIterator[Pool]:
    await migrate(database_dsn, "ledger", Path(__file__).with_name("ledger.sql"))
    made = await open_pool(database_dsn, schema="ledger", size=4)
    yield made
    made.terminate()


async def work_off(pool: Pool, broker: Broker) -> None:
    relay = Relay(pool, broker, Outbox("gridline/ledger", shards=1), settings=ServiceSettings(), shard=0)
    running = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(60):
            while await pool.fetchval("SELECT count(*) FROM outbox_waiting"):
                await asyncio.sleep(0.2)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_broker_too_slow_for_a_page_within_the_deadline_gets_smaller_ones(pool: Pool) -> None:
    """It was sent the same page again and again, all of it, and none of it was ever done."""
    rows = 1_500
    await pool.execute(_WRITE, rows)
    broker = Broker(0.002, deadline_s=0.5)
    await work_off(pool, broker)
    assert broker.taken == [str(n).encode() for n in range(1, rows + 1)]


class Rights(Producer):
    """A Kafka that denies a topic: as long as a producer knows its partitions each of them, and then all of it."""

    def __init__(self) -> None:
        super().__init__(ServiceSettings())
        self.denies: Collection[Place] = ()
        self.taken: list[Outgoing] = []

    async def send_batch(
        self, batch: Sequence[Outgoing], *, apart: Collection[Place] = (), deadline_s: float | None = None
    ) -> None:
        partitions = {} if ("t", None) in self.denies else {"t": (0, 1)}
        places = {n: place_of(one, partitions, apart) for n, one in enumerate(batch)}
        self.taken += [batch[n] for n, place in places.items() if place not in self.denies and place not in apart]
        refused = {place: "denied" for place in places.values() if place in self.denies and place not in apart}
        await asyncio.sleep(0)
        tell_left(batch, partitions, apart, refused)


_WRITE_KEYS = _WRITE.replace("'t', ''", "'t', (id % 4)::text::bytea")
_WAITING = "SELECT format('%s of %s', count(*) FILTER (WHERE shard > 0), count(*)) FROM outbox_waiting"


async def test_what_is_put_aside_for_partitions_and_then_for_their_topic_comes_in_the_order_of_each_key(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_TRY_SECONDS", 0.03)
    kafka = Rights()
    relay = Relay(pool, kafka, Outbox("gridline/ledger", shards=1), settings=ServiceSettings(), shard=0)
    relay._patient = kafka
    running = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(60):
            for denied, aside in (([("t", 0), ("t", 1)], "40 of 40"), ([("t", None)], "80 of 80"), ([], "0 of 0")):
                kafka.denies = denied
                await pool.execute(_WRITE_KEYS, 40)
                while await pool.fetchval(_WAITING) != aside:
                    await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    firsts = list(dict.fromkeys((one.key, int(one.value)) for one in kafka.taken))
    assert len(firsts) == 120
    for key in {key for key, _ in firsts}:
        numbers = [n for other, n in firsts if other == key]
        assert numbers == sorted(numbers)
