"""The endpoint of a JSON payload: who may knock, what the payload means, how it is described.

It reads raw bytes: the payload is hashed and parsed once, and signatures cover bytes, not objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from fastapi import Request, Response

from services.intake.channels.contact import Accepted, NotAContact, contact_fingerprint
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import Source
from services.intake.doors.describing import (
    AcceptedAnswer,
    credentials,
    named,
    parameter,
    problem_responses,
    schemas,
)
from services.intake.doors.front import accepted_answer
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pydantic import BaseModel

    from services.contracts.values import Channel
    from services.intake.channels.payload import Payload
    from services.intake.doors.front import Front
    from services.intake.peer import Peer

JSON: Final = frozenset({"application/json"})
S = TypeVar("S", bound=Source)
S_co = TypeVar("S_co", bound=Source, covariant=True)


class Knowing(Protocol[S_co]):
    """Says which source a request comes from, as ``credentials.Credentials`` does."""

    def presented(self, headers: Mapping[str, str], peer: Peer) -> S_co | None:
        """Return the source by what it shows; None where the body's signature has to say."""

    def signed(self, headers: Mapping[str, str], body: bytes, peer: Peer, now: datetime) -> S_co:
        """Return the source whose secret signed a body."""


class Anybody(Generic[S]):
    """Whoever knocks is the one source of a door that asks for no credential."""

    def __init__(self, sources: Callable[[], Mapping[str, S]]) -> None:
        self._sources = sources

    def presented(self, headers: Mapping[str, str], peer: Peer) -> S:  # noqa: ARG002 - whoever knocks
        """Return it.

        Raises:
            PayloadRefusedError: there is none just now.
        """
        for source in self._sources().values():
            return source
        raise PayloadRefusedError(Reason.NOT_TAKEN, "No form is shown here.")

    def signed(self, headers: Mapping[str, str], body: bytes, peer: Peer, now: datetime) -> S:  # noqa: ARG002 - likewise
        """Return it, as ``presented`` does."""
        return self.presented(headers, peer)


@dataclass(frozen=True, slots=True)
class JsonDoor(Generic[S]):
    """One JSON door: who may knock, and what its payload means."""

    front: Front
    channel: Channel
    credentials: Knowing[S]
    accept: Callable[[S, bytes, str | None, datetime], Accepted | NotAContact]
    kinds: frozenset[str] = JSON
    announces: bool = False
    """Whether the answer says what a caller can be told, found out while the contact is kept: neither waits."""
    recent: bool = False
    """Where an id in use for another body is told at once, whether the header or the body carries it."""
    anonymous: bool = False
    """Whether it asks for no credential."""

    async def take(self, request: Request) -> Response:
        """Take a payload: 202 once it is kept."""
        with self.front.visit(request, self.channel) as visit:
            visit.require(self.kinds)
            source = self.credentials.presented(visit.headers, visit.peer)
            visit.source = source.name if source else None
            body = await visit.body()
            now = clock.now()
            signed = source is None
            if source is None:
                source = self.credentials.signed(visit.headers, body, visit.peer, now)
                visit.source = source.name
            accepted = self.accept(source, body, visit.event_id(signed=signed), now)
            if isinstance(accepted, NotAContact):
                visit.nothing_to_keep()
                return Response(status_code=204)
            more = self.front.announce(accepted.contact) if self.announces else None
            if self.recent:
                same, alone = contact_fingerprint(accepted.contact), "idempotency-key" in visit.headers
                with self.front.recent.using(accepted.contact.contact_id, same, alone=alone):
                    await visit.keep(accepted.contact, anonymous=self.anonymous)
            else:
                await visit.keep(accepted.contact, anonymous=self.anonymous)
        return accepted_answer(accepted, await more if more else {})


def json_door(
    tag: str,
    summary: str,
    model: type[Payload] | None,
    *,
    answer: type[BaseModel] = AcceptedAnswer,
    bodies: Mapping[str, Any] | None = None,
    models: Sequence[type[BaseModel]] = (),
    keyed: bool = True,
    recent: bool = False,
) -> dict[str, Any]:
    """Describe a JSON door: FastAPI cannot see the body, since the handler reads bytes.

    Args:
        tag: The channel.
        summary: In a line.
        model: What checks the body; None where ``bodies`` show another system's.
        answer: What 202 answers.
        bodies: Media type to its OpenAPI description, where the body is another system's.
        models: What ``bodies`` refer to by name.
        keyed: Whether an API key is needed.
        recent: Whether a key in use for another body is told at once.
    """
    content = {"application/json": {"schema": named(model)}} if model else dict(bodies or {})
    shown = {**(credentials() if keyed else {})}
    shown["components"] = {**shown.get("components", {}), "schemas": schemas(*([model] if model else models))}
    nothing = {} if model else {204: {"description": "An event that opens no ticket and adds to none"}}
    return {
        "tags": [tag],
        "summary": summary,
        "status_code": 202,
        "response_class": Response,
        "responses": {
            202: {"model": answer, "description": "Kept: every in-sync replica has it"},
            **nothing,
            **problem_responses(
                400, *([401] if keyed else []), 408, *([409] if recent else []), 413, 415, 422, 429, 503
            ),
        },
        "openapi_extra": {
            "parameters": [
                parameter(
                    "Idempotency-Key", "header", "Your id of this event, unless the body has event_id", required=False
                ),
                parameter("traceparent", "header", "W3C trace context to continue", required=False),
            ],
            "requestBody": {"required": True, "content": content},
            **shown,
        },
    }
