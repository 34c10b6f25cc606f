"""A process that freezes while each of its sessions is in the middle of another kind of statement, with locks.

It holds what an owner and a relay of the schema ``argv[2]`` in the database ``argv[1]`` hold: the positions of
partitions 0 to 2, rows of the inbox, and the lock of the outbox's first shard. A fourth session has sent half of what
begins a statement; to Postgres it is idle in its transaction.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import zlib
from typing import TYPE_CHECKING

from services.runtime.outbox import _LOCK_SPACE
from services.runtime.pool import open_pool

if TYPE_CHECKING:
    from services.runtime.postgres import Connection

HOLD = "UPDATE consumer_partition SET owner = owner WHERE partition = $1"
LARGE = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"


async def hold(connection: Connection, partition: int) -> None:
    await connection.transaction().start()
    await connection.execute(HOLD, partition)
    await connection.execute("LOCK TABLE inbox IN ROW EXCLUSIVE MODE")


async def main(dsn: str, schema: str) -> None:
    pool = await open_pool(dsn, schema=schema, size=4, ready=4)
    prepares, copies, answered, begins = [await pool.acquire() for _ in range(4)]
    for partition, connection in enumerate((prepares, copies, answered)):
        await hold(connection, partition)
    key = zlib.crc32(f"{schema}/0".encode()) - 2**31
    await answered.execute("SELECT pg_advisory_lock($1, $2)", _LOCK_SPACE, key)
    await begins.transaction().start()
    await begins.execute("LOCK TABLE tally IN ROW EXCLUSIVE MODE")
    sized = await begins.prepare("SELECT length($1)")
    await sized.fetchval("")
    large = await answered.prepare(LARGE)
    under_way = [
        asyncio.create_task(prepares.prepare("SELECT 1 WHERE $1")),  # sent and flushed, without the end of it
        asyncio.create_task(copies.copy_records_to_table("running", records=[("area", 1)])),  # begun, without data
        asyncio.create_task(large.fetch()),  # asked for, and the answer not taken
        asyncio.create_task(sized.fetchval("x" * 50_000_000)),  # more than a socket takes at once
    ]
    await asyncio.sleep(0)  # each has sent what it begins with
    os.kill(os.getpid(), signal.SIGSTOP)
    await asyncio.gather(*under_way)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
