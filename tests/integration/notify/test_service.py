"""Notify as a process of its own, on a real Kafka and a real Postgres, killed where it hurts."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from services.contracts import ids
from services.contracts.messages import ReportSettled
from services.contracts.topics import INCIDENT_CHANGED, REPORT_SETTLED
from services.contracts.values import Channel, IncidentState, Recipient
from services.runtime.clock import now
from tests.integration.notify.receiver import SECRET
from tests.integration.notify.wechat_platform import SECRET as SECRET_OF_APP
from tests.integration.notify.wechat_platform import Platform
from tests.unit.notify.snapshots import SETTLED, Snapshots
from tests.unit.notify.test_wechat_file import EXAMPLE

pytestmark = pytest.mark.integration

MAKE = Snapshots()


async def sent(service, number):
    """Wait until so many notices are sent."""
    count = "SELECT CASE WHEN count(*) >= $1 THEN 'all' ELSE count(*)::text END FROM notice WHERE state = 'sent'"
    await service.until(f"{number} notices are sent", "all", count, number)


def by_webhook(receiver):
    return {
        "notify_senders": "sms=webhook",
        "notify_webhook_url": receiver.url,
        "notify_webhook_secrets": SECRET,
    }


def opening(report=1, customer=1):
    """A snapshot of now, as the delivery's latency is measured from it."""
    ref = ids.ticket_ref(MAKE.id(report))
    member = MAKE.member(report, customer).model_copy(update={"ticket_ref": ref})
    return MAKE.changed(1, 1, joined=[member]).model_copy(update={"changed_at": now()})


async def test_what_happens_is_told_and_can_be_asked_for(service, receiver):
    service.start(**by_webhook(receiver))
    await service.wait_ready()
    first = opening()
    etr = now() + timedelta(hours=3)
    settled = ReportSettled(
        **MAKE.member(2, 2, language="en").model_dump(include=SETTLED),
        area="S1",
        outcome="answered",
        reason="arrears",
        settled_at=now(),
    )
    await service.say(INCIDENT_CHANGED, first)
    await service.say(REPORT_SETTLED, settled)
    await sent(service, 2)
    await service.say(INCIDENT_CHANGED, MAKE.changed(1, 2, etr=etr))
    await sent(service, 3)

    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        ref = first.joined[0].ticket_ref
        known = (await client.get("/v1/status", params={"ticket_ref": ref.lower().replace("-", " ")})).json()
        assert known["ticket_ref"] == ref
        assert [(one["stage"], one["language"]) for one in known["reports"]] == [("etr_set", "zh-Hans-CN")]
        english = (await client.get("/v1/status", params={"ticket_ref": ref, "language": "en-GB"})).json()
        assert "Power is expected back at" in english["reports"][0]["text"]

        await service.say(INCIDENT_CHANGED, MAKE.changed(1, 3, state=IncidentState.RESTORED, restored_at=now()))
        await sent(service, 4)
        after = (await client.get("/v1/status", params={"ticket_ref": ref})).json()["reports"][0]
        assert after["stage"] == "restored"
        assert after["etr"] is None

        told = (await client.get("/v1/notices", params={"incident_id": str(MAKE.id(1))})).json()
        counts = {(one["stage"], one["state"]): one["count"] for one in told["notices"]}
        assert counts == {("received", "sent"): 1, ("etr_set", "sent"): 1, ("restored", "sent"): 1}
        assert "1380000" not in str(told)

        metrics = await service.metrics()
        for line in (
            'gridline_notify_notices_total{channel="sms",stage="received"} 1.0',
            'gridline_notify_outcomes_total{channel="sms",outcome="sent",stage="restored"} 1.0',
            'gridline_notify_delivery_seconds_count{stage="received"} 1.0',
            "gridline_notify_pending ",
            'gridline_notify_oldest_pending_seconds{channel="sms"} ',
            'gridline_notify_receiver_failing_seconds{sender="webhook"} 0.0',
        ):
            assert line in metrics, line

    assert [post.data["stage"] for post in receiver.posts if post.data["incident_id"]] == [
        "received",
        "etr_set",
        "restored",
    ]
    assert set(receiver.counts.values()) == {1}
    for personal in ("13800000001", "13800000002", "供电服务", SECRET, "of-the-gateway"):
        assert personal not in service.log


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/v1/status?ticket_ref=7K3M-9QPX-2HD", 422, "check character"),
        ("/v1/status?ticket_ref=abc", 422, "has 11 characters"),
        ("/v1/status", 422, "ticket_ref"),
        ("/v1/status?ticket_ref=REF&language=x_y", 422, "language"),
        ("/v1/notices?incident_id=7", 422, "incident_id"),
        ("/v1/notices?incident_id=00000000-0000-0000-0000-000000000001", 404, "has not heard of"),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(pool, templates, path, status, says):
    from services.notify.api import make_router
    from services.runtime.http import make_app

    async def ready():
        return []

    app = make_app("notify", ready=ready)
    app.include_router(make_router(pool, templates))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify") as client:
        answer = await client.get(path)
        unknown = await client.get("/v1/status", params={"ticket_ref": ids.ticket_ref(MAKE.id(99))})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.text
    assert unknown.status_code == 404


