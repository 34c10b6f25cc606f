"""Receivers that are broken or mean harm: none ends the service, fills its memory or holds up what is for others.

Each notice is tried again, under one id and with the same bytes, until the receiver is itself again.
"""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import tracemalloc
from collections import Counter
from contextlib import asynccontextmanager
from time import sleep

import pytest

from deploy.native.ports import free_port
from services.contracts.topics import INCIDENT_CHANGED
from services.contracts.values import Channel, Recipient
from services.notify.senders import Delivered, Retry
from services.notify.senders.webhook import WebhookSender
from services.notify.senders.wechat import WechatSender
from services.notify.wechat_file import read_wechat_accounts
from services.runtime.clock import monotonic, now
from tests.integration.notify import hostile
from tests.integration.notify.hostile import OK, Authority
from tests.integration.notify.nameless import NAME
from tests.integration.notify.receiver import KEY, SECRET, Receiver
from tests.integration.notify.test_delivery import SENT, opened
from tests.integration.notify.test_wechat_sender import ACCOUNT, LETTER, full
from tests.integration.notify.wechat_platform import Platform
from tests.service_process import ROOT, SECONDS
from tests.unit.notify.snapshots import NOW, Snapshots
from tests.unit.notify.test_wechat_file import EXAMPLE

pytestmark = pytest.mark.integration

MAKE = Snapshots()
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


