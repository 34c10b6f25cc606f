"""Vendors' adapters beyond their samples: Twilio's signature, wrong fields under the vendor's names, TwiML."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.channels import asterisk, connect, huawei, twilio
from services.intake.channels.contact import Accepted, NotAContact
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import PhoneSource, Sources, TwilioSource
from services.intake.security import TwilioAccounts

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
BASE = {"name": "ivr", "menu": {"1": "fault_report"}}
SOURCE = PhoneSource.model_validate({**BASE, "api_keys_sha256": ["0" * 64], "menu_contexts": ["main"]})
SID = f"AC{1:032x}"
TWILIO_ENTRY = {"account_sid": SID, "auth_tokens": ["new-token", "old-token"], "public_url": "https://hotline.example"}
TWILIO = TwilioSource.model_validate({**BASE, **TWILIO_ENTRY})
PUBLISHED = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "To": "+18005551212"}


@pytest.mark.parametrize(
    ("caller", "expected"),
    [("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), ("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ=")],
)
def test_the_published_signatures_are_made(caller: str, expected: str) -> None:
    form = tuple({**PUBLISHED, "From": caller, "Caller": caller}.items())
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert twilio.signature("12345", url, form) == expected
    assert twilio.signed("12345", url, form, expected)
    assert not twilio.signed("12346", url, form, expected)
    assert not twilio.signed("12345", f"{url}3", form, expected)
    assert not twilio.signed("12345", url, (*form, ("Digits", "1")), expected)


def test_either_of_two_tokens_signs_and_nobody_else_is_an_account() -> None:
    accounts = TwilioAccounts(lambda: {"twilio": TWILIO})
    form = (("AccountSid", SID), ("CallSid", "CA1"))
    path = "/v1/phone/twilio?menu_path=1"
    for token in ("new-token", "old-token"):
        made = twilio.signature(token, f"https://hotline.example{path}", form)
        assert accounts.source(form, path, made) is TWILIO
    good = twilio.signature("new-token", f"https://hotline.example{path}", form)
    for wrong in (
        (form, path, ""),
        (form, path, "☃"),
        (form, "/v1/phone/twilio?menu_path=2", good),
        ((("AccountSid", f"AC{2:032x}"), ("CallSid", "CA1")), path, good),
        ((("CallSid", "CA1"),), path, good),
    ):
        with pytest.raises(PayloadRefusedError) as caught:
            accounts.source(*wrong)
        assert caught.value.reason is Reason.CREDENTIALS


def test_who_signs_as_the_account_that_stands_in_for_nobodys_is_a_stranger() -> None:
    """It is compared with, for as long, where there is no such account; and everybody can read of it."""
    accounts, path = TwilioAccounts(lambda: {"twilio": TWILIO}), "/v1/phone/twilio"
    for said in (f"AC{0:032x}", f"AC{2:032x}"):
        form = (("AccountSid", said), ("CallSid", "CA1"))
        with pytest.raises(PayloadRefusedError) as caught:
            accounts.source(form, path, twilio.signature("0" * 32, f"https://nobody.invalid{path}", form))
        assert caught.value.reason is Reason.CREDENTIALS


def test_a_twilio_token_is_never_shown() -> None:
    assert "new-token" not in repr(TWILIO)
    assert "new-token" not in TWILIO.model_dump_json()


def test_two_sources_of_one_twilio_account_are_refused() -> None:
    with pytest.raises(ValueError, match="share an account_sid"):
        Sources.model_validate({"twilio": {"a": TWILIO_ENTRY, "b": TWILIO_ENTRY}})


def webhook(query: str = "", **fields: str) -> Accepted | NotAContact:
    form = twilio.read_form(urlencode({"CallSid": "CA1", "CallStatus": "in-progress", **fields}).encode())
    return twilio.accept(TWILIO, form, query, NOW)


def heard(answer: Accepted | NotAContact) -> Any:
    assert isinstance(answer, Accepted)
    return answer.contact


def test_keys_are_the_next_choice_of_the_menu_unless_they_are_an_account() -> None:
    assert heard(webhook(Digits="1")).business_type == "fault_report"
    assert heard(webhook("menu_path=1", Digits="7")).facts["menu_path"] == "1.7"
    account = heard(webhook("menu_path=1&gather=account", Digits="0123456789#"))
    assert (account.account_id, account.facts["menu_path"]) == ("0123456789", "1")
    assert heard(webhook("gather=account", Digits="10")).business_type is None
    assert heard(webhook("gather=account", Digits="01234567890123456789")).account_id == "01234567890123456789"
    assert isinstance(webhook(Digits=""), NotAContact)


@pytest.mark.parametrize("accept", [connect.accept, huawei.accept, asterisk.accept])
def test_a_choice_that_comes_as_a_number_is_not_lost(accept: Any) -> None:
    def told(path: object) -> Accepted | NotAContact:
        said = {"event": "ended", "menu_path": path}
        flow = {"Details": {"ContactData": {"Channel": "VOICE", "ContactId": "c"}, "Parameters": said}}
        ari = {"type": "ChannelUserevent", "eventname": "gridline", "channel": {"id": "c"}, "userevent": said}
        body = {connect.accept: flow, huawei.accept: {"SYS.callId": "c", **said}, asterisk.accept: ari}[accept]
        return accept(SOURCE, json.dumps(body).encode(), None, NOW)

    assert heard(told(1)).business_type == heard(told("1.7")).business_type == "fault_report"
    assert heard(told(None)).business_type is None
    for unreadable in (1.2, True, {"first": 1}, ["1", 2]):  # 1.2 may have been 1.20
        (field,) = wrong_fields(lambda unreadable=unreadable: told(unreadable))
        assert "menu_path" in field


LEG = {"Uniqueid": "1.42", "Linkedid": "1.42"}
CHANNEL = {"id": "1.42", "caller": {"number": "13800138000"}, "dialplan": {"context": "password"}}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ChannelDtmfReceived", "digit": "1", "channel": CHANNEL},
        {"type": "ChannelDtmfReceived", "digit": "1", "channel": {"id": "1.42"}},
        {"type": "ChannelUserevent", "eventname": "billing", "channel": CHANNEL, "userevent": {"event": "ended"}},
        {"type": "ChannelStateChange", "channel": CHANNEL},
        {"Event": "DTMFEnd", "Digit": "1", "Context": "password", **LEG},
        {"Event": "DTMFEnd", "Digit": "1", "Context": "main", "Direction": "Sent", **LEG},
        {"Event": "UserEvent", "UserEvent": "billing", "event": "ended", **LEG},
        {"Event": "Newchannel", **LEG, "Uniqueid": "1.43"},
        {"Event": "Hangup", **LEG, "Uniqueid": "1.43"},
        {"Event": "DTMFBegin", "Digit": "1", "Context": "main", **LEG},
        {"Event": "BridgeEnter", **LEG},
    ],
)
def test_of_asterisk_no_key_outside_of_the_menu_counts_and_no_leg_but_the_callers(event: dict[str, Any]) -> None:
    """Elsewhere keys may be a password; an agent's leg that ends is not the call's end."""
    assert isinstance(asterisk.accept(SOURCE, json.dumps(event).encode(), None, NOW), NotAContact)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            {"Event": "DTMFEnd", "Digit": "1", "Context": "main", "Direction": "Received"},
            ("dtmf", "fault_report", None),
        ),
        ({"Event": "AgentConnect", "Interface": "PJSIP/7"}, ("queue_exit", None, "PJSIP/7")),
        ({"Event": "AgentConnect", "Interface": "PJSIP/7", "MemberName": "a-7"}, ("queue_exit", None, "a-7")),
        ({"Event": "Hangup"}, ("ended", None, None)),
    ],
)
def test_what_asterisk_says_of_the_callers_leg(event: dict[str, str], told: tuple[str, str | None, str | None]) -> None:
    for number, phone in (("13800138000", "13800138000"), ("<unknown>", None), ("Unknown", None)):
        made = heard(asterisk.accept(SOURCE, json.dumps({**event, **LEG, "CallerIDNum": number}).encode(), None, NOW))
        assert (made.event, made.business_type, made.facts.get("agent_id"), made.phone) == (*told, phone)


def test_what_a_dialplan_leaves_out_is_as_the_call_has_it() -> None:
    ended = {"type": "ChannelUserevent", "eventname": "gridline", "userevent": {"event": "ended"}}
    said = {**ended, "channel": {"id": "1.42", "language": "en"}}
    assert heard(asterisk.accept(SOURCE, json.dumps(said).encode(), None, NOW)).language == "en"


@pytest.mark.parametrize(
    ("said", "answered"), [("1", True), ("yes", True), ("TRUE", True), ("0", False), ("no", False), (None, None)]
)
def test_a_dialplan_says_whether_an_agent_answered(said: str | None, answered: bool | None) -> None:
    ended = {"event": "ended"} if said is None else {"event": "queue_exit", "answered": said}
    body = {"Event": "UserEvent", "UserEvent": "gridline", **LEG, **ended}
    assert heard(asterisk.accept(SOURCE, json.dumps(body).encode(), None, NOW)).facts.get("answered") is answered


@pytest.mark.parametrize("number", ["<unknown>", "anonymous"])
def test_who_shows_no_number_withholds_it(number: str) -> None:
    """Asterisk has a word of its own for that."""
    body = {"Event": "Newchannel", **LEG, "CallerIDNum": number}
    made = heard(asterisk.accept(SOURCE, json.dumps(body).encode(), None, NOW))
    assert (made.phone, made.facts["caller_withheld"]) == (None, True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"Event: Hangup\nUniqueid: 1\n" + b"A: b\n" * 199, Reason.TOO_MANY_PARTS),
        (b"Event: Hangup\nUniqueid: 1\nno colon", Reason.MALFORMED),
        (b"Event: Hangup\nUniqueid: 1\n: no name", Reason.MALFORMED),
        (b"Uniqueid: 1", Reason.MALFORMED),
        (b'{"Event": "Hangup", "Uniqueid": 1}', Reason.BAD_FIELD),
        (b"{}", Reason.BAD_FIELD),
        (b'{"type": "StasisStart", "channel": "1.42"}', Reason.BAD_FIELD),
        (b"Event: Hangup\nUniqueid: 1\nTimestamp: 7258118400", Reason.BAD_FIELD),
    ],
)
def test_what_is_no_event_of_asterisk_is_refused_with_its_reason(body: bytes, reason: Reason) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        asterisk.accept(SOURCE, body, None, NOW)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ({"eventType": "INITIATED", "initiationMethod": "INBOUND"}, "started"),
        ({"eventType": "INITIATED", "initiationMethod": "OUTBOUND"}, None),
        ({"eventType": "CONNECTED_TO_AGENT", "agentInfo": {"agentArn": "arn:aws:connect:x/agent/a-7"}}, "queue_exit"),
        ({"eventType": "DISCONNECTED", "channel": "CHAT"}, None),
        ({"eventType": "CONTACT_DATA_UPDATED"}, None),
        ({"eventType": "DISCONNECTED"}, "ended"),
    ],
)
def test_what_the_events_of_amazon_connect_say_of_a_call(detail: dict[str, Any], told: str | None) -> None:
    event = {"detail-type": "Amazon Connect Contact Event", "id": "e1", "time": "2026-07-14T11:36:20Z"}
    body = {**event, "detail": {"contactId": "c", "channel": "VOICE", **detail}}
    found = connect.accept(SOURCE, json.dumps(body).encode(), None, NOW)
    if told is None:
        assert isinstance(found, NotAContact)
        return
    made = heard(found)
    assert (made.event, made.source_event_id) == (told, "e1")
    assert (made.facts.get("answered"), made.facts.get("agent_id")) == (
        (True, "a-7") if told == "queue_exit" else (None, None)
    )


def test_of_amazon_connect_what_a_flow_passes_counts_before_what_the_contact_carries() -> None:
    data = {"Channel": "voice", "ContactId": "c", "Attributes": {"menu_path": "2", "account_no": "0123456789"}}
    details = {"ContactData": data, "Parameters": {"event": "dtmf", "menu_path": "1"}}
    made = heard(connect.accept(SOURCE, json.dumps({"Details": details}).encode(), None, NOW))
    assert (made.business_type, made.account_id) == ("fault_report", "0123456789")


def test_a_flow_of_amazon_connect_says_what_was_heard_and_who_gave_up_in_which_queue() -> None:
    def flow(**parameters: str) -> Any:
        data = {"Channel": "VOICE", "ContactId": "c", "Queue": {"Name": "repair"}}
        body = json.dumps({"Details": {"ContactData": data, "Parameters": parameters}}).encode()
        return heard(connect.accept(SOURCE, body, None, NOW))

    assert flow(event="transcript", text="停电了").text == "停电了"
    left = flow(event="queue_exit", event_id="")
    assert (left.facts["answered"], left.facts["abandoned"]) == (False, True)
    assert left.contact_id == flow(event="queue_exit", event_id="").contact_id != flow(event="ended").contact_id


def test_a_flow_of_huawei_that_ends_did_not_end_when_the_call_began() -> None:
    here = PhoneSource.model_validate({**BASE, "api_keys_sha256": ["0" * 64], "default_offset": "+08:00"})

    def post(**fields: Any) -> Any:
        body = {"SYS.callId": 77, "SYS.createTime": "20261122080000", **fields}
        return huawei.accept(here, json.dumps(body).encode(), None, NOW)

    assert heard(post()).occurred_at == datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
    assert heard(post(event="ended")).occurred_at == NOW
    assert heard(post(**{"SYS.createTime": ""})).occurred_at == NOW
    assert wrong_fields(lambda: post(**{"SYS.createTime": "20261345000000"})) == {"SYS.createTime"}
    assert wrong_fields(lambda: post(**{"SYS.callId": True})) == {"SYS.callId"}
    assert wrong_fields(lambda: post(event_id=7)) == {"event_id"}


def test_what_the_contact_carries_for_the_whole_call_names_and_dates_no_step_of_it() -> None:
    """It would give every later step of the call the id of the first: they were taken for repeats, and lost."""
    carried = {"event_id": "call-77", "occurred_at": "2026-11-22T08:30:00+08:00", "language": "en"}
    data = {"Channel": "voice", "ContactId": "c", "Attributes": carried}
    steps = [{}, {"event": "dtmf", "menu_path": "1"}, {"event": "ended", "event_id": "call-77-3"}]
    made = [
        heard(
            connect.accept(
                SOURCE, json.dumps({"Details": {"ContactData": data, "Parameters": step}}).encode(), None, NOW
            )
        )
        for step in steps
    ]
    assert len({one.contact_id for one in made}) == len(steps)
    assert made[2].source_event_id == "call-77-3"
    assert [(one.occurred_at, one.language) for one in made] == [(NOW, "en")] * 3


@pytest.mark.parametrize("language", ["zh_CN.UTF-8", "custom/zh", "cn_mandarinfemale", "普通话", "x" * 99])
def test_a_language_by_a_name_of_the_systems_own_costs_no_call(language: str) -> None:
    """Asterisk's is the name of a folder of sounds."""
    call = {"Uniqueid": "1.1", "CallerIDNum": "13800138000", "Language": language}
    ami = {"Event": "Newchannel", **call}
    ari = {"type": "StasisStart", "channel": {"id": "1.1", "language": language}}
    data = {"Channel": "VOICE", "ContactId": "c", "LanguageCode": language}
    cec = {"SYS.callId": "c", "SYS.language": language}
    for accept, body in (
        (asterisk.accept, ami),
        (asterisk.accept, ari),
        (connect.accept, {"Details": {"ContactData": data}}),
        (huawei.accept, cec),
    ):
        assert heard(accept(SOURCE, json.dumps(body).encode(), None, NOW)).language is None


