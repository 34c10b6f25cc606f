"""The delivery loop on a real Postgres and a real gateway: once each, in order, patient, and never two at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from services.contracts.values import Channel, CustomerClass, IncidentState
from services.intake.channels import sms
from services.intake.channels.conversation import Talk
from services.intake.channels.source import SmsSource
from services.notify import pending
from services.notify.domain.notice import Template
from services.notify.senders import Delivered, Retry
from services.notify.senders.log import LogSender
from services.notify.timers import tell_passed
from services.runtime.clock import monotonic, now
from tests.integration.notify.receiver import Receiver
from tests.integration.notify.test_links import heard
from tests.unit.notify.snapshots import SETTLED

pytestmark = pytest.mark.integration

ETR = now() + timedelta(hours=2)
SENT = ("received", "sent")


async def opened(desk, customers=1, incident=1):
    """An incident with this many customers, each with a notice to be sent."""
    members = [desk.make.member(1000 * incident + n, 1000 * incident + n) for n in range(customers)]
    assert await desk.take(desk.make.changed(incident, 1, joined=members)) == customers


class Slow:
    """A sender that may be told what to do; `repeatable` as its receiver would be."""

    def __init__(self, *, repeatable):
        self.name = "slow-repeatable" if repeatable else "slow"
        self.repeatable = repeatable
        self.forgets_s = None
        self.letters = []
        self.free = asyncio.Event()
        self.answer = Delivered()

    async def send(self, letter, now):
        self.letters.append(letter)
        await self.free.wait()
        return self.answer


async def test_a_notice_is_posted_signed_and_written_down(desk, deliveries, receiver):
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(SENT)

    (row,) = await desk.notices()
    (post,) = receiver.posts
    assert receiver.forged == []
    assert post.id == str(row["notice_id"])
    assert post.path == "/notices?token=of-the-gateway"
    assert post.data["address"] == "13800001000"
    assert post.data["stage"] == "received"
    assert "REF-1000" in post.data["text"]
    assert (row["attempts"], row["sender"], row["reason"]) == (1, "webhook", None)
    assert row["sent_at"] is not None


@pytest.mark.parametrize("answers", [True, False])
async def test_a_gateway_says_by_the_notices_id_that_a_carrier_blocked_it(desk, deliveries, receiver, answers):
    """Also before it is asked again, where no answer of it came."""
    if not answers:
        receiver.script.append("drop")
    await opened(desk, customers=2)
    task = deliveries.start(deliveries.make(deliveries.webhook(receiver.url), first_s=600, longest_s=600))
    await desk.wait_states(SENT, SENT if answers else ("received", "pending"))
    await deliveries.stop(task)
    address, notice = receiver.posts[0].data["address"], receiver.posts[0].id
    body = orjson.dumps({"notice_id": notice, "phone": f"+86 {address}", "delivered": False, "detail": "blocked"})
    gateway = SmsSource.model_validate({"name": "g", "provider": "generic", "api_keys_sha256": ["0" * 64]})
    [receipt] = sms.accept(gateway, body, None, now(), Talk.fresh(lambda: None))
    await desk.take(receipt.heard)
    await desk.pool.execute("UPDATE notice SET next_attempt_at = now()")
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(SENT, ("received", "failed"))

    rows = {str(row["notice_id"]): (row["state"], row["reason"]) for row in await desk.notices()}
    assert rows.pop(notice) == ("failed", "blocked")
    assert list(rows.values()) == [("sent", None)]


async def test_a_gateway_that_knows_another_key_takes_nothing_as_genuine(desk, deliveries, receiver):
    """The control of the receiver's own check."""
    await opened(desk)
    sender = deliveries.webhook(receiver.url)
    sender._keys = (b"another key of thirty-two bytes.",)
    deliveries.start(deliveries.make(sender))
    await desk.wait_states(SENT)

    assert receiver.posts == []
    assert len(receiver.forged) == 1


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (500, "http_500"),
        (503, "http_503"),
        (429, "http_429"),
        (401, "http_401"),
        (404, "http_404"),
        ("drop", "broken_connection"),
        ("hang", "timeout"),
    ],
)
async def test_trouble_is_tried_again_with_the_same_id_and_the_same_bytes(desk, deliveries, receiver, trouble, reason):
    receiver.script.append(trouble)
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url, timeout_s=0.3), first_s=0.3))
    await desk.wait_row(state="pending", reason=reason)
    await desk.wait_states(SENT)
    first, second = receiver.posts
    assert (first.id, first.body) == (second.id, second.body)
    (row,) = await desk.notices()
    assert (row["attempts"], row["reason"]) == (2, None)


