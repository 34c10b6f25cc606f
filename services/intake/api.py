"""The doors of the intake: size, kind and credential first, then the channel's parser, then Kafka, then 202.

Handlers read raw bytes: the payload is hashed and parsed once, and signatures cover bytes, not objects. The
OpenAPI document describes the bodies from the very models that check them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import orjson
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from services.contracts.values import Channel
from services.intake.accepting import ACCEPT_SECONDS, NO_CONTACT, REFUSED, Acceptance
from services.intake.body import read_body, require_kind
from services.intake.channels import app, phone, web, wechat
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import JsonSource
from services.intake.security import API_KEY_HEADER, Accounts, KeyRing
from services.runtime import clock
from services.runtime.http import Problem, ProblemDetails

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from datetime import datetime

    from services.intake.channels.contact import Accepted
    from services.intake.channels.payload import Payload
    from services.intake.channels.source import Sources, WeChatSource
    from services.intake.settings import IntakeSettings
    from services.runtime.producer import Producer

_JSON: Final = frozenset({"application/json"})
_XML: Final = frozenset({"text/xml", "application/xml", ""})
_log = structlog.get_logger()

_STATUS: Final = {
    Reason.OVERSIZE: 413,
    Reason.SLOW_BODY: 408,
    Reason.DISCONNECTED: 400,
    Reason.MEDIA_TYPE: 415,
    Reason.CREDENTIALS: 401,
    Reason.NOT_UTF8: 400,
    Reason.MALFORMED: 400,
    Reason.TOO_DEEP: 400,
    Reason.TOO_MANY_PARTS: 400,
    Reason.NO_EVENT_ID: 400,
    Reason.BAD_FIELD: 422,
    Reason.BUSY: 503,
    Reason.OUTCOME_UNKNOWN: 503,
}
_BODY_UNREAD: Final = frozenset({Reason.OVERSIZE, Reason.SLOW_BODY, Reason.MEDIA_TYPE, Reason.CREDENTIALS})
"""After these the connection is closed, or the sender could go on sending what nobody reads."""


class AcceptedAnswer(BaseModel):
    """The contact is kept."""

    contact_id: str = Field(
        description="The same event gives the same id", examples=["0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"]
    )
    ticket_ref: str = Field(description="Reference to read out to the customer", examples=["7K3M-9QPX-2HD"])
    ignored_fields: list[str] = Field(default=[], description="Fields of your payload that we do not know, if any")


S = TypeVar("S", bound=JsonSource)


@dataclass(frozen=True, slots=True)
class _Door(Generic[S]):
    """One JSON channel: who may knock, and what its payload means."""

    channel: Channel
    keys: KeyRing[S]
    accept: Callable[[S, bytes, str | None, datetime], Accepted]


class _Intake:
    """What every door does, in this order."""

    def __init__(self, settings: IntakeSettings, sources: Sources, producer: Producer) -> None:
        self._settings = settings
        self._accounts = Accounts(sources.wechat)
        self._acceptance = Acceptance(producer, most_unresolved=settings.max_unresolved_sends)

    async def json(self, request: Request, door: _Door[S]) -> Response:
        """Take a JSON payload: 202 once it is kept."""
        started = clock.monotonic()
        headers = _headers(request)
        source: S | None = None
        try:
            self._acceptance.refuse_if_busy()
            require_kind(headers, _JSON)
            source = door.keys.source(headers.get(API_KEY_HEADER.lower()))
            body = await self._body(headers, request)
            accepted = door.accept(source, body, headers.get("idempotency-key"), clock.now())
            await self._acceptance.accept(accepted.contact, headers.get("traceparent"))
        except PayloadRefusedError as refusal:
            raise self._problem(refusal, door.channel, source.name if source else None) from None
        ACCEPT_SECONDS.labels(door.channel.value).observe(clock.monotonic() - started)
        return _accepted(accepted)

    async def wechat(self, request: Request, account: str) -> Response:
        """Take what the platform posts: ``success`` once it is kept, or where there is nothing to keep."""
        started = clock.monotonic()
        headers = _headers(request)
        known: WeChatSource | None = None
        try:
            self._acceptance.refuse_if_busy()
            known = self._accounts.source(account, request.query_params)
            require_kind(headers, _XML)
            body = await self._body(headers, request)
            accepted = wechat.accept(known, body, clock.now())
            if isinstance(accepted, wechat.NotAContact):
                NO_CONTACT.labels(Channel.WECHAT.value).inc()
            else:
                await self._acceptance.accept(accepted.contact, headers.get("traceparent"))
        except PayloadRefusedError as refusal:
            raise self._problem(refusal, Channel.WECHAT, known.name if known else None) from None
        ACCEPT_SECONDS.labels(Channel.WECHAT.value).observe(clock.monotonic() - started)
        return Response("success", media_type="text/plain")

    def wechat_verification(self, request: Request, account: str) -> Response:
        """Answer the platform's check of this address: the echo string, unchanged."""
        try:
            self._accounts.source(account, request.query_params)
        except PayloadRefusedError as refusal:
            raise self._problem(refusal, Channel.WECHAT, None) from None
        return Response(
            request.query_params.get("echostr", ""),
            media_type="text/plain",
            headers={"X-Content-Type-Options": "nosniff"},
        )

    async def _body(self, headers: Mapping[str, str], request: Request) -> bytes:
        settings = self._settings
        return await read_body(
            headers, request.receive, limit=settings.max_body_bytes, deadline_s=settings.body_deadline_s
        )

    def _problem(self, refusal: PayloadRefusedError, channel: Channel, source: str | None) -> Problem:
        """Count, log and answer a refusal. A stranger's is only counted: anybody can cause those."""
        REFUSED.labels(channel.value, refusal.reason.value).inc()
        status = _STATUS[refusal.reason]
        if source is not None and status < 500:  # noqa: PLR2004 - unavailability is logged once, where it begins
            _log.info(
                "contact_refused",
                channel=channel.value,
                source=source,
                reason=refusal.reason.value,
                fields=[field.field for field in refusal.fields],
            )
        headers: dict[str, str] = {}
        if refusal.reason is Reason.CREDENTIALS:
            headers["WWW-Authenticate"] = "ApiKey"
        if refusal.reason in _BODY_UNREAD:
            headers["Connection"] = "close"
        if status == 503:  # noqa: PLR2004 - as above
            headers["Retry-After"] = str(self._settings.retry_after_s)
        return Problem(
            status,
            refusal.detail,
            title=refusal.reason.value.replace("_", " ").capitalize(),
            errors=[{"field": field.field, "reason": field.reason} for field in refusal.fields],
            headers=headers,
        )


