"""IEEE 1366 figures of many areas and days at once: exact, and orders do not wait for them."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from services.dedup import indices, metrics
from services.dedup.api import figures as door_of_figures
from services.dedup.domain.figures import by_day, figures
from services.dedup.keys import DEVELOPMENT_KEYS
from services.dedup.store import reliability
from services.runtime import clock
from tests.integration.dedup.room import doors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from tests.integration.dedup.room import Room

pytestmark = pytest.mark.integration
AREAS, EACH, CUSTOMERS, MINUTES = 40, 60, 7, 30
FILL = """
INSERT INTO incident (
    incident_id, order_id, area, kind, state, device_id, device_type, customers_served, ordered, reports, hazards,
    opened_seq, since_seq, opened_at, restored_at, revision, changed_at, upstream
)
SELECT gen_random_uuid(), gen_random_uuid(), 'area-' || a, 'outage', 'restored', 'device-' || n, 'transformer', $3,
       true, 1, '{}', n, n, at, at + $4 * interval '1 minute', 1, at, ARRAY['device-' || n, 'feeder']
FROM generate_series(1, $1::int) AS a, generate_series(1, $2::int) AS n,
     LATERAL (SELECT $5::timestamptz - n * interval '10 minutes' AS at) AS opened
"""


@pytest.fixture
async def door(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    async with room.pool.acquire() as connection:
        await connection.execute(FILL, AREAS, EACH, CUSTOMERS, MINUTES, clock.now() - timedelta(hours=1))
    async with doors(room, {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}) as client:
        yield client


class Turns:
    """Counts the turns of the loop, and how far it was whenever figures were computed."""

    def __init__(self) -> None:
        self.now = 0
        self.seen: list[tuple[int, int]] = []

    async def count(self) -> None:
        while True:
            self.now += 1
            await asyncio.sleep(0)

    def of(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        def counted(found: Any, *rest: Any, **more: Any) -> Any:
            self.seen.append((self.now, len(found)))
            return compute(found, *rest, **more)

        return counted


@pytest.fixture
async def turns(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Turns]:
    turns = Turns()
    monkeypatch.setattr(door_of_figures, "by_day", turns.of(by_day))
    monkeypatch.setattr(indices, "figures", turns.of(figures))
    task = asyncio.create_task(turns.count())
    yield turns
    task.cancel()


async def test_all_areas_and_days_add_up(door: httpx.AsyncClient) -> None:
    asked = {"start": (clock.now() - timedelta(days=300)).isoformat(), "end": clock.now().isoformat()}
    found = (await door.get("/v1/figures/reliability", params=asked)).json()
    one = CUSTOMERS * EACH
    assert found["total"]["interruptions"] == AREAS * EACH
    assert found["total"]["customers_interrupted"] == AREAS * one
    assert found["total"]["customer_minutes"] == pytest.approx(AREAS * one * MINUTES)
    assert sum(day["interruptions"] for day in found["days"]) == AREAS * EACH
    alone = (await door.get("/v1/figures/reliability", params={**asked, "area": "area-3"})).json()
    assert alone["total"]["customers_interrupted"] == one


async def test_days_are_those_of_whoever_asks(room: Room, empty: httpx.AsyncClient) -> None:
    """In the offset of the end; until now, in that of the start: a day of Shanghai is no day of UTC."""
    await an_outage(room, 1, "t", 4 * 60 + 30, 5 * 60)  # at 00:30 of the first of August in Shanghai
    asked = {"start": at(-600).astimezone(SHANGHAI).isoformat()}
    for end in ({}, {"end": at(2000).astimezone(SHANGHAI).isoformat()}):
        found = (await empty.get("/v1/figures/reliability", params={**asked, **end})).json()
        assert [one["day"] for one in found["days"]] == ["2026-08-01"]
    ends_in_utc = {**asked, "end": at(2000).isoformat()}
    found = (await empty.get("/v1/figures/reliability", params=ends_in_utc)).json()
    assert [one["day"] for one in found["days"]] == ["2026-07-31"]


async def test_whoever_asks_lets_other_work_have_its_turn_between_areas(door: httpx.AsyncClient, turns: Turns) -> None:
    asked = {"start": (clock.now() - timedelta(days=300)).isoformat()}
    assert (await door.get("/v1/figures/reliability", params=asked)).status_code == 200
    assert sum(n for _, n in turns.seen) == AREAS * EACH
    assert max(n for _, n in turns.seen) == EACH, "no more than an area at a time"
    assert len({at for at, _ in turns.seen}) >= AREAS


async def test_so_do_the_gauges(room: Room, door: httpx.AsyncClient, turns: Turns) -> None:
    await indices.measure_reliability(room.pool, clock.now(), None)
    assert [n for _, n in turns.seen] == [EACH] * AREAS
    assert len({at for at, _ in turns.seen}) == AREAS
    assert metrics.CAIDI._value.get() == pytest.approx(MINUTES)


CHAINS = {"t": "t,f,b", "u": "u,f,b", "v": "v,b", "f": "f,b", "b": "b"}
SIZES = {"t": 20, "u": 30, "v": 40, "f": 100, "b": 300}
ONE = """
INSERT INTO incident (
    incident_id, order_id, area, kind, state, device_id, device_type, customers_served, ordered, reports, hazards,
    opened_seq, since_seq, opened_at, out_since, restored_at, revision, changed_at, upstream
)
SELECT gen_random_uuid(), gen_random_uuid(), $1, 'outage',
       CASE WHEN $6::timestamptz IS NULL THEN 'confirmed' ELSE 'restored' END,
       $2, 'fuse', $3, true, 1, '{}', $4, $4, $5, $7, $6, 1, $5, string_to_array($8, ',')
