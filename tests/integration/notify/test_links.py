"""Who left or asked not to be told is never sent anything again; who asks is answered; who comes back is told."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from services.contracts.ids import derive, recipient_id
from services.contracts.messages import RecipientHeard, ReportSettled
from services.contracts.values import Channel, Recipient
from services.notify import pending
from tests.unit.notify.snapshots import NOW, SETTLED

pytestmark = pytest.mark.integration

PHONE = "13800001000"  # of customer 1000 of the desk's snapshots


def heard(what, address=PHONE, channel=Channel.SMS, at=NOW, number=1):
    return RecipientHeard(
        event_id=derive("test", what, address, at, number),
        source="gateway",
        source_event_id=f"{what}-{number}",
        recipient_id=recipient_id(channel, address),
        recipient=Recipient(channel=channel, address=address),
        heard=what,
        occurred_at=at,
        received_at=at,
        raw_sha256="0" * 64,
    )


def outage(desk, revision=1, customers=(1000, 1001), **changes):
    joined = [desk.make.member(n, n) for n in customers] if revision == 1 else []
    return desk.make.changed(1, revision, joined=joined, **changes)


async def told(desk, deliveries, receiver, count):
    """Send all that is due; return the addresses it went to."""
    task = deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_states(*[("received", "sent")] * count, *[("received", "failed")] * (2 - count))
    await deliveries.stop(task)
    return sorted(post.data["address"] for post in receiver.posts)


async def test_without_a_stop_both_are_told(desk, deliveries, receiver):
    """The control of the tests below."""
    await desk.take(outage(desk))
    assert await told(desk, deliveries, receiver, 2) == [PHONE, "13800001001"]


@pytest.mark.parametrize("spelled", [PHONE, "+86 138 0000 1000", "008613800001000"])
async def test_what_waits_for_somebody_who_stops_is_dropped_and_the_others_are_told(
    desk, deliveries, receiver, spelled
):
    await desk.take(outage(desk))
    await desk.take(heard("unlinked", spelled))
    assert await told(desk, deliveries, receiver, 1) == ["13800001001"]
    (dropped,) = await desk.notices(state="failed")
    assert dropped["reason"] == "unlinked"


async def test_nothing_is_made_for_somebody_who_stopped_before_and_their_address_is_forgotten(desk):
    before = REGISTRY.get_sample_value("gridline_notify_quiet_total", {"reason": "unlinked"}) or 0
    await desk.take(heard("unlinked"))
    assert await desk.take(outage(desk)) == 1
    assert REGISTRY.get_sample_value("gridline_notify_quiet_total", {"reason": "unlinked"}) == before + 1
    await desk.take(heard("unlinked", "13800001001"))
    rows = await desk.pool.fetch("SELECT address FROM recipient JOIN link USING (link_id) WHERE NOT linked")
    assert "13800001001" not in {row["address"] for row in rows}
    ended = desk.make.changed(1, 2, state="restored", restored_at=NOW)
    assert await desk.take(ended) == 0


async def test_a_move_of_their_report_brings_nobodys_address_back(desk):
    """The record of where their report goes has it again."""
    await desk.take(outage(desk, customers=(1000,)))
    await desk.take(heard("unlinked"))
    member = desk.make.member(1000, 1000)
    await desk.take(desk.make.changed(1, 2, left=[1000]), desk.make.changed(2, 1, joined=[member], minute=2))
    call = member.model_copy(update={"recipient": Recipient(channel=Channel.PHONE, address=PHONE)})
    await desk.take(desk.make.changed(3, 1, joined=[call]))
    assert await desk.pool.fetchval("SELECT array_agg(address) FROM recipient") == ["", ""]

    await desk.take(heard("linked", at=NOW + timedelta(minutes=1)))
    assert await desk.pool.fetchval("SELECT array_agg(address) FROM recipient") == [PHONE, PHONE]


async def test_a_stop_also_stops_calls_to_the_number_but_no_other_channel(desk):
    await desk.take(heard("unlinked"))
    for number, channel, made in ((10, Channel.PHONE, 0), (11, Channel.WECHAT, 1)):
        member = desk.make.member(7, 7).model_copy(update={"recipient": Recipient(channel=channel, address=PHONE)})
        assert await desk.take(desk.make.changed(number, 1, joined=[member])) == made


async def test_somebody_who_comes_back_is_told_again(desk):
    await desk.take(outage(desk))
    await desk.take(heard("unlinked", at=NOW))
    await desk.take(heard("linked", at=NOW + timedelta(minutes=1)))
    ended = desk.make.changed(1, 2, state="restored", restored_at=NOW)
    assert await desk.take(ended) == 2


async def test_one_number_is_one_customer_however_it_is_spelled(desk):
    """The form took it as they wrote it, the gateway has its own way; a dispatcher's word is of both reports, too."""
    spelled = ["+86 138 0000 1000", PHONE]
    members = [
        desk.make.member(n, n).model_copy(update={"recipient": Recipient(channel=Channel.SMS, address=address)})
        for n, address in enumerate(spelled, start=1)
    ]
    assert await desk.take(desk.make.changed(101, 1, joined=members)) == 1
    assert await desk.take(desk.make.changed(101, 2, etr=NOW + timedelta(hours=2))) == 1
    fields = [one.model_dump(include=SETTLED) for one in members]
    said = {"area": "S1", "outcome": "answered", "reason": "planned_outage", "settled_at": NOW + timedelta(minutes=9)}
    words = [ReportSettled(**one, **said, planned_id=UUID(int=7), command_id=UUID(int=8)) for one in fields]
    assert await desk.take(*words) == 1