def test_no_keys_of_a_caller_end_the_call() -> None:
    assert isinstance(webhook("menu_path=1", Digits="01234567890123456789"), NotAContact), "an account in the menu"
    assert isinstance(webhook("gather=account", Digits="#"), NotAContact)
    assert heard(webhook("menu_path=1", Digits="0123456789012345")).business_type == "fault_report"
    deep = heard(webhook("menu_path=1.2.3.4.5.6.7.8.9.*", Digits="1"))
    assert (deep.business_type, deep.facts["menu_path"]) == ("fault_report", "1.2.3.4.5.6.7.8.9.*")


def test_the_same_webhook_again_is_the_same_contact_and_the_same_key_elsewhere_is_another() -> None:
    first = heard(webhook(Digits="1"))
    assert heard(webhook(Digits="1")).contact_id == first.contact_id
    assert heard(webhook("menu_path=1", Digits="1")).contact_id != first.contact_id
    assert first.occurred_at == NOW
    assert first.facts["timed_by_us"] is True


@pytest.mark.parametrize(
    ("fields", "answered"),
    [
        ({"QueueResult": "bridged"}, True),
        ({"QueueResult": "hangup"}, False),
        ({"QueueResult": "queue-full"}, False),
        ({"DialCallStatus": "completed"}, True),
        ({"DialCallStatus": "no-answer"}, False),
    ],
)
def test_a_queue_or_a_dial_ends_answered_or_given_up(fields: dict[str, str], answered: bool) -> None:
    made = heard(webhook(QueueTime="41", **fields))
    assert (made.event, made.facts["answered"], made.final) == ("queue_exit", answered, not answered)
    assert made.facts["queue_wait_s"] == 41.0


