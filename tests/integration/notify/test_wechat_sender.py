"""Telling WeChat customers: through the platform's own interface, once each, whatever it answers."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import structlog

from services.contracts.ids import derive, recipient_id
from services.contracts.messages import RecipientHeard
from services.contracts.values import Channel, IncidentState, Recipient
from services.notify import pending
from services.notify.senders import Delivered, Refused, Retry
from services.notify.senders.wechat import _WAIT_SECONDS, WechatSender
from services.notify.wechat_file import read_wechat_accounts
from services.runtime.clock import now
from tests.integration.notify.wechat_platform import APPID, SECRET, Platform
from tests.unit.notify.snapshots import NOW
from tests.unit.notify.test_senders import LETTER as BY_SMS
from tests.unit.notify.test_wechat_file import EXAMPLE

pytestmark = pytest.mark.integration

OPENID = "oLVPpjqs9BhvzwPj5A-vTYAX3GLc"
ACCOUNT = "gh_0123456789ab"
LETTER = replace(BY_SMS, channel=Channel.WECHAT, address=OPENID, account=ACCOUNT)


@pytest.fixture
async def platform():
    async with Platform() as platform:
        yield platform


@pytest.fixture
def accounts():
    return read_wechat_accounts("wechat.yaml", EXAMPLE)


@pytest.fixture
async def sender(platform, accounts):
    async with WechatSender(lambda: accounts, platform.url, timeout_s=5, connections=8) as sender:
        yield sender


def test_the_page_and_the_platform_speak_of_the_same_account():
    assert f"appid: {APPID}" in EXAMPLE
    assert f"app_secret: {SECRET}" in EXAMPLE
    assert f"  {ACCOUNT}:" in EXAMPLE


async def test_a_letter_is_a_template_message_and_the_answer_names_it(sender, platform):
    assert await sender.send(LETTER, LETTER.made_at) == Delivered("200163836")

    [message] = platform.taken.values()
    assert (message["touser"], message["client_msg_id"]) == (OPENID, LETTER.notice_id.hex)
    assert message["data"]["character_string1"] == {"value": "7K3M-9QPX-2HD"}
    assert message["data"]["time3"] == {"value": "2026年7月1日 14:00"}
    assert message["url"].endswith("?ref=7K3M-9QPX-2HD")


async def test_one_token_serves_many_letters_and_two_senders(sender, accounts, platform):
    for n in range(5):
        assert isinstance(await sender.send(replace(LETTER, notice_id=UUID(int=n)), NOW), Delivered)
    async with WechatSender(lambda: accounts, platform.url, timeout_s=5, connections=8) as other:
        assert isinstance(await other.send(replace(LETTER, notice_id=UUID(int=9)), NOW), Delivered)

    assert (len(platform.taken), platform.tokens_given) == (6, 1)


async def test_accounts_that_are_exchanged_hold_from_the_next_letter_on(accounts, platform):
    held = [replace(accounts, accounts={})]
    async with WechatSender(lambda: held[0], platform.url, timeout_s=5, connections=8) as sender:
        assert await sender.send(LETTER, NOW) == Retry("no_such_account")
        held[0] = accounts
        assert isinstance(await sender.send(LETTER, NOW), Delivered)


async def test_a_token_that_was_withdrawn_is_asked_for_again_once(sender, platform):
    assert isinstance(await sender.send(LETTER, NOW), Delivered)
    platform.withdraw_token()
    assert isinstance(await sender.send(replace(LETTER, notice_id=UUID(int=6)), NOW), Delivered)

    assert platform.tokens_given == 2
    assert len(platform.sends) == 3


@pytest.mark.parametrize(
    ("trouble", "answer"),
    [
        (-1, Retry("wechat_-1")),
        (40037, Retry("wechat_40037")),
        (45009, Retry("wechat_45009", after_s=3600.0)),
        (45011, Retry("wechat_45011", after_s=60.0)),
        (40003, Refused("no_such_openid", perhaps_all=True)),
        (43004, Refused("not_following")),
        (43101, Refused("refused_by_customer")),
        (47003, Refused("bad_value", perhaps_all=True)),
        (b"<html>busy</html>", Retry("no_answer_of_the_platform", doubtful=True)),
        (b'{"errcode": "0"}', Retry("no_answer_of_the_platform", doubtful=True)),
        (b"[]", Retry("no_answer_of_the_platform", doubtful=True)),
        (b'{"x": "' + b"x" * 70_000 + b'"}', Retry("too_long_an_answer", doubtful=True)),
    ],
)
async def test_what_the_platform_says_is_about_this_letter_or_about_the_moment(sender, platform, trouble, answer):
    platform.script.append(trouble)

    assert await sender.send(LETTER, NOW) == answer
    assert platform.taken == {}


async def test_a_quota_of_tokens_is_waited_for_like_one_of_messages(sender, platform):
    platform.no_token = 45009

    assert await sender.send(LETTER, NOW) == Retry("token_45009", after_s=3600.0)


async def test_a_wrong_secret_waits_for_the_operator_and_is_in_no_word(accounts, platform):
    [account] = accounts.accounts.values()
    wrong = replace(accounts, accounts={ACCOUNT: replace(account, app_secret="f" * 32)})
    with structlog.testing.capture_logs() as lines:
        async with WechatSender(lambda: wrong, platform.url, timeout_s=5, connections=8) as sender:
            assert await sender.send(LETTER, NOW) == Retry("token_40125")
            assert await sender.send(replace(LETTER, account="gh_other"), NOW) == Retry("no_such_account")
    assert platform.sends == []
    assert lines == []


async def test_a_platform_that_is_away_is_a_retry(sender, platform):
    await platform.__aexit__(None, None, None)

    assert await sender.send(LETTER, NOW) == Retry("no_connection")


def heard(what: str, delivery_id: str, address: str) -> RecipientHeard:
    return RecipientHeard(
        event_id=derive("test", what, delivery_id),
        source=ACCOUNT,
        source_event_id=f"{what}-{delivery_id}",
        recipient_id=recipient_id(Channel.WECHAT, address),
        recipient=Recipient(channel=Channel.WECHAT, address=address, account=ACCOUNT),
        heard=what,
        occurred_at=NOW + timedelta(minutes=1),
        received_at=NOW + timedelta(minutes=1),
        delivery_id=delivery_id,
        detail="failed:user block" if what == "undelivered" else None,
        raw_sha256="0" * 64,
    )


async def test_an_outage_is_told_once_each_and_what_did_not_arrive_is_known(desk, deliveries, sender, platform):
    """Two customers; the platform takes the first message and cuts the connection: the repeat is dropped by its id."""
    platform.script.append("drop")
    openids = [f"openid-{n}" for n in range(2)]
    members = [
        desk.make.member(n, n).model_copy(
            update={"recipient": Recipient(channel=Channel.WECHAT, address=openid, account=ACCOUNT)}
        )
        for n, openid in enumerate(openids)
    ]
    assert await desk.take(desk.make.changed(1, 1, joined=members)) == 2
    delivery = deliveries.make(deliveries.webhook("http://127.0.0.1:9/"), (sender, (Channel.WECHAT,)))
    deliveries.start(delivery)
    await desk.wait_states(("received", "sent"), ("received", "sent"))

    assert sorted(message["touser"] for message in platform.taken.values()) == openids
    assert len(platform.sends) == 3
    rows = {row["delivery_id"]: row for row in await desk.notices()}
    assert rows.keys() == {"200163836", "200163837"}
    by_msgid = {str(200163836 + n): message["touser"] for n, message in enumerate(platform.taken.values())}

    await desk.take(heard("delivered", "200163836", by_msgid["200163836"]))
    await desk.take(heard("undelivered", "200163837", by_msgid["200163837"]))
    await desk.take(heard("undelivered", "200163836", "somebody-else"))  # not theirs to say
    found = {row["delivery_id"]: (row["state"], row["reason"]) for row in await desk.notices()}
    assert found == {"200163836": ("sent", None), "200163837": ("failed", "failed:user block")}


@pytest.mark.parametrize(("troubles", "sends", "state"), [(["drop"], 1, "unknown"), ([-1, 45011], 3, "sent")])
async def test_what_may_have_been_taken_is_not_sent_again_once_the_platform_forgets(
    desk, deliveries, sender, platform, monkeypatch, troubles, sends, state
):
    """It knows a repeat for ten minutes; then a second message would reach the customer. A refusal is no doubt."""
    platform.script.extend(troubles)
    monkeypatch.setattr(WechatSender, "forgets_s", 5.0, raising=False)
    monkeypatch.setitem(_WAIT_SECONDS, 45011, 0.1)
    member = desk.make.member(1, 1).model_copy(
        update={"recipient": Recipient(channel=Channel.WECHAT, address=OPENID, account=ACCOUNT)}
    )
    await desk.take(desk.make.changed(1, 1, joined=[member]))
    delivery = deliveries.make(deliveries.webhook("http://127.0.0.1:9/"), (sender, (Channel.WECHAT,)))
    deliveries.start(delivery)

    await desk.wait_states(("received", state))
    assert len(platform.sends) == sends


def of_wechat(desk, n: int):
    to = Recipient(channel=Channel.WECHAT, address=f"openid-{n}", account=ACCOUNT)
    return desk.make.member(n, n).model_copy(update={"recipient": to})


@pytest.mark.parametrize("refused", ["wechat", "sms"])
async def test_who_wrote_on_two_channels_is_told_all_by_one_though_the_other_refuses(
    desk, deliveries, sender, platform, receiver, refused
):
    """What one of them does not take is in nobody's way by the other."""
    (platform if refused == "wechat" else receiver).script.extend([43004 if refused == "wechat" else 422] * 3)
    deliveries.start(deliveries.make(deliveries.webhook(receiver.url), (sender, (Channel.WECHAT,))))
    changes = [
        {"joined": [desk.make.member(1, 1), of_wechat(desk, 2)]},
        {"etr": now() + timedelta(hours=2)},
        {"state": IncidentState.RESTORED},
    ]
    told = ["received", "etr_set", "restored"]
    for revision, change in enumerate(changes, start=1):
        await desk.take(desk.make.changed(1, revision, **change))
        wanted = {channel: "failed" if channel == refused else "sent" for channel in ("sms", "wechat")}
        for channel, state in wanted.items():
            await desk.wait_row(stage=told[revision - 1], channel=channel, state=state, attempts=1)
    by_sms, by_wechat = [post.data["stage"] for post in receiver.posts], len(platform.sends)
    assert (by_sms, by_wechat, len(platform.taken)) == (told, 3, 0 if refused == "wechat" else 3)


