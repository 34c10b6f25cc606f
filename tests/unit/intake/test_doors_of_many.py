"""The doors that take many at once, in process, without Kafka: who may knock, and what is answered without it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from services.intake.channels.payload import MAX_ELEMENTS
from services.intake.security import DEVELOPMENT_KEYS
from tests.unit.intake.test_doors import app, client, keeping, problem  # noqa: F401 - fixtures

if TYPE_CHECKING:
    import httpx

SMS, API = DEVELOPMENT_KEYS["sms-dev"], DEVELOPMENT_KEYS["api-dev"]
TEXT = {"event_id": "e1", "phone": "13800000000", "text": "停电了"}
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "https://chat.example",
    "type": "gridline.contact.submitted.v1",
    "data": {"text": "停电了"},
}
BATCH = "application/cloudevents-batch+json"


async def push(client: httpx.AsyncClient, path: str, body: Any, **headers: str) -> httpx.Response:  # noqa: F811
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post(path, content=content, headers={"Content-Type": "application/json", **headers})


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/v1/sms/generic/{SMS}", {}),
        ("/v1/sms/generic", {"X-API-Key": SMS}),
        ("/v1/events", {"X-API-Key": API, "Content-Type": "application/cloudevents+json"}),
    ],
)
async def test_a_good_one_without_kafka_is_to_be_sent_again(
    client: httpx.AsyncClient,  # noqa: F811
    path: str,
    headers: dict[str, str],
) -> None:
    answer = await push(client, path, EVENT if "events" in path else TEXT, **headers)
    problem(answer, 503)
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/sms/generic", {}, 401),
        ("/v1/sms/generic/wrong", {}, 401),
        (f"/v1/sms/aliyun/{SMS}", {}, 401),
        (f"/v1/sms/carrier-pigeon/{SMS}", {}, 401),
        (f"/v1/sms/generic/{API}", {}, 401),
        (f"/v1/sms/generic/{SMS}", {"Content-Type": "text/xml"}, 415),
        ("/v1/events", {"X-API-Key": SMS}, 401),
        ("/v1/events", {"X-API-Key": API, "Content-Type": "text/plain"}, 415),
        ("/v1/events", {"X-API-Key": API}, 422),
    ],
)
async def test_a_stranger_and_a_wrong_kind_are_refused(
    client: httpx.AsyncClient,  # noqa: F811
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    problem(await push(client, path, TEXT, **headers), status)


async def test_a_push_of_which_nothing_can_be_read_is_refused(client: httpx.AsyncClient) -> None:  # noqa: F811
    problem(await push(client, f"/v1/sms/generic/{SMS}", [{**TEXT, "phone": "x"}]), 422)
    problem(await push(client, f"/v1/sms/generic/{SMS}", b"["), 400)


EVERY_FIELD = {
    "text": "停" * 30,
    **dict.fromkeys(("account_id", "phone", "address", "thread"), "x" * 20),
    "position": {"lat": 32.1, "lon": 118.2, "accuracy_m": 18.0, "crs": "gcj02"},
    "reply_to": {"channel": "app", "address": "a", "account": "b"},
    "business_type": "fault_report",
    "language": "zh",
    "hazard": False,
    "single_premise": False,
    "final": True,
    "reported_at": "2026-11-26T08:30:00+08:00",
}


@pytest.mark.parametrize(
    ("path", "one", "headers"),
    [
        (f"/v1/sms/generic/{SMS}", {**TEXT, "text": "停" * 70}, {}),
        ("/v1/events", {**EVENT, "data": EVERY_FIELD}, {"X-API-Key": API, "Content-Type": BATCH}),
    ],
)
async def test_as_many_as_may_come_together_may_be_as_large_as_they_are(
    client: httpx.AsyncClient,  # noqa: F811
    path: str,
    one: dict[str, Any],
    headers: dict[str, str],
) -> None:
    problem(await push(client, path, [one] * MAX_ELEMENTS, **headers), 503)  # as far as Kafka, which is not there
    problem(await push(client, path, [one] * (MAX_ELEMENTS + 1), **headers), 400)
    problem(await push(client, path, [{**one, "more": "x" * 4000}] * MAX_ELEMENTS, **headers), 413)


async def test_one_event_may_be_no_larger_than_elsewhere(client: httpx.AsyncClient) -> None:  # noqa: F811
    kind = {"X-API-Key": API, "Content-Type": "application/cloudevents+json"}
    problem(await push(client, "/v1/events", {**EVENT, "more": "x" * 4096}, **kind), 413)


async def test_a_batch_of_wrong_events_names_each_by_its_index(client: httpx.AsyncClient) -> None:  # noqa: F811
    answer = await push(client, "/v1/events", [{**EVENT, "type": "x"}, 17], **{"X-API-Key": API, "Content-Type": BATCH})
    assert answer.status_code == 207
    found = answer.json()
    assert found["accepted"] == []
    assert [(one["index"], one["status"]) for one in found["refused"]] == [(0, 422), (1, 400)]
    assert found["refused"][0]["errors"][0]["field"] == "type"


async def test_nobody_tries_out_references_or_photos_at_will(client: httpx.AsyncClient) -> None:  # noqa: F811
    statuses = [(await client.get("/v1/form/status")).status_code for _ in range(130)]
    assert statuses[:120] == [422] * 120
    assert statuses[-1] == 429
    answer = await client.get("/v1/form/status")
    problem(answer, 429)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("door", ["sms", "events"])
async def test_hundreds_do_not_wait_for_one_anothers_disk_and_keep_their_order(door: str) -> None:
    """On a disk that takes a twentieth of a second, hundreds one after another took longer than a sender waits."""
    async with keeping() as (sender, producer):
        producer.takes_s = 0.05
        numbers = [f"138{number:08}" for number in range(300)]
        began = asyncio.get_running_loop().time()
        if door == "sms":
            texts = [{**TEXT, "event_id": f"e{one}", "phone": one} for one in numbers]
            answer = await push(sender, "/v1/sms/generic", texts, **{"X-API-Key": SMS})
        else:
            events = [{**EVENT, "id": one, "data": {"text": "停电了", "phone": one}} for one in numbers]
            answer = await push(sender, "/v1/events", events, **{"X-API-Key": API, "Content-Type": BATCH})
        took = asyncio.get_running_loop().time() - began

    assert answer.status_code == 202
    assert [one.phone for one in producer.contacts] == numbers
    assert took < 5


async def test_a_push_of_which_some_must_wait_comes_again_and_what_can_never_be_read_is_told_beside_the_rest() -> None:
    """A gateway pushes again what it is not told is taken, whole: what was kept is counted once."""
    async with keeping() as (sender, producer):
        some = [TEXT, {"event_id": "e2"}, {**TEXT, "event_id": "e3"}]
        answer = await push(sender, "/v1/sms/generic", some, **{"X-API-Key": SMS})
        assert answer.status_code == 202
        kept, unread, last = answer.json()["results"]
        assert unread["status"] == 422
        assert {field["field"] for field in unread["errors"]} == {"phone", "text"}
        assert [kept["contact_id"], last["contact_id"]] == [str(one.contact_id) for one in producer.contacts]

        many = [{**TEXT, "event_id": f"flood {number}"} for number in range(80)]
        answer = await push(sender, "/v1/sms/generic", [*many, {"event_id": "e2"}], **{"X-API-Key": SMS})
        problem(answer, 429)
        assert int(answer.headers["retry-after"]) >= 1
        assert len(producer.contacts) < 2 + len(many)
