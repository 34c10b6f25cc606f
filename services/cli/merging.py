"""How good a system's merging was, compared with the simulated storm it was sent. Pure.

Decided here: what is an item (an outage report that dedup has in an incident), what its truth is (the fault its
customer suffered), and what is not judged as merging: dangers, which have incidents of their own on purpose, and
reports that were answered or are with people. Never here: the definitions of the scores (``services.quality.score``).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.quality.score import Dispatch, Score, b_cubed, dispatch, pairwise
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from services.cli.evidence import Evidence
    from services.simulator.cases import Case


@dataclass(frozen=True, slots=True)
class Merging:
    """The figures of one storm.

    Attributes:
        merged: Outage reports in incidents: what the scores are over.
        faults: True faults among all cases.
        unplaced: Outage cases of which no report went into an incident: with people, or answered.
        hazards: Cases in which somebody saw danger.
        own_order: Of those, cases that have an incident, and so an order, of their own.
        attended: Of those, cases that wait in a queue as an emergency.
        absorbed: Of those, cases with neither: merged away. Must be 0.
    """

    b_cubed: Score
    pairwise: Score
    dispatch: Dispatch
    merged: int
    faults: int
    unplaced: int
    hazards: int
    own_order: int
    attended: int
    absorbed: int


def judge(evidence: Evidence, cases: Mapping[UUID, Case]) -> Merging:
    """Hold the incidents and orders against the truth.

    Args:
        evidence: The system at rest.
        cases: Ticket to the case it came from.
    """
    predicted: dict[str, UUID] = {}
    truth: dict[str, str] = {}
    fault_of: dict[str, str | None] = {}
    reached: set[int] = set()
    dangers = {n for n, row in evidence.incidents.items() if row.kind == "hazard"}
    joined: dict[UUID, set[int]] = defaultdict(set)
    for ticket_id, into in evidence.joined.items():
        if ticket_id in cases:
            joined[into].add(cases[ticket_id].number)
    for report_id, row in evidence.reports.items():
        case = cases.get(row.ticket_id)
        if case is None:
            continue
        fault_of[str(report_id)] = case.fault
        if row.incidents:
            reached.add(case.number)
            reached.update(joined[row.ticket_id])
        if row.incidents and row.incidents[0] not in dangers and case.fault is not None:
            predicted[str(report_id)] = row.incidents[0]
            truth[str(report_id)] = case.fault
    ever: dict[str, list[str]] = {
        str(row.order_id): [str(report) for report in evidence.ever.get(incident, ())]
        for incident, row in evidence.incidents.items()
        if incident not in dangers and (row.order_id, 1) in evidence.orders
    }
    hazards, own_order, attended = _hazards(evidence, cases)
    outages = {case.number for case in cases.values() if case.fault is not None}
    return Merging(
        b_cubed=b_cubed(predicted, truth),
        pairwise=pairwise(predicted, truth),
        dispatch=dispatch(ever, {report: fault for report, fault in fault_of.items() if report in predicted}),
        merged=len(predicted),
        faults=len({case.fault for case in cases.values() if case.fault is not None}),
        unplaced=len(outages - reached),
        hazards=len(hazards),
        own_order=len(own_order),
        attended=len(attended),
        absorbed=len(hazards - own_order - attended),
    )


def _hazards(evidence: Evidence, cases: Mapping[UUID, Case]) -> tuple[set[int], set[int], set[int]]:
    """Return the cases that saw danger: all, those with an incident of their own, those a person attends to."""
    report_of = {row.ticket_id: row for row in evidence.reports.values()}
    hazards: set[int] = set()
    own_order: set[int] = set()
    attended: set[int] = set()
    for ticket_id, case in cases.items():
        if case.kind is not Kind.HAZARD:
            continue
        hazards.add(case.number)
        now = evidence.joined.get(ticket_id, ticket_id)
        ticket, report = evidence.tickets.get(now), report_of.get(now)
        if ticket is not None and ticket.priority == "emergency" and ticket.state == "queued":
            attended.add(case.number)
        if report is not None and any(evidence.incidents[i].reports == 1 for i in report.incidents):
            own_order.add(case.number)
    return hazards, own_order, attended