RECORDED = {"RecordingSid": "RE1", "RecordingUrl": "https://api.twilio.com/RE1", "RecordingDuration": "12"}
TRANSCRIBED = {"TranscriptionSid": "TR1", "CallStatus": "completed", **RECORDED}


@pytest.mark.parametrize(
    ("fields", "event", "text", "recorded"),
    [
        (RECORDED, "recording", None, True),
        ({**RECORDED, "RecordingStatus": "absent"}, None, None, False),
        ({**TRANSCRIBED, "TranscriptionText": "wire down"}, "transcript", "wire down", False),
        ({**TRANSCRIBED, "TranscriptionStatus": "failed"}, None, None, False),
        ({"SpeechResult": "停电了", "Confidence": "0.9"}, "transcript", "停电了", False),
        ({"DialCallStatus": "no-answer", "RecordingUrl": "https://api.twilio.com/RE1"}, "queue_exit", None, False),
        ({"CallStatus": ""}, None, None, False),
    ],
)
def test_what_a_caller_said_counts_as_words_and_its_recording_once(
    fields: dict[str, str], event: str | None, text: str | None, recorded: bool
) -> None:
    """A recording that was transcribed is told of again with its text."""
    told = webhook(**fields)
    if event is None:
        assert isinstance(told, NotAContact)
        return
    made = heard(told)
    assert (made.event, made.text, bool(made.attachments)) == (event, text, recorded)
    assert made.facts.get("recording_s") == (12.0 if recorded else None)


