"""What dispatchers look at costs what it shows, however much is open, was closed or was done."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from services.dedup.keys import DEVELOPMENT_KEYS
from services.dedup.store import commands, load, views
from services.dedup.store.incident_pages import count_proposed, page_of_incidents
from services.dedup.store.load import _take_in, load_areas
from tests.integration.dedup import worst_day
from tests.integration.dedup.room import doors
from tests.integration.rows_read import Read
from tests.unit.dedup.timeline import minute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import asyncpg

    from services.dedup.domain.state import AreaState
    from services.runtime.postgres import Connection
    from tests.integration.dedup.room import Room

pytestmark = pytest.mark.integration

NOW = minute(0)
PAGE = 20
MOST = 50 * PAGE
"""Rows of one step of a plan for a page, for each of whose incidents all plans that are not over may be looked at."""
STATES = (None, ["predicted", "confirmed"], ["cancelled"], ["restored"])


@pytest.fixture(params=["auto", "force_generic_plan"])
async def reading(room: Room, request: pytest.FixtureRequest) -> AsyncIterator[Read]:
    async with room.pool.acquire() as connection:
        await worst_day.fill(connection, NOW)
        await connection.execute(f"SET plan_cache_mode = {request.param}")
        yield Read(connection)
        await connection.execute("RESET plan_cache_mode")


async def incidents(
    connection: Connection | Read,
    states: list[str] | None,
    area: str | None = None,
    *,
    proposed: bool | None = None,
    after: tuple[datetime, UUID] | None = None,
) -> list[asyncpg.Record]:
    return await page_of_incidents(connection, states, area, after, PAGE, proposed=proposed, now=NOW)  # type: ignore[arg-type]


async def test_lists_of_incidents(reading: Read) -> None:
    for states, area in product(STATES, (None, "A3")):
        page = await incidents(reading, states, area)
        assert len(page) == (0 if states == ["cancelled"] else PAGE)
        assert {row["state"] for row in page} <= set(states or ["predicted", "restored"])
        assert {row["area"] for row in page} <= ({row["area"] for row in page} if area is None else {area})
        if page:
            last = page[-1]["opened_at"], page[-1]["incident_id"]
            following = await incidents(reading, states, area, after=last)
            assert following[0]["opened_at"] <= last[0]
            assert not {row["incident_id"] for row in following} & {row["incident_id"] for row in page}
            assert [row["opened_at"] for row in page] == sorted((row["opened_at"] for row in page), reverse=True)
    assert reading.most < (MOST, "")


async def test_lists_of_what_may_be_planned_work(reading: Read, room: Room) -> None:
    proposed = await incidents(reading, None, proposed=True)
    others = await incidents(reading, ["predicted"], proposed=False)
    counted = await count_proposed(reading, NOW)  # type: ignore[arg-type]
    assert reading.most < (MOST, "")
    async with room.pool.acquire() as connection:
        every = await page_of_incidents(connection, None, None, None, 100_000, proposed=None, now=NOW)
    expected = [row["incident_id"] for row in every if row["planned_id"] is not None]
    assert [row["incident_id"] for row in proposed] == expected[:PAGE]
    assert 0 < counted == len(expected) < worst_day.OPEN // 10
    assert {row["planned_id"] for row in others} == {None}


async def test_lists_of_commands_and_of_reports_that_wait(reading: Read) -> None:
    first = await commands.commands_about(reading, None, None, PAGE)  # type: ignore[arg-type]
    assert len(first) == PAGE
    last = first[-1]["accepted_at"], first[-1]["command_id"]
    following = await commands.commands_about(reading, None, last, PAGE)  # type: ignore[arg-type]
    assert following[0]["accepted_at"] == last[0] - timedelta(seconds=7)
    about = await commands.commands_about(reading, first[3]["subject"], None, PAGE)  # type: ignore[arg-type]
    assert [row["command_id"] for row in about] == [first[3]["command_id"]]

    for area in (None, "A3"):
        waits = await views.waiting_reports(reading, area, None, PAGE)  # type: ignore[arg-type]
        last = waits[-1]["reported_at"], waits[-1]["report_id"]
        following = await views.waiting_reports(reading, area, last, PAGE)  # type: ignore[arg-type]
        assert [row["reported_at"] for row in waits + following] == sorted(
            row["reported_at"] for row in waits + following
        )
        assert len({row["report_id"] for row in waits + following}) == 2 * PAGE
    assert reading.most < (MOST, "")


async def test_a_report_of_the_largest_outage_is_explained_without_the_others(
    reading: Read, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read them took seconds, in which no order of the process was decided."""
    [report] = await room.pool.fetch("SELECT report_id, incident_id FROM report WHERE report_id = md5('large7')::uuid")
    state = (await load_areas(reading, ["A0"], {}, room.ground.rules, report["report_id"]))["A0"]  # type: ignore[arg-type]
    assert list(state.members) == [report["report_id"]]
    assert reading.most < (MOST, "")

    taken: list[asyncpg.Record] = []

    def take_in(state: AreaState, row: asyncpg.Record) -> None:
        taken.append(row)
        _take_in(state, row)

    monkeypatch.setattr(load, "_take_in", take_in)
    async with doors(room, {"X-API-Key": DEVELOPMENT_KEYS["desk-dev"]}) as client:
        shown = (await client.get(f"/v1/reports/{report['report_id']}/explain")).json()
    assert shown["incident_id"] == str(report["incident_id"])
    assert shown["would_change"][-1].startswith("A dispatcher can move it")
    assert len(taken) == 1


async def test_the_reports_of_the_largest_outage_are_seen_page_by_page(reading: Read, room: Room) -> None:
    """Of 100,000 nobody saw more than the first thousand, and who acted on it was sent them to learn its revision."""
    largest = await room.pool.fetchval(worst_day.LARGEST)
    page = await views.members_of(reading, largest, PAGE, worst_day.LARGE // 2)  # type: ignore[arg-type]
    assert [row["seq"] for row in page] == [worst_day.LARGE // 2 + 1 + n for n in range(PAGE)]
    assert reading.most < (MOST, "")

    seen: list[str] = []
    after = 0
    async with doors(room, {"X-API-Key": DEVELOPMENT_KEYS["desk-dev"]}) as client:
        while after is not None:
            asked = await client.get(f"/v1/incidents/{largest}/reports", params={"limit": 500, "after": after})
            seen += [one["report_id"] for one in asked.json()["reports"]]
            after = asked.json()["next"]
        head = await client.get(f"/v1/incidents/{largest}", params={"members": 0})
        whole = await client.get(f"/v1/incidents/{largest}")
        nothing = await client.get(f"/v1/incidents/{UUID(int=1)}/reports")
    assert len(seen) == len(set(seen)) == worst_day.LARGE
    assert (head.json()["revision"], head.json()["members"]) == (whole.json()["revision"], [])
    assert len(head.content) < 2000 < 100 * 1000 < len(whole.content)
    assert nothing.status_code == 404
