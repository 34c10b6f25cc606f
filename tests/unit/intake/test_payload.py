"""Reading a JSON payload: limits, encodings, times, event ids."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from services.intake.channels.payload import (
    MAX_DEPTH,
    MAX_PARTS,
    Instant,
    PositionPayload,
    event_id,
    read_object,
    required_event_id,
    validated,
)
from services.intake.channels.refusal import PayloadRefusedError, Reason

instant = TypeAdapter(Instant)


def refusal(body: bytes) -> PayloadRefusedError:
    with pytest.raises(PayloadRefusedError) as caught:
        read_object(body)
    return caught.value


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.MALFORMED),
        (b"{", Reason.MALFORMED),
        (b"[]", Reason.MALFORMED),
        (b"null", Reason.MALFORMED),
        (b'{"a":NaN}', Reason.MALFORMED),
        (b'{"a":1e999}', Reason.MALFORMED),
        (b'{"a":"\\ud800}', Reason.MALFORMED),
        (b'{"a":"\\ud80"}', Reason.MALFORMED),
        ('{"text":"停电了"}'.encode("gbk"), Reason.NOT_UTF8),
        ('{"text":"停电了"}'.encode("utf-16"), Reason.NOT_UTF8),
        (nested(MAX_DEPTH + 1), Reason.TOO_DEEP),
        (b"[" * 60_000, Reason.TOO_DEEP),
        (b"{" + b",".join(b'"%d":1' % n for n in range(MAX_PARTS)) + b"}", Reason.TOO_MANY_PARTS),
        (b'{"a":[' + b"," * 60_000, Reason.TOO_MANY_PARTS),
    ],
)
def test_a_broken_body_is_refused_by_name(body: bytes, reason: Reason) -> None:
    assert refusal(body).reason is reason


def test_a_body_at_the_limits_is_read() -> None:
    assert read_object(nested(MAX_DEPTH)).fields == json.loads(nested(MAX_DEPTH))
    assert read_object(b"\xef\xbb\xbf" + b'{"a":1}').fields == {"a": 1}


def test_brackets_and_commas_inside_text_are_only_text() -> None:
    text = '[[[[{{{{"\\,,' * 1000
    assert read_object(json.dumps({"text": text}).encode()).fields == {"text": text}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"a\\ud83d", "a\ufffd"),
        (b"\\uDE00b", "\ufffdb"),
        (b"\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
        (b"\\ude00\\ud83d", "\ufffd\ufffd"),
        (b"\\\\ud83d\\ud83d", "\\ud83d\ufffd"),
        (b'\\n\\u505c\\"\\ud83d', '\n停"\ufffd'),
    ],
)
def test_half_an_emoji_spoils_only_itself(written: bytes, read: str) -> None:
    assert read_object(b'{"a":"%s"}' % written).fields == {"a": read}


@pytest.mark.parametrize("unit", [b'"', b'\\"', b'"\\', b"\\", b'"a', b'\\"\\', b"\\ud83d"])
def test_the_scan_for_bombs_is_linear_in_the_worst_of_inputs(unit: bytes) -> None:
    body = b"[" * 5 + b"{" * 3 + b"[" + unit * (64 * 1024 // len(unit))
    started = time.process_time()
    refusal(body)
    assert time.process_time() - started < 0.25


def test_key_order_and_spacing_do_not_change_the_digest_and_content_does() -> None:
    one = read_object(b'{"a":1,"b":{"c":2,"d":"\xe5\x81\x9c"}}')
    other = read_object(b' {"b" : {"d":"\\u505c","c":2}, "a":1 } ')
    assert one.sha256 == other.sha256
    assert one.sha256 != read_object(b'{"a":1,"b":{"c":2,"d":"x"}}').sha256


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T08:30:00+08:00", datetime(2026, 11, 22, 0, 30, tzinfo=UTC)),
        ("2026-11-22T00:30:00Z", datetime(2026, 11, 22, 0, 30, tzinfo=UTC)),
        ("20261122T083000+0800", datetime(2026, 11, 22, 0, 30, tzinfo=UTC)),
        ("1970-01-01T00:00:00+00:00", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_iso_8601_times_are_read(text: str, expected: datetime) -> None:
    assert instant.validate_python(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        1_763_770_200,
        "1763770200",
        "2026-11-22",
        "2026-W47-7",
        "22/11/2026 08:30",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "2026-11-22T08:30:00+08:00:30",
        "",
        None,
        True,
        [],
    ],
)
def test_what_is_not_an_iso_8601_instant_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        instant.validate_python(value)


def test_a_time_without_offset_stays_naive_for_the_source_to_settle() -> None:
    assert instant.validate_python("2026-11-22T08:30:00").tzinfo is None
    assert instant.validate_python("2026-11-22T08:30:00+08:00").utcoffset() == timedelta(hours=8)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lat", 90.01),
        ("lat", "31.2"),
        ("lat", True),
        ("lon", -180.5),
        ("accuracy_m", "10"),
        ("crs", "cgcs2000"),
    ],
)
def test_a_wrong_part_of_a_position_is_named(field: str, value: object) -> None:
    position = {"lat": 31.2, "lon": 121.4, "accuracy_m": 10, "crs": "wgs84", field: value}
    with pytest.raises(PayloadRefusedError) as caught:
        validated(PositionPayload, read_object(json.dumps(position).encode()))
    assert [wrong.field for wrong in caught.value.fields] == [field]


@pytest.mark.parametrize(
    ("header", "field", "expected"),
    [
        (None, None, None),
        (None, "e1", "e1"),
        ("e1", None, "e1"),
        ('"8e03978e-40d5"', None, "8e03978e-40d5"),
        ('"a\\"b"', None, 'a"b'),
        ("e1", "e1", "e1"),
    ],
)
def test_the_event_id_comes_from_the_header_or_the_body(
    header: str | None, field: str | None, expected: str | None
) -> None:
    assert event_id(header, field) == expected


@pytest.mark.parametrize(("header", "field"), [("e1", "e2"), ("", None), ("x" * 201, None), ("停电", None)])
def test_an_event_id_that_is_ambiguous_or_unprintable_is_refused(header: str, field: str | None) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        event_id(header, field)
    assert caught.value.reason is Reason.BAD_FIELD


def test_a_missing_event_id_says_where_to_put_one() -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        required_event_id(None, None)
    assert caught.value.reason is Reason.NO_EVENT_ID
    assert "Idempotency-Key" in caught.value.detail
    assert "event_id" in caught.value.detail
