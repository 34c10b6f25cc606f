"""What is known of a ticket from its contacts.

Decided here: how several contacts of one ticket combine. Facts are a join: each keeps the time and id of its contact,
the later one wins, and folding a contact again changes nothing, so order and repeats do not matter. Times are event
times bounded by arrival times, since a phone's clock may be wrong. Never here: what the facts mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from uuid import UUID  # noqa: TC003 - facts are read from their stored form by these annotations

from services.contracts.frozen import frozen
from services.contracts.values import Channel, Position, Recipient  # noqa: TC001
from services.grid.accounts import said_account
from services.router.domain.reading import REPORTED_DANGER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.contracts.messages import ContactReceived
    from services.router.domain.reading import Keywords

T = TypeVar("T")
_LONGEST_TEXT: Final = 4000
_OFF_BY: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far decisions trust and wait.

    Attributes:
        event_lag: How long before its arrival a contact may say it happened; what says more is of its arrival.
        clock_off: One that says it happened this long before its arrival, to some minutes, has its hours from another
            zone; none if 0.
        follow_up: How long after its report went out a customer's further words need no person, and the same claim
            is the same outage.
        matter: How long after its last contact a ticket may still be what a reporter speaks of.
        talk: How long after the last contact words without a matter belong to it.
        urge_every: Between two urges that count; those between are noted. As of the desk's rules in force.
    """

    event_lag: timedelta = timedelta(hours=24)
    clock_off: timedelta = timedelta(hours=8)
    follow_up: timedelta = timedelta(minutes=30)
    matter: timedelta = timedelta(hours=24)
    talk: timedelta = timedelta(minutes=30)
    urge_every: timedelta = timedelta(minutes=30)


@frozen()
class Said(Generic[T]):
    """A fact with the contact that it came from."""

    value: T
    at: datetime
    contact_id: UUID

    @property
    def when(self) -> tuple[datetime, UUID]:
        """Its place in the order of what was said: two contacts of one instant go by id."""
        return self.at, self.contact_id


UNNAMED: Final[Mapping[str, Any]] = dict.fromkeys(("account_id", "phone", "address", "position", "reply_to"))
"""Who spoke and where they are, taken out of a contact or its facts: customers never see one another."""


@frozen(kw_only=True)
class Facts:
    """What is known of a ticket from its contacts: equal for equal contacts, in whatever order they came.

    Attributes:
        opened_at: Time of the earliest contact.
        arrived_at: When the first of them came in; None of tickets of an older release.
        outage_at: Time of the earliest contact that by itself claims an outage.
        channel: Of the earliest contact. Every fact below is of the latest contact that said it.
        business_type: Chosen on the channel, and known to the operators' data.
        unconfirmed: By a final contact; the ones on the way to it confirm nothing.
        answered: A person spoke with the caller, by any contact: then the call's end leaves nothing unconfirmed.
        texts: What was written or said, in order of time, up to the first 4,000 characters.
        interim: What speech recognition heard last and may still correct.
        hazards: Every one named so far.
        single_premise: Chosen on the channel by any contact.
        final: No more is expected of this ticket.
        kept_back: A source that was cut off posted of it what it had kept: its times are right, though they are old.
    """

    opened_at: datetime
    arrived_at: datetime | None = None
    outage_at: datetime | None = None
    channel: Said[Channel]
    business_type: Said[str] | None = None
    language: Said[str] | None = None
    account_id: Said[str] | None = None
    phone: Said[str] | None = None
    address: Said[str] | None = None
    position: Said[Position] | None = None
    reply_to: Said[Recipient] | None = None
    unconfirmed: Said[bool] | None = None
    answered: bool = False
    texts: tuple[Said[str], ...] = ()
    interim: Said[str] | None = None
    hazards: tuple[str, ...] = ()
    single_premise: bool = False
    final: bool = False
    kept_back: bool = False

    @property
    def is_unconfirmed(self) -> bool:
        """Whether the matter is inferred from a call given up, and nobody confirmed it since."""
        return self.unconfirmed is not None and self.unconfirmed.value and not self.answered

    @property
    def text(self) -> str | None:
        """All that was written or said, a line a contact; None if nothing was."""
        texts = self.texts
        if self.interim is not None and (not texts or texts[-1].when < self.interim.when):
            texts = (*texts, self.interim)
        if len(texts) <= 1:
            return texts[0].value[:_LONGEST_TEXT] or None if texts else None
        return "\n".join(said.value for said in texts)[:_LONGEST_TEXT]


def arrived(contact: ContactReceived, now: datetime) -> ContactReceived:
    """Return a contact with the arrival that is believed: not after now, as a host whose clock is ahead dates it.

    Its customers would wait behind all others, their clocks would not run, and their outages lie in the future.
    """
    ahead = contact.received_at - now > _OFF_BY
    return contact.model_copy(update={"received_at": now}) if ahead else contact


def bounded(occurred_at: datetime, received_at: datetime, lag: timedelta) -> datetime:
    """Return the event time; the arrival where that is said to be later, or more than ``lag`` before it.

    A telephone with an empty battery is in 1970: dated ``lag`` back, its outage would be before any other, and miss
    every due time.
    """
    return occurred_at if timedelta(0) <= received_at - occurred_at <= lag else received_at


