"""The floor of dedup: read a batch, and in one Postgres transaction move the position, note the ids and write one
outbox row a record. No decoding, no decision, no publishing."""

from __future__ import annotations

import asyncio
import os

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition


async def main() -> None:
    topic, partitions = os.environ["FLOOR_TOPIC"], int(os.environ["FLOOR_PARTITIONS"])
    total = int(os.environ["FLOOR_TOTAL"])
    connection = await asyncpg.connect(os.environ["GRIDLINE_POSTGRES_DSN"])
    await connection.execute(
        "CREATE SCHEMA floor; SET search_path = floor;"
        "CREATE TABLE consumer_partition (partition int PRIMARY KEY, next_offset bigint NOT NULL);"
        "CREATE TABLE inbox (id uuid PRIMARY KEY);"
        "CREATE TABLE outbox (id bigserial PRIMARY KEY, key bytea NOT NULL, value bytea NOT NULL)"
    )
    await connection.executemany("INSERT INTO consumer_partition VALUES ($1, 0)", [(n,) for n in range(partitions)])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["GRIDLINE_KAFKA_BOOTSTRAP"], auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, n) for n in range(partitions)])
    read = 0
    while read < total:
        for at, records in (await consumer.getmany(timeout_ms=500, max_records=1000)).items():
            async with connection.transaction():
                await connection.execute(
                    "UPDATE consumer_partition SET next_offset = $2 WHERE partition = $1", at.partition, records[-1].offset + 1
                )
                ids = [dict(record.headers)["ce_id"].decode() for record in records]
                await connection.execute(
                    "INSERT INTO inbox SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING", ids
                )
                await connection.executemany(
                    "INSERT INTO outbox (key, value) VALUES ($1, $2)", [(record.key, record.value) for record in records]
                )
            read += len(records)
    await consumer.stop()
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main())