def _headers(request: Request) -> dict[str, str]:
    """The headers by lower-case name: six are looked up, and Starlette would walk the list for each."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}


def _accepted(accepted: Accepted) -> Response:
    contact = accepted.contact
    answer: dict[str, Any] = {"contact_id": contact.contact_id, "ticket_ref": contact.ticket_ref}
    if accepted.ignored:
        answer["ignored_fields"] = accepted.ignored
    return Response(orjson.dumps(answer), 202, media_type="application/json")


class _BytesRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response itself.

    FastAPI would solve an endpoint's parameters and serialise its result; ours has none of either, and the saving
    is a good part of a request. The OpenAPI document still has the route.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


def routes(settings: IntakeSettings, sources: Sources, producer: Producer) -> APIRouter:
    """Return the doors."""
    intake = _Intake(settings, sources, producer)
    phone_door = _Door(Channel.PHONE, KeyRing(sources.phone), phone.accept)
    web_door = _Door(Channel.WEB, KeyRing(sources.web), web.accept)
    app_door = _Door(Channel.APP, KeyRing(sources.app), app.accept)
    router = APIRouter(prefix="/v1", route_class=_BytesRoute)

    @router.post("/phone/events", **_described("phone", "One event of a call", phone.PhoneEvent))
    async def phone_event(request: Request) -> Response:
        return await intake.json(request, phone_door)

    @router.post("/web/reports", **_described("web", "A report from the web site", web.WebReport))
    async def web_report(request: Request) -> Response:
        return await intake.json(request, web_door)

    @router.post("/app/reports", **_described("app", "A report from the mobile app", app.AppReport))
    async def app_report(request: Request) -> Response:
        return await intake.json(request, app_door)

    @router.get("/wechat/{account}", **_WECHAT_GET)  # noqa: FAST003 - the request has it
    async def wechat_verification(request: Request) -> Response:
        return intake.wechat_verification(request, request.path_params["account"])

    @router.post("/wechat/{account}", **_WECHAT_POST)  # noqa: FAST003 - the request has it
    async def wechat_message(request: Request) -> Response:
        return await intake.wechat(request, request.path_params["account"])

    return router


def _problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    described: dict[int | str, dict[str, Any]] = {status: {"model": ProblemDetails} for status in statuses}
    if 503 in described:  # noqa: PLR2004 - HTTP
        described[503] |= {
            "description": "Not confirmed in time: the outcome is unknown; send it again with the same id",
            "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}},
        }
    return described


def _parameter(name: str, where: str, description: str, *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "description": description, "schema": {"type": "string"}}


def _described(tag: str, summary: str, model: type[Payload]) -> dict[str, Any]:
    """OpenAPI of a JSON door: FastAPI cannot see the body, since the handler reads bytes."""
    return {
        "tags": [tag],
        "summary": summary,
        "status_code": 202,
        "response_class": Response,
        "responses": {
            202: {"model": AcceptedAnswer, "description": "Kept: every in-sync replica has it"},
            **_problem_responses(400, 401, 408, 413, 415, 422, 503),
        },
        "openapi_extra": {
            "parameters": [
                _parameter(API_KEY_HEADER, "header", "The source's key; it decides which source this is"),
                _parameter(
                    "Idempotency-Key", "header", "Your id of this event, unless the body has event_id", required=False
                ),
                _parameter("traceparent", "header", "W3C trace context to continue", required=False),
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _schema(model)}}},
        },
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a model with its definitions put in place: OpenAPI resolves no ``$defs``."""
    schema = model.model_json_schema(mode="validation")
    definitions: dict[str, Any] = schema.pop("$defs", {})

    def placed(node: Any) -> Any:
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/$defs/")
            rest = {key: placed(value) for key, value in node.items() if key != "$ref"}
            return {**placed(definitions[name]), **rest} if name else rest
        return [placed(item) for item in node] if isinstance(node, list) else node

    placed_schema: dict[str, Any] = placed(schema)
    return placed_schema


