"""What names an event of one who signs is covered by the signature: the same signed bytes again are the same event.

Somebody who overhears a signed request can send it again within five minutes, with any other header changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from services.contracts.envelope import open_record
from services.intake.api import routes
from services.intake.channels.source import Sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases
from services.runtime import clock
from services.runtime.doors import Doors
from services.runtime.http import make_app
from services.runtime.producer import Producer

if TYPE_CHECKING:
    from services.contracts.envelope import Outgoing

PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
DOORS = {"/v1/phone/events": "phone", "/v1/app/reports": "app", "/v1/sms/generic": "sms", "/v1/events": "api"}


def secret(channel: str) -> bytes:
    return hashlib.sha256(channel.encode()).digest()


def whsec(channel: str) -> str:
    return f"whsec_{base64.b64encode(secret(channel)).decode()}"


class Kept(Producer):
    def __init__(self) -> None:
        super().__init__(IntakeSettings())
        self.ids: list[str] = []

    async def send(self, outgoing: Outgoing, *, deadline_s: float | None = None) -> None:
        self.ids.append(str(open_record(outgoing.value, outgoing.headers).id))


async def _ready() -> list[str]:
    return []


async def answers(
    path: str, body: Any, *told: dict[str, str], kind: str = "application/json"
) -> tuple[list[int], Kept]:
    """Sign one request and send it with other headers beside the signature; return the answers and what is kept."""
    sources = {channel: {f"{channel}-source": {"webhook_secrets": [whsec(channel)]}} for channel in DOORS.values()}
    sources["sms"]["sms-source"]["provider"] = "generic"  # type: ignore[assignment] # one entry differs
    read, kept = Sources.model_validate(sources), Kept()
    app = Doors(
        make_app("intake", ready=_ready),
        [routes(IntakeSettings(), lambda: read, kept, lambda: PHRASES)],
    )
    key = secret(DOORS[path])
    content, stamp = json.dumps(body).encode(), str(int(clock.now().timestamp()))
    made = hmac.digest(key, b".".join((b"msg_1", stamp.encode(), content)), "sha256")
    signature = {
        "Content-Type": kind,
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(made).decode(),
    }
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as client:  # type: ignore[arg-type]
        return [(await client.post(path, content=content, headers=signature | more)).status_code for more in told], kept


REPORT = {"text": "停电了"}
CALL = {"external_call_id": "c", "event": "started", "occurred_at": "2026-11-22T08:30:00Z"}


@pytest.mark.parametrize(("path", "body"), [("/v1/app/reports", REPORT), ("/v1/phone/events", CALL)])
async def test_another_key_beside_a_signature_makes_no_second_event(path: str, body: dict[str, Any]) -> None:
    beside = ({}, {"Idempotency-Key": "msg_1"}, {"Idempotency-Key": "other"}, {})
    statuses, kept = await answers(path, body, *beside)
    assert statuses == [202, 202, 422, 202]
    assert len(set(kept.ids)) == 1


async def test_a_text_message_is_named_by_its_body_alone() -> None:
    body = {"event_id": "e1", "phone": "13800000000", "text": "停电了"}
    statuses, kept = await answers("/v1/sms/generic", body, {}, {"Idempotency-Key": "other"})
    assert statuses == [202, 202]
    assert len(set(kept.ids)) == 1
    nameless = {name: text for name, text in body.items() if name != "event_id"}
    statuses, kept = await answers(
        "/v1/sms/generic", nameless, {"Idempotency-Key": "one"}, {"Idempotency-Key": "other"}
    )
    assert (statuses, kept.ids) == ([400, 400], [])


async def test_a_signed_event_names_itself_inside_what_is_signed() -> None:
    said = {"specversion": "1.0", "id": "1", "source": "https://chat.example", "type": "gridline.contact.submitted.v1"}
    others = ({}, {"ce-id": "2"}, {"Idempotency-Key": "2"})
    statuses, kept = await answers("/v1/events", said | {"data": REPORT}, *others, kind="application/cloudevents+json")
    assert statuses == [202, 202, 202]
    assert len(set(kept.ids)) == 1
    statuses, kept = await answers("/v1/events", REPORT, {f"ce-{name}": text for name, text in said.items()})
    assert (statuses, kept.ids) == ([422], [])