@pytest.mark.parametrize(("channel", "spelled"), [(Channel.SMS, "+8613800001000"), (Channel.PHONE, PHONE)])
async def test_who_is_back_by_another_spelling_or_channel_of_the_number_is_told_and_nothing_goes_to_nobody(
    desk, deliveries, receiver, channel, spelled
):
    """Their report has the number as they wrote it; STOP and START come as the gateway writes it, within moments."""
    to = Recipient(channel=channel, address=spelled)
    await desk.take(desk.make.changed(101, 1, joined=[desk.make.member(1, 1).model_copy(update={"recipient": to})]))
    for minute, what in enumerate(("unlinked", "linked")):
        await desk.take(heard(what, at=NOW + timedelta(minutes=minute)))
    assert await desk.take(desk.make.changed(101, 2, state="restored", restored_at=NOW)) == 1

    webhook = deliveries.webhook(receiver.url)
    deliveries.start(deliveries.make(webhook, (webhook, (Channel.PHONE,))))
    await desk.wait_row(stage="restored", state="sent")
    assert {post.data["address"] for post in receiver.posts} == {PHONE}


async def test_who_was_stored_before_numbers_had_one_spelling_is_still_told(desk):
    stored = recipient_id(Channel.SMS, "+8613800001000")
    to = Recipient(channel=Channel.SMS, address="+8613800001000")
    await desk.take(desk.make.changed(101, 1, joined=[desk.make.member(1, 1).model_copy(update={"recipient": to})]))
    for table in ("recipient", "report", "notice"):
        await desk.pool.execute(f"UPDATE {table} SET recipient_id = $1", stored)  # noqa: S608 - names of ours
    await desk.take(desk.make.changed(101, 2, state="restored", restored_at=NOW))

    [claimed] = await pending.claim(desk.pool, [Channel.SMS], sender="s", most=5, claim_s=30)
    assert (claimed.stage, claimed.address) == ("restored", "+8613800001000")


async def test_an_estimate_that_was_dropped_when_they_stopped_is_not_taken_for_told_once_they_are_back(desk):
    etr = NOW + timedelta(hours=2)
    await desk.take(outage(desk, customers=(1000,)))
    await desk.pool.execute("UPDATE notice SET state = 'sent'")
    await desk.take(desk.make.changed(1, 2, etr=etr))
    await desk.take(heard("unlinked", at=NOW))
    assert len(await pending.drop_unlinked(desk.pool)) == 1
    await desk.take(heard("linked", at=NOW + timedelta(minutes=1)))

    assert await desk.take(desk.make.changed(1, 3, etr=etr + timedelta(minutes=5))) == 1
    assert (await desk.notices())[-1]["stage"] == "etr_set"


@pytest.mark.parametrize("together", [True, False])
async def test_what_was_heard_earlier_does_not_undo_what_was_heard_later(desk, together):
    stop, start = heard("unlinked", at=NOW), heard("linked", at=NOW - timedelta(minutes=1))
    for batch in [(stop, start)] if together else [(stop,), (start,)]:
        await desk.take(*batch)
    assert await desk.take(outage(desk)) == 1


@pytest.mark.parametrize("clock", [timedelta(days=-20000), timedelta(days=20000)])
async def test_a_stop_holds_whatever_the_gateways_clock_says_and_so_does_the_start_after_it(desk, clock):
    """Its clock was right when they started, and is right again later."""
    await desk.take(heard("linked", at=NOW - timedelta(days=2)))
    stop = heard("unlinked", at=NOW)
    await desk.take(stop.model_copy(update={"occurred_at": NOW + clock}))
    assert await desk.take(outage(desk, customers=(1000,))) == 0

    await desk.take(heard("linked", at=NOW + timedelta(minutes=1), number=2))
    assert await desk.take(desk.make.changed(1, 2, state="restored", restored_at=NOW)) == 1


async def test_a_claim_never_takes_a_notice_of_somebody_who_left(desk):
    """Also where the notice was committed beside the stop, so that neither transaction saw the other."""
    await desk.take(outage(desk, customers=(1000,)))
    await desk.pool.execute(
        "INSERT INTO link (link_id, linked, at) SELECT link_id, false, now() FROM recipient WHERE address = $1", PHONE
    )
    claim = {"sender": "s", "most": 10, "claim_s": 30}
    assert await pending.claim(desk.pool, [Channel.SMS], **claim) == []
    assert [one.reason for one in await pending.drop_unlinked(desk.pool)] == ["unlinked"]
    assert await pending.backlog(desk.pool) == []


async def test_a_question_is_answered_once_with_what_is_true(desk):
    asking = heard("asks_status", at=NOW)
    assert await desk.take(asking) == 0  # no report: nothing to tell
    await desk.take(outage(desk, customers=(1000,)))
    again = heard("asks_status", at=NOW, number=2)
    assert await desk.take(again) == 1
    assert await desk.take(again) == 0
    await desk.take(desk.make.changed(1, 2, state="restored", restored_at=NOW))
    assert await desk.take(heard("asks_status", "+86 13800001000", number=3)) == 1
    asked = await desk.notices(stage="asked")
    assert [row["template"] for row in asked] == ["received", "restored"]
    assert [row["restored_at"] for row in asked] == [None, NOW]
    assert {row["ticket_ref"] for row in asked} == {"REF-1000"}


async def test_receipts_change_nothing_for_the_recipient(desk):
    await desk.take(heard("undelivered"), heard("delivered"))
    assert await desk.take(outage(desk)) == 2