def test_of_an_outbound_call_the_customer_is_the_one_called() -> None:
    made = heard(webhook(Direction="outbound-api", From="+8695598", To="+8613800138000"))
    assert (made.phone, made.facts["dnis"]) == ("+8613800138000", "+8695598")


def test_the_hash_ends_an_account_and_is_a_choice_in_a_menu() -> None:
    assert heard(webhook("menu_path=1", Digits="#")).facts["menu_path"] == "1.#"


def test_a_form_of_very_many_fields_is_refused() -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        twilio.read_form(b"a=b&" * 201)
    assert caught.value.reason is Reason.TOO_MANY_PARTS


@pytest.mark.parametrize("said", ["1_0", "１２", "nan", "inf", "many"])
def test_what_only_python_takes_for_a_number_is_none(said: str) -> None:
    def manager(text: str) -> Any:
        return lambda: asterisk.accept(SOURCE, text.encode(), None, NOW)

    assert wrong_fields(lambda: webhook(CallStatus="completed", QueueResult="hangup", QueueTime=said)) == {"QueueTime"}
    assert wrong_fields(manager(f"Event: AgentConnect\nUniqueid: 1\nHoldTime: {said}")) == {"HoldTime"}
    assert wrong_fields(manager(f"Event: Hangup\nUniqueid: 1\nTimestamp: {said}")) == {"Timestamp"}


