"""What every endpoint does with a request: check size and content type, read, keep what it says, answer or refuse."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

import orjson
import structlog

from services.intake.accepting import Acceptance, accept_seconds
from services.intake.body import read_body, require_kind
from services.intake.channels.contact import Accepted, NotAContact
from services.intake.channels.refusal import FieldError, PayloadRefusedError, Reason, bad_fields
from services.intake.cut_off import CutOff
from services.intake.limits import Limits, Rate
from services.intake.metrics import NO_CONTACT, REFUSED
from services.intake.peer import peer_of
from services.intake.photos import PhotoStore
from services.intake.recent import RecentKeys
from services.runtime import clock
from services.runtime.bodies import Unfinished
from services.runtime.http import JsonBytes
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    from fastapi import Request, Response

    from services.contracts.messages import ContactReceived, RecipientHeard
    from services.contracts.values import Channel
    from services.intake.announcing import Announcer
    from services.intake.channels.conversation import Talk
    from services.intake.settings import IntakeSettings
    from services.runtime.producer import Producer

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
    Reason.NOT_A_PHOTO: 415,
    Reason.NOT_TAKEN: 404,
    Reason.KEY_REUSED: 422,
    Reason.KEY_IN_FLIGHT: 409,
    Reason.TOO_MANY: 429,
    Reason.BUSY: 503,
    Reason.OUTCOME_UNKNOWN: 503,
}
_AT_ONCE: Final = 50
_BODY_UNREAD: Final = frozenset({Reason.OVERSIZE, Reason.SLOW_BODY, Reason.MEDIA_TYPE, Reason.CREDENTIALS})
"""After these the connection is closed, or the sender could go on sending what nobody reads."""


class Front:
    """What all doors share: the limits of the settings, and the one way a contact is accepted."""

    def __init__(
        self, settings: IntakeSettings, producer: Producer, talk: Talk, announcer: Announcer | None = None
    ) -> None:
        self.settings = settings
        self.talk = talk
        self.announcer = announcer
        self.recent = RecentKeys(settings.recent_keys)
        self.cut_off = CutOff()
        self.unfinished = Unfinished()
        self.photos = (
            PhotoStore(settings.photos_folder, min_free_bytes=settings.photos_min_free_bytes)
            if settings.photos_folder
            else None
        )
        self.acceptance = Acceptance(
            producer, most_unresolved=settings.max_unresolved_sends, longest_s=settings.max_unresolved_age_s
        )
        self.limits = Limits(
            source=Rate(settings.source_per_s, settings.source_burst),
            customer=Rate(settings.customer_per_minute / 60, settings.customer_burst),
            address=Rate(settings.address_per_minute / 60, settings.address_burst),
        )

    def announce(self, contact: ContactReceived) -> Awaitable[Mapping[str, str]] | None:
        """Begin to find out what a caller can be told at once, if anything can."""
        return self.announcer.begin(contact) if self.announcer else None

    def visit(self, request: Request, channel: Channel) -> Visit:
        """Return the visit of one request, to be entered with ``with``."""
        return Visit(self, request, channel)


class Visit:
    """One request at one door: what is read of it, and how its refusal is counted and answered.

    Attributes:
        headers: By lower-case name.
        peer: Who is at the other end.
        source: Name of the source, once the credential said which; None while it is a stranger.
    """

    __slots__ = ("_channel", "_front", "_request", "_started", "headers", "peer", "source")

    def __init__(self, front: Front, request: Request, channel: Channel) -> None:
        self._front = front
        self._request = request
        self._channel = channel
        self._started = 0.0
        self.headers = _headers(request)
        client = request.scope.get("client")
        self.peer = peer_of(client[0] if client else None, self.headers, front.settings.trusted_proxies)
        self.source: str | None = None

    def __enter__(self) -> Self:
        self._started = clock.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer a refusal as a problem; note the time of a known sender's visit that went well.

        Raises:
            Problem: the visit was refused.
        """
        if isinstance(error, PayloadRefusedError):
            raise self._problem(error) from None
        if error is None and self.source is not None:
            accept_seconds(self._channel).observe(clock.monotonic() - self._started)

    def event_id(self, *, signed: bool) -> str | None:
        """Return the id of the event that the headers give; of who signs, the one that the signature covers.

        Any other could be changed by who sends a signed request again, and would make a second event of it.

        Raises:
            PayloadRefusedError: who signs gives another one beside it.
        """
        key, own = self.headers.get("idempotency-key"), self.headers.get("webhook-id")
        if signed and key is not None and key != own:
            raise bad_fields(
                FieldError("Idempotency-Key", "is not covered by the signature: leave it out, or send the webhook-id")
            )
        return key or own

    def require(self, kinds: frozenset[str]) -> None:
        """Refuse before anything is read: while too many contacts wait, or a body of another kind.

        Raises:
            PayloadRefusedError: as said.
        """
        self._front.acceptance.refuse_if_busy()
        require_kind(self.headers, kinds)

    def body(
        self, *, limit: int | None = None, deadline_s: float | None = None, placed: bool = False
    ) -> Awaitable[bytes]:
        """Read the body, once it is awaited.

        Args:
            limit: Most bytes, where they are not the settings' usual.
            deadline_s: Longest wait, likewise.
            placed: Whether it has a place of its own, of few.

        Raises:
            PayloadRefusedError: it is larger or slower than that, or too many come in parts.
        """
        settings = self._front.settings
        return read_body(
            self.headers,
            self._request.receive,
            limit=limit or settings.max_body_bytes,
            deadline_s=deadline_s or settings.body_deadline_s,
            unfinished=None if placed else self._front.unfinished,
        )

    async def keep(
        self,
        contact: ContactReceived,
        *,
        anonymous: bool = False,
        once_admitted: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Wait until the contact is kept.

        Args:
            contact: What was sent.
            anonymous: Whether the door asks for no credential.
            once_admitted: What must be done before the contact is accepted, and not for one who sends too much.

        Raises:
            PayloadRefusedError: nothing was stored, or the outcome is unknown.
        """
        if not anonymous:  # strangers each have a clock of their own, and nobody keeps what they send
            (contact,) = self._front.cut_off.marked([contact])
        self._front.limits.admit(contact, self.peer, anonymous=anonymous, now=self._started)
        if once_admitted is not None:
            await once_admitted()
        await (self._keep_anonymous(contact) if anonymous else self._keep_known(contact))

    async def _keep_known(self, contact: ContactReceived) -> None:
        """Keep what a source sent that shows who it is: when it was last heard tells when it is cut off."""
        await self._front.acceptance.accept(contact, self.headers.get("traceparent"))
        self._front.cut_off.arrived(contact)

    async def _keep_anonymous(self, contact: ContactReceived) -> None:
        """Keep what anybody may have sent in anybody's name: who is named too often is not told of it."""
        limits = self._front.limits
        named = contact.reply_to is not None
        told = named and limits.may_tell(contact, self._started)
        if named and not told:
            _log.info("named_too_often", channel=self._channel.value, source=self.source)
            contact = contact.model_copy(update={"reply_to": None, "facts": {**contact.facts, "named_too_often": True}})
        try:
            await self._front.acceptance.accept(contact, self.headers.get("traceparent"))
        except PayloadRefusedError:
            if told:
                limits.was_not_kept(contact)
            raise

    def ask(self) -> None:
        """Count a question from anybody.

        Raises:
            PayloadRefusedError: its address asks too much.
        """
        self._front.limits.ask(self.peer, self._started)

    async def hear(self, heard: RecipientHeard) -> None:
        """Wait until what a channel told of a recipient is kept.

        Raises:
            PayloadRefusedError: nothing was stored, or the outcome is unknown.
        """
        self._front.limits.hear(heard, self._started)
        await self._front.acceptance.hear(heard, self.headers.get("traceparent"))

    async def take_all(
        self, together: Sequence[Accepted | NotAContact | PayloadRefusedError]
    ) -> list[PayloadRefusedError | None]:
        """Keep many that came together, in their order and some at once; return why each was not, as ``take`` does.

        One after another, hundreds would wait for as many acknowledgements of a slow disk; their sender would give up,
        send all again and give up again. That their source had been cut off is told by all of them at once.

        Raises:
            PayloadRefusedError: as ``take`` does; it is not known how many were stored.
        """
        accepted = [one.contact for one in together if isinstance(one, Accepted)]
        marked = iter(self._front.cut_off.marked(accepted))
        outcomes = [replace(one, contact=next(marked)) if isinstance(one, Accepted) else one for one in together]
        refusals: list[PayloadRefusedError | None] = []
        for begin in range(0, len(outcomes), _AT_ONCE):
            refusals += await asyncio.gather(*map(self.take, outcomes[begin : begin + _AT_ONCE]))
        return refusals

    async def take(self, outcome: Accepted | NotAContact | PayloadRefusedError) -> PayloadRefusedError | None:
        """Keep one of many that came together; return why it was not, where that is no reason to refuse the others.

        Raises:
            PayloadRefusedError: it is not known whether it was stored, or nothing can be stored now.
        """
        try:
            if isinstance(outcome, PayloadRefusedError):
                raise outcome
            if isinstance(outcome, Accepted):
                self._front.limits.admit(outcome.contact, self.peer, anonymous=False, now=self._started)
                await self._keep_known(outcome.contact)
            elif outcome.heard is not None:
                await self.hear(outcome.heard)
            else:
                self.nothing_to_keep()
        except PayloadRefusedError as refusal:
            if refusal.reason in {Reason.BUSY, Reason.OUTCOME_UNKNOWN}:
                raise
            self.note(refusal)
            return refusal
        return None

    def note(self, refusal: PayloadRefusedError) -> None:
        """Count and log a refusal. A stranger's is only counted: anybody can cause those."""
        REFUSED.labels(self._channel.value, refusal.reason.value).inc()
        if self.source is not None and _STATUS[refusal.reason] < 500:  # noqa: PLR2004 - unavailability is logged once, where it begins
            _log.info(
                "contact_refused",
                channel=self._channel.value,
                source=self.source,
                reason=refusal.reason.value,
                fields=[field.field for field in refusal.fields],
            )

    def nothing_to_keep(self) -> None:
        """Count an event that is answered and opens no ticket."""
        NO_CONTACT.labels(self._channel.value).inc()

    def _problem(self, refusal: PayloadRefusedError) -> Problem:
        """Count, log and answer a refusal."""
        self.note(refusal)
        status = _STATUS[refusal.reason]
        headers: dict[str, str] = {}
        if refusal.reason is Reason.CREDENTIALS:
            headers["WWW-Authenticate"] = "ApiKey"
        if refusal.reason in _BODY_UNREAD:
            headers["Connection"] = "close"
        if refusal.retry_after_s is not None:
            headers["Retry-After"] = str(refusal.retry_after_s)
        elif status == 503 or refusal.reason is Reason.KEY_IN_FLIGHT:  # noqa: PLR2004 - as above
            headers["Retry-After"] = str(self._front.settings.retry_after_s)
        return Problem(**problem_of(refusal), headers=headers)


def problem_of(refusal: PayloadRefusedError) -> dict[str, Any]:
    """Return a refusal as it stands in an answer to many."""
    return {
        "status": _STATUS[refusal.reason],
        "title": refusal.reason.value.replace("_", " ").capitalize(),
        "detail": refusal.detail,
        "errors": [{"field": field.field, "reason": field.reason} for field in refusal.fields],
    }


def accepted_answer(accepted: Accepted, more: Mapping[str, str] = MappingProxyType({})) -> Response:
    """Return 202 with the contact's id and the reference to read out, and what more a channel has to say."""
    contact = accepted.contact
    answer: dict[str, Any] = {"contact_id": contact.contact_id, "ticket_ref": contact.ticket_ref, **more}
    if accepted.ignored:
        answer["ignored_fields"] = accepted.ignored
    return JsonBytes(orjson.dumps(answer), 202)


_LISTS: Final = (b"x-forwarded-for", b"x-forwarded-client-cert")
"""Headers to which a proxy on the way may add by a line of its own (RFC 9110, 5.3): HAProxy does."""


def _headers(request: Request) -> dict[str, str]:
    """The headers by lower-case name: six are looked up, and Starlette would walk the list for each."""
    lines = request.scope["headers"]
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}
    if len(found) < len(lines):
        for name in _LISTS:
            found |= {name.decode(): b",".join(value for one, value in lines if one == name).decode("latin-1")}
    return found
