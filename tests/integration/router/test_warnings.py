"""Warnings of clocks over the death of a process: each is given once, and told once, whoever gives it."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.contracts.messages import TicketRouted
from services.contracts.topics import CONTACT_RECEIVED, TICKET_ROUTED
from services.runtime.outbox import _LOCK_SPACE
from tests.service_process import SECONDS
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from services.contracts.messages import ContactReceived
    from tests.integration.router.process import Router

pytestmark = pytest.mark.integration


@asynccontextmanager
async def nothing_is_published(dsn: str) -> AsyncIterator[None]:
    """Have the lock of the outbox's one relay: what is committed waits."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1, $2)", _LOCK_SPACE, zlib.crc32(b"router/0") - 2**31)
        yield
    finally:
        await connection.close()


def late(name: str) -> ContactReceived:
    """A complaint that should have been passed on an hour ago."""
    at = datetime.now(UTC) - timedelta(minutes=80)
    return contact(name, text="我要投诉", occurred_at=at, received_at=at)


async def warned(running: Router, tickets: int) -> None:
    """Wait until so many tickets have been warned."""
    end = time.monotonic() + SECONDS
    while True:
        rows = await running.sql("SELECT count(DISTINCT ticket_id) FROM ticket_log WHERE did = 'escalated'")
        if rows[0][0] >= tickets:
            return
        assert time.monotonic() < end, running.log[-3000:]
        await asyncio.sleep(0.1)


def told_twice(messages: Iterable[TicketRouted]) -> list[tuple[object, ...]]:
    """The levels of warning that more than one version of a ticket tells as new."""
    versions = {(one.ticket_id, one.version): one for one in messages}
    told: Counter[tuple[object, ...]] = Counter()
    before: dict[tuple[object, str], int] = {}
    for _, one in sorted(versions.items(), key=lambda each: (str(each[0][0]), each[0][1])):
        if one.change != "escalated":
            continue
        rose = [due for due in one.due if (due.level or 0) > before.get((one.ticket_id, due.stage), 0)]
        told[one.ticket_id, one.version, "nothing new"] += 2 * (not rose)
        for due in rose:
            before[one.ticket_id, due.stage] = due.level or 0
    return [what for what, n in told.items() if n > 1]


async def test_a_warning_is_told_once_though_its_process_is_killed_before_it_could_tell_and_two_come_after(
    running: Router, router_dsn: str
) -> None:
    first, then = [late(f"a{n}") for n in range(5)], [late(f"b{n}") for n in range(5)]
    async with nothing_is_published(router_dsn):
        running.start()
        await running.say(CONTACT_RECEIVED, *first)
        await warned(running, len(first))
        running.kill()
        assert not await running.published(TICKET_ROUTED), "the warnings are committed, and nobody was told"
    for _ in range(2):
        running.start()
    await running.wait_ready()
    await running.say(CONTACT_RECEIVED, *then)
    await warned(running, len(first) + len(then))
    await running.counted(lambda seen: seen["accepted"] == len(first) + len(then))
    # What was said again, and a clock that is looked at again, warns of nothing: only then is it known to be once.
    await running.say(CONTACT_RECEIVED, *first, *then)
    await running.sql("UPDATE ticket SET wake_at = now()")
    await running.counted(lambda seen: seen["duplicate"] == len(first) + len(then))
    await nobody_wakes(running)

    lines = await running.sql(
        "SELECT ticket_id, body->>'stage' AS stage, body->>'level' AS level, count(*) AS n FROM ticket_log"
        " WHERE did = 'escalated' GROUP BY 1, 2, 3"
    )
    assert {row["n"] for row in lines} == {1}
    told = [one for one in await running.published(TICKET_ROUTED) if isinstance(one, TicketRouted)]
    escalated = {(one.ticket_id, one.version) for one in told if one.change == "escalated"}
    assert {ticket for ticket, _ in escalated} == {one.ticket_id for one in (*first, *then)}
    assert len(escalated) == len(lines)
    assert told_twice(told) == []
    again = max((one for one in told if one.change == "escalated"), key=lambda one: one.version)
    assert told_twice([*told, again.model_copy(update={"version": again.version + 1})]), "the check can fail"


async def nobody_wakes(running: Router) -> None:
    """Wait until nothing is left that time should have done by now."""
    end = time.monotonic() + SECONDS
    while (await running.sql("SELECT count(*) FROM ticket WHERE wake_at <= now()"))[0][0]:
        assert time.monotonic() < end, running.log[-3000:]
        await asyncio.sleep(0.1)
