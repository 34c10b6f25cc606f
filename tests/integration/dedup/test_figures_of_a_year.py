"""IEEE 1366 figures of many areas and days at once: exact, and orders do not wait for them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.dedup import indices, metrics
from services.dedup.api import figures as door_of_figures
from services.dedup.domain.figures import by_day, figures
from services.dedup.keys import DEVELOPMENT_KEYS
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
