"""What has piled up in the outbox is worked off, however slowly a broker takes it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.runtime.errors import UnavailableError
from services.runtime.migration import migrate
from services.runtime.outbox import Outbox, Relay
from services.runtime.postgres import open_pool
from services.runtime.producer import Producer
from services.runtime.settings import ServiceSettings

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
