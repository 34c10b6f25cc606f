"""Reference consumer of dispatch orders, for field-repair systems: run it, or copy what you need.

It shows what the contract of `dispatch.order.v1` asks of a consumer, and no more:

* apply a record only if its version is greater than the one you hold for that order;
* store that version in the same transaction as your action, so that neither happens without the other;
* read both CloudEvents modes, ignore fields and types you do not know, ignore tombstones;
* commit the position only after that; records then repeat, and repeating changes nothing.

What crews do is sent back to Gridline as progress. Here simulated crews do it (--crews); a real system would ask its
own. A progress report waits in the same database until Gridline has it, and carries the same id when it is sent again.

It needs aiokafka and httpx, and nothing of Gridline's code:

    python examples/field_repair_consumer.py --kafka 127.0.0.1:19092 --gridline http://127.0.0.1:8003 --crews

docs/field-repair.md has the contract, and how your own consumer is tried.
"""

# ruff: noqa: INP001, T201, TID251 - it stands alone, outside the package and its rules about clocks and printing

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

AT_ONCE = 8  # progress reports under way at a time
AGAIN = 1.0  # seconds between two tries when Gridline takes none
LATER = {401, 403, 408, 429}  # beside 5xx: a key that is being changed, say, costs no customer the news
ORDER_TYPE = "gridline.dispatch.order.v1"
ACTIONS = {"issued": "send_crew", "updated": "update_crew", "cancelled": "recall_crew", "closed": "close"}

SCHEMA = """
CREATE TABLE IF NOT EXISTS held (          -- the last version applied of each order
    order_id TEXT PRIMARY KEY, version INTEGER NOT NULL, status TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS action (        -- what was done, once for each version applied
    n INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL,
    action TEXT NOT NULL, UNIQUE (order_id, version));
CREATE TABLE IF NOT EXISTS progress (      -- what crews report, until Gridline has it
    progress_id TEXT PRIMARY KEY, order_id TEXT NOT NULL, due REAL NOT NULL, body TEXT NOT NULL,
    answer TEXT);                          -- NULL: not yet sent
CREATE TABLE IF NOT EXISTS unreadable (    -- records that break the contract: somebody must look
    topic TEXT, partition INTEGER, offset INTEGER, why TEXT, UNIQUE (topic, partition, offset));
"""


class UnreadableError(ValueError):
    """The record breaks the contract."""


@dataclass(frozen=True)
class Crews:
    """How simulated crews work: seconds from order to power, and the share of orders that get there."""

    repair: float = 10.0
    share: float = 0.5  # the other orders stay open
    accept: float = 0.05  # when they accept, leave and arrive, in parts of the time to power
    leave: float = 0.1
    arrive: float = 0.9


def open_event(headers: dict[str, bytes], value: bytes) -> tuple[str, dict[str, Any]]:
    """Return type and data of a CloudEvent, in structured or binary mode."""
    try:
        body = json.loads(value)
        if headers.get("content-type", b"").startswith(b"application/cloudevents+json"):
            return str(body["type"]), body["data"]
        return headers["ce_type"].decode(), body
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableError(f"not a CloudEvent: {type(error).__name__}") from None


