"""What dispatchers do, over HTTP: on a real database, and with the service on real Kafka and Postgres."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from services.contracts.ids import derive
from services.contracts.messages import OrderVersion, OutageCommanded, PowerRestored, ReportSettled, TelemetryReceived
from services.contracts.topics import DISPATCH_ORDER, OUTAGE_INPUT, REPORT_SETTLED
from services.contracts.values import CommandAction, Reading
from services.dedup.domain import AreaState
from services.dedup.domain.figures import Figures, figures
from services.dedup.domain.planning import proposed_plan
from services.dedup.handler import imbalance
from services.dedup.keys import DEVELOPMENT_KEYS
from services.dedup.metrics import PLAN_PROPOSED
from services.dedup.network_watch import tell_moved
from services.dedup.store import incident_pages, reliability, views
from services.grid.network_file import read_customers, read_devices
from services.grid.store import import_network
from services.runtime import clock
from services.runtime.positions import totals
from tests.integration.dedup.room import doors
from tests.integration.dedup.test_service import DESK, UNPUBLISHED, WAITING
from tests.unit.dedup.timeline import NETWORKS, Timeline, a_report, minute, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg

    from services.contracts.messages import OutageInput
    from services.runtime.postgres import Connection
    from tests.integration.dedup.room import Room
    from tests.service_process import Service

pytestmark = pytest.mark.integration
AREA = "A0SU00000"
IEEE123 = NETWORKS / "ieee123"
NOBODY = "0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"
METERS = {"X-API-Key": DEVELOPMENT_KEYS["meters-dev"]}
ANY = {"If-Match": "*"}
YEARS = 6_000_000.0
"""Minutes until a plan ends that lasts by the clock of the API, which is not the story's."""


@pytest.fixture
async def desk(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    async with doors(room, DESK, "http://dedup/v1") as client:
        yield client


async def decide_what_was_accepted(room: Room, at: float) -> None:
    """Feed the commands in the outbox to the handler, as Kafka would."""
    accepted = await room.published(OUTAGE_INPUT.name)
    await room.pool.execute("DELETE FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
    await room.feed(accepted, minute(at))


async def two_outages(room: Room) -> tuple[dict[str, Any], dict[str, Any]]:
    await room.feed([a_report(AREA, "A0TR00023", "here", -300)], minute(-300))
    await room.feed([a_report(AREA, "A0TR00104", "there", 1)], minute(1))
    rows = await room.pool.fetch("SELECT * FROM incident ORDER BY opened_at")
    return dict(rows[0]), dict(rows[1])


async def test_a_merge_its_redirect_and_its_undo(room: Room, desk: httpx.AsyncClient) -> None:
    here, there = (one["incident_id"] for one in await two_outages(room))
    seen = await desk.get(f"/incidents/{there}")
    said = {"command_id": "m1", "reason": "one pole", "into": str(here), "by": "Li"}
    path = f"/incidents/{there}/merge?wait=0"
    accepted = await desk.post(path, json=said, headers={"If-Match": seen.headers["ETag"]})
    again = await desk.post(path, json=said, headers={"If-Match": seen.headers["ETag"]})
    assert (accepted.status_code, again.status_code) == (202, 202)
    second = await desk.post(path, json={**said, "command_id": "m2"}, headers={"If-Match": seen.headers["ETag"]})
    assert (second.status_code, second.headers["content-type"]) == (412, "application/problem+json")
    other = await desk.post(path, json={**said, "reason": "another"}, headers={"If-Match": seen.headers["ETag"]})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "command_id")

    await decide_what_was_accepted(room, 2)
    done = (await desk.get(accepted.headers["Location"].removeprefix("/v1"))).json()
    assert (done["outcome"], done["author"], done["undoable"]) == ("done", "desk-dev/Li", True)
    moved = await desk.get(f"/incidents/{there}")
    assert (moved.json()["incident_id"], moved.json()["redirected_from"]) == (str(here), str(there))
    assert moved.headers["Content-Location"] == f"/v1/incidents/{here}"
    closed = await desk.post(path, json={**said, "command_id": "m3"}, headers=ANY)
    assert closed.status_code == 409
    assert f"was merged into {here}" in closed.json()["errors"][0]["reason"]

    undo = await desk.post(f"/commands/{done['command_id']}/undo?wait=0", json={"command_id": "u1", "reason": "two"})
    assert undo.status_code == 202
    await decide_what_was_accepted(room, 3)
    back = (await desk.get(f"/incidents/{there}")).json()
    assert (back["incident_id"], back["state"], len(back["members"])) == (str(there), "predicted", 1)
    assert [one["status"] for one in back["order"]] == ["issued", "cancelled", "issued"]
    reasons = await room.pool.fetch("SELECT action, rule, author FROM membership ORDER BY seq")
    assert [tuple(one) for one in reasons][2:] == [
        ("left", "merged_by_person", "desk-dev/Li"),
        ("joined", "merged_by_person", "desk-dev/Li"),
        ("left", "undone_by_person", "desk-dev"),
        ("joined", "undone_by_person", "desk-dev"),
    ]


async def test_what_is_around_an_incident_can_be_drawn(room: Room, desk: httpx.AsyncClient) -> None:
    here, there = (one["incident_id"] for one in await two_outages(room))
    await room.feed([a_report("cell:85318d9bfffffff", "cell:89318d9bfffffff", "far", 2)], minute(2))
    far = await room.pool.fetchval("SELECT incident_id FROM incident WHERE area LIKE 'cell%'")

    found = (await desk.get(f"/incidents/{here}/surroundings")).json()
    by_id = {one["id"]: one for one in found["devices"]}
    assert (found["device"], found["reports"]) == ("A0TR00023", 1)
    assert (by_id["A0TR00023"]["reports"], by_id["A0TR00104"]["reports"]) == (1, 0)
    assert (by_id["A0TR00023"]["incident"], by_id["A0TR00104"]["incident"]) == (str(here), str(there))
    assert {one["id"] for one in found["devices"] if one["dark"]} == {"A0TR00023"}
    assert found["devices"][0]["id"] == AREA

    nothing = await desk.get(f"/incidents/{far}/surroundings")
    assert (nothing.status_code, nothing.headers["content-type"]) == (404, "application/problem+json")
    assert "nothing to draw" in nothing.json()["detail"]
    assert (await desk.get(f"/incidents/{NOBODY}/surroundings")).status_code == 404


async def test_what_is_known_at_an_address_is_found_up_to_the_substation(room: Room, desk: httpx.AsyncClient) -> None:
    home, number = next(
        (row.address, row.account_id)
        for row in read_customers(IEEE123 / "customers.csv", read_devices(IEEE123 / "network.csv"))
        if row.transformer_id == "A0TR00023"
    )

    async def at(**said: Any) -> dict[str, Any]:
        answer = await desk.post("/places/search", json=said)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    quiet = await at(address=home)
    assert (quiet["place"]["transformer_id"], quiet["place"]["area"]) == ("A0TR00023", AREA)
    assert (quiet["incidents"], quiet["planned_outages"]) == ([], [])
    supply = [one["id"] for one in quiet["supply"]]
    assert (supply[0], supply[-1]) == ("A0TR00023", AREA)
    assert [one["customers"] for one in quiet["supply"]] == sorted(one["customers"] for one in quiet["supply"])

    here, there = (one["incident_id"] for one in await two_outages(room))
    plan = {"command_id": "p1", "reason": "new pole", "device": supply[1], "starts_at": clock.now().isoformat()}
    plan["ends_at"] = (clock.now() + timedelta(hours=2)).isoformat()
    assert (await desk.post("/planned-outages?wait=0", json=plan)).status_code == 202
    await decide_what_was_accepted(room, 2)
    for said in ({"address": home}, {"text": f"我家停电了,{home}"}, {"account_id": number}):
        found = await at(**said)
        assert [one["incident_id"] for one in found["incidents"]] == [str(here)]
        assert [one["device_id"] for one in found["planned_outages"]] == [supply[1]]
    (elsewhere,) = (await at(address="A0TR00104"))["incidents"]
    assert elsewhere["incident_id"] == str(there)

    # What is out above it comes after what is out at it; what was back long ago is no longer told.
    confirmed = {"command_id": "c1", "reason": "its fuse", "device": supply[1]}
    assert (await desk.post(f"/incidents/{there}/confirm?wait=0", json=confirmed, headers=ANY)).status_code == 202
    await decide_what_was_accepted(room, 3)
    assert [one["incident_id"] for one in (await at(address=home))["incidents"]] == [str(here), str(there)]
    for hours, told in ((23, [str(here), str(there)]), (25, [str(there)])):
        back = clock.now() - timedelta(hours=hours)
        await room.pool.execute(
            "UPDATE incident SET state = 'restored', restored_at = $2 WHERE incident_id = $1", here, back
        )
        assert [one["incident_id"] for one in (await at(address=home))["incidents"]] == told

    nowhere = await at(address="天涯路9999号")
    assert (nowhere["place"].get("area"), nowhere["supply"], nowhere["incidents"]) == (None, [], [])
    assert "address_unknown" in nowhere["place"]["evidence"]
    nothing = await desk.post("/places/search", json={})
    assert (nothing.status_code, nothing.json()["errors"][0]["field"]) == (422, "address")
    async with room.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")  # as if there were millions of others
        rows = await connection.fetch(f"EXPLAIN {incident_pages._AT}", clock.now(), AREA, supply, clock.now())
    way = "\n".join(row[0] for row in rows)
    assert "incident_open" in way
    assert "incident_restored" in way


async def test_what_is_around_an_incident_is_found_among_its_own_reports(room: Room) -> None:
    async with room.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")  # as if there were millions of others
        for query, *args in ((views._BY_DEVICE, NOBODY), (views._MEMBERS, NOBODY, 1000, 0)):
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *args))
            assert "report_by_incident" in plan


