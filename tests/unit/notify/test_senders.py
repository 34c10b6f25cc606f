"""Signatures, payloads, and the settings of senders. How they behave on a wire is tested in integration."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
import structlog

from services.contracts.values import Channel
from services.notify.__main__ import make_webhook
from services.notify.delivery import Patience
from services.notify.senders import Delivered, Letter, Retry
from services.notify.senders.log import LogSender
from services.notify.senders.webhook import payload, sign
from services.notify.settings import NotifySettings, read_secret
from services.runtime.settings import SettingsError, read_settings

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
LETTER = Letter(
    notice_id=UUID(int=5),
    channel=Channel.SMS,
    address="13800000001",
    account="gateway-1",
    stage="etr_set",
    template="etr_set",
    revision=4,
    language="zh-Hans-CN",
    text="预计14:00恢复",
    ticket_ref="7K3M-9QPX-2HD",
    incident_id=UUID(int=1),
    etr=datetime(2026, 7, 1, 6, 0, tzinfo=UTC),
    restored_at=None,
    made_at=datetime(2026, 7, 1, 4, 0, tzinfo=UTC),
)


def test_the_signature_is_that_of_the_standards_own_example():
    # Source: Standard Webhooks, test vector of the reference libraries.
    key = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_keys_give_two_signatures_so_that_they_can_be_changed_over():
    old, new = b"o" * 24, b"n" * 24
    both = sign([new, old], "id", 1, b"{}").split(" ")

    assert both == [sign([new], "id", 1, b"{}"), sign([old], "id", 1, b"{}")]


def test_the_payload_is_the_same_bytes_at_every_attempt():
    assert payload(LETTER) == payload(LETTER)
    body = json.loads(payload(LETTER))
    assert body["type"] == "gridline.notice.v1"
    assert body["data"]["text"] == "预计14:00恢复"
    assert body["data"]["etr"] == "2026-07-01T06:00:00+00:00"


async def test_the_log_line_has_ids_and_nothing_of_the_person():
    with structlog.testing.capture_logs() as lines:
        assert await LogSender().send(LETTER, LETTER.made_at) == Delivered()

    assert [line["event"] for line in lines] == ["notice_sent"]
    assert lines[0]["notice_id"] == str(LETTER.notice_id)
    assert lines[0]["stage"] == "etr_set"
    written = json.dumps(lines, ensure_ascii=False)
    for personal in (LETTER.address, LETTER.text, LETTER.ticket_ref, LETTER.account):
        assert personal not in written


def test_waits_double_up_to_the_longest_and_spread():
    how = Patience(calls=1, call_s=1, attempts=10, first_s=1, longest_s=60)
    none = UUID(int=0)

    assert [how.wait(none, attempt, None) for attempt in (1, 2, 3, 7, 100_000)] == [1, 2, 4, 60, 60]
    assert how.wait(none, 1, 30.0) == 30
    assert 1 < how.wait(UUID(int=999), 1, None) <= 1.2


def test_what_a_receiver_asks_for_is_waited_even_longer_than_we_would_but_an_hour_at_most():
    # The day's quota of a platform is asked about sixty times, once an hour: until there is a new one.
    how = Patience(calls=1, call_s=1, attempts=60, first_s=1, longest_s=300)
    none = UUID(int=0)

    assert how.wait(none, 1, 3600.0) == 3600
    assert how.wait(none, 60, 86_400.0) == 3600
    assert how.wait(none, 60, 5.0) == 300


def read(monkeypatch, **given):
    for name, value in given.items():
        monkeypatch.setenv(f"GRIDLINE_NOTIFY_{name}", value)
    return read_settings(NotifySettings)


def test_every_channel_goes_to_the_log_unless_a_setting_says_otherwise(monkeypatch):
    settings = read(
        monkeypatch,
        SENDERS="sms=webhook, wechat = webhook,",
        WEBHOOK_URL="https://gateway.example/notices",
        WEBHOOK_SECRETS=f"{SECRET} {SECRET}",
    )

    assert settings.channels_of("webhook") == (Channel.WECHAT, Channel.SMS)
    assert Channel.PHONE in settings.channels_of("log")
    assert set(settings.channels_of("log")) | set(settings.channels_of("webhook")) == set(Channel)
    assert settings.webhook_keys() == (b"k" * 32, b"k" * 32)
    assert "gateway.example" not in repr(settings)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"SENDERS": "sms=webhook"}, ["NOTIFY_SENDERS", "NOTIFY_WEBHOOK_URL and GRIDLINE_NOTIFY_WEBHOOK_SECRETS"]),
        ({"SENDERS": "sms=pigeon"}, ["NOTIFY_SENDERS_SMS", "'log', 'webhook' or 'wechat'"]),
        ({"SENDERS": "telex=log"}, ["NOTIFY_SENDERS_TELEX", "'sms'"]),
        ({"SENDERS": "wechat=wechat"}, ["the wechat sender needs GRIDLINE_NOTIFY_WECHAT_FILE"]),
        ({"SENDERS": "sms=wechat"}, ["carries the channel wechat and no other"]),
        ({"WECHAT_API": "http://proxy.example"}, ["must be https://"]),
        ({"SENDERS": "sms"}, ["'sms' is not channel=sender"]),
        ({"WEBHOOK_URL": "gateway"}, ["NOTIFY_WEBHOOK_URL", "must be an address"]),
        ({"WEBHOOK_URL": "https://gateway.example:70000/"}, ["NOTIFY_WEBHOOK_URL", "1 to 65535"]),
        ({"WEBHOOK_URL": "https://gateway.example:https/"}, ["NOTIFY_WEBHOOK_URL", "must be an address"]),
        ({"WEBHOOK_URL": "https://gateway.example/a\nb"}, ["NOTIFY_WEBHOOK_URL", "must be an address"]),
        ({"WEBHOOK_URL": "https://xn--/"}, ["NOTIFY_WEBHOOK_URL", "must be an address"]),
        ({"WECHAT_API": "https://proxy.example:70000"}, ["NOTIFY_WECHAT_API", "1 to 65535"]),
        ({"WEBHOOK_URL": "http://gateway.example/"}, ["NOTIFY_WEBHOOK_PLAIN_HTTP", "plain http"]),
        ({"WEBHOOK_SECRETS": "abc"}, ["NOTIFY_WEBHOOK_SECRETS", "begins with whsec_"]),
        ({"WEBHOOK_SECRETS": "whsec_%%%"}, ["is base64 after whsec_"]),
        ({"WEBHOOK_SECRETS": "whsec_QUJD"}, ["24 to 64 bytes, this has 3"]),
        ({"WEBHOOK_URL": "x", "SENDERS": "sms=no", "ATTEMPTS": "0"}, ["WEBHOOK_URL", "SENDERS_SMS", "ATTEMPTS"]),
    ],
)
def test_settings_that_do_not_fit_are_named_all_at_once(monkeypatch, given, faults):
    with pytest.raises(SettingsError) as refused:
        read(monkeypatch, **given)

    for fault in faults:
        assert fault in str(refused.value)


async def test_an_address_out_of_a_file_of_secrets_ends_with_a_line_break_and_is_called_all_the_same(monkeypatch):
    # httpx refuses it at the call: notify started, was ready, and ended at its first notice, again and again.
    settings = read(
        monkeypatch, SENDERS="sms=webhook", WEBHOOK_URL="http://127.0.0.1:1/notices\n", WEBHOOK_SECRETS=SECRET + "\n"
    )
    sender = make_webhook(settings)
    assert sender is not None
    async with sender:
        assert await sender.send(LETTER, LETTER.made_at) == Retry("no_connection")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://localhost/x", "https://gateway.example/x"])
def test_http_is_for_this_machine_or_for_those_who_say_so(monkeypatch, url):
    assert read(monkeypatch, WEBHOOK_URL=url).notify_webhook_url is not None
    assert read(monkeypatch, WEBHOOK_URL="http://gateway.example/", WEBHOOK_PLAIN_HTTP="true") is not None