async def test_killed_between_sending_and_sent_it_asks_again_under_the_same_id(service, receiver):
    receiver.hold()
    service.start(**by_webhook(receiver))
    await service.wait_ready()
    await service.say(INCIDENT_CHANGED, opening(1, 1))
    await receiver.wait_posts(1)
    service.kill()
    assert [row["state"] for row in await service.sql("SELECT state FROM notice")] == ["sending"]

    receiver.free.set()
    await service.sql("UPDATE notice SET sending_until = now()")  # the claim of the dead process ends
    service.start(**by_webhook(receiver))
    await sent(service, 1)

    first, second = receiver.posts
    assert (first.id, first.body) == (second.id, second.body)
    assert len(await service.sql("SELECT FROM notice")) == 1


async def test_killed_again_and_again_it_loses_no_notice_and_makes_none_twice(service, receiver):
    """A storm of 120 customers while the process is killed at several moments of its work."""
    settings = by_webhook(receiver)
    service.start(**settings)
    await service.wait_ready()
    members = [MAKE.member(n, n) for n in range(1, 121)]
    storm = [MAKE.changed(n, 1, joined=members[10 * n : 10 * n + 10]) for n in range(12)]
    for number, pause in enumerate((0.0, 0.05, 0.15, 0.4)):
        await service.say(INCIDENT_CHANGED, *storm[3 * number : 3 * number + 3])
        await asyncio.sleep(pause)
        service.kill()
        await service.sql("UPDATE notice SET sending_until = now() WHERE state = 'sending'")
        service.start(**settings)
    await sent(service, 120)

    rows = await service.sql("SELECT notice_id, attempts FROM notice")
    assert len(rows) == 120
    assert set(receiver.counts) == {str(row["notice_id"]) for row in rows}
    assert all(receiver.counts[str(row["notice_id"])] <= row["attempts"] for row in rows)
    assert receiver.forged == []


async def test_it_does_not_start_on_texts_with_a_fault_and_says_where(service, tmp_path):
    (tmp_path / "templates.yaml").write_text("version: 1\nlanguages: {}\n", encoding="utf-8")
    process = service.start(notify_templates=str(tmp_path / "templates.yaml"))

    assert await service.ended(process) == 78
    assert "templates.yaml:2: zh-Hans-CN is missing" in service.log
    assert "the file has no 'time_zone'" in service.log
    assert "Traceback" not in service.log


async def test_wechat_customers_are_told_by_the_platform(service, tmp_path):
    (tmp_path / "wechat.yaml").write_text(EXAMPLE, encoding="utf-8")
    async with Platform() as platform:
        service.start(
            notify_senders="wechat=wechat",
            notify_wechat_file=str(tmp_path / "wechat.yaml"),
            notify_wechat_api=platform.url,
        )
        await service.wait_ready()
        to = Recipient(channel=Channel.WECHAT, address="an-openid", account="gh_0123456789ab")
        member = MAKE.member(1, 1).model_copy(update={"recipient": to})
        await service.say(INCIDENT_CHANGED, MAKE.changed(1, 1, joined=[member]))
        await sent(service, 1)

    assert [message["touser"] for message in platform.taken.values()] == ["an-openid"]
    assert SECRET_OF_APP not in service.log
    assert "an-openid" not in service.log


async def test_it_does_not_start_on_official_accounts_with_a_fault_and_repeats_no_secret(service, tmp_path):
    (tmp_path / "wechat.yaml").write_text(EXAMPLE.replace("phrase2: 抢修中", "phrase2: 正在抢修之中"), encoding="utf-8")
    process = service.start(notify_senders="wechat=wechat", notify_wechat_file=str(tmp_path / "wechat.yaml"))

    assert await service.ended(process) == 78
    assert "etr_set.phrase2 may be 5 characters long, and would be 6" in service.log
    assert SECRET_OF_APP not in service.log
    assert "Traceback" not in service.log