async def test_refusals_are_problems_with_field_and_reason(room: Room, desk: httpx.AsyncClient) -> None:
    here, there = (one["incident_id"] for one in await two_outages(room))
    await room.feed([a_report("cell:85318d9bfffffff", "cell:89318d9bfffffff", "far", 2)], minute(2))
    far = await room.pool.fetchval("SELECT incident_id FROM incident WHERE area LIKE 'cell%'")
    nobody = "0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"

    async def refused(path: str, headers: dict[str, str] = ANY, **told: Any) -> tuple[int, str, str]:
        answer = await desk.post(
            path, json={"command_id": str(random.random()), "reason": "r", **told}, headers=headers
        )
        body = answer.json()
        first = (body.get("errors") or [{"field": "", "reason": body.get("detail", "")}])[0]
        return answer.status_code, first["field"], first["reason"]

    assert (await refused(f"/incidents/{there}/merge", into=str(far)))[:2] == (409, "into")
    assert (await refused(f"/incidents/{there}/merge", into=nobody))[:2] == (409, "into")
    assert (await refused(f"/incidents/{nobody}/merge", into=str(here)))[0] == 404
    assert (await refused(f"/incidents/{there}/merge", {}, into=str(here)))[0] == 428
    assert (await refused(f"/incidents/{there}/merge", {"If-Match": '"99"'}, into=str(here)))[0] == 412
    assert (await refused(f"/incidents/{there}/merge", into="x"))[:2] == (422, "into")
    assert (await refused(f"/reports/{nobody}/place", device="A0TR00023"))[0] == 404
    assert (await refused(f"/commands/{nobody}/undo"))[0] == 404
    times = {"starts_at": 1795651200, "ends_at": minute(2).isoformat()}
    assert (await refused("/planned-outages", device="A0FU00017", **times))[:2] == (422, "starts_at")
    assert (
        await refused("/planned-outages", device="none", starts_at=minute(1).isoformat(), ends_at=minute(2).isoformat())
    )[:2] == (422, "device")

    said = {
        "command_id": "s1",
        "reason": "r",
        "reports": [
            str(one["report_id"])
            for one in await room.pool.fetch("SELECT report_id FROM report WHERE incident_id = $1", here)
        ],
    }
    await desk.post(f"/incidents/{here}/split?wait=0", json=said, headers=ANY)
    await decide_what_was_accepted(room, 3)
    answer = await desk.post(f"/incidents/{here}/split?wait=0", json=said, headers=ANY)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "reports"


async def test_a_refusal_calls_a_field_as_the_request_did(room: Room, desk: httpx.AsyncClient) -> None:
    """Also where the area's topic has another name for it."""
    here, there = (one["incident_id"] for one in await two_outages(room))
    of_there = await room.pool.fetchval("SELECT report_id FROM report WHERE incident_id = $1", there)
    wrong = {
        "merge": ({"into": str(here)}, "into"),
        "relate": ({"to": str(here)}, "to"),
        "move": ({"reports": [str(of_there)], "to": str(here)}, "reports"),
    }
    for n, (action, (told, field)) in enumerate(wrong.items()):
        body = {"command_id": action, "reason": "r", **told}
        await desk.post(f"/incidents/{here}/{action}?wait=0", json=body, headers=ANY)
        await decide_what_was_accepted(room, 3 + n)
        answer = await desk.post(f"/incidents/{here}/{action}?wait=0", json=body, headers=ANY)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, field)