class FieldRepair:
    """The field-repair system's own database: orders held, actions done, progress to send."""

    def __init__(self, path: Path, crews: Crews | None) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + SCHEMA)
        self._crews = crews

    def apply(self, record: ConsumerRecord[bytes | None, bytes | None], now: float) -> str:
        """Apply one record in one transaction; return what it came to."""
        if record.value is None:
            return "tombstone"  # garbage collection of an order closed long ago: its end was an event of its own
        headers = {name.lower(): raw for name, raw in record.headers}
        with self._transaction():
            try:
                kind, data = open_event(headers, record.value)
                if kind != ORDER_TYPE:
                    return "ignored"  # a type newer than this program
                return self._apply_order(data, now)
            except UnreadableError as error:
                row = (record.topic, record.partition, record.offset, str(error))
                self._db.execute("INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?, ?)", row)
                return "unreadable"

    def _apply_order(self, data: dict[str, Any], now: float) -> str:
        try:
            order_id, version, status = str(UUID(data["order_id"])), int(data["version"]), str(data["status"])
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableError(f"not an order: {type(error).__name__}") from None
        held = self._db.execute("SELECT version, status FROM held WHERE order_id = ?", (order_id,)).fetchone()
        if held is not None and version <= held[0]:
            return "held already"  # repeated, or older than what we hold
        self._db.execute(
            "INSERT INTO held VALUES (?, ?, ?, ?) ON CONFLICT (order_id) DO UPDATE"
            " SET version = excluded.version, status = excluded.status, data = excluded.data",
            (order_id, version, status, json.dumps(data, ensure_ascii=False)),
        )
        action = ACTIONS.get(status, "look")
        if action == "update_crew" and (held is None or held[1] == "cancelled"):
            action = "send_crew"  # the version that said so was missed: nobody is on the way
        self._db.execute(
            "INSERT INTO action (order_id, version, status, action) VALUES (?, ?, ?, ?)",
            (order_id, version, status, action),
        )
        if action in {"recall_crew", "close"}:
            self._db.execute("DELETE FROM progress WHERE order_id = ? AND answer IS NULL", (order_id,))
        elif action == "send_crew" and self._crews is not None:
            self._send_crew(order_id, self._crews, now)
        return action

    def _send_crew(self, order_id: str, crews: Crews, now: float) -> None:
        """Plan what a simulated crew will report. Whether it repairs is settled by the id: no dice."""
        repaired_at = now + crews.repair
        etr = {"at": _iso(repaired_at), "source": "crew", "confidence": "low"}
        plan: list[tuple[str, float, dict[str, Any]]] = [
            ("accepted", now + crews.repair * crews.accept, {}),
            ("en_route", now + crews.repair * crews.leave, {"etr": etr}),
            ("arrived", now + crews.repair * crews.arrive, {}),
        ]
        if UUID(order_id).int % 1000 < crews.share * 1000:
            plan.append(("restored", repaired_at, {"cause": "storm"}))
        for stage, due, more in plan:
            progress_id = str(uuid5(NAMESPACE_URL, f"{order_id}/{stage}"))
            body = {"progress_id": progress_id, "stage": stage, "crew": f"crew-{order_id[:4]}"}
            row = (progress_id, order_id, due, json.dumps(body | more))
            self._db.execute("INSERT OR IGNORE INTO progress VALUES (?, ?, ?, ?, NULL)", row)

    def due(self, now: float) -> list[tuple[str, str, float, dict[str, Any]]]:
        """Return progress to send: id, order, time it happened, body; in the order it happened."""
        rows = self._db.execute(
            "SELECT progress_id, order_id, due, body FROM progress"
            " WHERE answer IS NULL AND due <= ? ORDER BY due, rowid LIMIT 100",
            (now,),
        )
        return [(progress_id, order_id, due, json.loads(body)) for progress_id, order_id, due, body in rows]

    def answered(self, progress_id: str, answer: str) -> None:
        """Note that Gridline has it, or why it does not want it."""
        self._db.execute("UPDATE progress SET answer = ? WHERE progress_id = ?", (answer, progress_id))

    def actions(self) -> list[dict[str, Any]]:
        """Return the action log, oldest first, as `gridline conformance judge` reads it."""
        rows = self._db.execute("SELECT order_id, version, status FROM action ORDER BY n")
        return [{"order_id": order_id, "version": version, "status": status} for order_id, version, status in rows]

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


async def follow_orders(options: argparse.Namespace, system: FieldRepair) -> None:
    """Apply records as they come; commit a position once its records are in the database."""
    consumer = AIOKafkaConsumer(
        options.topic,
        bootstrap_servers=options.kafka,
        group_id=options.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # an order missed is a home in the dark
        fetch_max_wait_ms=50,
    )
    try:
        await consumer.start()
        print("following", options.topic, flush=True)
        while True:
            batches = await consumer.getmany(timeout_ms=200)
            for records in batches.values():
                for record in records:
                    outcome = system.apply(record, time.time())
                    print(f"{record.partition}:{record.offset} {outcome}", flush=True)
            if batches:
                with contextlib.suppress(KafkaError):  # lost to a rebalance: the records come again, and change nothing
                    await consumer.commit({TopicPartition(*at): r[-1].offset + 1 for at, r in batches.items()})
    finally:
        await consumer.stop()


