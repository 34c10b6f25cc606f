"""The doors of dedup over a real database."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from services.contracts.messages import FieldProgressed
from services.contracts.topics import OUTAGE_INPUT
from services.contracts.values import Channel, IncidentState, Recipient
from services.dedup.api import reports as reports_api
from services.dedup.keys import DEVELOPMENT_KEYS
from tests.integration.dedup.room import doors
from tests.unit.dedup.timeline import a_report, minute, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tests.integration.dedup.room import Room

pytestmark = pytest.mark.integration

AREA = "A0SU00000"
PHONE = "10058216203"
FIELD = {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}
NOBODY = "0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"


@pytest.fixture
async def door(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    async with doors(room, FIELD) as client:
        yield client


async def a_lateral_fails(room: Room) -> dict[str, Any]:
    """Three reports under one switch: two incidents that become one."""
    reports = {}
    for at, device in ((0, "A0TR00026"), (10, "A0TR00104"), (11, "A0TR00023")):
        report = a_report(AREA, device, device, at, account=f"ACCOUNT{at}", address=f"黄河中路{at}号")
        recipient = Recipient(channel=Channel.PHONE, address=PHONE)
        reports[device] = report.model_copy(update={"recipient": recipient})
        await room.feed([reports[device]], minute(at))
    return reports


async def test_incidents_are_listed_youngest_first_page_by_page(room: Room, door: httpx.AsyncClient) -> None:
    for at in range(5):
        await room.feed([a_report(AREA, "A0TR00023", f"h{at}", at, hazards=("fire",))], minute(at))
    seen: list[str] = []
    after: str | None = None
    for _ in range(3):
        parameters = {"limit": 2, **({"after": after} if after else {})}
        page = (await door.get("/v1/incidents", params=parameters)).json()
        seen += [one["opened_at"] for one in page["incidents"]]
        after = page["next"]
    assert seen == sorted(seen, reverse=True)
    assert (len(seen), after) == (5, None)


async def test_reports_that_wait_for_a_place_are_listed_oldest_first(room: Room, door: httpx.AsyncClient) -> None:
    """Nobody could place one that is in no incident, if nothing told its id."""
    lost = [a_report(AREA, "NO-SUCH", f"lost{at}", at, address=f"黄河中路{at}号") for at in range(3)]
    await room.feed([*lost, a_report(AREA, "A0TR00023", "found", 3)], minute(3))
    page = (await door.get("/v1/reports/waiting", params={"limit": 2})).json()
    first = page["reports"]
    assert [one["report_id"] for one in first] == [str(one.report_id) for one in lost[:2]]
    assert (first[0]["reason"], first[0]["address"]) == ("device_unknown", "黄河中路0号")
    assert first[0]["words"]
    further = (await door.get("/v1/reports/waiting", params={"after": page["next"], "area": AREA})).json()
    assert [one["report_id"] for one in further["reports"]] == [str(lost[2].report_id)]
    assert further["next"] is None
    elsewhere = (await door.get("/v1/reports/waiting", params={"area": "elsewhere"})).json()
    assert elsewhere == {"reports": [], "next": None}
    refused = await door.get("/v1/reports/waiting", params={"after": first[1]["report_id"]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "after")


async def test_incidents_are_filtered_by_state_and_area(room: Room, door: httpx.AsyncClient) -> None:
    await a_lateral_fails(room)

    async def count(**parameters: Any) -> int:
        return len((await door.get("/v1/incidents", params=parameters)).json()["incidents"])

    assert await count() == 2
    assert await count(state="cancelled") == 1
    assert await count(state=["predicted", "confirmed"], area=AREA) == 1
    assert await count(area="elsewhere") == 0


async def test_an_incident_shows_its_reports_and_order_and_no_customer(room: Room, door: httpx.AsyncClient) -> None:
    reports = await a_lateral_fails(room)
    (one,) = (await door.get("/v1/incidents", params={"state": "predicted"})).json()["incidents"]
    answer = await door.get(f"/v1/incidents/{one['incident_id']}")

    shown = answer.json()
    assert shown["device"]["id"] == "A0SW00012"
    assert {m["report_id"] for m in shown["members"]} == {str(r.report_id) for r in reports.values()}
    assert [v["version"] for v in shown["order"]] == [1, 2]
    assert shown["redirected_from"] is None
    assert PHONE not in answer.text
    assert "ACCOUNT" not in answer.text


async def test_an_absorbed_incident_leads_to_its_successor_for_ever(room: Room, door: httpx.AsyncClient) -> None:
    await a_lateral_fails(room)
    (gone,) = (await door.get("/v1/incidents", params={"state": "cancelled"})).json()["incidents"]

    shown = (await door.get(f"/v1/incidents/{gone['incident_id']}")).json()
    assert shown["incident_id"] == gone["merged_into"]
    assert shown["redirected_from"] == gone["incident_id"]
    itself = (await door.get(f"/v1/incidents/{gone['incident_id']}", params={"follow": False})).json()
    assert itself["state"] == IncidentState.CANCELLED


async def test_explain_says_in_words_why_a_report_is_where_it_is(room: Room, door: httpx.AsyncClient) -> None:
    reports = await a_lateral_fails(room)
    moved = reports["A0TR00104"].report_id
    answer = await door.get(f"/v1/reports/{moved}/explain")

    shown = answer.json()
    assert [(row["action"], row["rule"]) for row in shown["ledger"]] == [
        ("joined", "first_report"),
        ("left", "absorbed"),
        ("joined", "absorbed"),
    ]
    assert shown["words"].startswith("One outage of switch A0SW00012 (143 customers) explains 3 callers")
    assert shown["ledger"][0]["words"].startswith("Nothing open covered transformer A0TR00104")
    assert {row["author"] for row in shown["ledger"]} == {"engine"}
    assert PHONE not in answer.text


async def test_explain_tells_of_one_moment_though_the_area_goes_on(
    room: Room, door: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = a_report(AREA, "A0TR00023", "first", 0)
    await room.feed([report], minute(0))
    load = reports_api.load_trees

    async def while_another_reports(*asked: Any) -> Any:
        await room.feed([a_report(AREA, "A0TR00023", "second", 1)], minute(1))
        return await load(*asked)

    monkeypatch.setattr(reports_api, "load_trees", while_another_reports)
    shown = (await door.get(f"/v1/reports/{report.report_id}/explain")).json()
    assert "1 report" in shown["considered"][0], shown["considered"]
    monkeypatch.setattr(reports_api, "load_trees", load)
    shown = (await door.get(f"/v1/reports/{report.report_id}/explain")).json()
    assert "2 reports" in shown["considered"][0], shown["considered"]


async def test_explain_of_an_answered_report_says_why(room: Room, door: httpx.AsyncClient) -> None:
    report = a_report(AREA, "A0TR00023", "cut off", 0, suspended=True)
    await room.feed([report], minute(0))

    shown = (await door.get(f"/v1/reports/{report.report_id}/explain")).json()
    assert (shown["outcome"], shown["reason"], shown["ledger"]) == ("answered", "arrears", [])
    assert "arrears" in shown["words"]


async def test_a_crews_word_is_accepted_and_closes_the_incident_once_decided(
    room: Room, door: httpx.AsyncClient
) -> None:
    await a_lateral_fails(room)
    (one,) = (await door.get("/v1/incidents", params={"state": "predicted"})).json()["incidents"]
    body = {"progress_id": "crew 7, word 1", "stage": "restored", "at": minute(30).isoformat(), "cause": "tree"}
    first = await door.post(f"/v1/orders/{one['order_id']}/progress", json=body)
    second = await door.post(f"/v1/orders/{one['order_id']}/progress", json=body)

    assert (first.status_code, first.json()["incident_id"]) == (202, one["incident_id"])
    assert first.json() == second.json(), "the sender's own id gives one progress id"
    sent = await room.published(OUTAGE_INPUT.name)
    assert len({message.message_id for message in sent}) == 1
    assert all(isinstance(message, FieldProgressed) for message in sent)
    await room.feed(sent[:1], minute(31))
    shown = (await door.get(f"/v1/incidents/{one['incident_id']}")).json()
    assert (shown["state"], shown["cause"]) == ("restored", "tree")
    assert shown["order"][-1]["status"] == "closed"


async def test_two_orders_may_have_words_of_one_number(room: Room, door: httpx.AsyncClient) -> None:
    """Systems number words by order: the second order's was answered 202, and lost as a repeat with another body."""
    dangers = [a_report(AREA, device, device, 0, hazards=("fire",)) for device in ("A0TR00023", "A0TR00027")]
    await room.feed(dangers, minute(0))
    orders = [one["order_id"] for one in (await door.get("/v1/incidents")).json()["incidents"]]
    assert len(orders) == 2
    for order in orders:
        body = {"progress_id": "1", "stage": "restored", "at": minute(30).isoformat()}
        assert (await door.post(f"/v1/orders/{order}/progress", json=body)).status_code == 202
    await room.feed(await room.published(OUTAGE_INPUT.name), minute(31))
    shown = (await door.get("/v1/incidents", params={"state": "restored"})).json()["incidents"]
    assert {one["order_id"] for one in shown} == set(orders)