async def test_a_key_opens_only_its_own_doors(room: Room, desk: httpx.AsyncClient) -> None:
    here, there = (one["incident_id"] for one in await two_outages(room))
    merge = {"command_id": "m", "reason": "r", "into": str(here)}
    path = f"/incidents/{there}/merge"
    for headers, status in (({"X-API-Key": ""}, 401), ({"X-API-Key": "wrong"}, 401), (METERS, 403)):
        answer = await desk.post(path, json=merge, headers={**ANY, **headers})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (await desk.get(f"/incidents/{here}", headers={"X-API-Key": ""})).status_code == 401, "nor is it read"
    assert (await desk.get(f"/incidents/{here}", headers={"X-API-Key": "wrong"})).status_code == 401
    body = {"progress_id": "1", "stage": "arrived", "at": minute(4).isoformat()}
    order = await room.pool.fetchval("SELECT order_id FROM incident LIMIT 1")
    assert (await desk.post(f"/orders/{order}/progress", json=body)).status_code == 403, "a desk is no crew"


async def test_a_reading_of_a_clock_that_is_ahead_is_the_same_when_it_is_sent_again(
    room: Room, desk: httpx.AsyncClient
) -> None:
    """Although it counts from another arrival: it was another body, which went to the dead letters."""
    ahead = (clock.now() + timedelta(hours=1)).isoformat()
    body = {"readings": [{"event_id": "e1", "reading": "breaker_open", "device": "A0FU00016", "at": ahead}]}
    for _ in range(2):
        assert (await desk.post("/telemetry", json=body, headers=METERS)).status_code == 202
    rows = await room.pool.fetch("SELECT headers FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
    said = [value for row in rows for name, value in json.loads(row["headers"]) if name == "ce_fingerprint"]
    assert len(said) == len(rows) == 2
    assert len(set(said)) == 1


async def test_power_that_is_back_over_http_closes_what_it_names_once(room: Room, desk: httpx.AsyncClient) -> None:
    """Those still out after it are the same interruption going on in the figures."""
    await two_outages(room)
    field = {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}
    said = {"event_id": "r1", "device": "A0TR00104", "restored_at": minute(61).isoformat()}
    both = {**said, "event_id": "r2", "account_id": "x"}
    body = {"restorations": [said, {**said, "event_id": "r3", "device": "nowhere"}]}
    assert (await desk.post("/restorations", json=body)).status_code == 403, "a desk is no crew"
    refused = await desk.post("/restorations", json={"restorations": [said, both]}, headers=field)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "restorations.1")
    for _ in range(2):
        answer = await desk.post("/restorations", json=body, headers=field)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "unknown": ["r3"]})
    await decide_what_was_accepted(room, 62)
    open_at = await room.pool.fetch("SELECT device_id FROM incident WHERE state = 'predicted'")
    assert [one["device_id"] for one in open_at] == ["A0TR00023"]

    async def of_the_second() -> dict[str, Any]:
        between = {"start": minute(0).isoformat(), "end": minute(120).isoformat(), "area": AREA}
        found: dict[str, Any] = (await desk.get("/figures/reliability", params=between)).json()["total"]
        return found

    before = await of_the_second()
    assert before["interruptions"] == 1
    await room.feed([a_report(AREA, "A0TR00104", "still out", 70)], minute(70))
    still = await room.pool.fetchrow(
        "SELECT continues, out_since FROM incident WHERE state = 'predicted' AND device_id <> 'A0TR00023'"
    )
    assert still is not None
    assert still["continues"] is not None
    after = await of_the_second()
    assert (after["interruptions"], after["customers_interrupted"]) == (1, before["customers_interrupted"])
    assert after["customer_minutes"] > before["customer_minutes"]


async def test_an_account_whose_power_is_back_is_found_where_it_reported_whatever_the_network_calls_that_now(
    room: Room, desk: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Two of one transformer's customers report; then a version of the network has the transformer under another id."""
    device = "A0TR00104"
    accounts = await room.pool.fetch(
        "SELECT account_id FROM grid.customer WHERE transformer_id = $1 ORDER BY 1 LIMIT 2", device
    )
    first, second = (row["account_id"] for row in accounts)
    await room.feed([a_report(AREA, device, one, 1, account=one) for one in (first, second)], minute(1))
    for name in ("network.csv", "customers.csv"):
        text = (NETWORKS / "ieee123" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(device, "NEW-NAME"), encoding="utf-8")
    async with room.pool.acquire() as connection:
        await import_network(connection, tmp_path / "network.csv", tmp_path / "customers.csv")  # type: ignore[arg-type] # a proxy is one in all but type
    await tell_moved(room.pool, room.outbox, "2", minute(5), set())
    await decide_what_was_accepted(room, 5)
    field = {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}
    for n, account in enumerate((first, second)):
        said = {"event_id": f"r{n}", "account_id": account, "restored_at": minute(60 + n).isoformat()}
        answer = await desk.post("/restorations", json={"restorations": [said]}, headers=field)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "unknown": []})
        await decide_what_was_accepted(room, 62 + n)
        still_open = await room.pool.fetchval("SELECT sum(reports) FROM incident WHERE state = 'predicted'")
        assert still_open == (1 if n == 0 else None)