_SIGNED: Final = [
    _parameter("account", "path", "The account's original id, gh_…"),
    _parameter("signature", "query", "sha1 of the sorted token, timestamp and nonce, in hexadecimal"),
    _parameter("timestamp", "query", "Seconds since 1970"),
    _parameter("nonce", "query", "The platform's random number"),
]
_PLAIN: Final = {"content": {"text/plain": {"schema": {"type": "string"}}}}
_WECHAT_GET: Final[dict[str, Any]] = {
    "tags": ["wechat"],
    "summary": "The platform checks this address",
    "response_class": Response,
    "responses": {200: {"description": "The echo string, unchanged", **_PLAIN}, **_problem_responses(401)},
    "openapi_extra": {"parameters": [*_SIGNED, _parameter("echostr", "query", "What to echo", required=False)]},
}
_WECHAT_POST: Final[dict[str, Any]] = {
    "tags": ["wechat"],
    "summary": "A message or an event of an official account, plaintext XML",
    "response_class": Response,
    "responses": {
        200: {"description": "The word success: kept, or nothing to keep", **_PLAIN},
        **_problem_responses(400, 401, 408, 413, 415, 422, 503),
    },
    "openapi_extra": {
        "parameters": _SIGNED,
        "requestBody": {
            "required": True,
            "content": {
                "text/xml": {
                    "schema": {"type": "string"},
                    "example": "<xml><ToUserName><![CDATA[gh_gridline_dev]]></ToUserName>"
                    "<FromUserName><![CDATA[openid]]></FromUserName><CreateTime>1763770200</CreateTime>"
                    "<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[停电了]]></Content>"
                    "<MsgId>23456789012345678</MsgId></xml>",
                }
            },
        },
    },
}
