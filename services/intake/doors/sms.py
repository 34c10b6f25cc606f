"""The endpoints of SMS gateways: one path per provider, with the key as its last part or in a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, Field

from services.contracts.values import Channel
from services.intake.channels import sms
from services.intake.channels.contact import Accepted
from services.intake.channels.refusal import PayloadRefusedError, Reason, stranger
from services.intake.channels.source import SmsProvider
from services.intake.credentials import Credentials
from services.intake.doors.describing import named, parameter
from services.intake.doors.front import problem_of
from services.intake.doors.json_door import JSON, json_door
from services.runtime import clock
from services.runtime.problems import FieldProblem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fastapi import APIRouter

    from services.intake.channels.contact import NotAContact
    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front

_KINDS: Final = JSON | {"", "text/plain"}
"""Some gateways forget to say that they send JSON."""
_TAKEN: Final = {
    SmsProvider.ALIYUN: {"code": 0, "msg": "接收成功"},
    SmsProvider.VOLCENGINE: {"code": 0, "message": "success"},
    SmsProvider.BAIDU: {"code": 0, "message": "success"},
}
"""What a provider must hear, or it pushes again."""


class ProviderAnswer(BaseModel):
    """The word that a provider waits for."""

    code: Literal[0]
    msg: str | None = None
    message: str | None = None


class MessageResult(BaseModel):
    """What became of one message: kept as a contact, heard as a word about its sender, or refused (RFC 9457)."""

    contact_id: str | None = Field(default=None, description="Of one that is kept")
    ticket_ref: str | None = Field(default=None, description="Of one that is kept", examples=["7K3M-9QPX-2HR"])
    heard: str | None = Field(default=None, description="Of one that is no contact: what it was taken for")
    reply: str | None = Field(default=None, description="Send this back to its sender")
    type: str | None = None
    title: str | None = Field(default=None, description="Of one that was refused")
    status: int | None = Field(default=None, description="Of one that was refused: as if it had come alone")
    detail: str | None = None
    errors: list[FieldProblem] | None = None


class PushAnswer(BaseModel):
    """What became of each message of a push, in their order."""

    results: list[MessageResult]


def add(router: APIRouter, front: Front, sources: Callable[[], Sources]) -> None:
    """Open them."""
    credentials = Credentials(lambda: sources().sms)

    async def push(request: Request, form: SmsProvider | None) -> Response:
        with front.visit(request, Channel.SMS) as visit:
            visit.require(_KINDS)
            secret = request.path_params.get("secret")
            shown = {**visit.headers, "x-api-key": secret} if secret else visit.headers
            source = credentials.presented(shown, visit.peer)
            body, now = await visit.body(limit=front.settings.max_push_bytes), clock.now()
            key = visit.headers.get("idempotency-key")
            if source is None:
                source = credentials.signed(visit.headers, body, visit.peer, now)
                key = None  # no signature covers it: what names the messages stands in the body
            if source.provider is not form:
                raise stranger()
            visit.source = source.name
            outcomes = sms.accept(source, body, key, now, front.talk)
            refusals = await visit.take_all(outcomes)
            _refuse_whole(refusals)
        if source.provider is SmsProvider.GENERIC:
            return _answer(outcomes, refusals)
        return Response(orjson.dumps(_TAKEN[source.provider]), media_type="application/json")

    def door(form: SmsProvider | None) -> Callable[[Request], Awaitable[Response]]:
        async def take(request: Request) -> Response:
            """Take a push of text messages; answer once all that can be used is kept."""
            return await push(request, form)

        return take

    secret = parameter("secret", "path", "The source's API key, for those that can send no header")
    for form, model in sms.MODELS.items():
        described, path, name = _described(form, model), f"/sms/{form.value}", f"push_{form.value}_messages"
        router.add_api_route(path, door(form), name=name, methods=["POST"], **described)
        extra = described["openapi_extra"]
        extra = {**extra, "parameters": [secret, *extra["parameters"]], "security": []}  # the address has the key
        by_address = {**described, "openapi_extra": extra}
        name = f"{name}_by_address"
        router.add_api_route(f"{path}/{{secret}}", door(form), name=name, methods=["POST"], **by_address)
    for path in ("/sms/{provider}", "/sms/{provider}/{secret}"):  # whose form nobody knows is a stranger
        router.add_api_route(path, door(None), methods=["POST"], include_in_schema=False)


def _refuse_whole(refusals: Sequence[PayloadRefusedError | None]) -> None:
    """Refuse a push of which nothing can be used, and one that has to come again for those that must wait.

    A message that can never be read is left out of an answer that all is well, or it would be pushed for hours.
    """
    waiting = next((one for one in refusals if one is not None and one.reason is Reason.TOO_MANY), None)
    if waiting is not None:
        raise waiting
    if refusals and all(refusals) and refusals[0] is not None:
        raise refusals[0]


def _answer(
    outcomes: Sequence[Accepted | NotAContact | PayloadRefusedError], refusals: Sequence[PayloadRefusedError | None]
) -> Response:
    """Return what became of each message, in their order, with the text to send back to its sender."""
    results: list[dict[str, Any]] = []
    for outcome, refusal in zip(outcomes, refusals, strict=True):
        if refusal is not None:
            results.append(problem_of(refusal))
        elif isinstance(outcome, Accepted):
            contact = outcome.contact
            results.append({"contact_id": contact.contact_id, "ticket_ref": contact.ticket_ref, "reply": outcome.reply})
        elif not isinstance(outcome, PayloadRefusedError):
            results.append({"heard": outcome.event, "reply": outcome.reply})
    return Response(orjson.dumps({"results": results}), 202, media_type="application/json")


_GENERIC: Final = {
    "description": "In our own form: a text message of a customer, or what became of one of ours",
    "anyOf": [named(sms.GenericUp), named(sms.GenericReceipt)],
}


def _described(form: SmsProvider, model: type[BaseModel]) -> dict[str, Any]:
    ours = form is SmsProvider.GENERIC
    one = {"$ref": "#/components/schemas/GenericMessage"} if ours else named(model)
    many = {"type": "array", "items": one, "description": "One alone need not stand in an array"}
    described = json_door(
        "sms",
        "Text messages and receipts of your own gateway" if ours else f"Text messages, as {form.value} pushes them",
        None,
        answer=PushAnswer,
        bodies={"application/json": {"schema": one if form is SmsProvider.BAIDU else many}},
        models=(model, sms.GenericReceipt) if ours else (model,),
    )
    responses = {status: one for status, one in described["responses"].items() if status not in {202, 204}}
    if not ours:
        taken = {"model": ProviderAnswer, "description": "All that can be used is kept; the word the provider awaits"}
        return {**described, "status_code": 200, "responses": {200: taken, **responses}}
    extra = described["openapi_extra"]
    schemas = {**extra["components"]["schemas"], "GenericMessage": _GENERIC}
    results = {"model": PushAnswer, "description": "What became of each, in their order, with the text to send back"}
    return {
        **described,
        "responses": {202: results, **responses},
        "openapi_extra": {**extra, "components": {**extra["components"], "schemas": schemas}},
    }
