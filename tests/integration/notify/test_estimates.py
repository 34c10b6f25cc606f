"""How the times held that customers were told: on a real Postgres, through the handler, and over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from services.contracts.values import IncidentState
from services.notify.api import make_router
from services.notify.estimates import how_they_held
from tests.unit.notify.snapshots import NOW

pytestmark = pytest.mark.integration


def at(minute):
    return NOW + timedelta(minutes=minute)


async def send(desk, minute):
    """Send all that waits, at a minute."""
    await desk.pool.execute("UPDATE notice SET state = 'sent', sent_at = $1 WHERE state = 'pending'", at(minute))


async def outage(desk, number, customers, *, told, back, area="S1", restored=True):
    """An outage that customers report at once; they are told times at minutes, and power is back at another."""
    members = [desk.make.member(n, n) for n in customers]
    await desk.take(desk.make.changed(number, 1, joined=members, minute=0, area=area))
    await send(desk, 1)
    revision = 1
    etr = None
    for minute, etr in told.items():
        revision += 1
        await desk.take(desk.make.changed(number, revision, etr=at(etr), minute=minute, area=area))
        await send(desk, minute)
    if restored:
        over = {"state": IncidentState.RESTORED, "restored_at": at(back), "minute": back + 5, "area": area}
        await desk.take(desk.make.changed(number, revision + 1, etr=None if etr is None else at(etr), **over))
        await send(desk, back + 6)


async def held(desk, since=0, until=1000, area=None):
    async with desk.pool.acquire() as connection:
        return await how_they_held(connection, at(since), at(until), area)


async def test_a_time_holds_where_power_is_back_by_it(desk):
    await outage(desk, 1, [1, 2, 3], told={10: 100}, back=90)  # held, soon
    await outage(desk, 2, [4], told={30: 100, 95: 200}, back=130, area="S2")  # the first did not, the last did
    await outage(desk, 3, [5], told={30: 100}, back=160, area="S2")  # missed by an hour
    await outage(desk, 4, [6], told={}, back=60, area="S2")  # told none
    await outage(desk, 5, [7], told={10: 100}, back=0, restored=False)  # goes on: not counted yet

    total, first, second = await held(desk)

    assert (total.area, total.customers, total.told, total.told_soon) == (None, 6, 5, 3)
    assert (total.first_held, total.last_held, total.changes) == (3, 4, 1)
    assert (total.late_half, total.late_most) == (timedelta(minutes=60), timedelta(minutes=60))
    assert total.early_half == timedelta(minutes=10)
    assert (first.area, first.customers, first.last_held, first.late_half) == ("S1", 3, 3, None)
    assert (second.area, second.customers, second.told, second.last_held) == ("S2", 3, 2, 1)


async def test_only_the_period_and_the_area_asked_for_count(desk):
    await outage(desk, 1, [1], told={10: 100}, back=90)
    await outage(desk, 2, [2], told={10: 100}, back=200, area="S2")

    assert [one.customers for one in await held(desk, 90, 91)] == [1, 1]
    assert [one.customers for one in await held(desk, 0, 90)] == [0]
    assert [(one.area, one.last_held) for one in await held(desk, area="S2")] == [(None, 0), ("S2", 0)]


async def test_a_time_that_came_when_power_was_back_told_nobody_anything(desk):
    members = [desk.make.member(1, 1)]
    await desk.take(desk.make.changed(1, 1, joined=members, minute=0))
    await send(desk, 1)
    await desk.take(desk.make.changed(1, 2, etr=at(100), minute=50))
    await send(desk, 70)  # the gateway was away
    await desk.take(desk.make.changed(1, 3, state=IncidentState.RESTORED, restored_at=at(60), minute=80))
    await send(desk, 81)

    (total, _) = await held(desk)
    assert (total.customers, total.told) == (1, 0)


async def test_the_door_answers_in_minutes(desk):
    await outage(desk, 1, [1], told={10: 100}, back=145)
    app = FastAPI()
    app.include_router(make_router(desk.pool, desk.templates))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://notify") as client:
        asked = {"since": at(0).isoformat(), "until": at(1000).isoformat()}
        found = (await client.get("/v1/estimates", params=asked)).json()
        nothing = (await client.get("/v1/estimates", params={**asked, "area": "S9"})).json()

    counts = {"customers": 1, "told": 1, "told_soon": 1, "first_held": 0, "last_held": 0, "changes": 0}
    times = {"late_p50_minutes": 45.0, "late_p90_minutes": 45.0, "early_p50_minutes": None}
    assert found["total"] == counts | times
    assert found["areas"] == [{"area": "S1"} | counts | times]
    assert nothing["total"]["customers"] == 0
    assert nothing["areas"] == []
