"""A batch of contacts decided one after the other: the ticket of each, and what becomes of that ticket.

Decided here: the ticket a contact goes to (its thread's, an open one of the same reporter, or a new one). Places are
looked up for a whole batch at once and passed in; if one was not foreseen, the contact changes nothing and is decided
again once it is known. Never here: I/O.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.values import TicketState
from services.router.domain.danger import apart, is_new, says_where, told_where
from services.router.domain.deciding import (
    Joined,
    Opened,
    by_person,
    classification_of,
    is_ready,
    may_be_ready,
    receive,
)
from services.router.domain.desk import live_of
from services.router.domain.facts import UNNAMED, join, said_in
from services.router.domain.places import clues
from services.router.domain.repeats import DONE, MOST_CONTACTS, again, choose, reporters
from services.router.domain.ticket import Located, Ticket
from services.router.domain.versions import merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import ContactReceived
    from services.router.domain.facts import Bounds, Facts
    from services.router.domain.places import Clues
    from services.router.domain.repeats import Joining, Reporter
    from services.router.domain.ticket import Rules

_MOST_OPEN: Final = 8
"""Tickets of one reporter that are remembered as open: the latest ones."""


class UnforeseenError(Exception):
    """The place of these clues must be known before the contact can be taken; nothing was changed."""

    def __init__(self, clues: Clues) -> None:
        self.clues = clues
        super().__init__("a place was not looked up")


class Said(NamedTuple):
    """A contact with what it says, whose handles it has, and when it happened, bounded by its arrival.

    ``before`` are the contacts of its thread that are taken with it: facts and handles are of all of them.
    """

    contact: ContactReceived
    facts: Facts
    handles: tuple[Reporter, ...]
    at: datetime
    before: tuple[Said, ...] = ()


def read(contact: ContactReceived, rules: Rules, bounds: Bounds) -> Said:
    """Read a contact once, however often its batch is decided."""
    facts = said_in(contact, rules.keywords, bounds)
    return Said(contact, facts, reporters(facts), facts.opened_at)


def gathered(batch: Mapping[int, Said], book: Book) -> dict[int, Said]:
    """Return a batch in which what begins a thread and decides nothing yet is taken with the contact that follows it.

    A call tells its number, then its menu, then its words: until it ends, or an account or a position places it, no
    report can go out, and what people would see of the ticket is replaced within the batch. So the ticket is placed
    and routed once, and the same becomes of it as if each contact came alone. That holds for a thread nobody knows of
    whose reporters are in no other, open or of this batch; the others are taken one by one.
    """
    left = Counter(said.contact.ticket_id for said in batch.values())
    known = {thread for thread in left if thread in book.ids or thread in book.tickets}
    whose: dict[Reporter, UUID] = {}
    for said in batch.values():
        thread = said.contact.ticket_id
        for handle in said.handles:
            other = whose.setdefault(handle, thread)
            if other != thread or book.open.get(handle):
                known |= {other, thread}
    found: dict[int, Said] = {}
    waiting: dict[UUID, Said] = {}
    for n, said in batch.items():
        thread = said.contact.ticket_id
        left[thread] -= 1
        begun = waiting.pop(thread, None)
        whole = said if begun is None else _after(begun, said)
        if left[thread] and thread not in known and not may_be_ready(whole.facts):
            waiting[thread] = whole
        else:
            known.add(thread)
            found[n] = whole
    return found


def _after(begun: Said, said: Said) -> Said:
    handles = tuple(dict.fromkeys((*begun.handles, *said.handles)))
    return said._replace(
        facts=join(begun.facts, said.facts), handles=handles, before=(*begun.before, begun._replace(before=()))
    )


@dataclass(slots=True)
class Book:
    """Tickets, and which a reporter has open, as they stand while a batch is decided.

    Attributes:
        tickets: By id.
        ids: A ticket id to the ticket that it is now.
        open: Every handle of the batch to the tickets its reporter has open, the latest last.
        places: What is known of clues.
        touched: Tickets changed since ``drain``.
        aliases: Ticket ids that became another ticket in this batch.
    """

    rules: Rules
    bounds: Bounds
    now: datetime
    tickets: dict[UUID, Ticket] = field(default_factory=dict)
    ids: dict[UUID, UUID] = field(default_factory=dict)
    open: dict[Reporter, tuple[UUID, ...]] = field(default_factory=dict)
    places: Mapping[Clues, Located] = field(default_factory=dict)
    touched: dict[UUID, None] = field(default_factory=dict)
    aliases: dict[UUID, UUID] = field(default_factory=dict)
    _joined: dict[tuple[int, int], tuple[Facts, Facts, Facts]] = field(default_factory=dict)
    _nameless: dict[int, tuple[Facts, Facts]] = field(default_factory=dict)
    _clues: dict[int, tuple[Clues, Facts]] = field(default_factory=dict)

    def load(self, tickets: Iterable[Ticket]) -> None:
        """Take in tickets as they were stored."""
        for ticket in tickets:
            self.tickets[ticket.ticket_id] = ticket
            if ticket.merged_into is None:
                self.ids.update(dict.fromkeys(ticket.also, ticket.ticket_id))
        for ticket_id, ticket in self.tickets.items():
            if ticket.merged_into is None:
                self.ids[ticket_id] = ticket_id

    def foresee(self, batch: Iterable[Said]) -> set[Clues]:
        """Return the clues the batch will most likely ask for: alone, with its thread, with what is open."""
        wanted: set[Clues] = set()
        threads: dict[UUID, Facts] = {}
        for said in batch:
            ticket_id = self.ids.get(said.contact.ticket_id, said.contact.ticket_id)
            known = threads.get(ticket_id) or (self.tickets[ticket_id].facts if ticket_id in self.tickets else None)
            own = threads[ticket_id] = said.facts if known is None else self._together(known, said.facts)
            wanted.add(self.clues_of(own))
            dangerous = bool(said.facts.hazards)
            if dangerous and known is not None:
                wanted.add(clues(apart(known, said.facts)))
            for ticket in self._open_for(said.handles):
                wanted.add(self.clues_of(self._together(ticket.facts, own)))
                if dangerous:
                    wanted.add(clues(apart(ticket.facts, own)))
        return wanted

    def take(self, said: Said) -> tuple[Ticket | None, Ticket]:
        """Put a contact where it belongs; return that ticket as it was before and as it is.

        Raises:
            UnforeseenError: a place must be looked up first.
        """
        contact = said.contact
        for ticket_id in (contact.contact_id, contact.ticket_id):  # a danger that left its call has the contact's id
            known = self.tickets.get(self.ids.get(ticket_id, ticket_id))
            if known is not None and contact.contact_id in known.contacts:
                return known, known
        own_id = self.ids.get(contact.ticket_id, contact.ticket_id)
        own = self.tickets.get(own_id)
        facts = said.facts if own is None else self._together(own.facts, said.facts)
        told = None
        if own is not None and (
            own.standing is TicketState.MERGED or own.erased_at is not None or is_new(said.facts, own)
        ):
            facts = apart(own.facts, said.facts)
            own_id, own, told = contact.contact_id, None, own
        joins = repeats = None
        others = [ticket for ticket in self._open_for(said.handles) if ticket.ticket_id != own_id]
        if others and (own is None or own.is_young):
            joins, repeats = self._joins(own, said, facts, others)
        if joins is not None:
            return self._join(joins, own, own_id, said, facts)
        if (own is None or own.is_young) and (near := told_where(facts, said.at, others, self.bounds)) is not None:
            facts, told = apart(near.facts, facts), near
        located = self._located(self.clues_of(facts), own)
        if told is not None and not says_where(said.facts):
            located = by_person(told.work, located)
        opened = Opened(own_id, repeats, tuple((each.contact.contact_id, each.at) for each in said.before))
        ticket = receive(own, contact, facts, located, self.rules, self.bounds, self.now, opened)
        self.put(ticket, said.handles)
        return own, ticket

    def put(self, ticket: Ticket, handles: Iterable[Reporter] = ()) -> None:
        """Keep a ticket as it is now, as the latest of those whose handles a contact just had."""
        self.tickets[ticket.ticket_id] = ticket
        self.touched[ticket.ticket_id] = None
        if ticket.merged_into is not None:
            return
        self.ids[ticket.ticket_id] = ticket.ticket_id
        for handle in handles:
            have = self.open.get(handle, ())
            if not have or have[-1] != ticket.ticket_id:
                live = [each for each in have if each != ticket.ticket_id and self._is_open(each)]
                self.open[handle] = (*live, ticket.ticket_id)[-_MOST_OPEN:]

    def clues_of(self, facts: Facts) -> Clues:
        """Return what facts say of their place, read once: they are asked for each time their ticket is."""
        found = self._clues.get(id(facts))
        if found is None:
            found = self._clues[id(facts)] = (clues(facts), facts)  # kept, so that its id is no other's
        return found[0]

    def drain(self) -> list[UUID]:
        """Return the tickets changed since it was asked last."""
        changed = list(self.touched)
        self.touched.clear()
        return changed

    def _is_open(self, ticket_id: UUID) -> bool:
        ticket = self.tickets.get(ticket_id)
        if ticket is None or live_of(ticket, self.tickets).standing in DONE:
            return False
        return self.now - ticket.last_at <= self.bounds.matter + self.bounds.event_lag

    def _together(self, known: Facts, said: Facts) -> Facts:
        """Join facts once: taking a contact asks for what foreseeing it asked for."""
        found = self._joined.get((id(known), id(said)))
        if found is None:
            # Both are kept beside what they make, so that their ids are no other's.
            found = self._joined[id(known), id(said)] = (join(known, said), known, said)
        return found[0]

    def _open_for(self, handles: Iterable[Reporter]) -> list[Ticket]:
        found = dict.fromkeys(self.ids.get(each, each) for handle in handles for each in self.open.get(handle, ()))
        tickets = (self.tickets.get(each) for each in found)
        return [ticket for ticket in tickets if ticket is not None and ticket.merged_into is None]

    def _joins(
        self, own: Ticket | None, said: Said, facts: Facts, others: list[Ticket]
    ) -> tuple[Joining | None, Ticket | None]:
        """Return the ticket a contact joins, or the one that an own ticket repeats."""
        located = self._located(self.clues_of(facts), own)
        about = classification_of(facts, located, self.rules.keywords)
        settled = facts.final or is_ready(about, facts, located.place)
        lives = ((ticket, live_of(ticket, self.tickets)) for ticket in others)
        open_ones = [
            ticket for ticket, live in lives if live.standing not in DONE and len(live.contacts) < MOST_CONTACTS
        ]
        joins = choose(facts, about, said.at, open_ones, self.rules.keywords, self.bounds) if settled else None
        if joins is not None or own is not None:
            return joins, None
        return None, again(facts, about, said.at, others, self.bounds)

    def _join(
        self, joins: Joining, own: Ticket | None, own_id: UUID, said: Said, facts: Facts
    ) -> tuple[Ticket | None, Ticket]:
        live, told = self._live(joins.ticket, facts)
        whole = self._together(live.facts, told)
        how = Joined(joins.relation, own_id, own)
        located = self._located(self.clues_of(whole), live)
        ticket = receive(live, said.contact, whole, located, self.rules, self.bounds, self.now, how)
        now_this = {own_id}
        if own is not None:
            self.put(merged(own, ticket.ticket_id, self.now))
            now_this |= own.also
        self.aliases.update(dict.fromkeys(now_this, ticket.ticket_id))
        self.ids.update(dict.fromkeys(now_this, ticket.ticket_id))
        self.put(ticket, said.handles if live is joins.ticket else ())
        return live, ticket

    def _live(self, ticket: Ticket, facts: Facts) -> tuple[Ticket, Facts]:
        """Return the ticket that stands for one, and what is told there of what its customer says."""
        live = live_of(ticket, self.tickets)
        return live, facts if live is ticket else self._unnamed(facts)

    def _unnamed(self, facts: Facts) -> Facts:
        """Return facts without who spoke and where they are: customers never see one another."""
        kept = self._nameless.get(id(facts))
        if kept is None:
            kept = self._nameless[id(facts)] = (replace(facts, **UNNAMED), facts)  # kept, so that its id is no other's
        return kept[0]

    def _located(self, wanted: Clues, ticket: Ticket | None) -> Located:
        found = self.places.get(wanted)
        if found is not None:
            return found
        if ticket is None or wanted != self.clues_of(ticket.facts):
            raise UnforeseenError(wanted)
        return Located(ticket.place, ticket.customer_language)