UNANSWERED = {
    "never answers": (hostile.silent, "timeout"),
    "a byte at a time": (hostile.dripping(OK), "timeout"),
    "endless headers": (hostile.endless(HEAD, b"x-more: of them\r\n"), "broken_connection"),
    "a header without end": (hostile.endless(HEAD + b"x-more: ", b"of it"), "broken_connection"),
    "endless interim answers": (hostile.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "timeout"),
    "closes after the request": (hostile.saying(b""), "broken_connection"),
    "closes within the head": (hostile.saying(HEAD + b"content-le"), "broken_connection"),
    "resets": (hostile.reset, "broken_connection"),
    "no HTTP": (hostile.saying(b"220 smtp.example ESMTP\r\n"), "broken_connection"),
    "HTTP/2": (hostile.saying(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "broken_connection"),
    "two lengths": (hostile.saying(HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok"), "broken_connection"),
    "a length below zero": (hostile.saying(HEAD + b"content-length: -1\r\n\r\n"), "broken_connection"),
    "another protocol": (hostile.saying(b"HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n"), "broken_connection"),
    "a status of three figures": (hostile.saying(b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n"), "http_999"),
}
ANSWERED = {
    "a body a byte at a time": hostile.dripping(b"x" * 1000, HEAD + b"content-length: 1000\r\n\r\n"),
    "an endless body": hostile.endless(HEAD + b"\r\n", b"x" * 4096),
    "endless pieces": hostile.endless(HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "pieces that are none": hostile.saying(HEAD + b"transfer-encoding: chunked\r\n\r\nxyz\r\n"),
    "less than its length": hostile.saying(HEAD + b"content-length: 1000\r\n\r\nok"),
    "gigabytes, compressed": hostile.saying(hostile.compressed(1)),
    "compressed over and over": hostile.saying(hostile.compressed(3)),
    "a coding that is none": hostile.saying(HEAD + b"content-encoding: x\r\ncontent-length: 2\r\n\r\nok"),
    "garbage": hostile.saying(HEAD + b"content-length: 9\r\n\r\n\0\xff<error/>"),
}


@asynccontextmanager
async def posting(url, *, longest_s=5.0, ca_file=None):
    """What the loop does with a sender, without its rows: an attempt that takes too long is ended."""
    async with WebhookSender(url, [KEY], timeout_s=longest_s, connections=8, ca_file=ca_file) as sender:

        async def post():
            try:
                async with asyncio.timeout(longest_s):
                    return await sender.send(LETTER, now())
            except TimeoutError:
                return Retry("timeout", doubtful=True)

        yield post


@pytest.mark.parametrize("what", UNANSWERED)
async def test_what_is_no_answer_is_a_retry(receiver, what):
    behaviour, reason = UNANSWERED[what]
    receiver.script.append(behaviour)
    async with posting(receiver.url, longest_s=0.5) as post:
        assert await post() == Retry(reason, doubtful=True), "it may have been taken"
        assert isinstance(await post(), Delivered)
    assert len({post.body for post in receiver.posts}) == 1


@pytest.mark.parametrize("what", ANSWERED)
async def test_a_status_of_success_counts_whatever_follows_it(receiver, what):
    receiver.script.append(ANSWERED[what])
    async with posting(receiver.url) as post:
        tracemalloc.start()
        try:
            assert isinstance(await post(), Delivered)
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
        assert isinstance(await post(), Delivered), "with the next connection all is well"


async def test_a_storm_is_told_once_each_whatever_the_receiver_does_before_it_is_itself(desk, deliveries, receiver):
    """Each behaviour twice, for whom it meets; then it takes what comes."""
    broken = [behaviour for behaviour, _ in UNANSWERED.values()]
    receiver.script.extend([*broken, *ANSWERED.values(), (429, {"retry-after": "-1"}), 500] * 2)
    await opened(desk, customers=40)
    # Long enough that a busy machine reads each request before it is given up: then the receiver counts every attempt.
    sender = deliveries.webhook(receiver.url, timeout_s=1.5)
    deliveries.start(deliveries.make(sender, calls=16, call_s=1.5, first_s=0.2, longest_s=0.5))
    await desk.wait_states(*[SENT] * 40, seconds=60)

    rows = {str(row["notice_id"]): row for row in await desk.notices()}
    assert receiver.counts == {key: row["attempts"] for key, row in rows.items()}
    assert len({(post.id, post.body) for post in receiver.posts}) == 40
    assert receiver.forged == []
    assert len(receiver.posts) == 40 + 2 * (len(broken) + 2), "an answer is not asked for again"


async def test_an_answer_that_comes_late_counts_though_its_body_comes_too_late(receiver):
    body = hostile.dripping(b"x" * 1000, HEAD + b"content-length: 1000\r\n\r\n")
    receiver.script.append(hostile.later(0.7, body))
    async with posting(receiver.url, longest_s=1) as post:
        assert isinstance(await post(), Delivered)


@pytest.mark.parametrize("status", [301, 303, 308])
async def test_no_redirect_is_followed(receiver, status):
    async with Receiver() as elsewhere, posting(receiver.url) as post:
        for to in (elsewhere.url, receiver.url, "file:///etc/passwd", "http://127.0.0.1:9/", "//", "\xff"):
            answer = f"HTTP/1.1 {status} X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode("latin-1")
            receiver.script.append(hostile.saying(answer))
            assert await post() == Retry(f"http_{status}")
        assert (len(receiver.posts), elsewhere.posts, elsewhere.forged) == (6, [], [])


@pytest.mark.parametrize("wrong", [{"days": -1}, {"name": "another.example"}])
async def test_a_certificate_that_is_wrong_is_named_and_nothing_is_sent(authority, wrong):
    async with Receiver(tls=authority.server(**wrong)) as receiver:
        async with posting(receiver.url, ca_file=authority.file) as post:
            assert await post() == Retry("bad_certificate")
        assert (receiver.posts, receiver.forged) == ([], [])


async def test_a_certificate_counts_by_whom_we_trust(authority):
    async with Receiver(tls=authority.server()) as receiver:
        async with posting(receiver.url) as post:
            assert await post() == Retry("bad_certificate")
        assert receiver.posts == []
        async with posting(receiver.url, ca_file=authority.file) as post:
            assert isinstance(await post(), Delivered)


async def test_a_receiver_that_wants_our_certificate_is_a_broken_connection(authority):
    async with Receiver(tls=authority.server(asks_for_ours=True)) as receiver:
        async with posting(receiver.url, ca_file=authority.file) as post:
            assert await post() == Retry("broken_connection", doubtful=True)
        assert receiver.posts == []


async def test_bytes_that_break_the_encryption_are_a_broken_connection(authority):
    """They may come before an answer, or within its body."""
    async with Receiver(tls=authority.server()) as receiver, posting(receiver.url, ca_file=authority.file) as post:
        receiver.script.extend([hostile.garbage_under_tls(), hostile.garbage_under_tls(HEAD + b"\r\n")])
        assert await post() == Retry("broken_connection", doubtful=True)
        assert isinstance(await post(), Delivered)
        assert isinstance(await post(), Delivered)


async def test_a_receiver_that_speaks_no_tls_where_it_should(authority):
    async def answer(_reader, writer):
        await hostile.saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")(writer)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/notices"
        async with posting(url, ca_file=authority.file) as post:
            assert await post() == Retry("no_tls")


async def test_a_receiver_that_has_only_an_address_of_ipv6():
    async with Receiver(host="::1") as receiver, posting(receiver.url) as post:
        assert isinstance(await post(), Delivered)


async def test_a_name_that_nobody_knows_is_named():
    async with posting("http://gateway.invalid/notices") as post:
        assert await post() == Retry("no_such_name")


async def test_a_receiver_that_neither_takes_nor_refuses_a_connection():
    async with full() as url, posting(url, longest_s=0.8) as post:
        assert await post() == Retry("timeout")


@pytest.fixture
async def platform():
    async with Platform() as platform:
        yield platform


@asynccontextmanager
async def by_wechat(api):
    accounts = read_wechat_accounts("wechat.yaml", EXAMPLE)
    async with WechatSender(lambda: accounts, api, timeout_s=5, connections=8) as sender:
        yield sender


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b'{"errcode": []}', Retry("no_answer_of_the_platform", doubtful=True)),
        (b'{"errcode": {"a": 1}}', Retry("no_answer_of_the_platform", doubtful=True)),
        (b'{"errcode": false}', Retry("no_answer_of_the_platform", doubtful=True)),
        (b'{"errcode": 0.0}', Retry("no_answer_of_the_platform", doubtful=True)),
        (b'{"errcode": 0, "msgid": "a\\u0000b"}', Delivered(None)),
        (b'{"errcode": 0, "msgid": {"a": 1}}', Delivered(None)),
        (b'{"errcode": 99999999999999999999999999}', Retry("no_answer_of_the_platform", doubtful=True)),
        (b"[" * 60_000, Retry("no_answer_of_the_platform", doubtful=True)),
    ],
)
async def test_what_the_platform_never_says_is_no_answer(platform, said, answer):
    platform.script.append(said)
    async with by_wechat(platform.url) as sender:
        assert await sender.send(LETTER, NOW) == answer


@pytest.mark.parametrize(
    "token",
    ['"' + "x" * 60_000 + '"', '"' + "停" * 15_000 + '"', '"a\\u0000"', "1", "[]"],
)
async def test_a_token_that_is_none_is_no_token(platform, token):
    platform.token_said = b'{"access_token": %b, "expires_in": 7200}' % token.encode()
    async with by_wechat(platform.url) as sender:
        assert await sender.send(LETTER, NOW) == Retry("no_answer_of_the_platform")
    assert platform.sends == []


@pytest.mark.parametrize("times", [1, 3])
async def test_an_answer_of_gigabytes_fills_no_memory(receiver, times):
    receiver.script.extend([hostile.saying(hostile.compressed(times))] * 2)
    async with by_wechat(f"http://127.0.0.1:{receiver.port}") as sender:
        tracemalloc.start()
        try:
            answer = await sender.send(LETTER, NOW)
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
    assert isinstance(answer, Retry)


async def test_an_answer_in_the_smallest_pieces_is_not_read_to_its_end(receiver):
    """A piece of a byte costs as much time as one of thousands, and meanwhile nothing else has its turn."""
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in b'{"errcode": 40013}'.ljust(2000))
    receiver.script.append(hostile.saying(HEAD + b"transfer-encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"))
    async with by_wechat(f"http://127.0.0.1:{receiver.port}") as sender:
        assert await sender.send(LETTER, NOW) == Retry("too_long_an_answer")


@pytest.fixture
def standing(tmp_path):
    """A gateway as a process that stands still: connections are made to it, and that is all."""
    port = free_port()
    command = [sys.executable, "-m", "tests.integration.notify.receiver", str(port), str(tmp_path / "ids")]
    process = subprocess.Popen(command, cwd=ROOT)
    end = monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert monotonic() < end
            sleep(0.05)
    process.send_signal(signal.SIGSTOP)
    yield process, f"http://127.0.0.1:{port}/notices", tmp_path / "ids"
    process.kill()
    process.wait(10)


def by(channel, n):
    address = f"openid-{n}" if channel is Channel.WECHAT else f"138000{n:05}"
    to = Recipient(channel=channel, address=address, account=ACCOUNT)
    return MAKE.member(n, n).model_copy(update={"recipient": to})


async def shows(service, *lines):
    """Wait until the process shows these metrics."""
    end = monotonic() + SECONDS
    while True:
        found = await service.metrics()
        if all(re.search(line, found, re.MULTILINE) for line in lines):
            return
        assert monotonic() < end, [line for line in found.splitlines() if "receiver" in line or "oldest" in line]
        await asyncio.sleep(0.2)


async def test_a_receiver_that_stands_still_is_seen_holds_up_no_other_and_is_told_all_once_it_goes_on(
    service, platform, standing, tmp_path
):
    """Half of its customers are told by WeChat meanwhile; notify is killed while its calls hang."""
    process, url, ids = standing
    (tmp_path / "wechat.yaml").write_text(EXAMPLE, encoding="utf-8")
    settings = {
        "notify_senders": "sms=webhook,wechat=wechat",
        "notify_webhook_url": url,
        "notify_webhook_secrets": SECRET,
        "notify_wechat_file": str(tmp_path / "wechat.yaml"),
        "notify_wechat_api": platform.url,
        "notify_call_seconds": "1",
        "notify_backoff_longest_seconds": "1",
        "notify_attempts": "1000",
    }
    service.start(**settings)
    await service.wait_ready()
    members = [by(channel, 100 * n + m) for n in range(50) for m, channel in enumerate((Channel.SMS, Channel.WECHAT))]
    await service.say(INCIDENT_CHANGED, MAKE.changed(1, 1, joined=members))
    told = "SELECT count(*) FROM notice WHERE channel = $1 AND state = 'sent'"
    await service.until("all are told by WeChat", 50, told, "wechat")
    await service.until("none is told by the gateway", 0, told, "sms")
    await shows(
        service,
        r'^gridline_notify_receiver_failing_seconds{sender="webhook"} [1-9]',
        r'^gridline_notify_receiver_failing_seconds{sender="wechat"} 0.0',
        r'^gridline_notify_oldest_pending_seconds{channel="sms"} [1-9]',
        r'^gridline_notify_oldest_pending_seconds{channel="wechat"} 0.0',
    )
    assert re.search(r'"reasons":{"timeout":\d+},"event":"receiver_fails"', service.log)
    assert "13800000" not in service.log

    service.kill()
    await service.sql("UPDATE notice SET sending_until = now() WHERE state = 'sending'")
    service.start(**settings)
    await service.wait_ready()
    await shows(service, r'^gridline_notify_receiver_failing_seconds{sender="webhook"} [1-9]')
    process.send_signal(signal.SIGCONT)
    await service.until("all are told by the gateway", 50, told, "sms")
    await shows(
        service,
        r'^gridline_notify_receiver_failing_seconds{sender="webhook"} 0.0',
        r'^gridline_notify_oldest_pending_seconds{channel="sms"} 0.0',
    )

    rows = {
        str(row["notice_id"]): row["attempts"]
        for row in await service.sql("SELECT * FROM notice WHERE channel = 'sms'")
    }
    taken = Counter(ids.read_text().split())
    assert taken.keys() == rows.keys()
    assert all(taken[one] <= attempts for one, attempts in rows.items())
    assert len(platform.taken) == 50


async def test_a_name_that_is_looked_up_without_end_is_looked_up_once(service, platform, tmp_path):
    """A look-up cannot be ended, and few fit into a process: Kafka's and the database's names have to be found too."""
    (tmp_path / "wechat.yaml").write_text(EXAMPLE, encoding="utf-8")
    service.module = "tests.integration.notify.nameless"
    service.start(
        lookups=str(tmp_path / "lookups"),
        notify_senders="sms=webhook,wechat=wechat",
        notify_webhook_url=f"http://{NAME}/notices",
        notify_webhook_plain_http="true",
        notify_webhook_secrets=SECRET,
        notify_wechat_file=str(tmp_path / "wechat.yaml"),
        notify_wechat_api=platform.url,
        notify_call_seconds="1",
        notify_backoff_longest_seconds="1",
    )
    await service.wait_ready()
    members = [by(channel, 100 * n + m) for n in range(10) for m, channel in enumerate((Channel.SMS, Channel.WECHAT))]
    await service.say(INCIDENT_CHANGED, MAKE.changed(1, 1, joined=members))
    tried = "SELECT min(attempts) >= 3 FROM notice WHERE channel = 'sms' AND reason = 'timeout'"
    await service.until("all were tried again and again", True, tried)
    await service.until("all are told by WeChat", 10, "SELECT count(*) FROM notice WHERE state = 'sent'")
    assert (tmp_path / "lookups").read_text().split() == [NAME]


async def test_a_notice_is_given_up_when_patience_ends_and_the_log_says_why(service, receiver):
    receiver.script.extend([503] * 3)
    service.start(
        notify_senders="sms=webhook",
        notify_webhook_url=receiver.url,
        notify_webhook_secrets=SECRET,
        notify_backoff_longest_seconds="0.1",
        notify_backoff_first_seconds="0.1",
        notify_attempts="3",
    )
    await service.wait_ready()
    await service.say(INCIDENT_CHANGED, MAKE.changed(1, 1, joined=[by(Channel.SMS, 1)]))
    await service.until("it is given up", "failed http_503", "SELECT state || ' ' || reason FROM notice")
    assert re.search(r'"reason":"http_503","event":"notice_not_delivered"', service.log)
    await service.say(INCIDENT_CHANGED, MAKE.changed(2, 1, joined=[by(Channel.SMS, 2)]))
    await service.until("and the next is told", 1, "SELECT count(*) FROM notice WHERE state = 'sent'")
