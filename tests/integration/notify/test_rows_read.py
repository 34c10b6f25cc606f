"""What Postgres reads grows with the reports that come, and not with the outage that they join or that others have."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.notify import fan_out, pending
from tests.integration.notify.outage import fill
from tests.integration.rows_read import Read
from tests.unit.notify.snapshots import NOW

pytestmark = pytest.mark.integration

OUTAGE = 50_000
JOIN = 100
MOST = 10 * JOIN
"""Rows of one step of a plan, for a hundred reports; an outage that is read has fifty times as many."""
MIDDLE = UUID(int=1 << 127)


@pytest.fixture(params=["auto", "force_generic_plan"])
async def reading(desk, request):
    """A connection to tables in which nearly all is of one outage, as Postgres knows of them."""
    async with desk.pool.acquire() as connection:
        await fill(connection, desk.make.id(1), OUTAGE, NOW)
        await connection.execute(f"SET plan_cache_mode = {request.param}")
        yield Read(connection)
        await connection.execute("RESET plan_cache_mode")


def members(desk, begin):
    return [desk.make.member(begin + n, begin + n) for n in range(JOIN)]


async def test_reports_that_join_a_large_outage_or_one_beside_it(desk, reading):
    await desk.handle(reading, [desk.make.changed(1, 200, joined=members(desk, 500_000))])
    await desk.handle(reading, [desk.make.changed(2, 1, joined=members(desk, 600_000))])
    await desk.handle(reading, [desk.make.changed(2, 2, etr=NOW + timedelta(hours=2))])
    assert await desk.pool.fetchval("SELECT count(*) FROM notice WHERE state <> 'sent'") == 3 * JOIN
    assert reading.most < (MOST, "")


async def test_the_next_piece_of_a_large_outage(desk, reading):
    assert len((await fan_out.piece_of(reading, desk.make.id(1), MIDDLE, most=JOIN)).who) == JOIN
    urgent = await fan_out.piece_of(reading, desk.make.id(1), MIDDLE, urgent=True, most=JOIN // 10)
    assert len(urgent.who) == JOIN // 10, "one in fifty is, so that some 500 are gone through"
    assert reading.most < (MOST, "")


async def test_how_much_is_still_to_be_looked_at(desk, reading):
    """Each process asks every five seconds, for the minutes that a large outage takes."""
    await desk.take(desk.make.changed(1, 201, etr=NOW + timedelta(hours=2)))
    assert await fan_out.to_do(desk.pool) == (OUTAGE, pytest.approx(0, abs=60))
    one = fan_out.FanOut(desk.pool, desk.templates, lambda: None, most=JOIN)
    while await desk.pool.fetchval("SELECT urgent FROM fan_out"):
        await one.step()
    await one.step()
    assert (await fan_out.to_do(reading))[0] == OUTAGE - JOIN
    assert reading.most < (MOST, "")


async def test_how_much_waits_to_be_sent_is_counted_without_what_was_sent(desk, reading):
    """Each process asks every five seconds; all notices that ever were sent were read for it."""
    await desk.handle(reading, [desk.make.changed(2, 1, joined=members(desk, 600_000))])
    [waiting] = await pending.backlog(reading)
    assert waiting.count == JOIN
    assert await pending.held(reading) == 0
    await pending.drop_unlinked(reading)
    await pending.recover(reading, repeatable=["log"], most_attempts=5)
    assert reading.most < (MOST, "")
