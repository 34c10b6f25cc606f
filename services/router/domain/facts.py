"""What is known of a ticket from its contacts.

Decided here: what several contacts of one ticket add up to. Facts are a join: each keeps the time and id of the contact
it came from, the later one wins, and a contact folded again changes nothing, so order and repeats do not matter. Times
are event times bounded by arrival times, since a phone's clock may lie. Never here: what the facts mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from uuid import UUID

from services.contracts.values import (
    AddressLine,
    Channel,
    Language,
    Name,
    Position,
    Recipient,
    Text,
    Timestamp,
    Value,
    Word,
)
from services.router.domain.classify import REPORTED_DANGER
from services.router.domain.words import normalise

if TYPE_CHECKING:
    from datetime import datetime

    from services.contracts.messages import ContactReceived
    from services.router.domain.classify import Keywords

T = TypeVar("T")
_LONGEST_TEXT: Final = 4000


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far decisions trust and wait.

    Attributes:
        event_lag: How long before its arrival a contact may say it happened.
        follow_up: How long after its report went out a customer's further words need no person.
    """

    event_lag: timedelta = timedelta(hours=24)
    follow_up: timedelta = timedelta(minutes=30)


class Said(Value, Generic[T]):
    """A fact with the contact that it came from."""

    value: T
    at: Timestamp
    contact_id: UUID


# Named once: to name a parametrised model costs as much as to make one.
_SaidChannel: Final = Said[Channel]
_SaidText: Final = Said[Text]


class Facts(Value):
    """What is known of a ticket from its contacts: equal for equal contacts, in whatever order they came.

    Attributes:
        opened_at: Time of the earliest contact.
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
    """

    opened_at: Timestamp
    outage_at: Timestamp | None = None
    channel: Said[Channel]
    business_type: Said[Word] | None = None
    language: Said[Language] | None = None
    account_id: Said[Name] | None = None
    phone: Said[Name] | None = None
    address: Said[AddressLine] | None = None
    position: Said[Position] | None = None
    reply_to: Said[Recipient] | None = None
    unconfirmed: Said[bool] | None = None
    answered: bool = False
    texts: tuple[Said[Text], ...] = ()
    interim: Said[Text] | None = None
    hazards: tuple[Word, ...] = ()
    single_premise: bool = False
    final: bool = False

    @property
    def is_unconfirmed(self) -> bool:
        """Whether the matter is inferred from a call given up, and nobody confirmed it since."""
        return self.unconfirmed is not None and self.unconfirmed.value and not self.answered

    @property
    def text(self) -> str | None:
        """All that was written or said, a line a contact; None if nothing was."""
        texts = self.texts
        if self.interim is not None and (not texts or _when(texts[-1]) < _when(self.interim)):
            texts = (*texts, self.interim)
        return "\n".join(said.value for said in texts)[:_LONGEST_TEXT] or None


def bounded(occurred_at: datetime, received_at: datetime, lag: timedelta) -> datetime:
    """Return the event time, not later than the arrival and not more than ``lag`` before it."""
    return min(max(occurred_at, received_at - lag), received_at)


def fold(facts: Facts | None, contact: ContactReceived, keywords: Keywords, bounds: Bounds) -> Facts:
    """Return the facts with a contact added."""
    at = bounded(contact.occurred_at, contact.received_at, bounds.event_lag)
    text = contact.text.strip() if contact.text else ""
    plain = normalise(text)
    choice = contact.business_type if contact.business_type in keywords.business_types else None
    claims = choice == keywords.fault_type or (choice is None and keywords.says_outage(plain))
    hazards = set(keywords.hazards_in(plain))
    if contact.hazard:
        hazards.add(REPORTED_DANGER)
    interim = contact.facts.get("transcript_final") is False
    opening = _SaidChannel(value=contact.channel, at=at, contact_id=contact.contact_id)
    old = facts or Facts(opened_at=at, channel=opening)

    def latest(value: T | None, was: Said[T] | None) -> Said[T] | None:
        if value is None or (was is not None and _when(was) > (at, contact.contact_id)):
            return was
        return Said(value=value, at=at, contact_id=contact.contact_id)

    return Facts(
        opened_at=min(old.opened_at, at),
        outage_at=min(old.outage_at or at, at) if claims else old.outage_at,
        channel=min(old.channel, opening, key=_when),
        business_type=latest(choice, old.business_type),
        language=latest(contact.language, old.language),
        account_id=latest(contact.account_id or keywords.account_in(text), old.account_id),
        phone=latest(contact.phone, old.phone),
        address=latest(contact.address or None, old.address),
        position=latest(contact.position, old.position),
        reply_to=latest(contact.reply_to, old.reply_to),
        unconfirmed=latest(contact.unconfirmed if contact.final else None, old.unconfirmed),
        answered=old.answered or contact.facts.get("answered") is True,
        texts=old.texts if interim or not text else _with_text(old.texts, at, contact.contact_id, text),
        interim=latest(text or None, old.interim) if interim else old.interim,
        hazards=tuple(sorted(hazards.union(old.hazards))),
        single_premise=old.single_premise or contact.facts.get("single_premise") is True,
        final=old.final or contact.final,
    )


def _when(said: Said[T]) -> tuple[datetime, UUID]:
    return said.at, said.contact_id


def _with_text(texts: tuple[Said[Text], ...], at: datetime, contact_id: UUID, text: str) -> tuple[Said[Text], ...]:
    """Keep texts in order while fewer than 4,000 characters come before them.

    Cut so, what is kept does not depend on the order of arrival: whatever is dropped once has 4,000 characters before
    it, and further texts only add to them.
    """
    new = _SaidText(value=text, at=at, contact_id=contact_id)
    kept: list[Said[Text]] = []
    before = 0
    for said in sorted({_when(each): each for each in (*texts, new)}.values(), key=_when):
        if before >= _LONGEST_TEXT:
            break
        kept.append(said)
        before += len(said.value) + 1
    return tuple(kept)