@pytest.mark.parametrize(("trouble", "reason"), [("no token", "token_timeout"), ("no connection", "timeout")])
async def test_what_never_left_is_in_no_doubt_however_long_the_platform_hangs(
    desk, deliveries, accounts, platform, monkeypatch, trouble, reason
):
    """It gives no token, or no connection even: nothing was sent, and all is told once it is back."""
    monkeypatch.setattr(WechatSender, "forgets_s", 5.0, raising=False)
    await desk.take(desk.make.changed(1, 1, joined=[of_wechat(desk, n) for n in range(3)]))
    async with full() as url, WechatSender(lambda: accounts, platform.url, timeout_s=0.5, connections=8) as sender:
        if trouble == "no token":
            platform.hung = 6
        else:
            assert isinstance(await sender.send(LETTER, NOW), Delivered)
            sender._api = url
        lane = (sender, (Channel.WECHAT,))
        deliveries.start(deliveries.make(deliveries.webhook("http://127.0.0.1:9/"), lane, call_s=0.5))
        await desk.wait_row(state="pending", reason=reason, attempts=2)
        sender._api = platform.url
        await desk.wait_states(*[("received", "sent")] * 3)

    assert len(platform.taken) == len(platform.sends) == (3 if trouble == "no token" else 4)


@asynccontextmanager
async def full():
    """An address whose queue of connections is full: the next ones are neither taken nor refused."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        for one in waiting:
            one.close()


async def test_a_process_that_comes_back_after_the_platform_forgot_does_not_send_again(
    desk, deliveries, sender, platform
):
    member = desk.make.member(1, 1).model_copy(
        update={"recipient": Recipient(channel=Channel.WECHAT, address=OPENID, account=ACCOUNT)}
    )
    await desk.take(desk.make.changed(1, 1, joined=[member]))
    [_] = await pending.claim(desk.pool, [Channel.WECHAT], sender="wechat", most=5, claim_s=0.0)
    await desk.pool.execute("UPDATE notice SET doubted_at = doubted_at - interval '10 minutes'")
    deliveries.start(deliveries.make(deliveries.webhook("http://127.0.0.1:9/"), (sender, (Channel.WECHAT,))))

    await desk.wait_row(state="unknown", reason="too_late_to_repeat")
    assert platform.sends == []


@pytest.mark.parametrize(
    ("said", "row"), [("undelivered", ("failed", "failed:user block", False)), ("delivered", ("sent", None, True))]
)
@pytest.mark.parametrize("troubles", [[], ["drop"]])
async def test_a_receipt_that_comes_before_the_answer_to_the_message_counts(
    desk, deliveries, sender, platform, troubles, said, row
):
    """The platform pushes it as soon as it has sent; its answer is still on its way to us, or is lost."""
    platform.script.extend(troubles)
    platform.after_taking = lambda: desk.take(heard(said, "200163836", OPENID), heard(said, "another's", OPENID))
    member = desk.make.member(1, 1).model_copy(
        update={"recipient": Recipient(channel=Channel.WECHAT, address=OPENID, account=ACCOUNT)}
    )
    await desk.take(desk.make.changed(1, 1, joined=[member]))
    deliveries.start(deliveries.make(deliveries.webhook("http://127.0.0.1:9/"), (sender, (Channel.WECHAT,))))

    found = await desk.wait_row(delivery_id="200163836")
    assert (found["state"], found["reason"], found["arrived_at"] is not None) == row