async def test_the_whole_attempt_is_bounded_not_only_each_wait(desk, deliveries, receiver):
    receiver.hold()
    await opened(desk)
    deliveries.start(
        deliveries.make(deliveries.webhook(receiver.url, timeout_s=30), call_s=0.3, first_s=60, longest_s=60)
    )

    await desk.wait_row(state="pending", reason="timeout", seconds=5)


async def test_an_unreachable_gateway_is_waited_for(desk, deliveries):
    async with Receiver() as receiver:
        port = receiver.port
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(f"http://127.0.0.1:{port}/notices")))
    await desk.wait_row(state="pending", reason="no_connection")

    async with Receiver(port=port) as receiver:
        await desk.wait_states(SENT)
        assert len(receiver.posts) == 1


async def test_a_redirect_carries_no_address_elsewhere(desk, deliveries, receiver):
    async with Receiver() as elsewhere:
        receiver.script.append((307, {"location": elsewhere.url}))
        await opened(desk)
        deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
        await desk.wait_states(SENT)

        assert elsewhere.posts == []
        assert elsewhere.forged == []
        assert len(receiver.posts) == 2


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_notice_has_failed_and_is_not_tried_again(desk, deliveries, receiver, status):
    receiver.script.append(status)
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(("received", "failed"))
    await asyncio.sleep(0.4)

    assert len(receiver.posts) == 1
    assert [row["reason"] for row in await desk.notices()] == [f"http_{status}"]


async def test_a_gateway_that_refuses_everybody_is_mistaken_and_nobodys_word_is_given_up_for_that(
    desk, deliveries, receiver
):
    """It has a bug for a while. Whom it refuses once it takes others again has a number that is wrong."""
    receiver.script.extend([422] * 60)
    members = [desk.make.member(n, n) for n in range(40)]
    await desk.take(desk.make.changed(1, 1, joined=members))
    task = deliveries.start(deliveries.make(deliveries.webhook(receiver.url), calls=8, attempts=1000))
    await desk.wait_states(*[("received", "failed")] * 5, *[SENT] * 35)
    await deliveries.stop(task)

    receiver.script.append(422)
    await opened(desk, incident=2)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_row(incident_id=desk.make.id(2), state="failed", attempts=1)


async def test_patience_ends(desk, deliveries, receiver):
    receiver.script.extend([500] * 10)
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), attempts=3))
    await desk.wait_states(("received", "failed"))

    assert len(receiver.posts) == 3


async def test_no_more_calls_run_at_once_than_the_setting_says(desk, deliveries, receiver):
    receiver.hold()
    await opened(desk, customers=30)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), calls=4))
    await receiver.wait_posts(4)
    await asyncio.sleep(0.2)
    assert receiver.open_now == 4

    receiver.free.set()
    await desk.wait_states(*[SENT] * 30)
    assert receiver.open_most == 4
    assert set(receiver.counts.values()) == {1}


async def test_a_slow_gateway_holds_up_no_other_channel(desk, deliveries, receiver):
    receiver.hold()
    await opened(desk, customers=10)
    fields = desk.make.member(7, 7).model_dump(include=SETTLED)
    fields["recipient"] = {"channel": Channel.WECHAT, "address": "openid-7"}
    member = type(desk.make.member(7, 7))(**fields)
    await desk.take(desk.make.changed(2, 1, joined=[member]))
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), (LogSender(), (Channel.WECHAT,)), calls=2))
    await receiver.wait_posts(2)

    await desk.wait_row(channel="wechat", state="sent", seconds=5)
    assert not await desk.notices(channel="sms", state="sent")


async def test_two_instances_never_send_one_notice_twice(desk, deliveries, receiver):
    for _ in range(2):
        deliveries.start(deliveries.make(deliveries.webhook(receiver.url), calls=16))
    for incident in range(1, 11):
        await opened(desk, customers=40, incident=incident)
    await desk.wait_states(*[SENT] * 400)

    assert len(receiver.counts) == 400
    assert set(receiver.counts.values()) == {1}
    assert {row["attempts"] for row in await desk.notices()} == {1}


