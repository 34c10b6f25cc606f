"""The conservation count: the place of every accepted contact, from the rows, each counted once. Pure.

Decided here: the place a contact counts in: its ticket's report in an incident, answered, with people, closed by them,
or a dead letter; and that the services' own exact counts must agree. Never here: reading a system.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.contracts.topics import CONTACT_RECEIVED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.cli.evidence import Evidence

_CLOSED: Final = frozenset({"closed", "merged"})
_COUNTED_WITH_DEDUP: Final = frozenset({"sent", "answered"})


@dataclass(frozen=True, slots=True)
class Counts:
    """Where every accepted contact is. Each is counted in one place."""

    accepted: int
    in_incidents: int
    answered: int
    in_queues: int
    dead_lettered: int
    closed: int = 0
    """People completed their ticket, or merged it into another."""

    @property
    def accounted(self) -> int:
        """Contacts that are somewhere."""
        return self.in_incidents + self.answered + self.in_queues + self.closed + self.dead_lettered

    @property
    def exact(self) -> bool:
        """Whether none is missing and none is counted twice."""
        return self.accepted == self.accounted


def conserve(evidence: Evidence) -> tuple[Counts, list[str]]:
    """Count where every accepted contact is, from the rows, and hold the exact counts of the services against it."""
    problems: list[str] = []
    recorded = {i for i, seen in evidence.inbox("router").items() if seen.topic == CONTACT_RECEIVED.name}
    dead = evidence.dead_contacts() - recorded
    accepted = recorded | dead
    if evidence.accepted is not None:
        accepted = set(evidence.accepted) | (set(evidence.unknown) & accepted)
    where: Counter[str] = Counter()
    report_of = {row.ticket_id: row for row in evidence.reports.values()}
    for ticket_id, ticket in evidence.tickets.items():
        place = with_people = "closed" if ticket.state in _CLOSED else "in_queues"
        if ticket.report in _COUNTED_WITH_DEDUP:
            report = report_of.get(ticket_id)
            if report is None:
                problems.append(f"ticket {ticket_id} sent a report that dedup does not have")
                continue
            if len(report.incidents) + (report.outcome is not None) != 1:
                continue  # I2 names it
            place = "in_incidents" if report.incidents else "answered" if report.outcome == "answered" else with_people
            if place != "in_incidents" and (report.outcome, ticket.report) not in _SETTLED:
                problems.append(f"ticket {ticket_id}: dedup says {report.outcome}, the router says {ticket.report}")
        where[place] += len(ticket.contacts)
    counts = Counts(
        len(accepted), where["in_incidents"], where["answered"], where["in_queues"], len(dead), where["closed"]
    )
    if not counts.exact:
        problems.append(f"{counts.accepted} accepted, {counts.accounted} accounted for")
    problems += _tallies(evidence, counts)
    return counts, problems


_SETTLED: Final = frozenset({("answered", "answered"), ("needs_person", "returned")})


def _tallies(evidence: Evidence, counts: Counts) -> Iterator[str]:
    """The services' own exact counts must say what the rows say."""
    router, dedup = evidence.rooms.get("router"), evidence.rooms.get("dedup")
    if router is not None:
        said = {name: router.tally[name] for name in ("contact_queued", "contact_closed", "contact_outage")}
        rows = {"contact_queued": counts.in_queues, "contact_closed": counts.closed}
        rows |= {"contact_outage": counts.in_incidents + counts.answered}
        yield from (f"router counts {said[n]} {n}, its rows {rows[n]}" for n in said if said[n] != rows[n])
    if dedup is not None:
        outcomes = Counter("in_incident" if r.incidents else str(r.outcome) for r in evidence.reports.values())
        for name in ("in_incident", "answered", "needs_person"):
            if dedup.tally[f"report_{name}"] != outcomes[name]:
                yield f"dedup counts {dedup.tally[f'report_{name}']} report_{name}, its rows {outcomes[name]}"
