"""The endpoints for photos: sent after the report, so that a failed upload does not lose it.

The web site, the app and the report form have one each, with their own authentication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from fastapi import Request, Response

from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.report import photo_contact
from services.intake.channels.source import Source
from services.intake.doors.describing import AcceptedAnswer, credentials, parameter, problem_responses
from services.intake.doors.front import accepted_answer
from services.runtime import clock

if TYPE_CHECKING:
    from services.contracts.values import Channel
    from services.intake.doors.front import Front
    from services.intake.doors.json_door import Knowing

KINDS: Final = frozenset({"image/jpeg", "image/png", "image/webp", "application/octet-stream"})

S = TypeVar("S", bound=Source)


@dataclass(frozen=True, slots=True)
class PhotoDoor(Generic[S]):
    """One channel's door for photos."""

    front: Front
    channel: Channel
    credentials: Knowing[S]
    anonymous: bool = False

    async def take(self, request: Request) -> Response:
        """Take a photo of a report: 202 once it is stored and the contact that refers to it is kept."""
        settings, store = self.front.settings, self.front.photos
        with self.front.visit(request, self.channel) as visit:
            visit.require(KINDS)
            source = self.credentials.presented(visit.headers, visit.peer)
            if store is None:
                raise PayloadRefusedError(Reason.NOT_TAKEN, "No photos are taken here.")
            if self.anonymous:
                visit.ask()  # before it is read and unpacked: what is no photo never gets as far as a contact's limits
            known = source is not None and not self.anonymous
            with store.place(None if known else visit.peer.sender):
                sent = await visit.body(
                    limit=settings.max_photo_bytes, deadline_s=settings.photo_deadline_s, placed=True
                )
                now = clock.now()
                if source is None:
                    source = self.credentials.signed(visit.headers, sent, visit.peer, now)
                visit.source = source.name
                photo = await store.make(sent)
                key = visit.headers.get("idempotency-key")
                report = request.path_params["contact_id"]
                accepted = photo_contact(source, self.channel, report, key, photo.photo, now)
                await visit.keep(accepted.contact, anonymous=self.anonymous, once_admitted=lambda: store.keep(photo))
        return accepted_answer(accepted)


def photo_door(tag: str, *, keyed: bool) -> dict[str, Any]:
    """Describe a photo door."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "tags": [tag],
        "summary": "A photo of a report, after it was accepted",
        "status_code": 202,
        "response_class": Response,
        "responses": {
            202: {
                "model": AcceptedAnswer,
                "description": "Kept; the contact id is the photo's, the ticket the report's",
            },
            **problem_responses(400, *([401] if keyed else []), 404, 408, 413, 415, 422, 429, 503),
        },
        "openapi_extra": {
            "parameters": [
                parameter("contact_id", "path", "The report's, as it was answered"),
                parameter("Idempotency-Key", "header", "The one that the report was sent with"),
            ],
            "requestBody": {"required": True, "content": dict.fromkeys(sorted(KINDS), binary)},
            **(credentials() if keyed else {}),
        },
    }