async def test_what_one_process_may_have_told_another_with_new_texts_tells_under_the_same_id(
    desk, deliveries, receiver, templates
):
    """A rollout: the gateway took it and was cut off, the old process ends, and the new one has other texts."""
    receiver.script.append("drop")
    await opened(desk)
    old = deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await receiver.wait_posts(1)
    await deliveries.stop(old)
    texts = {"zh-Hans-CN": templates().languages["en"]}
    deliveries.templates = lambda: replace(templates(), languages=texts)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(SENT)

    first, second = receiver.posts
    assert first.id == second.id
    assert first.data["text"].startswith("【供电服务】")
    assert second.data["text"].startswith("Power outage reported")


@pytest.mark.parametrize("word", ["stage", "template"])
async def test_what_a_newer_release_made_with_a_word_of_its_own_is_left_to_it(desk, deliveries, receiver, word):
    """Old processes go on until they are replaced: each ended, and took the next notice of that kind with it."""
    await opened(desk)
    await desk.pool.execute(f"UPDATE notice SET {word} = 'of_tomorrow'")  # noqa: S608 - a column
    await opened(desk, incident=2)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_row(incident_id=desk.make.id(2), state="sent")
    [left] = await desk.notices(**{word: "of_tomorrow"})
    assert (left["state"], left["attempts"]) == ("pending", 0)

    assert await desk.take(desk.make.changed(1, 2, etr=ETR)) == 1, "what is true next is told by whoever reads it"
    await desk.wait_row(stage="etr_set", state="sent")
    assert (await desk.notices(**{word: "of_tomorrow"}))[0]["state"] == "superseded"


async def test_a_notice_that_is_out_of_date_is_not_sent_at_all(desk, deliveries, receiver):
    await opened(desk)
    await desk.take(desk.make.changed(1, 2, etr=ETR))
    await desk.take(desk.make.changed(1, 3, state=IncidentState.RESTORED))
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(("received", "superseded"), ("etr_set", "superseded"), ("restored", "sent"))

    assert [post.data["stage"] for post in receiver.posts] == ["restored"]


async def test_an_estimate_that_passed_while_its_notice_waited_is_not_told_and_the_next_is_the_first(
    desk, deliveries, receiver
):
    """The gateway was away until then: the next estimate is only minutes from the one nobody heard."""
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(SENT)
    past = now() - timedelta(minutes=1)
    await desk.take(desk.make.changed(1, 2, etr=past))
    await desk.wait_row(stage="etr_set", etr=past, state="failed", reason="etr_past")
    assert await desk.take(desk.make.changed(1, 3, etr=past + timedelta(minutes=15))) == 1
    await desk.wait_row(stage="etr_set", state="sent")

    assert [post.data["stage"] for post in receiver.posts] == ["received", "etr_set"]


@pytest.mark.parametrize(
    ("trouble", "said", "state"),
    [
        ("drop", ["etr_passed"], "unknown"),
        (502, ["etr_passed"], "unknown"),
        (503, [], "failed"),
        (401, [], "failed"),
    ],
)
async def test_who_may_have_been_told_a_time_by_a_gateway_that_did_not_say_so_hears_that_it_has_passed(
    desk, deliveries, receiver, trouble, said, state
):
    """It answers again when the time has passed. What it did not take nobody was told."""
    await opened(desk)
    task = deliveries.start(deliveries.make(deliveries.webhook(receiver.url), first_s=600, longest_s=600))
    await desk.wait_states(SENT)
    receiver.script.append(trouble)
    await desk.take(desk.make.changed(1, 2, etr=ETR))
    await desk.wait_row(stage="etr_set", state="pending", attempts=1)
    await deliveries.stop(task)
    await desk.pool.execute("UPDATE incident SET etr = now() - interval '20 minutes'")
    await desk.pool.execute(
        "UPDATE notice SET etr = now() - interval '20 minutes', doubted_at = doubted_at - interval '1 hour',"
        " next_attempt_at = now() WHERE stage = 'etr_set'"
    )
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_row(stage="etr_set", state=state, reason="etr_past")

    assert await tell_passed(desk.pool, desk.templates(), now()) == len(said)
    await desk.wait_states(SENT, ("etr_set", state), *[(stage, "sent") for stage in said])
    assert [post.data["stage"] for post in receiver.posts] == ["received", "etr_set", *said]