async def test_planned_outages_come_in_pages(room: Room, desk: httpx.AsyncClient) -> None:
    body = {"reason": "new poles", "device": "A0FU00017", "ends_at": minute(YEARS).isoformat()}
    for number, n in enumerate((2, 0, 1, 1)):
        said = {"command_id": f"p{number}", "starts_at": minute(n).isoformat(), **body}
        assert (await desk.post("/planned-outages?wait=0", json=said)).status_code == 202
        await decide_what_was_accepted(room, 0)
    pages, after = [], None
    while not pages or after is not None:
        asked = {"limit": 1, "ending_after": minute(0).isoformat(), **({"after": after} if after else {})}
        page = (await desk.get("/planned-outages", params=asked)).json()
        pages += page["planned_outages"]
        after = page["next"]
    assert [one["starts_at"] for one in pages] == [minute(n).isoformat().replace("+00:00", "Z") for n in (0, 1, 1, 2)]
    assert len({one["planned_id"] for one in pages}) == len(pages)
    refused = await desk.get("/planned-outages", params={"after": "nonsense"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "after")


async def test_commands_come_in_pages_newest_first(room: Room, desk: httpx.AsyncClient) -> None:
    body = {"reason": "new poles", "device": "A0FU00017", "starts_at": minute(0).isoformat()}
    for n in range(4):
        said = {"command_id": f"p{n}", "ends_at": minute(YEARS + n).isoformat(), **body}
        assert (await desk.post("/planned-outages?wait=0", json=said)).status_code == 202
        await decide_what_was_accepted(room, 0)
    await room.pool.execute(
        "UPDATE command SET accepted_at = (SELECT max(accepted_at) FROM command) WHERE accepted_at <> "
        "(SELECT min(accepted_at) FROM command)"
    )
    pages, after = [], None
    while not pages or after is not None:
        page = (await desk.get("/commands", params={"limit": 1, **({"after": after} if after else {})})).json()
        assert len(page["commands"]) == 1
        pages += page["commands"]
        after = page["next"]
    assert len({one["command_id"] for one in pages}) == len(pages) == 4, "three are of one moment"
    assert [one["accepted_at"] for one in pages] == sorted((one["accepted_at"] for one in pages), reverse=True)
    about = (await desk.get("/commands", params={"about": pages[0]["subject"]})).json()
    assert ([one["command_id"] for one in about["commands"]], about["next"]) == ([pages[0]["command_id"]], None)
    refused = await desk.get("/commands", params={"after": "nonsense"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "after")


async def an_outage_of_two(room: Room, one: str) -> asyncpg.Record:
    """The incident of what two transformers report, of which power is back at one after 21 minutes."""
    await room.feed([a_report(AREA, name, name, 0) for name in (one, "A0TR00024")], minute(0))
    incident = await room.pool.fetchrow("SELECT incident_id, customers_served, device_id FROM incident")
    assert incident is not None
    assert incident["device_id"] == "A0FU00016"
    return incident


async def figures_of(connection: Connection, served: int) -> Figures:
    """The figures after two hours."""
    async with aclosing(
        reliability.interruptions(connection, minute(-60), minute(60), None, timedelta(minutes=5))
    ) as areas:
        (found,) = [one async for one in areas]
    return figures(found, served, momentary=timedelta(minutes=5), until=minute(120))


@pytest.mark.parametrize("now_in", ["elsewhere", AREA], ids=["while it is switched", "switched back"])
async def test_who_was_fed_from_elsewhere_counts_until_then(room: Room, now_in: str) -> None:
    """By whichever area noted it, and whatever feeds them by the time that the figures are asked for."""
    away = "A0TR00023"
    incident = await an_outage_of_two(room, away)
    # As an earlier release noted it: without what the network was then.
    step = "elsewhere", 1, away, incident["incident_id"], minute(21), minute(0)
    await room.pool.execute("INSERT INTO restored_part VALUES ($1, $2, $3, $4, $5, $6)", *step)
    async with room.pool.acquire() as connection:
        switched = connection.transaction()
        await switched.start()
        if now_in != AREA:
            sql = "UPDATE grid.device SET area = $1, chain = ARRAY[id, 'another fuse'] WHERE id = $2"
            await connection.execute(sql, now_in, away)
        few = await connection.fetchval("SELECT customers FROM grid.device WHERE id = $1", away)
        sums = await figures_of(connection, incident["customers_served"])
        await switched.rollback()

    many = incident["customers_served"]
    assert many > few > 0
    assert sums.customer_minutes == (many - few) * 120 + few * 21


async def test_figures_of_the_past_are_the_same_whatever_is_imported_later(room: Room) -> None:
    part = "A0TR00023"
    incident = await an_outage_of_two(room, part)
    back = PowerRestored(
        area=AREA, restoration_id=derive("test", "part"), device=part, restored_at=minute(21), received_at=minute(21)
    )
    await room.feed([back], minute(21))
    async with room.pool.acquire() as connection:
        few = await connection.fetchval("SELECT customers FROM grid.device WHERE id = $1", part)
        imported = connection.transaction()
        await imported.start()
        await connection.execute("DELETE FROM grid.device WHERE id = $1", part)
        await connection.execute("UPDATE grid.device SET chain_customers = '{1, 1}', chain = ARRAY[id, 'another fuse']")
        sums = await figures_of(connection, incident["customers_served"])
        await imported.rollback()

    many = incident["customers_served"]
    assert many > few > 0
    assert sums.customer_minutes == (many - few) * 120 + few * 21


async def test_planned_outages_readings_and_figures_over_http(room: Room, desk: httpx.AsyncClient) -> None:
    account = await room.pool.fetchrow(
        "SELECT account_id, transformer_id FROM grid.customer WHERE transformer_id = 'A0TR00023' LIMIT 1"
    )
    body = {"command_id": "p1", "reason": "new transformer", "device": "A0FU00017"}
    times = {"starts_at": minute(-10).isoformat(), "ends_at": minute(YEARS).isoformat()}
    assert (await desk.post("/planned-outages?wait=0", json={**body, **times})).status_code == 202
    await decide_what_was_accepted(room, 0)
    (planned,) = (await desk.get("/planned-outages", params={"ending_after": minute(0).isoformat()})).json()[
        "planned_outages"
    ]
    assert (planned["device_id"], planned["revision"]) == ("A0FU00017", 1)
    await room.feed([a_report(AREA, "A0TR00026", "under it", 1)], minute(1))
    assert await room.pool.fetchval("SELECT reason FROM report") == "planned_outage"

    readings = [
        {"event_id": "e1", "reading": "last_gasp", "account_id": account["account_id"], "at": minute(2).isoformat()},
        {"event_id": "e2", "reading": "breaker_closed", "device": "A0SW00015", "at": minute(2).isoformat()},
        {"event_id": "e3", "reading": "last_gasp", "account_id": "nobody's", "at": minute(2).isoformat()},
    ]
    by_a_number = {"readings": [{**readings[0], "at": 1795651200000}]}
    refused = await desk.post("/telemetry", json=by_a_number, headers=METERS)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "readings.0.at")
    sent = await desk.post("/telemetry", json={"readings": readings}, headers=METERS)
    assert sent.json() == {"accepted": 2, "unknown": ["e3"]}
    await decide_what_was_accepted(room, 2)
    (incident,) = (await desk.get("/incidents")).json()["incidents"]
    assert incident["device"]["id"] == "A0TR00023"
    report = await room.pool.fetchval("SELECT report_id FROM report WHERE outcome = 'in_incident'")
    why = (await desk.get(f"/reports/{report}/explain")).json()
    assert any("telemetry shows it closed" in words for words in why["considered"]), why
    assert any("/split" in words for words in why["would_change"])
    # Months lie between the meter's clock and ours here, which nobody trusts: the outage counts from its arrival.
    began = datetime.fromisoformat(incident["opened_at"])
    now = {"start": (began - timedelta(hours=1)).isoformat(), "end": (began + timedelta(hours=1)).isoformat()}
    found = (await desk.get("/figures/reliability", params={**now, "momentary_minutes": 0})).json()  # seconds old
    assert found["total"]["customers_interrupted"] == incident["customers_served"]
    assert [one["area"] for one in found["areas"]] == [AREA]
    cancel = {"command_id": "p2", "reason": "put off"}
    path = f"/planned-outages/{planned['planned_id']}/cancel?wait=0"
    assert (await desk.post(path, json=cancel, headers={"If-Match": '"7"'})).status_code == 412
    assert (await desk.post(path, json=cancel, headers={"If-Match": '"1"'})).status_code == 202


async def test_what_is_explained_is_by_the_time_that_was_decided_by(room: Room, desk: httpx.AsyncClient) -> None:
    """A clock that is hours behind is not believed: no planned work that is over by then was ever looked at."""
    plan = OutageCommanded(
        area=AREA,
        command_id=derive("command", "a plan"),
        action=CommandAction.PLAN,
        author="Li",
        reason="new poles",
        accepted_at=minute(0),
        planned_id=derive("planned", "a plan"),
        device="A0TR00023",
        starts_at=minute(0),
        ends_at=minute(60),
    )
    await room.feed([plan], minute(0))
    slow = a_report(AREA, "A0TR00023", "slow clock", 30, arrives=300)
    await room.feed([slow], minute(300))
    why = (await desk.get(f"/reports/{slow.report_id}/explain")).json()
    assert why["outcome"] == "in_incident"
    assert not [words for words in why["considered"] if "planned" in words]


async def test_an_open_incident_says_that_a_planned_outage_entered_later_covers_it(
    room: Room, desk: httpx.AsyncClient
) -> None:
    fire = a_report(AREA, "A0TR00027", "danger", 5, hazards=("fire",))
    await room.feed([a_report(AREA, "A0TR00104", "elsewhere", 1, only_mine=True)], minute(1))
    await room.feed([a_report(AREA, "A0TR00026", "covered", 5, only_mine=True), fire], minute(6))
    body = {"reason": "new transformer", "device": "A0FU00017"}
    for name, begins, ends in (("over", -60, 4), ("lasts", 0, YEARS), ("later", 6, YEARS)):
        times = {"starts_at": minute(begins).isoformat(), "ends_at": minute(ends).isoformat()}
        assert (await desk.post("/planned-outages?wait=0", json={"command_id": name, **body, **times})).is_success
    await decide_what_was_accepted(room, 7)
    shown = {one["device"]["id"]: one for one in (await desk.get("/incidents")).json()["incidents"]}
    plans = {device: one["proposed_plan"] for device, one in shown.items()}
    assert {device for device, plan in plans.items() if plan is not None} == {"A0TR00026"}
    assert plans["A0TR00026"]["device_id"] == "A0FU00017"
    assert datetime.fromisoformat(plans["A0TR00026"]["ends_at"]) == minute(YEARS)
    path = f"/incidents/{shown['A0TR00026']['incident_id']}"
    assert (await desk.get(path)).json()["proposed_plan"] == plans["A0TR00026"]
    cancel = f"/planned-outages/{plans['A0TR00026']['planned_id']}/cancel?wait=0"
    said = {"command_id": "c", "reason": "put off"}
    assert (await desk.post(cancel, json=said, headers={"If-Match": "*"})).is_success
    await decide_what_was_accepted(room, 8)
    assert (await desk.get(path)).json()["proposed_plan"] is None


async def an_incident_and_its_plan(room: Room, desk: httpx.AsyncClient) -> tuple[str, str]:
    """Two reports at one transformer, a life-support customer's hazard beside them, and the plan entered after both."""
    fire = a_report(AREA, "A0TR00027", "danger", 5, hazards=("fire",))
    await room.feed([a_report(AREA, "A0TR00026", name, 5) for name in ("first", "second")] + [fire], minute(6))
    times = {"starts_at": minute(0).isoformat(), "ends_at": minute(YEARS).isoformat()}
    body = {"command_id": "plan", "reason": "new transformer", "device": "A0FU00017", **times}
    assert (await desk.post("/planned-outages?wait=0", json=body)).is_success
    await decide_what_was_accepted(room, 7)
    (found,) = (await desk.get("/incidents", params={"proposed_plan": True})).json()["incidents"]
    assert found["kind"] == "outage"
    assert len((await desk.get("/incidents", params={"proposed_plan": False})).json()["incidents"]) == 1
    return found["incident_id"], found["proposed_plan"]["planned_id"]


async def test_a_plan_entered_late_is_accepted_and_that_is_undone_over_http(
    room: Room, desk: httpx.AsyncClient
) -> None:
    incident, planned = await an_incident_and_its_plan(room, desk)
    path, said = (
        f"/incidents/{incident}",
        {"command_id": "a1", "reason": "today's work", "planned_id": planned, "by": "Li"},
    )
    assert (await desk.post(f"{path}/accept-plan?wait=0", json=said)).status_code == 428
    reader = {"X-API-Key": DEVELOPMENT_KEYS["meters-dev"], **ANY}
    assert (await desk.post(f"{path}/accept-plan?wait=0", json=said, headers=reader)).status_code == 403
    tag = {"If-Match": (await desk.get(path)).headers["ETag"]}
    accepted = await desk.post(f"{path}/accept-plan?wait=0", json=said, headers=tag)
    again = await desk.post(f"{path}/accept-plan?wait=0", json=said, headers=tag)
    assert (accepted.status_code, again.json()["command_id"]) == (202, accepted.json()["command_id"])
    await decide_what_was_accepted(room, 8)

    closed = (await desk.get(path)).json()
    assert (closed["state"], closed["covered_by"], closed["merged_into"], closed["reports"]) == (
        "cancelled",
        planned,
        None,
        0,
    )
    assert [one["status"] for one in closed["order"]] == ["issued", "cancelled"]
    rows = await room.pool.fetch("SELECT outcome, reason FROM report WHERE hazards = '{}'")
    assert {tuple(one) for one in rows} == {("answered", "planned_outage")}
    danger = await room.pool.fetchrow("SELECT state, ordered FROM incident WHERE kind = 'hazard'")
    assert tuple(danger) == ("predicted", True)
    ledger = await room.pool.fetch("SELECT action, rule, author FROM membership ORDER BY seq DESC LIMIT 2")
    assert {tuple(one) for one in ledger} == {("left", "plan_accepted_by_person", "desk-dev/Li")}
    done = (await desk.get(f"/commands/{accepted.json()['command_id']}")).json()
    assert (done["outcome"], done["undoable"], done["author"]) == ("done", True, "desk-dev/Li")
    assert not await room.pool.fetchval("SELECT undoable FROM command WHERE action = 'accept_plan'"), (
        "what the release before would load, and could not"
    )
    loaded = (await room.loaded(AREA))[AREA]
    assert snapshot(loaded) == snapshot(room.cached(AREA))
    assert len(loaded.covered) == 2
    refused = await desk.post(f"{path}/accept-plan?wait=0", json={**said, "command_id": "a2"}, headers=ANY)
    assert (refused.status_code, planned in refused.text) == (409, True)
    began = datetime.fromisoformat(closed["opened_at"])
    day = {"start": (began - timedelta(hours=1)).isoformat(), "end": (began + timedelta(hours=1)).isoformat()}
    total = (await desk.get("/figures/reliability", params=day)).json()["total"]
    assert total["customers_interrupted"] == 0, "planned work is none of these figures"
    why = (await desk.get(f"/reports/{await some_report(room)}/explain")).json()
    assert any(f"Undoing accept_plan {done['command_id']}" in words for words in why["would_change"])
    assert "today's work" in why["ledger"][-1]["words"]

    room.handler.forget({(OUTAGE_INPUT.name, 0)})  # what undoes it is loaded
    undo = {"command_id": "u1", "reason": "another feeder"}
    assert (await desk.post(f"/commands/{done['command_id']}/undo?wait=0", json=undo)).status_code == 202
    await decide_what_was_accepted(room, 9)
    back = (await desk.get(path)).json()
    assert (back["state"], back["covered_by"], len(back["members"])) == ("predicted", None, 2)
    assert back["proposed_plan"]["planned_id"] == planned
    assert [one["status"] for one in back["order"]] == ["issued", "cancelled", "issued"]
    total = (await desk.get("/figures/reliability", params=day)).json()["total"]
    assert total["customers_interrupted"] == back["customers_served"] > 0
    assert snapshot((await room.loaded(AREA))[AREA]) == snapshot(room.cached(AREA))
    async with room.pool.acquire() as connection:
        assert imbalance(await totals(connection)) == 0


async def some_report(room: Room) -> str:
    return str(await room.pool.fetchval("SELECT report_id FROM report WHERE hazards = '{}' LIMIT 1"))


async def test_a_plan_withdrawn_over_http_brings_back_what_it_answered(room: Room, desk: httpx.AsyncClient) -> None:
    incident, planned = await an_incident_and_its_plan(room, desk)
    said = {"command_id": "a1", "reason": "today's work", "planned_id": planned}
    await desk.post(f"/incidents/{incident}/accept-plan?wait=0", json=said, headers=ANY)
    await decide_what_was_accepted(room, 8)
    room.handler.forget({(OUTAGE_INPUT.name, 0)})
    cancel = {"command_id": "c1", "reason": "put off"}
    await desk.post(f"/planned-outages/{planned}/cancel?wait=0", json=cancel, headers=ANY)
    await decide_what_was_accepted(room, 9)

    back = (await desk.get(f"/incidents/{incident}")).json()
    assert (back["state"], len(back["members"]), back["proposed_plan"]) == ("predicted", 2, None)
    assert [(one["status"], one["reason"]) for one in back["order"]][-1] == ("issued", "plan_withdrawn")
    acceptance = await room.pool.fetchrow("SELECT undoable_plan, undone_by FROM command WHERE action = 'accept_plan'")
    withdrawal = await room.pool.fetchval("SELECT command_id FROM command WHERE action = 'cancel_plan'")
    assert tuple(acceptance) == (False, withdrawal)
    assert snapshot((await room.loaded(AREA))[AREA]) == snapshot(room.cached(AREA))


async def test_a_declined_plan_is_shown_no_more_until_that_is_undone(room: Room, desk: httpx.AsyncClient) -> None:
    incident, planned = await an_incident_and_its_plan(room, desk)
    await room.ground.look_at_network(room.pool)
    assert PLAN_PROPOSED._value.get() == 1
    said = {"command_id": "d1", "reason": "it is a tree", "planned_id": planned}
    given = await desk.post(f"/incidents/{incident}/decline-plan?wait=0", json=said, headers=ANY)
    await decide_what_was_accepted(room, 8)
    assert (await desk.get("/incidents", params={"proposed_plan": True})).json()["incidents"] == []
    assert (await desk.get(f"/incidents/{incident}")).json()["proposed_plan"] is None
    await room.ground.look_at_network(room.pool)
    assert PLAN_PROPOSED._value.get() == 0
    assert snapshot((await room.loaded(AREA))[AREA]) == snapshot(room.cached(AREA))
    undo = {"command_id": "u1", "reason": "it is not"}
    await desk.post(f"/commands/{given.json()['command_id']}/undo?wait=0", json=undo)
    await decide_what_was_accepted(room, 9)
    assert (await desk.get(f"/incidents/{incident}")).json()["proposed_plan"]["planned_id"] == planned


PLANS = [a_report(AREA, None, f"plan {n}", 0).report_id for n in range(12)]


def some_input(story: Timeline, rng: random.Random, n: int) -> OutageInput:
    """A report, a reading or a command about what is there."""
    state = story.state
    kind = rng.choice(["report", "report", "reading", "command", "command"])
    devices = ["A0TR00023", "A0TR00024", "A0TR00026", "A0TR00104", "A0FU00016"]
    if kind == "report" or not state.incidents:
        device = rng.choice([*devices, None])
        return a_report(
            AREA, device, f"r{n}", n / 4, account=rng.choice([None, "A1", "A2"]), only_mine=rng.random() < 0.1
        )
    if kind == "reading":
        reading, at = rng.choice(list(Reading)), minute(n / 4 - rng.choice([0, 2]))
        return TelemetryReceived(
            area=AREA,
            source="t",
            source_event_id=str(n),
            reading=reading,
            device=rng.choice(devices),
            at=at,
            received_at=minute(n / 4),
        )
    action = rng.choice([*CommandAction, CommandAction.PLAN, CommandAction.ACCEPT_PLAN, CommandAction.ACCEPT_PLAN])
    incidents = list(state.incidents)
    told: dict[str, Any] = {"incident_id": rng.choice(incidents), "target_id": rng.choice(incidents)}
    told["device"] = rng.choice([*devices, None])
    pool = list(state.waiting) if action is CommandAction.PLACE else list(state.incidents[told["incident_id"]].reports)
    told["reports"] = tuple(rng.sample(pool, min(len(pool), 1)))
    told["undoes"] = rng.choice(list(state.commands)) if state.commands else None
    told["planned_id"] = rng.choice(PLANS)
    proposed = [
        (one.incident_id, plan.planned_id) for one in state.incidents.values() if (plan := proposed_plan(state, one))
    ]
    if action is CommandAction.PLAN:
        told |= {"device": "A0BR00001", "starts_at": minute(n / 4 - 60), "ends_at": minute(n / 4 + 10)}
    elif action is CommandAction.ACCEPT_PLAN and proposed:
        told["incident_id"], told["planned_id"] = rng.choice(proposed)
    return OutageCommanded(
        area=AREA,
        command_id=a_report(AREA, None, f"c{n}", 0).report_id,
        action=action,
        author="x",
        reason="r",
        accepted_at=minute(n / 4),
        **told,
    )


async def test_what_is_loaded_is_what_was_in_memory_whatever_people_did(room: Room) -> None:
    rng = random.Random(7)
    done = 0
    for n in range(320):
        story = Timeline(AREA, None, room.ground.rules)
        story.state = room.cached(AREA) if n else AreaState(AREA, None, room.ground.rules)
        await room.feed([some_input(story, rng, n)], minute(n / 4))
        if n % 8 == 7:
            loaded = snapshot((await room.loaded(AREA))[AREA])
            assert loaded == snapshot(room.cached(AREA)), f"after {n}"
        done = await room.pool.fetchval("SELECT count(*) FROM command WHERE outcome = 'done'")
    assert done > 30
    accepted = await room.pool.fetchval(
        "SELECT count(*) FROM command WHERE action = 'accept_plan' AND outcome = 'done'"
    )
    assert accepted > 3
    async with room.pool.acquire() as connection:
        assert imbalance(await totals(connection)) == 0


async def say_to_the_starting(dedup: Service, path: str, body: dict[str, Any]) -> None:
    """Give a command to a process that is starting, until it takes it or has died over it."""
    async with httpx.AsyncClient(base_url=f"{dedup.url}/v1", headers=DESK, timeout=30) as client:
        while dedup.process.poll() is None:
            with suppress(httpx.TransportError):
                if (await client.post(path, json=body, headers=ANY)).status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    return
            await asyncio.sleep(0.1)


async def test_two_dispatchers_at_once_and_a_death_between_command_and_effect(dedup: Service) -> None:
    """On real Kafka and Postgres: of two who saw the same, one acts; killed while deciding, it counts once."""
    dedup.start()
    devices = ("A0TR00023", "A0TR00104", "A0TR00020")
    await dedup.say(OUTAGE_INPUT, *(a_report(AREA, d, d, 300 * n) for n, d in enumerate(devices)))
    await dedup.until("reports decided", 3, "SELECT count(*) FROM incident")
    # These outages are months old by the service's clock: what time brings must have come before somebody looks.
    await dedup.until("everything looked at again", 0, WAITING)
    await dedup.until("lateness told", 3, "SELECT count(*) FROM incident WHERE 'restoration' = ANY(breached)")
    async with httpx.AsyncClient(base_url=f"{dedup.url}/v1", headers=DESK, timeout=30) as client:
        found = (await client.get("/incidents")).json()["incidents"]
        first, second, third = sorted(one["incident_id"] for one in found)
        tag = (await client.get(f"/incidents/{first}")).headers["ETag"]
        answers = await asyncio.gather(
            *(
                client.post(
                    f"/incidents/{first}/merge",
                    json={"command_id": f"d{n}", "reason": "r", "into": into},
                    headers={"If-Match": tag},
                )
                for n, into in enumerate((second, third))
            )
        )
        codes = sorted(one.status_code for one in answers)
        assert codes in ([200, 412], [200, 409]), [one.text for one in answers]
    dedup.kill()
    await dedup.until("one effect", 1, "SELECT count(*) FROM incident WHERE state = 'cancelled'")

    dying = dedup.start(failpoint="batch.handled:exit:1")
    body = {"command_id": "confirmed", "reason": "patrol saw it", "device": "A0SW00015"}
    await say_to_the_starting(dedup, f"/incidents/{second}/confirm?wait=0", body)
    assert await dedup.ended(dying) == 137, dedup.log
    decided = "SELECT outcome FROM command WHERE body->>'reason' = 'patrol saw it'"
    assert [row["outcome"] for row in await dedup.sql(decided)] in ([], [None]), "it died before it had decided"
    dedup.start()
    await dedup.until("decided", "done", decided)
    await dedup.until("everything published", 0, UNPUBLISHED)
    orders = [one for one in await dedup.published(DISPATCH_ORDER) if isinstance(one, OrderVersion)]
    assert len({one.message_id for one in orders if one.reason == "confirmed_by_person"}) == 1


async def test_a_plan_is_accepted_by_a_process_that_dies_over_it_and_the_order_lives_again_once(dedup: Service) -> None:
    """On real Kafka and Postgres, over HTTP; what folding the topic gives is what is stored in the end."""
    decided = "SELECT outcome FROM command WHERE action = 'accept_plan'"
    dedup.start()
    await dedup.say(OUTAGE_INPUT, *(a_report(AREA, "A0TR00026", name, 5) for name in ("first", "second")))
    await dedup.until("reports decided", 2, "SELECT count(*) FROM report WHERE outcome = 'in_incident'")
    await dedup.until("lateness told", 1, "SELECT count(*) FROM incident WHERE 'restoration' = ANY(breached)")
    async with httpx.AsyncClient(base_url=f"{dedup.url}/v1", headers=DESK, timeout=30) as client:
        times = {"starts_at": minute(0).isoformat(), "ends_at": minute(YEARS).isoformat()}
        body = {"command_id": "plan", "reason": "new transformer", "device": "A0FU00017", **times}
        planned = (await client.post("/planned-outages", json=body)).json()["subject"]
        (shown,) = (await client.get("/incidents", params={"proposed_plan": True})).json()["incidents"]
        assert shown["proposed_plan"]["planned_id"] == planned
    dedup.kill()
    dying = dedup.start(failpoint="batch.handled:exit:1")
    path, said = (
        f"/incidents/{shown['incident_id']}",
        {"command_id": "a1", "reason": "today's work", "planned_id": planned},
    )
    await say_to_the_starting(dedup, f"{path}/accept-plan?wait=0", said)
    assert await dedup.ended(dying) == 137, dedup.log
    assert [row["outcome"] for row in await dedup.sql(decided)] in ([], [None]), "it died before it had decided"
    dedup.start()
    await dedup.until("decided", "done", decided)
    async with httpx.AsyncClient(base_url=f"{dedup.url}/v1", headers=DESK, timeout=30) as client:
        again = (await client.post(f"{path}/accept-plan", json=said, headers=ANY)).json()
        assert (await client.get(path)).json()["covered_by"] == planned
        undone = await client.post(
            f"/commands/{again['command_id']}/undo", json={"command_id": "u1", "reason": "another feeder"}
        )
        assert (undone.status_code, undone.json()["outcome"]) == (200, "done"), undone.text
        twice = await client.post(f"/commands/{again['command_id']}/undo", json={"command_id": "u2", "reason": "again"})
        assert twice.status_code == 409
    await dedup.until("everything published", 0, UNPUBLISHED)
    orders = {one.message_id: one for one in await dedup.published(DISPATCH_ORDER) if isinstance(one, OrderVersion)}
    told = [(one.version, one.status.value, one.reason) for one in orders.values()]
    assert told == [
        (1, "issued", "first_report"),
        (2, "cancelled", "plan_accepted_by_person"),
        (3, "issued", "undone_by_person"),
    ]
    settled = [one for one in await dedup.published(REPORT_SETTLED) if isinstance(one, ReportSettled)]
    outcomes = sorted(one.outcome for one in {one.message_id: one for one in settled}.values())
    assert outcomes == ["answered"] * 2 + ["in_incident"] * 2


async def test_work_that_was_over_long_ago_is_put_to_another_day_and_not_begun_anew(
    room: Room, desk: httpx.AsyncClient
) -> None:
    """Its area has forgotten it: its ETag went back to 1, and what was cancelled came back."""
    key = {}
    for device in ("A0FU00017", "A0FU00016"):
        times = {"starts_at": minute(-90).isoformat(), "ends_at": minute(-60).isoformat()}
        body = {"command_id": device, "reason": "new poles", "device": device, **times}
        key[device] = (await desk.post("/planned-outages?wait=0", json=body)).json()["subject"]
    await decide_what_was_accepted(room, -100)
    moved = {"command_id": "moved", "reason": "a day later", "device": "A0FU00017", **times}
    change, gone = (f"/planned-outages/{one}" for one in key.values())
    assert (await desk.put(f"{change}?wait=0", json=moved, headers=ANY)).status_code == 202
    cancel = {"command_id": "off", "reason": "no material"}
    assert (await desk.post(f"{gone}/cancel?wait=0", json=cancel, headers=ANY)).status_code == 202
    await decide_what_was_accepted(room, -100)
    await room.feed([a_report(AREA, "A0TR00104", "two days later", 2_880)], minute(2_880))
    assert not room.cached(AREA).planned.known

    times = {"starts_at": minute(3_000).isoformat(), "ends_at": minute(3_060).isoformat()}
    again = {**moved, **times, "command_id": "again"}
    for _ in range(2):
        assert (await desk.put(f"{change}?wait=0", json=again, headers={"If-Match": '"2"'})).status_code == 202
    await decide_what_was_accepted(room, 2_890)
    shown = await desk.get(change)
    assert (shown.headers["ETag"], shown.json()["revision"]) == ('"3"', 3)
    said = await desk.put(f"{change}?wait=0", json=again, headers={"If-Match": '"2"'})
    assert said.is_success, "the same command once more, which is at revision 3 now"

    answer = await desk.put(f"{gone}?wait=0", json={**again, "command_id": "back", "device": "A0FU00016"}, headers=ANY)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "planned_id")
    await decide_what_was_accepted(room, 2_891)
    assert (await desk.get(gone)).json()["cancelled"]
    assert snapshot((await room.loaded(AREA))[AREA]) == snapshot(room.cached(AREA))


