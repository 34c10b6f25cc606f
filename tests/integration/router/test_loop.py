"""The router as a process on the real Kafka and Postgres."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from services.contracts import ids
from services.contracts.messages import OutageReported, ReportSettled, TicketRouted
from services.contracts.topics import CONTACT_RECEIVED, OUTAGE_INPUT, REPORT_SETTLED, TICKET_ROUTED
from services.contracts.values import Channel
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.integration.router.seat import Seat, question
from tests.unit.router.making import NOON, contact

if TYPE_CHECKING:
    from deploy.native.kafka import KafkaBroker
    from tests.integration.router.process import Router

pytestmark = pytest.mark.integration


async def test_an_agent_works_on_while_kafka_is_away(running: Router, kafka_broker: KafkaBroker) -> None:
    """What waits is in the database; what becomes of it is told when Kafka is back."""
    said = question("1")
    running.start()
    await running.say(CONTACT_RECEIVED, said)
    await running.counted(lambda seen: seen["accepted"] == 1)
    kafka_broker.pause()
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=10) as doors:
        while (await doors.get("/readyz")).status_code == 200:
            await asyncio.sleep(0.2)
        ann = await Seat(doors, "ann").begin("consultation")
        assert (await ann.claim()).json()["ticket_id"] == str(said.ticket_id)
        assert (await ann.do("complete", said.ticket_id, outcome="solved")).status_code == 200
        assert (await doors.get("/readyz")).status_code == 503
    kafka_broker.resume()
    await running.counted(lambda seen: seen["accepted"] == 1)
    assert (await running.published(TICKET_ROUTED))[-1].state == "closed"


async def test_contacts_become_tickets_and_reports_and_every_one_is_counted(running: Router) -> None:
    calls = [
        contact(f"{n}-{event}", thread=f"call-{n}", minutes=minute, channel=Channel.PHONE, **told)
        for n in range(20)
        for minute, event, told in (
            (0, "started", {"phone": "13800000001", "final": False}),
            (1, "dtmf", {"business_type": "fault_report", "final": False}),
            (2, "ended", {}),
        )
    ]
    others = [contact(f"web-{n}", text=("查电费", "停电了", "着火了")[n % 3], account_id="A1") for n in range(60)]
    lost = [contact(f"lost-{n}", text="停电了") for n in range(10)]
    contacts = [*calls, *others, *lost]
    running.start()
    await running.say(CONTACT_RECEIVED, *contacts, *contacts[:30])
    tally = await running.counted(lambda seen: seen["accepted"] == len(contacts) and seen["duplicate"] == 30)
    assert tally["contact_queued"] + tally["contact_outage"] == tally["accepted"] == len(contacts)
    assert tally["contact_outage"] == len(calls) + 40
    assert tally["report_sent"] == 20 + 40
    reports = await running.published(OUTAGE_INPUT)
    assert Counter(one.message_id for one in reports).most_common(1)[0][1] == 1
    assert {one.area for one in reports if isinstance(one, OutageReported)} == {"S1"}
    assert len(reports) == 60

    back = [one for one in reports if isinstance(one, OutageReported)][:10]
    settled = [
        ReportSettled(
            report_id=one.report_id,
            ticket_id=one.ticket_id,
            ticket_ref=one.ticket_ref,
            area=one.area,
            outcome="needs_person",
            reason="device_unknown",
            settled_at=NOON,
            language=one.language,
        )
        for one in back
    ]
    unknown = ids.contact_id("test", "unknown")
    settled.append(settled[0].model_copy(update={"ticket_id": unknown, "report_id": ids.report_id(unknown)}))
    await running.say(REPORT_SETTLED, *settled)
    after = await running.counted(lambda seen: seen["accepted"] == len(contacts) + 10)
    assert after["dead_lettered"] == 1
    assert after["contact_queued"] + after["contact_outage"] == len(contacts)
    assert after["report_sent"] == 60

    newest: dict[object, TicketRouted] = {}
    for one in await running.published(TICKET_ROUTED):
        assert isinstance(one, TicketRouted)
        if one.ticket_id not in newest or one.version > newest[one.ticket_id].version:
            newest[one.ticket_id] = one
    assert len(newest) == 20 + 60 + 10
    by_queue = Counter(one.queue for one in newest.values())
    hazards = sum(1 for one in newest.values() if one.hazards)
    assert by_queue["emergency"] == hazards == 20
    assert by_queue["consultation"] == 20
    async with httpx.AsyncClient(base_url=running.url) as client:
        assert (await client.get("/readyz")).status_code == 200
        queues = {
            queue["name"]: queue["waiting"]
            for queue in (
                await client.get("/v1/queues", headers={"X-API-Key": DEVELOPMENT_KEYS["wallboard-dev"]})
            ).json()["queues"]
        }
        assert queues["emergency"] == 20
        assert queues["locate"] == by_queue["locate"]
        metrics = (await client.get("/metrics")).text
        assert (
            'gridline_router_tickets_routed_total{business_type="enquiry",queue="consultation",rule="keyword"}'
            in metrics
        )
    assert await running.terminate() == 0, running.log[-3000:]
    for personal in ("13800000001", "停电了", "session-"):
        assert personal not in running.log


async def test_a_good_tree_is_taken_in_while_running_and_a_bad_one_is_not(running: Router) -> None:
    running.start()
    tree = running.folder / "routes.yaml"
    text = tree.read_text(encoding="utf-8")
    async with httpx.AsyncClient(base_url=running.url) as client:

        async def queue_of_an_enquiry(wanted: str) -> None:
            seen: object = None
            for _ in range(300):
                try:
                    answer = await client.post("/v1/routes/explain", json={"business_type": "enquiry"})
                    seen = answer.json().get("queue", answer.status_code)  # 503: it is starting
                except httpx.TransportError as error:
                    seen = error
                if seen == wanted:
                    return
                await asyncio.sleep(0.1)
            pytest.fail(f"an enquiry goes to {seen!r}, not {wanted!r}\n{running.log[-3000:]}")

        await queue_of_an_enquiry("consultation")
        tree.write_text(text.replace("queue: consultation", "queue: general"), encoding="utf-8")
        await queue_of_an_enquiry("general")
        tree.write_text(text.replace("queue: consultation", "queue: consultatoin"), encoding="utf-8")
        for _ in range(100):
            if "file_refused_old_one_holds" in running.log:
                break
            await asyncio.sleep(0.1)
        assert "'consultatoin' is no declared queue; did you mean 'consultation'?" in running.log
        await queue_of_an_enquiry("general")
        assert 'gridline_file_stale{file="routes.yaml"} 1.0' in (await client.get("/metrics")).text


async def test_a_router_does_not_start_on_a_bad_tree_and_names_the_line(running: Router) -> None:
    tree = running.folder / "routes.yaml"
    tree.write_text(tree.read_text(encoding="utf-8").replace("queue: emergency", "queue: emergancy"), encoding="utf-8")
    line = next(n for n, text in enumerate(tree.read_text(encoding="utf-8").splitlines(), 1) if "emergancy" in text)
    assert await running.ended(running.start()) == 78
    assert f"routes.yaml:{line}: 'emergancy' is no declared queue; did you mean 'emergency'?" in running.log
    assert "Traceback" not in running.log
