"""The WeChat platform's endpoints, one path per official account: its verification request, and its messages."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request, Response

from services.contracts.values import Channel
from services.intake.channels import wechat
from services.intake.channels.contact import NotAContact
from services.intake.channels.wechat_cipher import RANDOM_BYTES
from services.intake.channels.wechat_format import Format
from services.intake.doors.describing import parameter, problem_responses
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from services.intake.channels.source import Sources, WeChatSource
    from services.intake.doors.front import Front

_KINDS: Final = frozenset({"text/xml", "application/xml", "application/json", "text/plain", ""})


def add(router: APIRouter, front: Front, sources: Callable[[], Sources]) -> None:
    """Open them."""

    @router.get("/wechat/{account}", **_GET)  # noqa: FAST003 - the request has it
    async def verify_wechat_account(request: Request) -> Response:
        """Answer the platform's check of this address: the echo string, unchanged."""
        with front.visit(request, Channel.WECHAT):
            wechat.require_signature(sources().wechat.get(request.path_params["account"]), request.query_params)
        return Response(
            request.query_params.get("echostr", ""),
            media_type="text/plain",
            headers={"X-Content-Type-Options": "nosniff"},
        )

    @router.post("/wechat/{account}", **_POST)  # noqa: FAST003 - the request has it
    async def send_wechat_message(request: Request) -> Response:
        """Take what the platform posts; answer once it is kept, or where there is nothing to keep."""
        with front.visit(request, Channel.WECHAT) as visit:
            visit.require(_KINDS)
            source = sources().wechat.get(request.path_params["account"])
            message = wechat.opened(source, request.query_params, await visit.body())
            if source is None:
                raise AssertionError("what is opened has an account")
            visit.source = source.name
            accepted = wechat.accept(source, message, clock.now(), front.talk)
            if not isinstance(accepted, NotAContact):
                await visit.keep(accepted.contact)
            elif accepted.heard is not None:
                await visit.hear(accepted.heard)
            else:
                visit.nothing_to_keep()
        return _answer(source, message, accepted.reply, request.query_params.get("nonce", ""))


def _answer(source: WeChatSource, message: wechat.Opened, reply: str | None, nonce: str) -> Response:
    """Return the passive reply, or ``success``, which needs no encryption."""
    if reply is None:
        return Response("success", media_type="text/plain")
    now = clock.now()
    clear = wechat.answer(message, reply, now)
    body = wechat.sealed(source, message, clear, nonce, now, secrets.token_bytes(RANDOM_BYTES))
    return Response(body, media_type="application/json" if message.form is Format.JSON else "text/xml")


_SIGNED: Final = [
    parameter("account", "path", "The account's original id, gh_…"),
    parameter("signature", "query", "sha1 of the sorted token, timestamp and nonce, in hexadecimal"),
    parameter("timestamp", "query", "Seconds since 1970"),
    parameter("nonce", "query", "The platform's random number"),
]
_PLAIN: Final = {"content": {"text/plain": {"schema": {"type": "string"}}}}
_GET: Final[dict[str, Any]] = {
    "tags": ["wechat"],
    "summary": "The platform checks this address",
    "response_class": Response,
    "responses": {200: {"description": "The echo string, unchanged", **_PLAIN}, **problem_responses(401)},
    "openapi_extra": {"parameters": [*_SIGNED, parameter("echostr", "query", "What to echo", required=False)]},
}
_POST: Final[dict[str, Any]] = {
    "tags": ["wechat"],
    "summary": "A message or an event of an official account, in clear or encrypted, XML or JSON",
    "response_class": Response,
    "responses": {
        200: {
            "description": "Kept, or nothing to keep: a passive reply as the message came (its format, encrypted or"
            " not), or the word success",
            "content": {
                kind: {"schema": {"type": "string"}} for kind in ("text/xml", "application/json", "text/plain")
            },
        },
        **problem_responses(400, 401, 408, 413, 415, 422, 429, 503),
    },
    "openapi_extra": {
        "parameters": [
            *_SIGNED,
            parameter("encrypt_type", "query", "aes where the message is encrypted", required=False),
            parameter(
                "msg_signature",
                "query",
                "Encrypted: sha1 of the sorted token, timestamp, nonce and Encrypt",
                required=False,
            ),
        ],
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