async def send_progress(options: argparse.Namespace, system: FieldRepair, off_duty: asyncio.Event) -> None:
    """Send what crews report, again until Gridline answers; of one order in order, of several orders at once."""
    async with httpx.AsyncClient(
        base_url=options.gridline, timeout=10, headers={"X-API-Key": options.api_key}
    ) as client:
        while not off_duty.is_set():
            first_of: dict[str, tuple[str, float, dict[str, Any]]] = {}
            for progress_id, order_id, due, body in system.due(time.time()):
                first_of.setdefault(order_id, (progress_id, due, body))
            posts = [send_one(client, system, order_id, *said) for order_id, said in list(first_of.items())[:AT_ONCE]]
            taken = await asyncio.gather(*posts)
            await asyncio.sleep(0.1 if not posts else 0.01 if any(taken) else AGAIN)
    await asyncio.Event().wait()  # orders are still followed


async def send_one(
    client: httpx.AsyncClient, system: FieldRepair, order_id: str, progress_id: str, due: float, body: dict[str, Any]
) -> bool:
    """Send one report; without an answer, or with one that is not about it, it stays and is sent again: False."""
    try:
        response = await client.post(f"/v1/orders/{order_id}/progress", json=body | {"at": _iso(due)})
    except httpx.TransportError:
        return False
    if response.status_code in LATER or response.is_server_error:
        print(f"progress of {order_id}: {response.status_code} {response.reason_phrase}; sending it again", flush=True)
        return False
    system.answered(progress_id, str(response.status_code))
    return True


def _iso(seconds: float) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


async def run(options: argparse.Namespace) -> None:
    """Follow orders and send progress until SIGTERM or Ctrl-C; SIGUSR1 sends the simulated crews home."""
    crews = None
    if options.crews:
        crews = Crews(repair=options.repair_seconds, share=options.repair_share)
    system = FieldRepair(options.store, crews)
    stop, off_duty = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, off_duty.set)
    tasks = [asyncio.create_task(follow_orders(options, system)), asyncio.create_task(stop.wait())]
    if crews is not None:
        tasks.append(asyncio.create_task(send_progress(options, system, off_duty)))
    done, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    system.close()
    for task in done:
        task.result()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Reference consumer of Gridline's dispatch orders.")
    parser.add_argument("--kafka", default="127.0.0.1:19092", help="brokers, host:port")
    parser.add_argument("--gridline", default="http://127.0.0.1:8003", help="address of Gridline's dedup service")
    parser.add_argument("--api-key", default="gridline-dev-field-key", help="key with the scope field")
    parser.add_argument("--topic", default="dispatch.order.v1")
    parser.add_argument("--group", default="field-repair-example", help="consumer group: <your company>.<system>")
    parser.add_argument("--store", type=Path, default=Path("field_repair.db"), help="SQLite file")
    parser.add_argument("--crews", action="store_true", help="simulate crews that report progress")
    parser.add_argument("--repair-seconds", type=float, default=10.0, help="from order to restored")
    parser.add_argument("--repair-share", type=float, default=0.5, help="share of orders that are repaired, 0 to 1")
    parser.add_argument("--actions", action="store_true", help="print the action log as JSON lines, and leave")
    options = parser.parse_args()
    if options.actions:
        system = FieldRepair(options.store, None)
        print(*map(json.dumps, system.actions()), sep="\n")
        system.close()
        return
    try:
        asyncio.run(run(options))
    except KafkaError as error:
        sys.exit(f"Kafka cannot be reached: {error}")
    except sqlite3.Error as error:
        sys.exit(f"{options.store} cannot be used: {error}")


if __name__ == "__main__":
    main()
