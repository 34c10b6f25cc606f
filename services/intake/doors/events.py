"""The endpoint for all other systems: CloudEvents 1.0 in structured, binary and batch mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, Field, RootModel

from services.contracts.values import Channel
from services.intake.channels import cloudevents
from services.intake.channels.contact import Accepted
from services.intake.channels.payload import read_list, read_object
from services.intake.channels.refusal import FieldError, PayloadRefusedError, bad_fields
from services.intake.credentials import Credentials
from services.intake.doors.describing import AcceptedAnswer, named, parameter
from services.intake.doors.front import accepted_answer, problem_of
from services.intake.doors.json_door import json_door
from services.runtime import clock
from services.runtime.problems import ProblemDetails

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fastapi import APIRouter

    from services.intake.channels.payload import Read
    from services.intake.channels.source import EventSource, Sources
    from services.intake.doors.front import Front, Visit


class KeptEvent(AcceptedAnswer):
    """An event of a batch that is kept."""

    index: int = Field(description="Its place in the batch, from 0")


class RefusedEvent(ProblemDetails):
    """An event of a batch that was refused."""

    index: int = Field(description="Its place in the batch, from 0")


class BatchAnswer(BaseModel):
    """What became of each event of a batch."""

    accepted: list[KeptEvent]
    refused: list[RefusedEvent]


class EventAnswer(RootModel[AcceptedAnswer | BatchAnswer]):
    """Of one event, that it is kept; of a batch, what became of each."""


_UNCOVERED = FieldError("webhook-signature", "does not cover the ce- headers: sign an event in structured mode")
_KINDS = frozenset({cloudevents.BINARY, cloudevents.STRUCTURED, cloudevents.BATCH})


def add(router: APIRouter, front: Front, sources: Callable[[], Sources]) -> None:
    """Open it."""
    credentials = Credentials(lambda: sources().api)

    @router.post("/events", **_described())
    async def submit_event(request: Request) -> Response:
        """Take an event, or a batch: 202 once all of it is kept, 207 where any of a batch was refused."""
        with front.visit(request, Channel.API) as visit:
            visit.require(_KINDS)
            source = credentials.presented(visit.headers, visit.peer)
            kind = visit.headers["content-type"].partition(";")[0].strip().lower()
            limit = front.settings.max_push_bytes if kind == cloudevents.BATCH else None
            body, now = await visit.body(limit=limit), clock.now()
            if source is None:
                source = credentials.signed(visit.headers, body, visit.peer, now)
                if kind == cloudevents.BINARY:
                    raise bad_fields(_UNCOVERED)
            visit.source = source.name
            if kind == cloudevents.BATCH:
                return await _batch(visit, source, body, now)
            read = read_object(body) if kind == cloudevents.STRUCTURED else cloudevents.read_binary(visit.headers, body)
            accepted = cloudevents.accept(source, read, now)
            await visit.keep(accepted.contact)
        return accepted_answer(accepted)


async def _batch(visit: Visit, source: EventSource, body: bytes, now: datetime) -> Response:
    """Keep each event by itself. One that is wrong keeps none of the others out; a storage fault is everybody's."""
    accepted: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    waits = 0
    outcomes = [_outcome(source, read, now) for read in read_list(body)]
    refusals = await visit.take_all(outcomes)
    for index, (outcome, refusal) in enumerate(zip(outcomes, refusals, strict=True)):
        if refusal is not None:
            refused.append({"index": index, **problem_of(refusal)})
            waits = max(waits, refusal.retry_after_s or 0)
        elif isinstance(outcome, Accepted):
            ids = {"contact_id": outcome.contact.contact_id, "ticket_ref": outcome.contact.ticket_ref}
            ignored = {"ignored_fields": outcome.ignored} if outcome.ignored else {}
            accepted.append({"index": index, **ids, **ignored})
    headers = {"Retry-After": str(waits)} if waits else {}
    answer = orjson.dumps({"accepted": accepted, "refused": refused})
    return Response(answer, 207 if refused else 202, headers, media_type="application/json")


def _outcome(source: EventSource, read: Read | PayloadRefusedError, now: datetime) -> Accepted | PayloadRefusedError:
    if isinstance(read, PayloadRefusedError):
        return read
    try:
        return cloudevents.accept(source, read, now)
    except PayloadRefusedError as refusal:
        return refusal


def _described() -> dict[str, Any]:
    event = named(cloudevents.SubmittedEvent)
    described = json_door(
        "events",
        "A contact from any other system, as a CloudEvent",
        None,
        bodies={
            cloudevents.STRUCTURED: {"schema": event},
            cloudevents.BATCH: {"schema": {"type": "array", "items": event}},
            cloudevents.BINARY: {"schema": named(cloudevents.SubmittedContact)},
        },
        models=(cloudevents.SubmittedEvent, cloudevents.SubmittedContact),
    )
    headers = [
        parameter("ce-specversion", "header", "Binary mode: 1.0", required=False),
        parameter("ce-id", "header", "Binary mode: with ce-source, names the event", required=False),
        parameter("ce-source", "header", "Binary mode: which of your systems, a URI reference", required=False),
        parameter("ce-type", "header", "Binary mode: gridline.contact.submitted.v1", required=False),
        parameter("ce-time", "header", "Binary mode: when it happened, with its offset", required=False),
    ]
    kept = [one for one in described["openapi_extra"]["parameters"] if one["name"] != "Idempotency-Key"]
    some = {"model": BatchAnswer, "description": "A batch of which some, or all, were refused"}
    responses = {status: one for status, one in described["responses"].items() if status != 204}  # noqa: PLR2004 - HTTP
    return {
        **described,
        "responses": {**responses, 202: {**responses[202], "model": EventAnswer}, 207: some},
        "openapi_extra": {**described["openapi_extra"], "parameters": [*kept, *headers]},
    }