def wrong_fields(call: Any) -> set[str]:
    with pytest.raises(PayloadRefusedError) as caught:
        call()
    assert caught.value.reason is Reason.BAD_FIELD
    return {field.field for field in caught.value.fields}


def test_a_wrong_field_has_the_vendors_name() -> None:
    assert wrong_fields(lambda: webhook(CallSid="")) == {"CallSid"}
    assert wrong_fields(lambda: webhook(CallStatus="completed", Timestamp="yesterday")) == {"Timestamp"}
    assert wrong_fields(lambda: webhook(SpeechResult="x", Confidence="high")) == {"Confidence"}
    assert wrong_fields(lambda: webhook(RecordingUrl="file:///etc/passwd", RecordingSid="RE1")) == {"RecordingUrl"}
    assert wrong_fields(lambda: webhook("menu_path=1.;", Digits="1")) == {"menu_path"}

    def flow(data: dict[str, Any], **parameters: Any) -> Any:
        details = {"ContactData": {"Channel": "VOICE", "ContactId": "c", **data}, "Parameters": parameters}
        return lambda: connect.accept(SOURCE, json.dumps({"Details": details}).encode(), None, NOW)

    assert wrong_fields(flow({"ContactId": None})) == {"ContactId"}
    assert wrong_fields(flow({}, event="ringing")) == {"Parameters.event"}
    assert wrong_fields(flow({}, event="started", occurred_at="now")) == {"Parameters.occurred_at"}
    assert wrong_fields(lambda: connect.accept(SOURCE, b"{}", None, NOW)) == {"Details.ContactData"}

    def manager(text: str) -> Any:
        return lambda: asterisk.accept(SOURCE, text.encode(), None, NOW)

    assert wrong_fields(manager("Event: Newchannel\r\nUniqueid: \r\n")) == {"Uniqueid"}
    assert wrong_fields(manager("Event: Hangup\r\nUniqueid: 1\r\nTimestamp: soon")) == {"Timestamp"}
    for never in ("-1", "7258118400", "nan"):
        assert wrong_fields(manager(f"Event: Hangup\r\nUniqueid: 1\r\nTimestamp: {never}")) == {"Timestamp"}
    assert wrong_fields(manager("Event: AgentConnect\r\nUniqueid: 1\r\nHoldTime: long")) == {"HoldTime"}
    assert wrong_fields(manager('{"type": "StasisStart"}')) == {"channel.id"}
    assert wrong_fields(manager('{"Event": "Hangup", "Uniqueid": 7}')) == {"Uniqueid"}

    def flow_of_cec(**fields: Any) -> Any:
        return lambda: huawei.accept(SOURCE, json.dumps(fields).encode(), None, NOW)

    assert wrong_fields(flow_of_cec()) == {"SYS.callId"}
    assert wrong_fields(flow_of_cec(**{"SYS.callId": "1", "SYS.createTime": "20261322083000"})) == {"SYS.createTime"}
    assert wrong_fields(flow_of_cec(**{"SYS.callId": "1", "event": "queue_exit", "answered": "no"})) == {"answered"}
    no_offset = {"SYS.callId": "1", "SYS.createTime": "20261122083000"}
    assert wrong_fields(flow_of_cec(**no_offset)) == {"occurred_at"}


