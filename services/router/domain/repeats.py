"""Whether a contact is about a matter that is open already.

Decided here: who counts as the same reporter, what a contact is to an open ticket of theirs, and when it must not join
it although it is alike. When unsure it does not: an own ticket costs a look, a wrong join hides somebody. Never here: a
danger the open report does not carry joining it; it gets a ticket, a report and an order of its own (DESIGN §4.5).
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from services.contracts.values import TELEPHONE, Channel, TicketState
from services.grid.accounts import account_key
from services.grid.phone import phone_key
from services.router.domain.classify import Classification, TypeRule
from services.router.domain.ticket import ReportState
from services.router.domain.words import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from services.contracts.values import Place
    from services.router.domain.facts import Bounds, Facts
    from services.router.domain.reading import Keywords
    from services.router.domain.ticket import Ticket

_TALKS: Final = frozenset({Channel.WEB, Channel.APP, Channel.WECHAT, Channel.SMS})
"""Channels on which what somebody writes next belongs to what they wrote before."""
DONE: Final = frozenset({TicketState.CLOSED, TicketState.MERGED})
"""Nobody works on such a ticket; on one that people merged somebody does, if the one that stands for it is not done."""
MOST_CONTACTS: Final = 200
"""A ticket is read and written whole: a machine that repeats itself for ever must not make it grow for ever."""
_FAR_M: Final = 2000.0
_METRES_PER_DEGREE: Final = 111_195.0


class Relation(StrEnum):
    """What a contact is to an open ticket of the same reporter."""

    ADDITION = "addition"
    """It says where or who, not what: an account, a position, an address, a picture."""
    REPEAT = "repeat"
    """It says the same again."""
    URGE = "urge"
    """It asks to hurry (催办)."""
    REMARK = "remark"
    """Its words name no matter of their own: a person reads them with the rest."""


class Reporter(NamedTuple):
    """One handle of a person: equal handles are the same reporter, as far as that handle goes."""

    kind: str
    value: str

    @property
    def key(self) -> UUID:
        """What the handle is found by; the table holds no numbers and names."""
        return _key(self)


@lru_cache(maxsize=8192)
def _key(handle: Reporter) -> UUID:
    """Return a handle's digest; a batch asks for each several times."""
    said = f"{handle.kind}\x1f{handle.value}".encode()
    return UUID(bytes=blake2b(said, digest_size=16, person=b"reporter").digest())


def reporters(facts: Facts) -> tuple[Reporter, ...]:
    """Return every handle the facts have of who speaks: account, telephone number, chat identity, session."""
    found: dict[Reporter, None] = {}
    if facts.account_id is not None:
        found[Reporter("account", facts.account_id.value)] = None
    if facts.phone is not None and (number := number_of(facts.phone.value)) is not None:
        found[number] = None
    if facts.reply_to is not None:
        to = facts.reply_to.value
        if to.channel in TELEPHONE:
            if (number := number_of(to.address)) is not None:
                found[number] = None
        else:
            found[Reporter(to.channel, f"{to.account or ''}/{to.address}")] = None
    return tuple(found)


def account_of(said: str) -> Reporter:
    """Return how the tickets of an account are found, however it is written."""
    return Reporter("account", account_key(said))


def found_by(facts: Facts, place: Place) -> tuple[UUID | None, UUID | None, UUID | None]:
    """Return the keys by which a ticket is found: of the account, the number, and a number to call back, if another.

    The account is the one that was said, else the one where the ticket was placed.
    """
    account = facts.account_id.value if facts.account_id is not None else place.account_id
    phone = None if facts.phone is None else _tel(facts.phone.value)
    to = None if facts.reply_to is None else facts.reply_to.value
    call_back = None if to is None or to.channel not in TELEPHONE else _tel(to.address)
    return (
        None if account is None else account_of(account).key,
        phone or call_back,
        call_back if phone is not None and call_back != phone else None,
    )


def number_of(said: str) -> Reporter | None:
    """Return how the tickets of a telephone number are found; None for one that no customer can have."""
    number = phone_key(said)
    return None if number is None else Reporter("tel", number)


def _tel(said: str) -> UUID | None:
    number = number_of(said)
    return None if number is None else number.key


def matter(about: Classification) -> str:
    """Return what a ticket is about: two with the same word may be the same matter."""
    return about.business_type if about.fault is None else f"{about.business_type}.{about.fault}"


class Joining(NamedTuple):
    """The open ticket a contact joins, and as what."""

    ticket: Ticket
    relation: Relation


