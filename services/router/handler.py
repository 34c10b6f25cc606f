"""From contacts to routed tickets and outage reports; back from dedup what it could not place.

Decided here: nothing about a ticket (``domain`` does), only what is loaded, saved and published for a batch.

What is published: ``TicketRouted`` once for each ticket the batch changed, with the highest of the versions the batch
made, so versions ascend and some numbers are never seen; ``OutageReported`` exactly once a ticket, by the contact that
made it ready, or by the person who said where it is (``acting``): its words mean an outage, it is placed, and either no
more is expected (``final``) or an account, a position or a person placed it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from services.contracts.envelope import Refusal
from services.contracts.messages import ContactReceived, ReportSettled
from services.contracts.publication import Publication
from services.contracts.topics import CONTACT_RECEIVED, REPORT_SETTLED
from services.contracts.values import TicketState
from services.grid.lately import Lately
from services.grid.lookup import chains_of, weigh_places
from services.router import roster, store
from services.router.domain.batch import Book, UnforeseenError, gathered, read
from services.router.domain.deciding import carrying, placed, settle
from services.router.domain.desk import (
    DeskRules,
    asked_again,
    following,
    keeping,
    live_of,
    overdue,
    released,
    standing_alone,
    turn_of,
    work_of,
)
from services.router.domain.facts import UNNAMED, arrived
from services.router.domain.places import Clues, Places, evidence_of
from services.router.domain.repeats import reporters
from services.router.domain.telling import outage_reported, routed
from services.router.domain.ticket import Need, ReportState
from services.router.domain.work import Phase
from services.router.floor import VersionFloor
from services.router.outcome import Outcome, observe, tally_of
from services.runtime.handling import Decided, Received, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.topics import Topic
    from services.grid.lately import Chain
    from services.grid.place import Weighed
    from services.router.domain.batch import Said
    from services.router.domain.desk import Turn
    from services.router.domain.facts import Bounds
    from services.router.domain.ticket import Rules, Ticket
    from services.router.tree.book import RuleBook
    from services.runtime.handling import Transaction

_log = structlog.get_logger()


class RouterHandler:
    """Reads contacts and settled reports."""

    def __init__(
        self,
        book: RuleBook,
        bounds: Bounds,
        desk: Callable[[], DeskRules] = DeskRules,
        heard: Callable[[Sequence[tuple[Ticket, Turn]], set[str]], object] = lambda _stood, _had: None,
        floor: VersionFloor | None = None,
    ) -> None:
        """Make the handler.

        Args:
            book: Words and route tree.
            bounds: How far to trust and wait.
            desk: The desk's rules in force.
            heard: Told the tickets as they stand, once they are committed, and the agents who had one of them on offer.
            floor: Above what their versions are.
        """
        self._book = book
        self._bounds = bounds
        self._desk = desk
        self._heard = heard
        self._lately = Lately()
        self._floor = floor or VersionFloor()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Topics this handler reads."""
        return (CONTACT_RECEIVED, REPORT_SETTLED)

    def forget(self, partitions: Iterable[tuple[str, int]]) -> None:  # noqa: ARG002 - of all of them
        """Forget only the floor of versions: what was reported lately stays true whoever reads on."""
        self._floor.forget()

    async def handle(self, tx: Transaction, batch: Sequence[Received], now: datetime) -> Decided:
        """Route a batch: six statements, however many records (fewer where nothing is placed or waits).

        A place that could not be foreseen, as when a customer's position joins what they wrote in the same batch,
        costs two more, or three; in a storm it is one contact of a thousand.
        """
        rules, desk = self._book.rules, self._desk()
        bounds = replace(self._bounds, urge_every=desk.timings.urge)
        said = {
            n: read(arrived(each.message, now), rules, bounds)
            for n, each in enumerate(batch)
            if isinstance(each.message, ContactReceived)
        }
        wanted = {each.message.ticket_id for each in batch if isinstance(each.message, ContactReceived | ReportSettled)}
        # A danger may have a ticket of its own, of its contact's id.
        wanted.update(each.contact.contact_id for each in said.values() if each.facts.hazards)
        handles = {handle for each in said.values() for handle in each.handles}
        stored = await store.load(tx, wanted, handles, now)
        before = await _load_live(tx, stored.tickets)
        said = {n: _redirected(each, before, rules, bounds) for n, each in said.items()}
        places = Places(self._lately.draft(), now)
        work = Outcome(Book(rules, bounds, now, places=places), desk, places, await _free(tx, before))
        work.book.open.update({handle: stored.open.get(handle, ()) for handle in handles})
        work.book.load(before.values())
        together = gathered(said, work.book)
        places.learn(*await _weighed(tx, work.book.foresee(together.values())))
        for n, received in enumerate(batch):
            if n in said and n not in together:
                continue  # taken with one that follows
            while True:
                try:
                    _decide(work, received, together.get(n))
                    break
                except UnforeseenError as unforeseen:  # each place once, so this ends
                    places.learn(*await _weighed(tx, [unforeseen.clues]))
        await _keep_for_known(tx, before, work)
        work.say_why()
        work.lift(await self._floor.read(tx))
        turns = [_stood(work, work.book.tickets[ticket_id], new=ticket_id not in before) for ticket_id in work.traces]
        changed = [ticket for ticket, _ in turns]
        if changed:
            lines = [(ticket, work.events.get(ticket.ticket_id, ())) for ticket in changed]
            await store.save(tx, turns, lines, work.book, stored)
        return Decided(
            publish=[
                *work.reports,
                *(Publication(routed(ticket, turn.due), work.traces[ticket.ticket_id]) for ticket, turn in turns),
            ],
            refused=work.refused,
            tally=tally_of(before, changed, len(work.reports)),
            after_commit=lambda: self._committed(before, turns, work),
        )

    def _committed(self, before: Mapping[UUID, Ticket], turns: Sequence[tuple[Ticket, Turn]], work: Outcome) -> None:
        work.places.keep()
        observe(before, [ticket for ticket, _ in turns], work)
        were = (work_of(before[ticket.ticket_id]) for ticket, _ in turns if ticket.ticket_id in before)
        self._heard(turns, {was.agent for was in were if was.phase is Phase.OFFERED and was.agent is not None})


