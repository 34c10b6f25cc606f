"""Acceptance: a contact is accepted when every in-sync replica has it, and not before.

Decided here: how many requests may wait for Kafka at once. Beyond that a sender gets 503 at once instead of queueing
in our memory; so does who sends to a partition that has not answered for long, while others do. Never here: a retry or
a spool; the sender has the event and sends it again.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.envelope import RefusedError, encode
from services.contracts.topics import TOPIC_OF
from services.intake.channels.contact import contact_fingerprint
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.metrics import ACCEPT_SECONDS, ACCEPTED, HEARD, UNRESOLVED
from services.runtime import clock
from services.runtime.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from prometheus_client import Counter, Histogram

    from services.contracts.envelope import Outgoing
    from services.contracts.messages import ContactReceived, RecipientHeard
    from services.contracts.values import Channel
    from services.runtime.producer import Producer

_SOURCE: Final = "gridline/intake"
_log = structlog.get_logger()


# Channels and sources are few, and finding their metrics by label takes longer than counting.
@cache
def _accepted(channel: Channel, source: str) -> Counter:
    return ACCEPTED.labels(channel.value, source)


@cache
def accept_seconds(channel: Channel) -> Histogram:
    """Return where the times of one channel are noted."""
    return ACCEPT_SECONDS.labels(channel.value)


def _busy() -> PayloadRefusedError:
    return PayloadRefusedError(
        Reason.BUSY, "Too many contacts wait to be stored. Nothing was stored: send this one again."
    )


class Acceptance:
    """Publishes contacts, a bounded number at a time, and none more to whoever lets one wait too long."""

    def __init__(self, producer: Producer, *, most_unresolved: int, longest_s: float) -> None:
        self._producer = producer
        self._most = most_unresolved
        self._longest_s = longest_s
        self._unresolved: dict[int, tuple[float, Outgoing]] = {}  # by number, the oldest first
        self._sends = 0
        self._answered_at = self._failed_at = float("-inf")
        self._answering = True
        UNRESOLVED.set_function(lambda: len(self._unresolved))

    def refuse_if_busy(self) -> None:
        """Refuse before a body is read while too many contacts wait, or one has for too long and none was answered.

        A contact stops waiting at the producer's deadline, and the next one is a new try: a broker that is back is
        noticed within that time.

        Raises:
            PayloadRefusedError: nothing was stored.
        """
        if not self._unresolved:
            return
        oldest, _ = next(iter(self._unresolved.values()))
        silent_s = clock.monotonic() - max(oldest, self._answered_at)
        if len(self._unresolved) >= self._most or silent_s > self._longest_s:
            raise _busy()

    def _refuse_if_late(self, outgoing: Outgoing, now: float) -> None:
        """Refuse what is for a partition where another has waited too long: others are answered meanwhile.

        Raises:
            PayloadRefusedError: nothing was stored.
        """
        longest_since = now - self._longest_s
        late = set()
        for begun, one in self._unresolved.values():
            if begun >= longest_since:
                break
            late.add(self._producer.place_of(one))
        if late and self._producer.place_of(outgoing) in late:
            raise _busy()

    def accept(self, contact: ContactReceived, traceparent: str | None) -> Awaitable[None]:
        """Publish a contact and wait until it is kept.

        Raises:
            PayloadRefusedError: nothing was stored, or the outcome is unknown.
        """
        counted = _accepted(contact.channel, contact.source)
        return self._publish(contact, traceparent, counted)

    def hear(self, heard: RecipientHeard, traceparent: str | None) -> Awaitable[None]:
        """Publish what a channel tells of a recipient and wait until it is kept.

        Raises:
            PayloadRefusedError: nothing was stored, or the outcome is unknown.
        """
        counted = HEARD.labels(heard.recipient.channel.value, heard.heard)
        return self._publish(heard, traceparent, counted)

    async def _publish(
        self, message: ContactReceived | RecipientHeard, traceparent: str | None, counted: Counter
    ) -> None:
        self.refuse_if_busy()
        topic, content = TOPIC_OF[type(message)].name, contact_fingerprint(message)
        outgoing = encode(message, topic=topic, source=_SOURCE, traceparent=traceparent, content=content)
        now = clock.monotonic()
        self._refuse_if_late(outgoing, now)
        self._sends += 1
        send = self._sends
        self._unresolved[send] = now, outgoing
        try:
            await self._producer.send(outgoing)
        except RefusedError as refusal:
            raise PayloadRefusedError(Reason.OVERSIZE, "The contact is too large to be stored.") from refusal
        except UnavailableError as error:
            self._note(answering=False, reason=str(error))
            raise PayloadRefusedError(
                Reason.OUTCOME_UNKNOWN,
                "It was not confirmed in time that this is stored; the outcome is unknown. Send it again with the same"
                " id: it is counted once.",
            ) from error
        finally:
            del self._unresolved[send]
        self._note(answering=True)
        counted.inc()

    def _note(self, *, answering: bool, reason: str = "") -> None:
        """Log the change, not every request; nor, again and again, that one partition answers and another does not."""
        now = clock.monotonic()
        if answering:
            self._answered_at = now
        else:
            told, self._failed_at = now - self._failed_at < self._longest_s, now
            if told:
                return
        if answering is not self._answering:
            self._answering = answering
            if answering:
                _log.info("contacts_accepted_again")
            else:
                _log.warning("contacts_not_accepted", reason=reason)
