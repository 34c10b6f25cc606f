"""From contacts to routed tickets and outage reports; back from dedup what it could not place.

Decided here: nothing about a ticket (``domain`` does), only what is loaded, saved, published and counted for a batch.

What is published: ``TicketRouted`` once for each ticket the batch changed, with the highest of the versions the batch
made, so versions ascend and some numbers are never seen; ``OutageReported`` exactly once a ticket, by the contact that
made it ready: its words mean an outage, it is placed, and either no more is expected (``final``) or an account or a
position placed it.

Conservation. Every accepted contact is counted in exactly one of two names, and moves between them with its ticket:

- ``contact_outage``: its ticket's outage report went to dedup and did not come back to a person. Dedup has it in an
  incident or answered it.
- ``contact_queued``: every other contact. A person has its ticket in a queue.

So accepted(contact.received.v1) = contact_queued + contact_outage, always; and ``report_sent`` = reports accepted by
dedup once it has caught up. The names follow the report, not the ticket's state: a ticket with a danger, of a key
customer, or whose customer spoke again, waits for a person as well (state ``queued``) while its contacts stay in
``contact_outage``. ``needs_person`` moves all contacts of the ticket to ``contact_queued``; ``answered`` moves none.
``contact_queued`` may so be the sum of positive and negative changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import structlog

from services.contracts.envelope import Refusal
from services.contracts.messages import ContactReceived, ReportSettled
from services.contracts.topics import CONTACT_RECEIVED, OUTAGE_INPUT, REPORT_SETTLED, TICKET_ROUTED
from services.grid.lookup import resolve_places
from services.grid.place import PlaceEvidence
from services.router import metrics, store
from services.router.domain.facts import Facts, bounded, fold
from services.router.domain.ticket import Located, ReportState, Ticket, outage_reported, receive, routed, settle
from services.runtime.handling import Decided, Publication, Received, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from services.contracts.topics import Topic
    from services.router.domain.facts import Bounds
    from services.router.domain.ticket import Rules
    from services.router.tree.book import RuleBook
    from services.runtime.handling import Transaction

QUEUED: Final = "contact_queued"
OUTAGE: Final = "contact_outage"
REPORT_SENT: Final = "report_sent"
_log = structlog.get_logger()


def imbalance(counts: Counter[str]) -> int:
    """Return the accepted contacts less what they are counted as: 0 unless one was lost or counted twice."""
    return counts[f"{CONTACT_RECEIVED.name}/accepted"] - counts[QUEUED] - counts[OUTAGE]


@dataclass(slots=True)
class _Batch:
    """The tickets of a batch as they stand while its records are decided one by one."""

    rules: Rules
    now: datetime
    tickets: dict[UUID, Ticket]
    traces: dict[UUID, str | None] = field(default_factory=dict)
    contacts: list[ContactReceived] = field(default_factory=list)
    reports: list[Publication] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def put(self, ticket: Ticket, received: Received) -> None:
        self.tickets[ticket.ticket_id] = ticket
        self.traces[ticket.ticket_id] = received.traceparent


class RouterHandler:
    """Reads contacts and settled reports."""

    def __init__(self, book: RuleBook, bounds: Bounds) -> None:
        self._book = book
        self._bounds = bounds

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Topics this handler reads."""
        return (CONTACT_RECEIVED, REPORT_SETTLED)

    def forget(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Nothing is cached between batches."""

    async def handle(self, tx: Transaction, batch: Sequence[Received], now: datetime) -> Decided:
        """Route a batch: three queries, however many records (one less where there are no contacts)."""
        messages = [received.message for received in batch]
        wanted = {message.ticket_id for message in messages if isinstance(message, ContactReceived | ReportSettled)}
        before = await store.load(tx, wanted)
        work = _Batch(rules=self._book.rules, now=now, tickets=dict(before))
        folded = self._folded(batch, before, work.rules)
        places = await _located(tx, folded)
        for n, received in enumerate(batch):
            message = received.message
            if isinstance(message, ContactReceived):
                if n in folded:
                    self._on_contact_received(work, received, message, folded[n], places[n])
            elif isinstance(message, ReportSettled):
                _on_report_settled(work, received, message)
            else:
                detail = f"the router has no use for {message.ce_type}"
                work.refused.append(Refused(received, Refusal.UNPROCESSABLE, detail))
        changed = [work.tickets[ticket_id] for ticket_id in work.traces]
        if changed:
            lag = self._bounds.event_lag
            contacts = [(each, bounded(each.occurred_at, each.received_at, lag)) for each in work.contacts]
            await store.save(tx, changed, contacts)
        return Decided(
            publish=[
                *work.reports,
                *(Publication(TICKET_ROUTED, routed(each), work.traces[each.ticket_id]) for each in changed),
            ],
            refused=work.refused,
            tally=_tally(before, changed, len(work.reports)),
            after_commit=lambda: _observe(before, changed, work.contacts),
        )

    def _folded(self, batch: Sequence[Received], before: dict[UUID, Ticket], rules: Rules) -> dict[int, Facts]:
        """Return, for each record that is a new contact, the facts of its ticket once it is added."""
        facts = {ticket_id: ticket.facts for ticket_id, ticket in before.items()}
        seen = {contact for ticket in before.values() for contact in ticket.contacts}
        folded: dict[int, Facts] = {}
        for n, received in enumerate(batch):
            contact = received.message
            if isinstance(contact, ContactReceived) and contact.contact_id not in seen:
                seen.add(contact.contact_id)
                folded[n] = fold(facts.get(contact.ticket_id), contact, rules.keywords, self._bounds)
                facts[contact.ticket_id] = folded[n]
        return folded

    def _on_contact_received(
        self, work: _Batch, received: Received, contact: ContactReceived, facts: Facts, located: Located
    ) -> None:
        was = work.tickets.get(contact.ticket_id)
        ticket = receive(was, contact, facts, located, work.rules, self._bounds, work.now)
        work.put(ticket, received)
        work.contacts.append(contact)
        if ticket.report is ReportState.SENT and (was is None or was.report is ReportState.NONE):
            report = outage_reported(ticket, contact)
            work.reports.append(Publication(OUTAGE_INPUT, report, received.traceparent))


def _on_report_settled(work: _Batch, received: Received, settled: ReportSettled) -> None:
    was = work.tickets.get(settled.ticket_id)
    if was is None or was.report is ReportState.NONE:
        detail = "no ticket of this id has sent an outage report"
        work.refused.append(Refused(received, Refusal.UNKNOWN_SUBJECT, detail))
        return
    answered = settled.outcome == "answered"
    ticket = settle(was, answered=answered, reason=settled.reason, rules=work.rules, now=work.now)
    if ticket is was:
        _log.info(
            "settlement_changes_nothing", ticket_id=str(was.ticket_id), report=was.report, outcome=settled.outcome
        )
        return
    work.put(ticket, received)


async def _located(tx: Transaction, folded: dict[int, Facts]) -> dict[int, Located]:
    """Find the place of each set of facts, all by one query; equal evidence is asked for once."""
    evidence = {n: _evidence(facts) for n, facts in folded.items()}
    distinct = list(dict.fromkeys(evidence.values()))
    connection = cast("asyncpg.Connection[asyncpg.Record]", tx)  # a pool's proxy is one in all but type
    resolved = dict(zip(distinct, await resolve_places(connection, distinct), strict=True))
    return {n: Located(resolved[each].as_value(), resolved[each].language) for n, each in evidence.items()}


def _evidence(facts: Facts) -> PlaceEvidence:
    position = facts.position.value if facts.position else None
    return PlaceEvidence(
        account_id=facts.account_id.value if facts.account_id else None,
        phone=facts.phone.value if facts.phone else None,
        lat=position.lat if position else None,
        lon=position.lon if position else None,
        crs=position.crs.value if position else None,
        accuracy_m=position.accuracy_m if position else None,
        address=facts.address.value if facts.address else None,
    )


def _tally(before: dict[UUID, Ticket], changed: Sequence[Ticket], reports: int) -> Counter[str]:
    tally: Counter[str] = Counter()
    for ticket in changed:
        tally[OUTAGE if ticket.counted_with_dedup else QUEUED] += len(ticket.contacts)
        if (was := before.get(ticket.ticket_id)) is not None:
            tally[OUTAGE if was.counted_with_dedup else QUEUED] -= len(was.contacts)
    tally[REPORT_SENT] += reports
    return Counter({name: n for name, n in tally.items() if n})


def _observe(before: dict[UUID, Ticket], changed: Sequence[Ticket], contacts: Sequence[ContactReceived]) -> None:
    """Put a committed batch into the metrics."""
    types = {ticket.ticket_id: ticket.classification.business_type for ticket in changed}
    for contact in contacts:
        metrics.CONTACTS.labels(contact.channel.value, types[contact.ticket_id]).inc()
    for ticket in changed:
        was, about = before.get(ticket.ticket_id), ticket.classification
        metrics.ROUTED.labels(ticket.queue, about.business_type, about.type_rule.value).inc()
        for hazard in set(about.hazards).difference(was.classification.hazards if was else ()):
            metrics.HAZARDS.labels(hazard).inc()
        if was is None:
            metrics.LANGUAGES.labels(about.language_rule.value).inc()
            metrics.PLACES.labels(ticket.place.basis.value).inc()
        if ticket.report is not ReportState.NONE and (was is None or was.report is not ticket.report):
            metrics.REPORTS.labels(ticket.report.value).inc()