def _decide(work: Outcome, received: Received, said: Said | None) -> None:
    """Decide one record, after those before it."""
    if said is not None:
        _on_contact(work, received, said)
    elif isinstance(received.message, ReportSettled):
        _on_report_settled(work, received, received.message)
    else:
        detail = f"the router has no use for {received.message.ce_type}"
        work.refused.append(Refused(received, Refusal.UNPROCESSABLE, detail))


def _on_contact(work: Outcome, received: Received, said: Said) -> None:
    work.places.arrived(said.contact.received_at, work.book.now)
    was, ticket = work.book.take(said)
    if was is ticket:
        return
    work.did(ticket, following(was, ticket, said.contact, work.desk, work.book.now, work.free))
    work.note(work.book.drain(), received)
    work.contacts += [(each.contact, ticket.ticket_id) for each in (*said.before, said)]
    if ticket.report is ReportState.SENT and (was is None or was.report is ReportState.NONE):
        report = outage_reported(ticket, said.contact.contact_id, said.contact.received_at)
        work.reports.append(Publication(report, received.traceparent))
        work.places.reported(work.book.clues_of(ticket.facts))


def _on_report_settled(work: Outcome, received: Received, settled: ReportSettled) -> None:
    was = work.book.tickets.get(settled.ticket_id)
    if was is None or was.report is ReportState.NONE:
        detail = "no ticket of this id has sent an outage report"
        work.refused.append(Refused(received, Refusal.UNKNOWN_SUBJECT, detail))
        return
    answered, given_back = settled.outcome == "answered", settled.outcome == "needs_person"
    book = work.book
    if given_back or (answered and settled.command_id is None):
        ticket = settle(was, answered=answered, reason=settled.reason, rules=book.rules, now=book.now)
    else:
        ticket = placed(was, answered=answered, rules=book.rules, bounds=book.bounds, now=book.now)
    if ticket is was:
        _log.info(
            "settlement_changes_nothing", ticket_id=str(was.ticket_id), report=was.report, outcome=settled.outcome
        )
        return
    work.book.put(ticket)
    live = live_of(ticket, book.tickets)
    reason = settled.reason if given_back else None
    if reason is not None and live is not ticket and live.erased_at is not None:
        ticket = live = _alone(work, ticket)
    before, asked = (was, ticket) if live is ticket else (live, _tell_live(book, ticket, live, reason))
    if reason is not None and asked is not before:
        taken_back = was.report is ReportState.ANSWERED or settled.command_id is not None
        work.did(asked, asked_again(before, asked, reason, book.now, taken_back=taken_back))
    work.note(book.drain(), received)


def _alone(work: Outcome, ticket: Ticket) -> Ticket:
    """Let a merged ticket stand for itself again: nobody can do anything about one whose contents were erased."""
    book, above = work.book, ticket
    while (further := work_of(above).merged_into) is not None:
        above = book.tickets[further]
        work.did(replace(above, version=above.version + 1), released(above, ticket, book.now))
    work.did(ticket, standing_alone(ticket, book.now))
    return book.tickets[ticket.ticket_id]