def choose(
    said: Facts, about: Classification, at: datetime, tickets: Iterable[Ticket], keywords: Keywords, bounds: Bounds
) -> Joining | None:
    """Choose the ticket that a contact joins; None where it gets one of its own.

    Args:
        said: All that is known of the contact's own thread.
        about: What that means.
        at: When the contact happened, bounded by its arrival.
        tickets: Tickets that share a handle with it and are not done; those that people merged stand for the one that
            stands for them.
        keywords: The operators' words.
        bounds: How long a matter counts as the same.
    """
    asked = _asks(said, about, keywords)
    best: tuple[tuple[bool, bool, datetime, UUID], Joining] | None = None
    for ticket in tickets:
        relation = _relation(said, about, at, ticket, asked, bounds)
        if relation is None:
            continue
        unplaced = ticket.classification.is_outage and ticket.place.area is None
        same = relation is Relation.REPEAT or ticket.classification.fault is not None
        rank = (unplaced if relation is Relation.ADDITION else same, same, ticket.last_at, ticket.ticket_id)
        if best is None or rank > best[0]:
            best = rank, Joining(ticket, relation)
    return best[1] if best else None


def again(said: Facts, about: Classification, at: datetime, tickets: Iterable[Ticket], bounds: Bounds) -> Ticket | None:
    """Return the latest ticket in which the same reporter told of the same matter, for one that did not join it."""
    alike = [
        ticket
        for ticket in tickets
        if matter(ticket.classification) == matter(about)
        and abs(at - ticket.last_at) <= bounds.matter
        and not _elsewhere(said, ticket.facts, ticket.place)
    ]
    return max(alike, key=lambda ticket: (ticket.last_at, ticket.ticket_id), default=None)


def _asks(said: Facts, about: Classification, keywords: Keywords) -> Relation | None:
    """Return what the words make of it whatever else is open; None where they name a matter."""
    reading = keywords.read(said.text or "")
    if said.business_type is None and not said.hazards:
        if not any(char.isalnum() for char in reading.rest):
            tells = said.account_id or said.position or said.address
            return Relation.ADDITION if tells or said.texts else Relation.REMARK
        if reading.urges and (about.is_inferred or about.business_type not in keywords.unurgent):
            return Relation.URGE
        if about.is_inferred or about.type_rule is TypeRule.DEFAULT:
            return Relation.REMARK
    return None


def _relation(
    said: Facts, about: Classification, at: datetime, ticket: Ticket, asked: Relation | None, bounds: Bounds
) -> Relation | None:
    since = abs(at - ticket.last_at)
    if since > bounds.matter or not same_person(said, ticket):
        return None
    gone = ticket.report is not ReportState.NONE
    apart = ticket.standing is TicketState.MERGED  # a danger is told for the place of the customer who named it
    if (gone or apart) and not set(said.hazards) <= set(ticket.facts.hazards):
        return None  # a danger that the report on its way does not carry
    same = matter(about) == matter(ticket.classification)
    if asked is Relation.URGE and not same:
        # "When will somebody come?" is about a fault, or about whatever they asked for last.
        return asked
    if asked in {Relation.ADDITION, Relation.REMARK}:
        return asked if said.channel.value in _TALKS and since <= bounds.talk else None
    if not same:
        return None
    if ticket.classification.is_outage:
        # Once a report is out, power may have come and gone: only dedup knows, so a later claim is a report again.
        fresh = ticket.reported_at is None or abs(at - ticket.reported_at) <= bounds.follow_up
        if ticket.report is ReportState.ANSWERED or not fresh:
            return None
    elif ticket.classification.fault is None and since > bounds.talk:
        return None  # two questions, or two complaints, of one day
    return Relation.URGE if asked is Relation.URGE else Relation.REPEAT


def same_person(said: Facts, ticket: Ticket) -> bool:
    """Tell whether nothing speaks against the same person about the same place."""
    shared = {handle.kind for handle in set(reporters(said)) & set(reporters(ticket.facts))}
    if not shared or _elsewhere(said, ticket.facts, ticket.place):
        return False
    if shared == {"account"}:
        # Somebody else of the house is told by their own address, so they need a ticket of their own.
        one, other = said.reply_to, ticket.facts.reply_to
        return one is None or other is None or one.value == other.value
    return True


def _elsewhere(said: Facts, known: Facts, place: Place) -> bool:
    """Tell whether a contact names another place than a ticket does; one that was never found may be corrected."""
    if said.account_id and known.account_id and said.account_id.value != known.account_id.value:
        return place.area is not None
    if said.address and known.address and normalise(said.address.value) != normalise(known.address.value):
        return True
    if said.position is None:
        return False
    here = said.position.value
    there = known.position.value if known.position else place
    if there.lat is None or there.lon is None:
        return False
    north = (here.lat - there.lat) * _METRES_PER_DEGREE
    east = (here.lon - there.lon) * _METRES_PER_DEGREE * math.cos(math.radians(here.lat))
    return math.hypot(north, east) > _FAR_M
