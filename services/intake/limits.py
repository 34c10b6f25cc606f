"""Rate limits per source and per customer, as token buckets; urgent contacts are limited last.

Decided here: who must wait. A storm is not an attack: the limits are far above what a customer in an outage does;
other business is limited before outage reports, and danger last. Who is told to wait has taken nothing of anybody's
share. Never here: a wait in our memory.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from services.contracts.values import Channel
from services.grid.phone import phone_key
from services.intake.channels.refusal import PayloadRefusedError, Reason

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from services.contracts.messages import ContactReceived, RecipientHeard
    from services.intake.peer import Peer

_MOST_BUCKETS: Final = 100_000
"""Buckets kept; the longest unused go first, and are full again by then."""
_FAULT: Final = "fault_report"


class Urgency(float, Enum):
    """How long a contact is still let through. The value is the share of a bucket it leaves to more urgent ones."""

    DANGER = 0.0
    OUTAGE = 0.1
    OTHER = 0.5

    @classmethod
    def of(cls, contact: ContactReceived) -> Urgency:
        """Return the urgency of a contact; one whose business nobody named may be an outage."""
        if contact.hazard:
            return cls.DANGER
        return cls.OUTAGE if contact.business_type is None or contact.business_type == _FAULT else cls.OTHER


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket's size and how fast it fills. ``per_s`` contacts a second for ever, ``burst`` at once."""

    per_s: float
    burst: float


_TOLD_BY_STRANGERS: Final = Rate(6 / 3600, 12)
"""Of reports that anybody may send, whose number is told of each: a caretaker's houses, and no bombardment."""


class Buckets:
    """One bucket a key, all of one rate."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait(self, key: Hashable, urgency: Urgency, now: float) -> float:
        """Take one contact out of a bucket; return 0, or how many seconds until it may be tried again.

        Args:
            key: Whose bucket.
            urgency: How far the bucket may be emptied.
            now: Seconds of a clock that never goes back.
        """
        rate = self._rate
        level, at = self._levels.pop(key, (rate.burst, now))
        level = min(rate.burst, level + (now - at) * rate.per_s)
        left = level - 1.0
        spare = urgency * rate.burst
        fits = left >= spare
        self._levels[key] = (left if fits else level, now)
        if len(self._levels) > _MOST_BUCKETS:
            self._levels.popitem(last=False)
        return 0.0 if fits else (spare - left) / rate.per_s

    def put_back(self, key: Hashable) -> None:
        """Put back what was just taken out of a bucket."""
        if key in self._levels:  # else it is full
            level, at = self._levels[key]
            self._levels[key] = (level + 1.0, at)


class Limits:
    """The limits in force: of each source, of each customer, of each address that sends without a credential."""

    def __init__(self, *, source: Rate, customer: Rate, address: Rate) -> None:
        self._sources = Buckets(source)
        self._customers = Buckets(customer)
        self._addresses = Buckets(address)
        self._told = Buckets(_TOLD_BY_STRANGERS)

    def ask(self, peer: Peer, now: float) -> None:
        """Let a question through that needs no credential: it counts as other business of its address.

        Raises:
            PayloadRefusedError: too many came from there.
        """
        _take([(self._addresses, peer.sender)], Urgency.OTHER, now)

    def hear(self, heard: RecipientHeard, now: float) -> None:
        """Let through what a channel tells of a recipient: other business of its source and of that customer.

        Raises:
            PayloadRefusedError: too much came from there.
        """
        customer = (heard.recipient.channel, heard.recipient.address, None)
        _take([(self._sources, heard.source), (self._customers, customer)], Urgency.OTHER, now)

    def admit(self, contact: ContactReceived, peer: Peer, *, anonymous: bool, now: float) -> None:
        """Let a contact through. One that names nobody counts for its ticket: the photos of one report do.

        So do the events of a call, whoever calls: a dormitory or an office shows one number, and lines are few anyway.

        Args:
            contact: What was sent.
            peer: Who sent it.
            anonymous: Whether the door asks for no credential; then the address is the sender.
            now: Seconds of a clock that never goes back.

        Raises:
            PayloadRefusedError: too much came from there; the sender is told when to try again.
        """
        named = contact.phone or (contact.reply_to and contact.reply_to.address)
        customer = contact.ticket_id if contact.channel is Channel.PHONE or not named else named
        stranger = peer.sender if anonymous and named else None  # who names a number that may be anybody's
        shares: list[_Share] = [
            (self._sources, contact.source),
            (self._customers, (contact.channel, customer, stranger)),
        ]
        if anonymous:
            shares.append((self._addresses, peer.sender))
        _take(shares, Urgency.of(contact), now)

    def may_tell(self, contact: ContactReceived, now: float) -> bool:
        """Return whether the address that an anonymous contact names may be told of it: anybody can name anybody's.

        It counts as told of, until ``was_not_kept``.
        """
        named = _named(contact)
        return named is not None and self._told.wait(named, Urgency.DANGER, now) == 0

    def was_not_kept(self, contact: ContactReceived) -> None:
        """Note that a contact whose address may be told was not kept: it will be sent again."""
        if (named := _named(contact)) is not None:
            self._told.put_back(named)


def _named(contact: ContactReceived) -> str | None:
    """Return the address to tell, a telephone number in one spelling."""
    return (phone_key(contact.reply_to.address) or contact.reply_to.address) if contact.reply_to else None


_Share = tuple[Buckets, "Hashable"]


def _take(shares: Sequence[_Share], urgency: Urgency, now: float) -> None:
    """Take one contact out of each bucket, or none out of any."""
    waits = [buckets.wait(key, urgency, now) for buckets, key in shares]
    wait = max(waits)
    if wait > 0:
        for (buckets, key), one in zip(shares, waits, strict=True):
            if one == 0:
                buckets.put_back(key)
        raise PayloadRefusedError(
            Reason.TOO_MANY,
            "Too many contacts from there. Nothing was stored: send this one again after Retry-After.",
            retry_after_s=math.ceil(wait),
        )