async def test_a_word_about_an_unknown_order_is_refused(door: httpx.AsyncClient) -> None:
    body = {"progress_id": "1", "stage": "arrived", "at": minute(0).isoformat()}
    answer = await door.post(f"/v1/orders/{NOBODY}/progress", json=body)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_does_not_fit_is_refused_by_name(door: httpx.AsyncClient) -> None:
    good = {"progress_id": "1", "stage": "arrived", "at": minute(0).isoformat()}
    for field, wrong in (
        ("stage", "asleep"),
        ("at", "2026-07-01T12:00:00"),
        ("progress_id", ""),
        ("at", "9999-12-31T23:59:59Z"),
        ("progress_id", "a\x00b"),
        ("eta", "soon"),
        ("note", "x" * 5000),
    ):
        answer = await door.post(f"/v1/orders/{NOBODY}/progress", json={**good, field: wrong})
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])
    for after in (
        "x",
        "ü",
        *map(mark, ("", "2026", f"2026-07-01T12:00:00 {NOBODY}", f"0001-01-01T00:00+14:00 {NOBODY}")),
    ):
        assert (await door.get("/v1/incidents", params={"after": after})).status_code == 422, after
    assert (await door.get("/v1/incidents?area=a%00b")).status_code == 422
    assert (await door.get("/v1/incidents?area=%ff%ed%a0%80")).status_code == 200
    for path in ("/v1/incidents/{}", "/v1/reports/{}/explain"):
        assert (await door.get(path.format(NOBODY))).status_code == 404
        assert (await door.get(path.format("not-an-id"))).status_code == 422