async def test_who_was_sent_nothing_yet_hears_of_the_outage_without_the_estimate_that_passed(
    desk, deliveries, receiver
):
    """A gateway that was away for hours: one joined a known outage, the other opened it before the estimate."""
    past = now() - timedelta(minutes=1)
    await desk.take(desk.make.changed(1, 1, joined=[desk.make.member(1, 1)], etr=past))
    await opened(desk, incident=2)
    await desk.take(desk.make.changed(2, 2, etr=past))
    assert [row["etr"] for row in await desk.notices(state="pending")] == [past] * 2, "true when it was decided"
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(("joined_known", "sent"), ("received", "superseded"), ("etr_set", "sent"))

    for post in receiver.posts:
        known = desk.templates().render(Template.JOINED_KNOWN, "zh-Hans-CN", ref=post.data["ticket_ref"])
        assert (post.data["text"], post.data["etr"]) == (known.text, None)
    assert await desk.take(desk.make.changed(1, 2, etr=past + timedelta(minutes=15))) == 1, "they heard of none"
    assert (await desk.notices())[-1]["stage"] == "etr_set"


async def test_who_asks_is_answered_though_the_estimate_passes_before_the_answer_leaves(desk, deliveries, receiver):
    member = desk.make.member(1, 1)
    past = now() - timedelta(minutes=1)
    await desk.take(desk.make.changed(1, 1, joined=[member], etr=past))
    await desk.pool.execute("UPDATE notice SET state = 'sent'")
    await desk.take(heard("asks_status", member.recipient.address))
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_row(stage="asked", state="sent")

    [post] = receiver.posts
    assert (post.data["stage"], post.data["etr"]) == ("asked", None)


async def test_a_clock_that_is_hours_ahead_gives_up_no_estimate(desk, deliveries, monkeypatch):
    sender = Slow(repeatable=True)
    sender.free.set()
    await desk.take(desk.make.changed(1, 1, joined=[desk.make.member(1, 1)], etr=ETR))
    monkeypatch.setattr("services.notify.delivery.clock.now", lambda: now() + timedelta(hours=16))
    deliveries.start(deliveries.make(sender))
    await desk.wait_states(("joined_known", "sent"))

    assert [letter.etr for letter in sender.letters] == [ETR]


async def test_an_attempt_that_fails_after_newer_news_is_not_tried_again(desk, deliveries, receiver):
    receiver.hold()
    receiver.script.append(500)
    await opened(desk)
    deliveries.start(delivery := deliveries.make(deliveries.webhook(receiver.url)))
    await receiver.wait_posts(1)
    await desk.take(desk.make.changed(1, 2, etr=ETR))
    delivery.wake()
    await asyncio.sleep(0.3)
    assert len(receiver.posts) == 1, "the newer notice waits while the older one is on its way"

    receiver.free.set()
    await desk.wait_states(("received", "superseded"), ("etr_set", "sent"))
    assert [post.data["stage"] for post in receiver.posts] == ["received", "etr_set"]


async def test_an_attempt_that_succeeds_after_newer_news_was_sent_first(desk, deliveries, receiver):
    receiver.hold()
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await receiver.wait_posts(1)
    await desk.take(desk.make.changed(1, 2, state=IncidentState.RESTORED))
    receiver.free.set()
    await desk.wait_states(SENT, ("restored", "sent"))

    assert [post.data["stage"] for post in receiver.posts] == ["received", "restored"]


async def abandoned(desk, sender_name, *, attempts=1):
    """A notice that a process began to send before it died, long ago."""
    await opened(desk)
    for _ in range(attempts):
        (one,) = await pending.claim(desk.pool, [Channel.SMS], sender=sender_name, most=5, claim_s=0.0)
    await asyncio.sleep(0.01)
    return one


async def test_an_abandoned_attempt_is_repeated_where_the_receiver_drops_repeats(desk, deliveries, receiver):
    one = await abandoned(desk, "webhook")
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(SENT)

    assert [post.id for post in receiver.posts] == [str(one.notice_id)]
    assert [row["attempts"] for row in await desk.notices()] == [2]


