"""``python -m tests.bench.forgetting``: how fast ``gridline forget`` is, and what contacts beside it feel of that.

Reports of half a year ago are routed, decided, told of and restored by the services' own handlers, on a Postgres of its
own. Half of them are erased at full speed with nothing beside it; the other half as by default, while contacts come in
batches of fifty, one after the other; the same batches are timed before it, with nothing beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.native.ports import free_port
from deploy.native.postgres import PostgresServer
from services.contracts.ids import contact_id, ticket_ref
from services.contracts.messages import ContactReceived
from services.contracts.values import Channel, Recipient
from services.runtime import clock
from tests.integration.ops.hotline import FOLDER, Hotline, hotline

if TYPE_CHECKING:
    from collections.abc import Sequence

_AGO: Final = timedelta(days=200)
_ROUND: Final = timedelta(hours=25)
_BATCH: Final = 50
_BATCHES: Final = 200


def _contact(number: int, account: str, at: datetime) -> ContactReceived:
    key = contact_id("bench", str(number))
    phone = f"139{number:08}"
    return ContactReceived(
        contact_id=key, ticket_id=key, ticket_ref=ticket_ref(key), source="bench", source_event_id=str(number),
        channel=Channel.SMS, event="text", occurred_at=at, received_at=at, text="我是王小明,家里停电了,整栋楼都停电了",
        business_type="fault_report", account_id=account, phone=phone, address="幸福路七号2单元301",
        reply_to=Recipient(channel=Channel.SMS, address=phone), raw_sha256="0" * 64,
    )  # fmt: skip


async def _fill(line: Hotline, accounts: Sequence[str], tickets: int) -> datetime:
    """Make what is to be erased; return the moment in the middle of it."""
    at, made, middle = clock.now() - _AGO, 0, None
    while made < tickets:
        line.desk.now = at
        some = [_contact(made + n, account, at) for n, account in enumerate(accounts)]
        await line.take_at(at, *some)
        made, at = made + len(some), at + _ROUND
        middle = at if middle is None and made >= tickets / 2 else middle
        sys.stderr.write(f"\r{made:,} of {tickets:,} tickets made")
    old = "opened_at + interval '3 hours'"
    dedup, notify = line.room.pool, line.told.pool
    await dedup.execute(f"UPDATE incident SET state = 'restored', restored_at = {old}, changed_at = {old}")  # noqa: S608
    await notify.execute("UPDATE notice SET state = 'sent', sent_at = now()")
    for pool in (dedup, notify):
        await pool.execute("VACUUM ANALYZE")
    sys.stderr.write("\n")
    return middle or at


async def _forget(dsn: str, *said: str) -> None:
    """Run the command in a process of its own."""
    environment = {**os.environ, "GRIDLINE_POSTGRES_DSN": dsn}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "forget", "--yes", *said, env=environment
    )
    if await process.wait():
        raise SystemExit("gridline forget failed")


async def _rate(line: Hotline) -> str:
    """Say how fast the last erasure was, by its own record."""
    row = await line.desk.connection.fetchrow(
        "SELECT counts, extract(epoch FROM ended_at - began_at)::float8 AS seconds FROM erasure"
        " ORDER BY erasure_id DESC LIMIT 1"
    )
    assert row is not None
    counts = json.loads(row["counts"])
    rows = sum(counts.values())
    return f"{counts['tickets'] / row['seconds']:,.0f} tickets/s, {rows / row['seconds']:,.0f} rows/s"


async def _beside(
    line: Hotline, accounts: Sequence[str], first: int, while_runs: asyncio.Task[None] | None
) -> list[float]:
    """Return how long batches took, in milliseconds: so many, or as long as something else runs."""
    took: list[float] = []
    while len(took) < _BATCHES if while_runs is None else not while_runs.done():
        number = first + len(took) * _BATCH
        at = clock.now()
        some = [_contact(number + n, accounts[(number + n) % len(accounts)], at) for n in range(_BATCH)]
        began = time.perf_counter()
        line.desk.now = at
        await line.desk.take(*some)
        took.append(1e3 * (time.perf_counter() - began))
        await asyncio.sleep(0.02)
    return took


def _said(took: list[float]) -> str:
    cuts = statistics.quantiles(took, n=100)
    return f"p50 {cuts[49]:.0f} ms, p95 {cuts[94]:.0f} ms, longest {max(took):.0f} ms, of {len(took)}"


async def _measure(dsn: str, tickets: int) -> None:
    with (FOLDER / "customers.csv").open(encoding="utf-8", newline="") as file:
        accounts = [row["account_id"] for row in csv.DictReader(file)]
    async with hotline(dsn) as line:
        middle = await _fill(line, accounts, tickets)
        await _forget(dsn, "--before", middle.isoformat(), "--full-speed")
        sys.stdout.write(f"at full speed, alone: {await _rate(line)}\n")
        alone = await _beside(line, accounts, 10_000_000, None)
        other = asyncio.create_task(_forget(dsn, "--older-than", "30d"))
        beside = await _beside(line, accounts, 20_000_000, other)
        await other
        sys.stdout.write(f"by default, beside contacts: {await _rate(line)}\n")
        sys.stdout.write(f"a batch of {_BATCH} contacts, alone: {_said(alone)}\n")
        sys.stdout.write(f"a batch of {_BATCH} contacts, beside it: {_said(beside)}\n")


def main() -> None:
    """Measure on a Postgres of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.forgetting", description=__doc__)
    parser.add_argument("--tickets", type=int, default=20_000, help="how many to make and erase (20,000)")
    tickets = parser.parse_args().tickets
    with tempfile.TemporaryDirectory(prefix="gridline-forget-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = PostgresServer(folder / "postgres", port=free_port(), log=folder / "postgres.log")
        server.start()
        try:
            asyncio.run(_measure(server.dsn("postgres"), tickets))
        finally:
            server.stop()
            server.remove_data()


if __name__ == "__main__":
    main()