"""
NOON = datetime(2026, 7, 31, 12, tzinfo=UTC)
SHANGHAI = timezone(timedelta(hours=8))


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


async def an_outage(
    room: Room, number: int, device: str, start: float, end: float | None, since: float | None = None, area: str = "A"
) -> None:
    ended, out_since = (None if one is None else at(one) for one in (end, since))
    of = (area, device, SIZES[device], number, at(start), ended, out_since, CHAINS[device])
    await room.pool.execute(ONE, *of)


async def asked_for(client: httpx.AsyncClient, start: float, end: float) -> tuple[int, float, float, int]:
    asked = {"start": at(start).isoformat(), "end": at(end).isoformat()}
    found = (await client.get("/v1/figures/reliability", params=asked)).json()
    total = found["total"]
    assert sum(one["customers_interrupted"] for one in found["days"]) == total["customers_interrupted"]
    brief = total["maifi"] * total["customers_served"]
    return total["customers_interrupted"], total["customer_minutes"], brief, total["interruptions"]


@pytest.fixture
async def empty(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    async with doors(room, {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}) as client:
        yield client


async def test_an_outage_over_the_end_of_a_month_is_of_that_month_with_what_follows_on_it(
    room: Room, empty: httpx.AsyncClient
) -> None:
    """A feeder at 23:00 for two hours, under which a fuse is out from 00:30 to 06:00: all of July."""
    await an_outage(room, 1, "f", 660, 780)
    await an_outage(room, 2, "t", 750, 1080)
    await an_outage(room, 3, "t", 1070, 1200, since=660)  # still out for some
    await an_outage(room, 4, "u", 790, 850)  # in August, after power was back
    july, august = await asked_for(empty, -10_000, 720), await asked_for(empty, 720, 30_000)
    assert july[:2] == (100, 100 * 120 + 20 * 420)
    assert august[:2] == (30, 30 * 60)


@pytest.mark.parametrize(
    ("again", "july", "august"),
    [((721, 722), 100, 0), ((722, 782), 0, 100), ((724, 725), 100, 100)],
    ids=["one event", "the outage that follows", "another event"],
)
async def test_what_blinks_over_the_end_of_a_month_is_one_event_or_the_outage_that_follows(
    room: Room, empty: httpx.AsyncClient, again: tuple[float, float], july: int, august: int
) -> None:
    await an_outage(room, 1, "f", 718, 719)
    await an_outage(room, 2, "f", *again)
    found = [await asked_for(empty, -10_000, 720), await asked_for(empty, 720, 30_000)]
    assert [one[0] + round(one[2]) for one in found] == [july, august]


async def test_an_outage_that_nobody_ended_takes_its_customers_out_of_every_later_month(
    room: Room, empty: httpx.AsyncClient
) -> None:
    await an_outage(room, 1, "t", -50_000, None)
    await an_outage(room, 2, "f", 800, 860)
    assert (await asked_for(empty, 720, 30_000))[:2] == (80, 80 * 60)


@pytest.mark.parametrize("seed", range(3))
async def test_the_months_add_up_to_the_year(room: Room, empty: httpx.AsyncClient, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(200):
        start, lasts = chance.uniform(0, 8000), chance.choice([2, 4, 30, 90, 400])
        end = None if chance.random() < 0.01 else start + chance.uniform(0, lasts)
        since = start - chance.uniform(0, 60) if chance.random() < 0.1 else None
        await an_outage(room, number, chance.choice(list(CHAINS)), start, end, since, chance.choice("AB"))
    year = await asked_for(empty, -100, 9000)
    for cuts in (1, 5, 60):
        edges = [-100, *sorted(chance.uniform(0, 8000) for _ in range(cuts)), 9000]
        parts = [await asked_for(empty, *between) for between in pairwise(edges)]
        assert [sum(column) for column in zip(*parts, strict=True)] == pytest.approx(year)


async def test_a_time_is_read_by_indices_whatever_lies_before_and_after(room: Room, door: httpx.AsyncClient) -> None:
    await room.pool.execute("ANALYZE incident")
    first = clock.now() - timedelta(hours=2)
    asked = {
        reliability._AREAS: (first, first + timedelta(minutes=1)),
        reliability._BEGUN: (["area-3"], [first], [first + timedelta(hours=1)]),
        reliability._OUT_THEN: (["area-3"], first, first),
    }
    async with room.pool.acquire() as connection:
        for query, of in asked.items():
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *of))
            assert "Seq Scan on incident" not in plan, plan