def happened_at(contact: ContactReceived, bounds: Bounds) -> datetime:
    """Return when a contact happened, as far as its sender's clock is believed.

    A sender who writes universal time down as China's is eight hours early, with all it sends: such a contact would
    stand before everybody in the queue, with its clock run out, and its outage before any other.
    """
    late = contact.received_at - contact.occurred_at
    if bounds.clock_off and abs(late - bounds.clock_off) <= _OFF_BY and not contact.kept_back:
        return contact.received_at
    return bounded(contact.occurred_at, contact.received_at, bounds.event_lag)


def speaks(contact: ContactReceived) -> bool:
    """Tell whether the customer says something by a contact: the end of a call and its recording are no new words."""
    sent = any(attachment.kind != "recording" for attachment in contact.attachments)
    return bool(contact.text or contact.hazard or sent)


def said_in(contact: ContactReceived, keywords: Keywords, bounds: Bounds) -> Facts:
    """Return what one contact says by itself."""
    at = happened_at(contact, bounds)
    who = contact.contact_id
    text = contact.text.strip() if contact.text else ""
    reading = keywords.read(text)
    choice = contact.business_type if contact.business_type in keywords.business_types else None
    claims = choice == keywords.fault_type or (choice is None and reading.says_outage)
    hazards = reading.hazards
    if contact.hazard:
        hazards = tuple(sorted({REPORTED_DANGER, *hazards}))
    interim = contact.facts.get("transcript_final") is False

    def said(value: T | None) -> Said[T] | None:
        return None if value is None else Said(value, at, who)

    heard = said(text or None)
    return Facts(
        opened_at=at,
        arrived_at=contact.received_at,
        outage_at=at if claims else None,
        channel=Said(contact.channel, at, who),
        business_type=said(choice),
        language=said(contact.language),
        account_id=said(said_account(contact.account_id) or reading.account),
        phone=said(contact.phone),
        address=said(contact.address or None),
        position=said(contact.position),
        reply_to=said(contact.reply_to),
        unconfirmed=said(contact.unconfirmed if contact.final else None),
        answered=contact.facts.get("answered") is True,
        texts=() if interim or heard is None else (heard,),
        interim=heard if interim else None,
        hazards=hazards,
        single_premise=contact.facts.get("single_premise") is True,
        final=contact.final,
        kept_back=contact.kept_back is True,
    )


def join(one: Facts, other: Facts) -> Facts:
    """Return what both sets of contacts say together; the order of the two does not matter."""
    return Facts(
        opened_at=min(one.opened_at, other.opened_at),
        arrived_at=_earlier(one.arrived_at, other.arrived_at),
        outage_at=_earlier(one.outage_at, other.outage_at),
        channel=one.channel if one.channel.when <= other.channel.when else other.channel,
        business_type=_later(one.business_type, other.business_type),
        language=_later(one.language, other.language),
        account_id=_later(one.account_id, other.account_id),
        phone=_later(one.phone, other.phone),
        address=_later(one.address, other.address),
        position=_later(one.position, other.position),
        reply_to=_later(one.reply_to, other.reply_to),
        unconfirmed=_later(one.unconfirmed, other.unconfirmed),
        answered=one.answered or other.answered,
        texts=_in_order(one.texts, other.texts),
        interim=_later(one.interim, other.interim),
        hazards=one.hazards if one.hazards == other.hazards else tuple(sorted({*one.hazards, *other.hazards})),
        single_premise=one.single_premise or other.single_premise,
        final=one.final or other.final,
        kept_back=one.kept_back or other.kept_back,
    )


def fold(facts: Facts | None, contact: ContactReceived, keywords: Keywords, bounds: Bounds) -> Facts:
    """Return the facts with a contact added."""
    new = said_in(contact, keywords, bounds)
    return new if facts is None else join(facts, new)


def _when(said: Said[T]) -> tuple[datetime, UUID]:
    return said.when


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _later(one: Said[T] | None, other: Said[T] | None) -> Said[T] | None:
    if one is None or other is None or one is other:
        return one or other
    if one.at != other.at:
        return one if one.at > other.at else other
    return one if one.contact_id >= other.contact_id else other


def _in_order(one: tuple[Said[str], ...], other: tuple[Said[str], ...]) -> tuple[Said[str], ...]:
    """Keep texts in order while fewer than 4,000 characters come before them.

    Cut so, what is kept does not depend on the order of arrival: whatever is dropped once has 4,000 characters before
    it, and further texts only add to them.
    """
    if not one or not other or one is other:
        return one or other
    if one[-1].when < other[0].when:
        texts = [*one, *other]
    else:
        texts = sorted({each.when: each for each in (*one, *other)}.values(), key=_when)
    kept: list[Said[str]] = []
    before = 0
    for said in texts:
        if before >= _LONGEST_TEXT:
            break
        kept.append(said)
        before += len(said.value) + 1
    return tuple(kept)