async def test_an_abandoned_attempt_is_never_repeated_where_it_might_be_told_twice(desk, deliveries):
    await abandoned(desk, "log")
    sender = Slow(repeatable=False)
    deliveries.start(deliveries.make(sender))
    await desk.wait_states(("received", "unknown"))
    await asyncio.sleep(0.3)

    assert sender.letters == []


async def test_an_attempt_under_way_is_not_taken_for_abandoned(desk, deliveries):
    sender = Slow(repeatable=True)
    await opened(desk)
    delivery = deliveries.make(sender)
    deliveries.start(delivery)
    while not sender.letters:
        await asyncio.sleep(0.01)

    assert await delivery.recover() == []
    sender.free.set()
    await desk.wait_states(SENT)
    assert len(sender.letters) == 1


@pytest.mark.parametrize(("repeatable", "state"), [(True, "pending"), (False, "unknown")])
async def test_no_answer_in_time_is_a_retry_or_unknown(desk, deliveries, repeatable, state):
    sender = Slow(repeatable=repeatable)
    await opened(desk)
    deliveries.start(deliveries.make(sender, call_s=0.2, first_s=60, longest_s=60))

    await desk.wait_row(state=state, reason="timeout")


async def test_a_late_success_counts_even_though_the_claim_had_ended(desk):
    one = await abandoned(desk, "webhook")
    await pending.recover(desk.pool, repeatable=["webhook"], most_attempts=9)
    assert await desk.states() == [("received", "pending")]

    late = pending.Attempt(one.notice_id, one.attempt, pending.Outcome.DELIVERED)
    assert [became.state for became in await pending.settle(desk.pool, [late], most_attempts=9)] == ["sent"]
    assert await pending.settle(desk.pool, [late], most_attempts=9) == []


@pytest.mark.parametrize("outcome", [pending.Outcome.RETRY, pending.Outcome.REFUSED, pending.Outcome.UNKNOWN])
async def test_a_late_failure_says_nothing_of_the_attempt_that_followed(desk, outcome):
    one = await abandoned(desk, "webhook")
    await pending.recover(desk.pool, repeatable=["webhook"], most_attempts=9)
    (again,) = await pending.claim(desk.pool, [Channel.SMS], sender="webhook", most=5, claim_s=60)

    assert again.attempt == 2
    assert await pending.settle(desk.pool, [pending.Attempt(one.notice_id, 1, outcome)], most_attempts=9) == []
    assert await desk.states() == [("received", "sending")]


async def test_a_process_paused_past_its_claim_does_not_send(desk, deliveries, monkeypatch):
    """Frozen between claiming and calling; by then the notice may be another's."""
    sender = Slow(repeatable=True)
    sender.free.set()
    await opened(desk)
    ticks = iter([0.0, 100.0])  # the claim is asked for, then much later the call is about to be made
    monkeypatch.setattr("services.notify.delivery.clock.monotonic", lambda: next(ticks, 100.0))
    deliveries.start(deliveries.make(sender))

    await desk.wait_row(state="sent", attempts=2)
    assert len(sender.letters) == 1


async def test_what_the_receiver_asks_for_is_waited(desk, deliveries):
    sender = Slow(repeatable=True)
    sender.free.set()
    sender.answer = Retry("busy", after_s=30.0)
    await opened(desk)
    deliveries.start(deliveries.make(sender, longest_s=120))
    await desk.wait_row(state="pending", reason="busy")

    wait = await desk.pool.fetchval("SELECT extract(epoch FROM next_attempt_at - now()) FROM notice")
    assert 20 < wait <= 36


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "900"}, 890, 1080),
        ({"retry-after": "Fri, 27 Nov 2026 22:15:00 GMT", "date": "Fri, 27 Nov 2026 22:00:00 GMT"}, 890, 1080),
        ({"retry-after": "Fri, 27 Nov 2026 22:15:00 GMT"}, 0, 1.2),
        ({"retry-after": "9" * 4000}, 3590, 4320),
        ({"retry-after": "Fri, 27 Nov 99999999999999999999 22:15:00 GMT", "date": "now"}, 0, 1.2),
    ],
)
async def test_a_gateway_says_how_long_in_seconds_or_until_when(desk, deliveries, receiver, headers, least, most):
    receiver.script.append((429, headers))
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), first_s=1))
    row = await desk.wait_row(state="pending", reason="http_429")

    assert least < (row["next_attempt_at"] - now()).total_seconds() <= most