def _tell_live(book: Book, ticket: Ticket, live: Ticket, reason: str | None) -> Ticket:
    """Let whoever has the ticket that stands for another look, for a reason; or, without one, no longer for that."""
    needs = [each for each in live.carried_needs or () if each.ticket != ticket.ticket_id]
    if reason is not None:
        needs.append(Need(ticket.ticket_id, reason))
    asked = carrying(live, needs, book.rules, book.now)
    if asked is not live:
        asked = replace(asked, version=live.version + 1, change=None)
        book.put(asked)
    return asked


async def _free(tx: Transaction, before: Mapping[UUID, Ticket]) -> frozenset[str]:
    """Return which of the agents who had closed tickets could have them back; no query where none is closed."""
    works = [work_of(ticket) for ticket in before.values()]
    had = {work.known_agent for work in works if not work.open and work.known_agent is not None}
    return await roster.free(tx, had) if had else frozenset()


async def _keep_for_known(tx: Transaction, before: Mapping[UUID, Ticket], work: Outcome) -> None:
    """Keep new tickets that wait for a person for the agent their customer knows; no query where there are none."""
    known_for = work.desk.timings.known
    new = [work.book.tickets[ticket_id] for ticket_id in work.traces if ticket_id not in before]
    waiting = [
        ticket for ticket in new if ticket.standing is TicketState.QUEUED and not ticket.classification.may_be_danger
    ]
    handles = {ticket.ticket_id: reporters(ticket.facts) for ticket in waiting} if known_for else {}
    keys = {handle.key for theirs in handles.values() for handle in theirs}
    if not keys:
        return
    known = await roster.known(tx, keys, work.book.now - known_for)
    for ticket in waiting if known else ():
        theirs = [known[handle.key] for handle in handles[ticket.ticket_id] if handle.key in known]
        work.did(ticket, keeping(ticket, theirs, work.desk, work.book.now))


def _stood(work: Outcome, ticket: Ticket, *, new: bool) -> tuple[Ticket, Turn]:
    """Return how a ticket stands. One whose contact lay in a backlog may be late at once: its first version says so.

    Routed first and warned of a moment later, it would be read, written and told twice.
    """
    turn = turn_of(ticket, work.desk)
    late = turn.wake_at is not None and turn.wake_at <= work.book.now
    if not (new and late) or ticket.ticket_id in work.events:
        return ticket, turn
    event = overdue(ticket, work.desk, work.book.now)
    work.did(ticket, [] if event is None else [event])
    ticket = work.book.tickets[ticket.ticket_id]
    return ticket, turn_of(ticket, work.desk)


async def _load_live(tx: Transaction, stored: Sequence[Ticket]) -> dict[UUID, Ticket]:
    """Return what is stored, and what people merged it into, and what they merged that into."""
    tickets = {ticket.ticket_id: ticket for ticket in stored}
    while True:
        ends = {ticket.work.merged_into for ticket in tickets.values() if ticket.work is not None}
        missing = {ticket_id for ticket_id in ends if ticket_id is not None} - tickets.keys()
        if not missing:
            return tickets
        tickets.update(await store.locked(tx, missing))


def _redirected(said: Said, tickets: Mapping[UUID, Ticket], rules: Rules, bounds: Bounds) -> Said:
    """Bring a contact of a ticket that people merged to the one that stands for it.

    Who spoke and where they are stays with the ticket it was: customers never see one another. So does a danger that
    the live ticket does not carry: it is told for the place of the customer who named it.
    """
    was = live = tickets.get(said.contact.ticket_id)
    if live is None:
        return said
    while said.contact.contact_id not in live.contacts and (into := work_of(live).merged_into) is not None:
        live = tickets[into]  # one that has it stood for it when it came first
    if live is was or not set(said.facts.hazards) <= set(live.facts.hazards):
        return said
    where = {"ticket_id": live.ticket_id, "ticket_ref": live.ticket_ref}
    return read(said.contact.model_copy(update={**UNNAMED, **where}), rules, bounds)


async def _weighed(tx: Transaction, wanted: Iterable[Clues]) -> tuple[dict[Clues, Weighed], dict[str, Chain]]:
    """Look up each set of clues and what feeds the devices they speak of, by at most three queries."""
    asked = list(wanted)
    found = await weigh_places(tx, [evidence_of(each) for each in asked])
    return dict(zip(asked, found, strict=True)), await chains_of(tx, found)
