"""What deciding a batch came to, and what is counted of it: the exact counts within, the metrics once it is committed.

Never here: a decision (``domain``), or what is stored (``store``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from services.router import metrics
from services.router.domain.conservation import REPORT_SENT, count
from services.router.domain.ticket import ReportState
from services.router.domain.versions import above, with_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from prometheus_client import Counter as Metric

    from services.contracts.messages import ContactReceived
    from services.contracts.publication import Publication
    from services.router.domain.batch import Book
    from services.router.domain.desk import DeskRules
    from services.router.domain.log import Event
    from services.router.domain.places import Places
    from services.router.domain.ticket import Ticket
    from services.runtime.handling import Received, Refused

_TELLINGS: Final = ("", "first", "second", "third_and_later")


@dataclass(slots=True)
class Outcome:
    """What deciding a batch came to."""

    book: Book
    desk: DeskRules
    places: Places
    free: frozenset[str] = frozenset()
    events: dict[UUID, list[Event]] = field(default_factory=lambda: defaultdict(list))
    traces: dict[UUID, str | None] = field(default_factory=dict)
    contacts: list[tuple[ContactReceived, UUID]] = field(default_factory=list)
    reports: list[Publication] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def note(self, touched: Iterable[UUID], received: Received) -> None:
        """Keep which tickets a record changed, and the trace it came with."""
        self.traces.update(dict.fromkeys(touched, received.traceparent))

    def lift(self, floor: int) -> None:
        """Let no version of a ticket that changed be one that others may hold."""
        for ticket_id in self.traces if floor else ():
            self.book.put(above(floor, self.book.tickets[ticket_id]))

    def did(self, ticket: Ticket, events: Sequence[Event]) -> None:
        """Keep what was done with a ticket, in its version."""
        if events:
            self.events[ticket.ticket_id] += events
            self.book.put(with_events(ticket, events))

    def say_why(self) -> None:
        """Let each version tell what was done by it, though another record of the batch came after."""
        for ticket_id, events in self.events.items():
            ticket = self.book.tickets[ticket_id]
            if ticket.change is None and ticket.merged_into is None:
                self.book.put(replace(ticket, change=events[-1].did.value))


def tally_of(before: Mapping[UUID, Ticket], changed: Sequence[Ticket], reports: int) -> Counter[str]:
    """Return by how much a batch moves the exact counts."""
    tally: Counter[str] = Counter()
    for ticket in changed:
        count(tally, before.get(ticket.ticket_id), ticket)
    tally[REPORT_SENT] += reports
    return Counter({name: n for name, n in tally.items() if n})


def observe(before: Mapping[UUID, Ticket], changed: Sequence[Ticket], work: Outcome) -> None:
    """Put a committed batch into the metrics: a series once, however many records it had."""
    seen: dict[tuple[Metric, tuple[str, ...]], int] = defaultdict(int)
    for ticket_id, events in work.events.items():
        for event in events:
            metrics.acted(event, work.book.tickets[ticket_id].queue)
    types = {ticket.ticket_id: ticket.classification.business_type for ticket in changed}
    for contact, ticket_id in work.contacts:
        seen[metrics.CONTACTS, (contact.channel, types[work.book.ids[ticket_id]])] += 1
    for ticket in changed:
        was = before.get(ticket.ticket_id)
        seen[metrics.REPEATS, ("urges",)] += max(0, ticket.urges - (was.urges if was else 0))
        if ticket.merged_into is not None:
            seen[metrics.REPEATS, ("merged",)] += 1
            continue
        for counted in _new(was, ticket):
            seen[counted] += 1
    for (metric, labels), n in seen.items():
        metric.labels(*labels).inc(n)


def _new(was: Ticket | None, ticket: Ticket) -> Iterator[tuple[Metric, tuple[str, ...]]]:
    """Yield what is to be counted of a ticket's new version."""
    about = ticket.classification
    yield metrics.ROUTED, (ticket.queue, about.business_type, about.type_rule)
    for hazard in set(about.hazards).difference(was.classification.hazards if was else ()):
        yield metrics.HAZARDS, (hazard,)
    if about.suspected is not None and (was is None or was.classification.suspected is None):
        yield metrics.SUSPECTED, (ticket.queue,)
    known = was.tellings.stop if was is not None and was.facts.final else 0
    for telling in ticket.tellings if ticket.facts.final else ():  # a call that goes on may yet join another ticket
        if telling >= known:
            yield metrics.TELLINGS, (ticket.queue, about.business_type, _TELLINGS[min(telling, 3)])
    if was is None:
        yield metrics.LANGUAGES, (about.language_rule,)
        yield metrics.PLACES, (ticket.place.basis,)
    step = None if was is None else was.report
    found = step is ReportState.RETURNED and ticket.report is ReportState.SENT  # a person placed it: it was sent before
    if ticket.report not in {ReportState.NONE, step} and not found:
        yield metrics.REPORTS, (ticket.report,)