async def test_a_gateway_that_asks_for_a_wait_is_left_alone_and_then_tried_by_one(desk, deliveries, receiver):
    """Sixty notices wait; each was posted to it before it was asked again."""
    receiver.script.extend([(429, {"retry-after": "2"})] * 20)
    await opened(desk, customers=60)
    began = monotonic()
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), calls=4, first_s=0.1, longest_s=0.1))
    await receiver.wait_posts(4)
    while monotonic() - began < 1.8:
        assert len(receiver.posts) <= 3 + 4, "those on their way as it had asked for the third time"
        await asyncio.sleep(0.05)
    posted = len(receiver.posts)
    await receiver.wait_posts(posted + 1)
    await asyncio.sleep(0.5)
    assert len(receiver.posts) == posted + 1

    receiver.script.clear()
    await desk.wait_states(*[SENT] * 60)


async def test_a_gateway_that_asks_it_of_some_numbers_keeps_the_others_waiting_for_nothing(desk, deliveries, receiver):
    receiver.script.extend([(429, {"retry-after": "900"}), (429, {"retry-after": "900"}), 200] * 10)
    await opened(desk, customers=30)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), calls=1))
    await receiver.wait_posts(30, seconds=10)

    assert len(await desk.notices(state="sent")) >= 9


async def test_a_service_that_stops_lets_its_calls_end_and_writes_them_down(desk, deliveries, receiver):
    receiver.hold()
    await opened(desk, customers=3)
    task = deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await receiver.wait_posts(3)
    asyncio.get_running_loop().call_later(0.3, receiver.free.set)
    await deliveries.stop(task)

    assert await desk.states() == [SENT] * 3


async def test_postgres_away_during_a_call_costs_no_second_call(desk, deliveries, receiver, postgres_server):
    receiver.hold()
    await opened(desk)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await receiver.wait_posts(1)
    postgres_server.stop_immediately()
    receiver.free.set()
    await asyncio.sleep(0.5)
    postgres_server.start()
    async with asyncio.timeout(30):
        while True:
            try:
                await desk.wait_states(SENT, seconds=10)
                break
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)

    assert len(receiver.posts) == 1


async def test_a_bug_in_a_sender_ends_the_loop_so_that_the_service_stops(desk, deliveries):
    class Broken(Slow):
        async def send(self, letter, now):
            raise KeyError("a bug")

    await opened(desk)
    task = asyncio.create_task(deliveries.make(Broken(repeatable=True)).run())
    with pytest.raises(ExceptionGroup) as group:
        await task
    assert group.value.subgroup(KeyError) is not None


async def test_of_a_storms_backlog_those_at_risk_are_told_first_and_everyone_once(desk, deliveries, receiver):
    """Twelve outages with five customers each, and an estimate for all, before anything has gone out."""
    classes = [None, None, CustomerClass.IMPORTANT, None, CustomerClass.LIFE_SUPPORT]
    opened, estimated, of = [], [], {}
    for incident in range(1, 13):
        members = []
        for n, customer_class in enumerate(classes):
            number = 100 * incident + n
            member = desk.make.member(number, number).model_copy(update={"customer_class": customer_class})
            of[member.recipient.address] = customer_class
            members.append(member)
        opened.append(desk.make.changed(incident, 1, joined=members, storm=True))
        estimated.append(desk.make.changed(incident, 2, etr=ETR, storm=True))
    assert await desk.take(*opened) == 60
    assert await desk.take(*estimated) == 60
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), calls=1))
    await desk.wait_states(*[("received", "superseded")] * 60, *[("etr_set", "sent")] * 60, seconds=120)

    told = [post.data["address"] for post in receiver.posts]
    assert sorted(told) == sorted(of), "everyone, once"
    order = [of[address] for address in told]
    assert order == [CustomerClass.LIFE_SUPPORT] * 12 + [CustomerClass.IMPORTANT] * 12 + [None] * 36


async def test_a_sender_begins_no_more_in_a_second_than_its_receiver_takes(desk, deliveries, receiver):
    await opened(desk, customers=30)
    began = monotonic()
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), calls=30, per_second=20))
    await desk.wait_states(*[SENT] * 30, seconds=120)
    assert monotonic() - began >= 0.45, "20 at once, and ten more at 20 a second"
