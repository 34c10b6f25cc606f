"""A small real service on the real kernel, for breaking it.

It keeps a running number per area, cached in memory as dedup keeps its state, and publishes each number as an order
version. A lost record leaves too few effects, one counted twice too many, a stale owner two bodies under one version:
every protection of the kernel that fails shows in the table or on the topic.

``GRIDLINE_LEDGER_WITHOUT`` takes a protection out, for the negative controls.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer

from services.contracts import ids, topics
from services.contracts.envelope import Outgoing, Refusal, RefusedError
from services.contracts.messages import OrderVersion, OutageReported
from services.contracts.publication import Publication
from services.contracts.values import DeviceRef, OrderStatus, Priority
from services.runtime import (
    batch,
    claiming,
    fetching,
    log_client,
    migration,
    outbox,
    pool,
    positions,
    postgres,
    producer,
    service,
    silent_sessions,
)
from services.runtime.errors import UnavailableError
from services.runtime.handling import Decided, Refused
from services.runtime.parts import Parts
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from types import ModuleType

    from services.runtime.handling import Received, Transaction
    from services.runtime.parts import Runtime

OPENING = UUID(int=1)


class Ledger:
    """Numbers the reports of each area."""

    topics = (topics.OUTAGE_INPUT,)

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._was_away = False
        self._under_way = 0

    async def handle(self, tx: Transaction, batch: Sequence[Received], now: datetime) -> Decided:
        self._under_way += 1
        try:
            decided = await self._number(tx, batch, now)
        finally:
            self._under_way -= 1
        decided.tally["ended_beside_another"] += self._under_way
        return decided

    async def _number(self, tx: Transaction, batch: Sequence[Received], now: datetime) -> Decided:
        decided = Decided()
        for record in batch:
            report = record.message
            assert isinstance(report, OutageReported)
            await self._misbehave(tx, report, record, decided)
            if any(bad.record is record for bad in decided.refused):
                continue
            if report.area not in self._numbers:
                number = await tx.fetchval("SELECT n FROM running WHERE area = $1", report.area)
                self._numbers[report.area] = number or 0
            self._numbers[report.area] += 1
            number = self._numbers[report.area]
            await tx.execute(
                "INSERT INTO running VALUES ($1, $2) ON CONFLICT (area) DO UPDATE SET n = $2", report.area, number
            )
            await tx.execute("INSERT INTO effect VALUES ($1, $2, $3)", report.report_id, report.area, number)
            decided.publish.append(Publication(self._order(report, number, now)))
            decided.tally["effects"] += 1
        return decided

    def forget(self, partitions: Iterable[tuple[str, int]]) -> None:
        self._numbers.clear()

    async def _misbehave(self, tx: Transaction, report: OutageReported, record: Received, decided: Decided) -> None:
        match report.address:
            case "refused":
                decided.refused.append(Refused(record, Refusal.UNKNOWN_SUBJECT, "asked to"))
            case "raises":
                raise RefusedError(Refusal.UNPROCESSABLE, "asked to")
            case "overflow":
                await tx.execute(
                    "INSERT INTO effect VALUES ($1, $2, $3)", report.report_id, report.area, 2**31 - 1 + 2**20
                )
            case "overflow-server":
                await tx.execute(
                    "INSERT INTO effect SELECT $1, $2, 2147483647 + length($2)", report.report_id, report.area
                )
            case "large":
                oversized = self._order(report, 1, record.message.occurred)
                oversized = oversized.model_copy(update={"hazards": tuple(f"h{n:06d}" for n in range(200_000))})
                decided.publish.append(Publication(oversized))
            case "away once" if not self._was_away:
                self._was_away = True
                await asyncio.sleep(0.5)  # what follows in the log is read meanwhile
                raise UnavailableError("asked to")
            case "slow":
                await asyncio.sleep(3)
            case "slower":
                await asyncio.sleep(6)
            case "block":
                time.sleep(3600)
            case "bug":
                raise ZeroDivisionError("asked to")

    def _order(self, report: OutageReported, number: int, now: datetime) -> OrderVersion:
        return OrderVersion(
            order_id=ids.order_id(report.area, OPENING),
            version=number,
            incident_id=ids.incident_id(report.area, OPENING),
            status=OrderStatus.ISSUED,
            priority=Priority.HIGH,
            area=report.area,
            device=DeviceRef(id=str(report.report_id), type="transformer"),
            reports=number,
            customers_served=number,
            first_reported_at=report.reported_at,
            issued_at=now,
            reason="numbered",
        )


async def build(runtime: Runtime) -> Parts:
    if os.environ.pop("GRIDLINE_LEDGER_AWAY", ""):
        with postgres.translated():
            await runtime.pool.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    return Parts(
        handler=Ledger(),
        side_by_side=True,
        imbalance=lambda found: found["outage.input.v1/accepted"] - found["effects"],
    )


def take_out(protection: str) -> None:
    """Disable one protection, so that a test can show it would be missed."""
    if protection == "fence":
        held = " AND p.epoch = v.epoch AND p.next_offset = v.expected"
        assert held in batch._ENTER
        batch._ENTER = batch._ENTER.replace(held, "")  # type: ignore[misc]
    elif protection == "inbox":
        once = "id NOT IN (SELECT id FROM fresh)"
        assert once in batch._ENTER
        batch._ENTER = batch._ENTER.replace(once, "false")  # type: ignore[misc]
    elif protection == "atomic position":
        entering, moving = batch._ENTER, positions.advancing(1)
        assert moving in entering
        types = ("text", "int", "bigint", "bigint", "bigint", "bytea")
        columns = ", ".join(f"${n}::{each}[]" for n, each in enumerate(types, 1))
        moved_already = f"SELECT topic, partition FROM unnest({columns}) AS v (topic, partition)"  # noqa: S608 - names of types
        batch._ENTER = entering.replace(moving, moved_already)  # type: ignore[misc]
        enter = batch.Transactor._enter

        async def moved_apart(self: Any, tx: Transaction, moves: Any, *rest: Any) -> Any:
            async with POOL[0].acquire() as own:
                await own.execute(moving, *positions.move_columns(moves))
            return await enter(self, tx, moves, *rest)

        batch.Transactor._enter = moved_apart  # type: ignore[method-assign]
        opened = service.open_pool

        async def remembered(*args: Any, **kwargs: Any) -> Any:
            POOL.append(await opened(*args, **kwargs))
            return POOL[0]

        service.open_pool = remembered  # type: ignore[assignment]
    elif protection == "mark after publish":

        async def marks_first(self: Any, connection: Any, page: Any) -> Any:
            done = "DELETE FROM outbox_waiting WHERE id = ANY($1::bigint[])"
            await connection.execute(done, [row["id"] for row in page])
            outbox.failpoint("relay.published")
            for row in page:
                headers = outbox.unpack_headers(row["headers"])
                await self._producer.send(Outgoing(row["topic"], row["key"], row["value"], headers))
            return []

        outbox.Relay._publish = marks_first  # type: ignore[method-assign]
    elif protection == "putting aside":

        async def all_or_nothing(self: Any, page: Any) -> Any:
            try:
                await self._producer.send_batch([outbox._outgoing(row) for row in page])
            except UnavailableError as error:
                raise UnavailableError(str(error)) from error
            return {}

        outbox.Relay._send = all_or_nothing  # type: ignore[method-assign]
    elif protection == "asking the led":
        log_client.LogClient.led = lambda _, partitions: list(partitions)  # type: ignore[method-assign]
    elif protection == "claim of what was read":

        def held_by_any(self: Any, one: Any) -> bool:
            return one.at in self.ready

        claiming.Claiming.holds = held_by_any  # type: ignore[method-assign]
    elif protection in {"what came meanwhile", "haste"}:
        # A fetch from the partitions where nothing comes may be under way, for 20 ms: a test waits for that.
        fetching._TOP_UP_MS = 0 if protection == "what came meanwhile" else 200
    elif protection in {"kafka's answers", "kafka's later answers"}:
        name = "beginning_offsets" if protection == "kafka's answers" else "end_offsets"
        log_client._ANSWER_SECONDS, asked = 1.0, getattr(AIOKafkaConsumer, name)
        heard = [] if protection == "kafka's answers" else ["once"]

        async def answers_no_more(self: Any, partitions: Any) -> Any:
            if not heard:
                await asyncio.Event().wait()
            heard.pop()
            return await asked(self, partitions)

        setattr(AIOKafkaConsumer, name, answers_no_more)
    elif protection == "kafka's patience":
        put(log_client, _ANSWER_SECONDS=0.5)
        put(producer, _REACH_SECONDS=0.5)
        put(service, _MEASURE_SECONDS=0.5)
    elif protection == "patience with the database":
        put(pool, _STATEMENT_SECONDS=2.0)
    elif protection == "patience with its silence":
        put(pool, CONNECT_SECONDS=2.0, _QUEUE_SECONDS=2.0, _CANCEL_SECONDS=1.0)
    elif protection == "patience with frozen processes":
        put(pool, FROZEN_SECONDS=3.0)
        put(silent_sessions, FROZEN_SECONDS=3.0, _LOOK_SECONDS=1.0)
    elif protection == "ending of silent sessions":

        async def never(_dsn: str) -> None:
            await asyncio.Event().wait()

        silent_sessions.end_silent_sessions = never
    elif protection == "end of a silent migration":
        migration.session_settings = lambda schema: {"search_path": schema}  # type: ignore[assignment]
    elif protection:
        raise ValueError(protection)


def put(module: ModuleType, **constants: float) -> None:
    """Change constants of a module, which must have them: a name that moved would change nothing."""
    for name, value in constants.items():
        getattr(module, name)
        setattr(module, name, value)


POOL: list[Any] = []

if __name__ == "__main__":
    for named in os.environ.get("GRIDLINE_LEDGER_WITHOUT", "").split(","):
        take_out(named)
    sys.argv[0] = "ledger"
    service.run("ledger", ServiceSettings, build, schema_sql=Path(__file__).with_name("ledger.sql"))
