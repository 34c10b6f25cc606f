"""The floor of a drain: read a batch, and in one Postgres transaction move the position, note the ids and write one
outbox row a record. No decoding, no decision, no publishing.

Prints what it did as one line of JSON: records read after the first batch, and the seconds from its commit to the end,
by the clock and of this process's processor time.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

_SCHEMA = """
DROP SCHEMA IF EXISTS floor CASCADE;
CREATE SCHEMA floor;
CREATE TABLE floor.consumer_partition (partition int PRIMARY KEY, next_offset bigint NOT NULL);
CREATE TABLE floor.inbox (id uuid PRIMARY KEY);
CREATE TABLE floor.outbox (id bigserial PRIMARY KEY, key bytea NOT NULL, value bytea NOT NULL);
"""
_POSITIONS = "INSERT INTO floor.consumer_partition SELECT n, 0 FROM generate_series(0, $1::int) AS n"
_ADVANCE = "UPDATE floor.consumer_partition SET next_offset = $2 WHERE partition = $1"
_INBOX = "INSERT INTO floor.inbox SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING"
_OUTBOX = "INSERT INTO floor.outbox (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[])"
_SILENCE_SECONDS = 30.0


async def main() -> None:
    """Drain the topic once."""
    topic, partitions = os.environ["FLOOR_TOPIC"], int(os.environ["FLOOR_PARTITIONS"])
    total = int(os.environ["FLOOR_TOTAL"])
    connection = await asyncpg.connect(os.environ["GRIDLINE_POSTGRES_DSN"])
    await connection.execute(_SCHEMA)
    await connection.executemany(
        "INSERT INTO floor.consumer_partition VALUES ($1, 0)", [(n,) for n in range(partitions)]
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["GRIDLINE_KAFKA_BOOTSTRAP"],
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_bytes=16 * 1024 * 1024,
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, n) for n in range(partitions)])
    read = before = 0
    begun = ended = heard = time.perf_counter()
    used = 0.0
    while read < total and time.perf_counter() - heard < _SILENCE_SECONDS:
        for at, records in (await consumer.getmany(timeout_ms=500, max_records=1000)).items():
            async with connection.transaction():
                await connection.execute(_ADVANCE, at.partition, records[-1].offset + 1)
                ids = [dict(record.headers)["ce_id"].decode() for record in records]
                await connection.execute(_INBOX, ids)
                await connection.execute(_OUTBOX, [one.key for one in records], [one.value for one in records])
            ended = heard = time.perf_counter()
            if not read:
                before, begun, used = len(records), ended, time.process_time()
            read += len(records)
    used = time.process_time() - used
    await asyncio.gather(consumer.stop(), connection.close())
    said = {"read": read, "records": read - before, "seconds": ended - begun, "processor_s": used}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    uvloop.run(main())