@pytest.mark.parametrize("break_", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r"])
@pytest.mark.parametrize("named", ["account_no: 9999999999", "no line"])
def test_the_name_a_caller_shows_is_no_line_of_the_dialplans(break_: str, named: str) -> None:
    told = (
        f"Event: UserEvent\r\nUniqueid: 1.42\r\nCallerIDNum: 13800138000\r\nCallerIDName: x{break_}{named}\r\n"
        "UserEvent: gridline\r\nevent: dtmf\r\naccount_no: 0123456789\r\n\r\n"
    )
    for text in (told, told.replace("\r\n", "\n")):
        found = asterisk.accept(SOURCE, text.encode(), None, NOW)
        assert isinstance(found, Accepted)
        assert (found.contact.account_id, found.contact.phone) == ("0123456789", "13800138000")


def test_the_name_a_caller_shows_may_be_in_any_encoding_and_what_is_read_may_not() -> None:
    def told(name: str, text: str) -> bytes:
        head = "Event: UserEvent\r\nUserEvent: gridline\r\nUniqueid: 1.42\r\nevent: transcript\r\n"
        return head.encode("utf-8-sig") + f"CallerIDName: {name}\r\ntext: {text}\r\n\r\n".encode("gbk")

    found = asterisk.accept(SOURCE, told("张三的手机", "power cut"), None, NOW)
    assert isinstance(found, Accepted)
    assert found.contact.text == "power cut"
    with pytest.raises(PayloadRefusedError) as caught:
        asterisk.accept(SOURCE, told("x", "停电了停电了"), None, NOW)
    assert caught.value.reason is Reason.NOT_UTF8
    assert "text" in caught.value.detail


def test_a_byte_order_mark_hides_no_event() -> None:
    for event in ('{"type": "StasisStart", "channel": {"id": "c"}}', '{"Event": "Newchannel", "Uniqueid": "c"}'):
        assert heard(asterisk.accept(SOURCE, event.encode("utf-8-sig"), None, NOW)).event == "started"


def test_what_a_caller_hears_is_escaped_and_the_call_goes_on() -> None:
    document = twilio.twiml("a < b & 'c'", "zh-CN", "https://ivr.example/menu?a=1&b=2").decode()
    assert document == (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Say language="zh-CN">a &lt; b &amp; \'c\'</Say>'
        '<Redirect method="POST">https://ivr.example/menu?a=1&amp;b=2</Redirect></Response>'
    )
    assert b"<Say>known</Say>" in twilio.twiml("known", None, None)
    assert twilio.twiml(None, None, None).endswith(b"<Response></Response>")


FIELDS = st.sampled_from(
    [
        *("AccountSid", "CallSid", "ParentCallSid", "CallStatus", "From", "To", "Direction", "Digits", "SpeechResult"),
        *("Confidence", "RecordingUrl", "RecordingSid", "RecordingStatus", "RecordingDuration", "QueueResult"),
        *("QueueTime", "DialCallStatus", "CallbackSource", "Timestamp", "TranscriptionText", "menu_path", "gather"),
    ]
)
VALUES = st.text(max_size=30) | st.sampled_from(
    ["completed", "ringing", "1", "1.2", "nan", "1e999", "Tue, 14 Jul 2026 11:36:20 -0000", "account", "x" * 300]
)


@settings(max_examples=300)
@given(fields=st.dictionaries(FIELDS, VALUES), query=st.dictionaries(FIELDS, VALUES), raw=st.text(max_size=40))
def test_any_webhook_is_read_or_refused(fields: dict[str, str], query: dict[str, str], raw: str) -> None:
    for asked in (urlencode(query, errors="surrogatepass"), raw):
        try:
            form = twilio.read_form(urlencode({"CallSid": "CA1", **fields}, errors="surrogatepass").encode())
            twilio.accept(TWILIO, form, asked, NOW)
        except PayloadRefusedError:
            pass


@settings(max_examples=200)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    with contextlib.suppress(PayloadRefusedError):
        twilio.signature("12345678", "https://x.example/", twilio.read_form(body))
