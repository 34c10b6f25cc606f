"""The endpoints of SMS gateways: one path per provider, with the key as its last part or in a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi import Request, Response

from services.contracts.values import Channel
from services.intake.channels import sms
from services.intake.channels.contact import Accepted
from services.intake.channels.refusal import PayloadRefusedError, Reason, stranger
from services.intake.channels.source import SmsProvider
from services.intake.credentials import Credentials
from services.intake.doors.describing import parameter, schema
from services.intake.doors.front import problem_of
from services.intake.doors.json_door import JSON, json_door
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def add(router: APIRouter, front: Front, sources: Callable[[], Sources]) -> None:
    """Open them."""
    credentials = Credentials(lambda: sources().sms)

    async def push(request: Request) -> Response:
        """Take a push of text messages; answer once all that can be used is kept."""
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
            if source.provider.value != request.path_params["provider"]:
                raise stranger()
            visit.source = source.name
            outcomes = sms.accept(source, body, key, now, front.talk)
            refusals = await visit.take_all(outcomes)
            _refuse_whole(refusals)
        if source.provider is SmsProvider.GENERIC:
            return _answer(outcomes, refusals)
        return Response(orjson.dumps(_TAKEN[source.provider]), media_type="application/json")

    described = _described()
    path = [parameter("provider", "path", "Whose form it has: aliyun, volcengine, baidu or generic")]
    last = [*path, parameter("secret", "path", "The source's API key, for providers that can send no header")]
    for address, parameters in (("/sms/{provider}", path), ("/sms/{provider}/{secret}", last)):
        extra = {**described["openapi_extra"], "parameters": [*parameters, *described["openapi_extra"]["parameters"]]}
        name = "sms_push" if parameters is path else "sms_push_by_address"
        router.add_api_route(address, push, name=name, methods=["POST"], **{**described, "openapi_extra": extra})


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


def _described() -> dict[str, Any]:
    forms = [{"title": provider.value, **schema(model)} for provider, model in sms.MODELS.items()]
    forms.append({"title": "receipt, in our own form", **schema(sms.GenericReceipt)})
    one_or_many = {"oneOf": [{"type": "array", "items": {"anyOf": forms}}, {"anyOf": forms}]}
    described = json_door(
        "sms", "Text messages, as a gateway pushes them", None, bodies={"application/json": {"schema": one_or_many}}
    )
    answered = {"description": "All that can be used is kept; the word that the provider waits for"}
    results = {"description": "Our own form: what became of each, in their order, with the text to send back"}
    responses = {status: one for status, one in described["responses"].items() if status not in {202, 204}}
    return {**described, "status_code": 200, "responses": {200: answered, 202: results, **responses}}
