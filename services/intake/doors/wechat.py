"""The WeChat platform's doors, one address an official account: its check of the address, and what it posts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import Request, Response

from services.contracts.values import Channel
from services.intake.channels import wechat
from services.intake.doors.describing import parameter, problem_responses
from services.intake.security import Accounts
from services.runtime import clock

if TYPE_CHECKING:
    from fastapi import APIRouter

    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front

_XML: Final = frozenset({"text/xml", "application/xml", ""})


def add(router: APIRouter, front: Front, sources: Sources) -> None:
    """Open them."""
    accounts = Accounts(sources.wechat)

    @router.get("/wechat/{account}", **_GET)  # noqa: FAST003 - the request has it
    async def wechat_verification(request: Request) -> Response:
        """Answer the platform's check of this address: the echo string, unchanged."""
        with front.visit(request, Channel.WECHAT):
            accounts.source(request.path_params["account"], request.query_params)
        return Response(
            request.query_params.get("echostr", ""),
            media_type="text/plain",
            headers={"X-Content-Type-Options": "nosniff"},
        )

    @router.post("/wechat/{account}", **_POST)  # noqa: FAST003 - the request has it
    async def wechat_message(request: Request) -> Response:
        """Take what the platform posts: ``success`` once it is kept, or where there is nothing to keep."""
        with front.visit(request, Channel.WECHAT) as visit:
            front.acceptance.refuse_if_busy()
            source = accounts.source(request.path_params["account"], request.query_params)
            visit.source = source.name
            visit.require(_XML)
            accepted = wechat.accept(source, await visit.body(), clock.now())
            if isinstance(accepted, wechat.NotAContact):
                visit.nothing_to_keep()
            else:
                await visit.keep(accepted.contact)
        return Response("success", media_type="text/plain")


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
    "summary": "A message or an event of an official account, plaintext XML",
    "response_class": Response,
    "responses": {
        200: {"description": "The word success: kept, or nothing to keep", **_PLAIN},
        **problem_responses(400, 401, 408, 413, 415, 422, 429, 503),
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
