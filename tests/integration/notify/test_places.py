"""What notify answers of a place: the incident above it, by a real network model, and nothing of any customer."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from services.contracts.messages import PlanChanged
from services.contracts.values import DeviceRef, IncidentState, ProgressStage
from services.grid.store import import_network, migrate
from services.notify.api import make_router
from services.runtime import clock
from services.runtime.http import make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from services.contracts.messages import IncidentChanged
    from tests.integration.notify.conftest import Desk

pytestmark = pytest.mark.integration

NETWORK = """id,parent,type,normally_open,lat,lon
S1,,substation,0,32.0,118.7
F1,S1,breaker,0,32.0,118.7
F2,S1,breaker,0,32.1,118.8
T1,F1,transformer,0,32.001,118.701
T2,F2,transformer,0,32.101,118.801
"""
CUSTOMERS = """account_id,transformer_id,lat,lon,address,phone
A1,T1,32.0011,118.7011,鼓楼区1号,13800138001
A2,T2,32.1011,118.8011,鼓楼区2号,13800138002
A3,T1,32.0012,118.7012,鼓楼区3号,13800138003
"""


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> list[str]:
        return []

    app = make_app("notify", ready=ready)
    app.include_router(make_router(desk.pool, desk.templates))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify") as opened:
        yield opened


async def import_grid(desk: Desk, folder: Path) -> None:
    (folder / "network.csv").write_text(NETWORK, encoding="utf-8")
    (folder / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    async with desk.pool.acquire() as connection:
        await migrate(connection)  # type: ignore[arg-type]  # the pool's proxy is a connection
        await import_network(connection, folder / "network.csv", folder / "customers.csv")  # type: ignore[arg-type]


def changed(desk: Desk, incident: int, revision: int, *, device: str, **fields: Any) -> IncidentChanged:
    snapshot = desk.make.changed(incident, revision, **fields)
    return snapshot.model_copy(update={"device": DeviceRef(id=device, type="breaker")})


async def at(client: httpx.AsyncClient, *questions: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await client.post("/v1/status/places", json={"questions": list(questions)})
    assert answer.status_code == 200, answer.text
    answers: list[dict[str, Any]] = answer.json()["answers"]
    return answers


async def test_before_a_network_is_imported_nothing_is_known(client: httpx.AsyncClient) -> None:
    (answer,) = await at(client, {"phone": "13800138001"})
    assert (answer["outage"], answer["placed"]) == ("not_known", False)


async def test_an_account_or_a_number_finds_the_incident_of_its_feeder_and_no_other(
    desk: Desk, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await import_grid(desk, tmp_path)
    now = clock.now()
    outage = changed(desk, 1, 1, area="S1", device="F1", etr=now + timedelta(hours=2))
    await desk.take(outage, now=now)
    by_number, by_account, beside, unknown, over_there = await at(
        client,
        {"phone": "+86 138 0013 8001"},
        {"account_id": "A1"},
        {"account_id": "A2"},
        {"phone": "13900139000"},
        {"lat": 32.0011, "lon": 118.7011, "accuracy_m": 20},
    )
    for found in (by_number, by_account, over_there):
        assert (found["outage"], found["placed"]) == ("known", True)
        assert found["etr"] is not None
        assert found["progress"] is None
    assert (beside["outage"], beside["placed"]) == ("not_known", True)
    assert (unknown["outage"], unknown["placed"]) == ("not_known", False)

    on_the_way = changed(
        desk,
        1,
        2,
        area="S1",
        device="F1",
        etr=now - timedelta(hours=2),
        stage=ProgressStage.EN_ROUTE,
    )
    await desk.take(on_the_way, now=now)
    (found,) = await at(client, {"account_id": "A1"})
    assert (found["progress"], found["etr"]) == ("en_route", None)

    over = changed(
        desk,
        1,
        3,
        area="S1",
        device="F1",
        state=IncidentState.RESTORED,
        restored_at=now - timedelta(minutes=5),
    )
    await desk.take(over, now=now)
    (found,) = await at(client, {"account_id": "A1"})
    assert (found["outage"], found["progress"], found["etr"]) == ("restored", None, None)

    again = changed(desk, 2, 1, area="S1", device="T1")
    await desk.take(again, now=now)
    (found,) = await at(client, {"account_id": "A1"})
    assert found["outage"] == "known"


@pytest.mark.parametrize("kind", ["single", "hazard"])
async def test_what_is_out_at_one_home_or_is_a_danger_is_no_outage_of_the_neighbours(
    desk: Desk, client: httpx.AsyncClient, tmp_path: Path, kind: str
) -> None:
    """Who hears that their outage is known hangs up, and nobody comes to theirs."""
    await import_grid(desk, tmp_path)
    await desk.take(changed(desk, 1, 1, area="S1", device="T1", kind=kind))
    (found,) = await at(client, {"account_id": "A1"})
    assert (found["outage"], found["placed"]) == ("not_known", True)
    await desk.take(changed(desk, 2, 1, area="S1", device="F1"))
    (found,) = await at(client, {"account_id": "A1"})
    assert found["outage"] == "known"


async def test_whose_home_alone_is_out_hears_of_it_and_no_neighbour_does(
    desk: Desk, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await import_grid(desk, tmp_path)
    now = clock.now()
    theirs = {"kind": "single", "account_id": "A1", "area": "S1", "device": "T1"}
    asked = ({"account_id": "A1"}, {"phone": "13800138001"}, {"account_id": "A3"}, {"lat": 32.0011, "lon": 118.7011})
    await desk.take(changed(desk, 1, 1, etr=now + timedelta(hours=2), **theirs), now=now)
    own, own_number, beside, nobody = await at(client, *asked)
    for found in (own, own_number):
        assert found["outage"] == "known"
        assert found["etr"] is not None
    assert beside["outage"] == nobody["outage"] == "not_known"

    del theirs["account_id"]  # as dedup tells of one that is over
    over = changed(desk, 1, 2, state=IncidentState.RESTORED, restored_at=now - timedelta(minutes=5), **theirs)
    await desk.take(over, now=now)
    assert {found["outage"] for found in await at(client, *asked)} == {"not_known"}
    assert await desk.pool.fetchval("SELECT count(*) FROM incident WHERE account_id IS NOT NULL") == 0


async def test_an_outage_that_ended_hours_ago_is_not_spoken_of(
    desk: Desk, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await import_grid(desk, tmp_path)
    over = changed(
        desk,
        1,
        1,
        area="S1",
        device="S1",
        state=IncidentState.RESTORED,
        restored_at=clock.now() - timedelta(hours=3),
    )
    await desk.take(over)
    (found,) = await at(client, {"account_id": "A1"})
    assert (found["outage"], found["placed"]) == ("not_known", True)


def planned(desk: Desk, number: int, now: datetime, begins: float, ends: float, **fields: Any) -> PlanChanged:
    """Work under F1, from so many hours from now until so many."""
    starts_at, ends_at = now + timedelta(hours=begins), now + timedelta(hours=ends)
    said = {"area": "S1", "device": "F1", "starts_at": starts_at, "ends_at": ends_at, **fields}
    return PlanChanged(planned_id=desk.make.id(number), command_id=uuid4(), changed_at=now, **said)


async def test_planned_work_answers_while_it_lasts_before_anybody_has_reported(
    desk: Desk, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await import_grid(desk, tmp_path)
    now = clock.now()
    over, to_come = planned(desk, 1, now, -3, -1), planned(desk, 2, now, 1, 3)
    await desk.take(over, to_come)
    asked = {"account_id": "A1"}
    (found,) = await at(client, asked)
    assert (found["outage"], found["planned"]) == ("not_known", False)

    await desk.take(planned(desk, 3, now, -1, 2))
    places = asked, {"phone": "13800138003"}, {"lat": 32.0011, "lon": 118.7011}, {"account_id": "A2"}
    *under, beside = await at(client, *places)
    for found in under:
        assert (found["outage"], found["planned"], found["progress"]) == ("known", True, None)
        assert found["etr"] == (now + timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    assert (beside["outage"], beside["planned"]) == ("not_known", False)

    await desk.take(planned(desk, 3, now, -1, 2), planned(desk, 3, now, -1, 4))
    (found,) = await at(client, asked)
    assert found["etr"] == (now + timedelta(hours=4)).isoformat().replace("+00:00", "Z"), "its end was moved"
    await desk.take(planned(desk, 4, now, -1, 6, device="S1"))
    found, beside = await at(client, asked, {"account_id": "A2"})
    assert found["etr"] == beside["etr"] == (now + timedelta(hours=6)).isoformat().replace("+00:00", "Z")
    await desk.take(planned(desk, 4, now, -1, 6, device="S1", cancelled=True))
    found, beside = await at(client, asked, {"account_id": "A2"})
    assert (found["planned"], beside["outage"]) == (True, "not_known")
    await desk.take(planned(desk, 3, now, -1, -0.01))
    (found,) = await at(client, asked)
    assert found["outage"] == "not_known", "it ended early"


async def test_under_planned_work_that_answers_the_report_nothing_else_answers_the_question(
    desk: Desk, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """What a caller hears before they report and the notice after it say the same."""
    await import_grid(desk, tmp_path)
    now = clock.now()
    await desk.take(changed(desk, 1, 1, area="S1", device="T1"), planned(desk, 2, now, -1, 2), now=now)
    (found,) = await at(client, {"account_id": "A1"})
    assert (found["outage"], found["planned"]) == ("known", True)
    await desk.take(planned(desk, 2, now, -1, 2, cancelled=True))
    (found,) = await at(client, {"account_id": "A1"})
    assert (found["outage"], found["planned"]) == ("known", False)


async def test_who_is_fed_otherwise_is_not_under_the_work_any_more(
    desk: Desk, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await import_grid(desk, tmp_path)
    now = clock.now()
    await desk.take(planned(desk, 1, now, -1, 2))
    (tmp_path / "network.csv").write_text(NETWORK.replace("T1,F1", "T1,F2"), encoding="utf-8")
    async with desk.pool.acquire() as connection:
        await import_network(connection, tmp_path / "network.csv", tmp_path / "customers.csv")  # type: ignore[arg-type]
    (found,) = await at(client, {"account_id": "A1"})
    assert (found["outage"], found["placed"]) == ("not_known", True)


async def test_questions_that_do_not_fit_are_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/status/places", json={"questions": [{"lat": 91}]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "questions.0.lat"