def mark(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


async def test_a_storm_is_kept_with_its_figures_and_its_end_and_is_loaded_as_it_was_known(
    room: Room, door: httpx.AsyncClient
) -> None:
    burst = [a_report(AREA, "A0TR00104", f"burst {n}", n / 4) for n in range(40)]
    await room.feed(burst, minute(10))
    assert snapshot((await room.loaded(AREA))[AREA]) == snapshot(room.cached(AREA))
    assert room.cached(AREA).pace.since is not None
    (known,) = (await door.get("/v1/storms", params={"area": AREA})).json()["storms"]
    assert (known["reports"], known["usual_per_hour"], known["goes_on"]) == (20, 1.0, False), "it was in July"
    assert minute(30).isoformat() < known["over_at"].replace("Z", "+00:00") < minute(120).isoformat()
    later = [a_report(AREA, "A0TR00104", "days later", 9000)]
    await room.feed(later, minute(9000))
    assert snapshot((await room.loaded(AREA))[AREA]) == snapshot(room.cached(AREA))
    (ended,) = (await door.get("/v1/storms")).json()["storms"]
    assert (ended["began_at"], ended["over_at"]) == (known["began_at"], known["over_at"]), "said later, over then"
    assert (await door.get("/v1/storms", params={"area": "elsewhere"})).json()["storms"] == []