@pytest.mark.parametrize("kept", ["here", "there"])
async def test_what_people_merged_is_one_outage_of_the_customers_of_both(
    room: Room, desk: httpx.AsyncClient, kept: str
) -> None:
    """Whichever of the two they keep: each of its parts from its own first call until power is back at the one kept."""
    await room.feed([a_report(AREA, "A0TR00023", "here", 1)], minute(1))
    await room.feed([a_report(AREA, "A0TR00104", "there", 11)], minute(11))
    rows = await room.pool.fetch("SELECT incident_id, device_id, customers_served FROM incident ORDER BY opened_at")
    here, there = rows
    assert here["device_id"] != there["device_id"]
    gone, stays = (there, here) if kept == "here" else (here, there)

    async def figures() -> dict[str, Any]:
        between = {"start": minute(0).isoformat(), "end": minute(60).isoformat(), "area": AREA}
        found: dict[str, Any] = (await desk.get("/figures/reliability", params=between)).json()["total"]
        return found

    said = {"command_id": "m1", "reason": "one pole", "into": str(stays["incident_id"])}
    path = f"/incidents/{gone['incident_id']}/merge?wait=0"
    accepted = await desk.post(path, json=said, headers=ANY)
    await decide_what_was_accepted(room, 12)
    back = PowerRestored(
        area=AREA,
        restoration_id=derive("test", "back"),
        device=stays["device_id"],
        restored_at=minute(51),
        received_at=minute(51),
    )
    await room.feed([back], minute(51))
    states = await room.pool.fetch("SELECT state FROM incident ORDER BY state")
    assert [row["state"] for row in states] == ["cancelled", "restored"], accepted.text
    found = await figures()
    began = {stays["incident_id"]: 1, gone["incident_id"]: 1 if gone is here else 11}
    both = here["customers_served"] + there["customers_served"]
    minutes = sum(one["customers_served"] * (51 - began[one["incident_id"]]) for one in rows)
    assert (found["interruptions"], found["customers_interrupted"]) == (1, both)
    assert found["customer_minutes"] == minutes
