"""Message to record and back, in both modes, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts import topics
from services.contracts.envelope import Refusal, RefusedError, child_trace, decode, encode, fingerprint, open_record
from services.contracts.messages import FieldProgress, OrderVersion
from services.contracts.values import DeviceRef, OrderStatus, Priority, ProgressStage

AT = datetime(2026, 7, 1, 8, tzinfo=UTC)
PROGRESS = FieldProgress(
    progress_id=UUID(int=7), order_id=UUID(int=8), stage=ProgressStage.ARRIVED, at=AT, note="杆上变压器"
)
ORDER = OrderVersion(
    order_id=UUID(int=8),
    version=2,
    incident_id=UUID(int=9),
    status=OrderStatus.UPDATED,
    priority=Priority.HIGH,
    area="S1",
    device=DeviceRef(id="F2", type="fuse"),
    reports=4,
    customers_served=31,
    first_reported_at=AT,
    issued_at=AT,
    reason="upstream",
)


def refused(
    value: bytes | None, headers: list[tuple[str, bytes]], topic: topics.Topic = topics.DISPATCH_PROGRESS
) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        decode(open_record(value, headers), topic.types)
    return caught.value.reason


@pytest.mark.parametrize("structured", [False, True])
def test_a_message_comes_back_as_it_went(structured: bool):
    record = encode(PROGRESS, topic="dispatch.progress.v1", source="crew", structured=structured)
    incoming = open_record(record.value, record.headers)
    assert decode(incoming, topics.DISPATCH_PROGRESS.types) == PROGRESS
    assert record.key == str(PROGRESS.order_id).encode()
    assert dict(record.headers)["ce_id"] == str(PROGRESS.progress_id).encode()


@pytest.mark.parametrize("structured", [False, True])
def test_names_of_headers_are_read_in_any_case(structured: bool):
    record = encode(PROGRESS, topic="dispatch.progress.v1", source="crew", structured=structured)
    one_in_capitals = [(name.upper() if place == 2 else name, raw) for place, (name, raw) in enumerate(record.headers)]
    for headers in (one_in_capitals, [(name.upper(), raw) for name, raw in record.headers]):
        assert open_record(record.value, headers) == open_record(record.value, record.headers)


def test_equal_messages_are_equal_bytes():
    one = encode(ORDER, topic="dispatch.order.v1", source="gridline/dedup", structured=True)
    assert one == encode(ORDER.model_copy(), topic="dispatch.order.v1", source="gridline/dedup", structured=True)


def test_an_order_is_a_whole_cloudevent_by_itself():
    event = json.loads(encode(ORDER, topic="t", source="gridline/dedup", structured=True).value)
    assert event["specversion"] == "1.0"
    assert event["type"] == "gridline.dispatch.order.v1"
    assert event["partitionkey"] == str(ORDER.order_id)
    assert event["data"]["version"] == 2


def test_fields_of_a_newer_producer_are_ignored_at_every_depth():
    record = encode(ORDER, topic="t", source="s")
    body = json.loads(record.value)
    body["new"] = 1
    body["device"]["newer"] = {"deep": True}
    incoming = open_record(json.dumps(body).encode(), record.headers)
    assert decode(incoming, topics.DISPATCH_ORDER.types) == ORDER


def test_what_we_make_may_not_have_unknown_fields():
    with pytest.raises(ValueError, match="Extra inputs"):
        OrderVersion.model_validate({**ORDER.model_dump(), "new": 1})


def test_each_way_of_being_unusable_has_its_reason():
    good = encode(PROGRESS, topic="t", source="s")
    headers = dict(good.headers)

    def but(**changed: bytes) -> list[tuple[str, bytes]]:
        return list({**headers, **changed}.items())

    assert refused(None, []) is Refusal.NO_VALUE
    assert refused(b"{}", []) is Refusal.NO_ID
    assert refused(good.value, but(ce_id=b"seven")) is Refusal.BAD_ID
    assert refused(good.value, but(ce_id=str(UUID(int=1)).encode())) is Refusal.BAD_ID
    assert refused(good.value, but(ce_type=b"x")) is Refusal.UNKNOWN_TYPE
    assert refused(b"\xff\xfe", but()) is Refusal.BAD_FIELD
    assert refused(b"[" * 100_000, but()) is Refusal.BAD_FIELD
    assert refused(b"[" * 100_000, [("content-type", b"application/cloudevents+json")]) is Refusal.NOT_JSON
    assert refused(good.value.replace(b"+00:00", b"").replace(b"Z", b""), but()) is Refusal.BAD_FIELD
    assert refused(good.value, but(ce_fingerprint=b"12")) is Refusal.BAD_FIELD


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-08:00"])
def test_a_time_that_stands_for_none_or_for_ever_is_no_time(at: str):
    """No other zone can show it: told to a customer as an estimate, it would end the service that tells it."""
    record = encode(PROGRESS, topic="t", source="s")
    body = json.loads(record.value) | {"etr": {"at": at}}
    with pytest.raises(RefusedError, match=r"etr\.at: has a year outside 1900 to 2999"):
        decode(open_record(json.dumps(body).encode(), record.headers), topics.DISPATCH_PROGRESS.types)


def test_a_refusal_names_the_field_and_not_its_value():
    record = encode(PROGRESS, topic="t", source="s")
    with pytest.raises(RefusedError) as caught:
        decode(
            open_record(record.value.replace(b'"arrived"', b'"13912345678"'), record.headers),
            topics.DISPATCH_PROGRESS.types,
        )
    assert "stage" in caught.value.detail
    assert "13912345678" not in caught.value.detail


@given(
    st.binary(max_size=200),
    st.lists(st.tuples(st.sampled_from(["ce_id", "ce_type", "content-type", "x"]), st.binary(max_size=60))),
)
def test_any_bytes_are_read_or_refused_never_an_exception(value: bytes, headers: list[tuple[str, bytes]]):
    try:
        decode(open_record(value, headers), topics.DISPATCH_PROGRESS.types)
    except RefusedError:
        return


def test_two_sendings_of_one_event_have_one_fingerprint():
    later = PROGRESS.model_copy(update={"at": AT.replace(hour=9)})
    assert fingerprint(PROGRESS, without=("at",)) == fingerprint(later, without=("at",))
    assert fingerprint(PROGRESS) != fingerprint(later)


def test_a_fingerprint_that_its_sender_gives_is_the_one_that_counts():
    content = sha256(b"what was sent").digest()
    record = encode(PROGRESS, topic="dispatch.progress.v1", source="crew", content=content)
    assert open_record(record.value, record.headers).fingerprint == content
    plain = encode(PROGRESS, topic="dispatch.progress.v1", source="crew")
    assert open_record(plain.value, plain.headers).fingerprint == sha256(plain.value).digest()


def test_an_event_sent_again_after_an_upgrade_or_written_otherwise_has_the_fingerprint_it_had():
    """It is stored for weeks: computed in another way, a repeat would be another body under one id."""
    event = {"specversion": "1.0", "id": str(UUID(int=7)), "type": "t", "data": {"b": "停电", "a": [1, 2.5]}}
    headers = [("content-type", b"application/cloudevents+json")]
    written = [json.dumps(event), json.dumps(event, ensure_ascii=False, indent=2), json.dumps(event | {"source": "x"})]
    assert {open_record(text.encode(), headers).fingerprint.hex() for text in written} == {
        sha256('{"b":"停电","a":[1,2.5]}'.encode()).hexdigest()
    }


def test_a_trace_is_continued_or_begun():
    cause = uuid5(UUID(int=0), "x")
    begun = child_trace(None, cause, "intake")
    assert begun.split("-")[1] == cause.hex
    assert child_trace(begun, uuid5(UUID(int=0), "y"), "router").split("-")[1] == cause.hex
    assert child_trace("nonsense", cause, "router").split("-")[1] == cause.hex


def test_an_event_that_carries_its_trace_inside_needs_no_header_of_it():
    record = encode(PROGRESS, topic="dispatch.progress.v1", source="crew", structured=True)
    alone = [header for header in record.headers if header[0] != "traceparent"]
    assert open_record(record.value, alone).traceparent == open_record(record.value, record.headers).traceparent
    event = json.loads(record.value)
    del event["traceparent"]
    assert open_record(json.dumps(event).encode(), alone).traceparent is None


def test_a_trace_that_cannot_be_written_in_utf_8_is_begun_anew():
    """JSON may escape half of a surrogate pair: one in a partner's event must not end whoever continues the trace."""
    record = encode(PROGRESS, topic="dispatch.progress.v1", source="crew", structured=True)
    event = {**json.loads(record.value), "traceparent": f"\ud800-{'a' * 32}-b-01"}
    headers = [pair for pair in record.headers if pair[0] != "traceparent"]
    incoming = open_record(json.dumps(event).encode(), headers)
    assert decode(incoming, topics.DISPATCH_PROGRESS.types) == PROGRESS
    assert child_trace(incoming.traceparent, PROGRESS.progress_id, "dedup").split("-")[1] == PROGRESS.progress_id.hex
