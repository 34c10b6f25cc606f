"""The telephone's endpoints: our own call event, and one for each vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import Request, Response

from services.contracts.values import Channel
from services.intake.channels import asterisk, connect, huawei, phone, twilio
from services.intake.channels.contact import NotAContact
from services.intake.credentials import Credentials
from services.intake.doors.describing import AnnouncedAnswer, parameter, problem_responses
from services.intake.doors.json_door import JSON, JsonDoor, json_door
from services.intake.security import TwilioAccounts
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front

_FORM: Final = frozenset({"application/x-www-form-urlencoded"})
_TEXT_OR_JSON: Final = JSON | {"text/plain"}


def add(router: APIRouter, front: Front, sources: Callable[[], Sources]) -> None:
    """Open them."""
    keys = Credentials(lambda: sources().phone)

    def door(accept: Any, kinds: frozenset[str] = JSON) -> Any:
        return JsonDoor(front, Channel.PHONE, keys, accept, kinds, announces=True).take

    event = json_door("phone", "One event of a call", phone.PhoneEvent, answer=AnnouncedAnswer)
    router.add_api_route("/phone/events", door(phone.accept), name="send_phone_event", methods=["POST"], **event)
    for name, accept, kinds, summary, bodies in (
        ("connect", connect.accept, JSON, "What an Amazon Connect flow or contact event says", _CONNECT),
        ("asterisk", asterisk.accept, _TEXT_OR_JSON, "An event of Asterisk, ARI or AMI", _ASTERISK),
        ("huawei", huawei.accept, JSON, "What a Huawei CEC flow posts", _HUAWEI),
    ):
        described = json_door("phone", summary, None, answer=AnnouncedAnswer, bodies=bodies)
        path = f"/phone/{name}"
        router.add_api_route(path, door(accept, kinds), name=f"send_{name}_event", methods=["POST"], **described)
    _add_twilio(router, front, TwilioAccounts(lambda: sources().twilio))


def _add_twilio(router: APIRouter, front: Front, accounts: TwilioAccounts) -> None:
    @router.post("/phone/twilio", **_TWILIO)
    async def send_twilio_webhook(request: Request) -> Response:
        """Take a voice webhook; answer with TwiML."""
        with front.visit(request, Channel.PHONE) as visit:
            visit.require(_FORM)
            form = twilio.read_form(await visit.body())
            query = request.url.query
            path = request.url.path + (f"?{query}" if query else "")
            source = accounts.source(form, path, visit.headers.get("x-twilio-signature", ""))
            visit.source = source.name
            accepted = twilio.accept(source, form, query, clock.now())
            said: dict[str, str] = {}
            if isinstance(accepted, NotAContact):
                visit.nothing_to_keep()
            else:
                more = front.announce(accepted.contact)
                await visit.keep(accepted.contact)
                said = dict(await more) if more else {}
        document = twilio.twiml(said.get("say"), said.get("say_language"), source.continue_url)
        return Response(document, media_type="text/xml")


_THEIRS: Final = {"type": "object", "additionalProperties": True, "description": "As the vendor's system sends it"}
_CONNECT: Final = {
    "application/json": {
        "schema": dict(_THEIRS),
        "example": {
            "Details": {
                "ContactData": {
                    "Channel": "VOICE",
                    "ContactId": "4a573372-1f28-4e26-b97b-XXXXXXXXXXX",
                    "CustomerEndpoint": {"Address": "+8613800138000", "Type": "TELEPHONE_NUMBER"},
                    "InitialContactId": "4a573372-1f28-4e26-b97b-XXXXXXXXXXX",
                    "SystemEndpoint": {"Address": "+8695598", "Type": "TELEPHONE_NUMBER"},
                },
                "Parameters": {"event": "dtmf", "menu_path": "1"},
            },
            "Name": "ContactFlowEvent",
        },
    }
}
_ASTERISK: Final = {
    "application/json": {"schema": dict(_THEIRS)},
    "text/plain": {
        "schema": {"type": "string"},
        "example": "Event: UserEvent\r\nUserEvent: gridline\r\nUniqueid: 1763771412.42\r\nLinkedid: 1763771412.42\r\n"
        "CallerIDNum: 13800138000\r\nevent: dtmf\r\nmenu_path: 1\r\n\r\n",
    },
}
_HUAWEI: Final = {
    "application/json": {
        "schema": dict(_THEIRS),
        "example": {
            "SYS.callId": "1763771412-1",
            "SYS.cti_callid": "1763771412",
            "SYS.callingNumber": "13800138000",
            "SYS.calledNumber": "95598",
            "SYS.createTime": "20261122083000",
            "event": "started",
        },
    }
}
_TWILIO: Final[dict[str, Any]] = {
    "tags": ["phone"],
    "summary": "A voice webhook of Twilio",
    "response_class": Response,
    "responses": {
        200: {
            "description": "TwiML: what to say to the caller, where to go on",
            "content": {"text/xml": {"schema": {"type": "string"}}},
        },
        **problem_responses(400, 401, 408, 413, 415, 422, 429, 503),
    },
    "openapi_extra": {
        "parameters": [
            parameter("X-Twilio-Signature", "header", "HMAC-SHA1 with the account's auth token"),
            parameter("menu_path", "query", "Choices of the menu so far: 1.2", required=False),
            parameter("gather", "query", "account, where the keys asked for are an account number", required=False),
            parameter("account_no", "query", "Account the caller keyed in", required=False),
            parameter("language", "query", "What the caller chose", required=False),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
                    "example": {"AccountSid": "AC…", "CallSid": "CA…", "CallStatus": "ringing", "From": "+86138…"},
                }
            },
        },
    },
}
