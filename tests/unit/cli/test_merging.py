"""Holding a system's incidents and orders against the storm it was sent."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest

from services.cli.evidence import Evidence, IncidentRow, ReportRow, TicketRow
from services.cli.merging import judge
from services.contracts.values import Channel
from services.quality.score import Score
from services.simulator.cases import Case, Said
from services.simulator.words import Kind

SPACE = UUID(int=9)


def uid(name: str) -> UUID:
    return uuid5(SPACE, name)


class Told:
    """A system's evidence, told ticket by ticket."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self.cases: dict[UUID, Case] = {}

    def incident(self, name: str, kind: str = "outage") -> None:
        row = IncidentRow("A", name, "fuse", kind, "predicted", uid(f"order {name}"), 0, 10)
        self.evidence.incidents[uid(name)] = row
        self.evidence.orders[row.order_id, 1] = uid(name)

    def report(
        self,
        name: str,
        fault: str | None,
        incident: str | None,
        *,
        kind: Kind = Kind.OUTAGE,
        priority: str = "high",
        state: str = "with_dedup",
        ever: tuple[str, ...] = (),
    ) -> None:
        ticket = uid(f"ticket {name}")
        self.cases[ticket] = Case(len(self.cases) + 1, 0.0, Channel.WEB, kind, fault, None, Said())
        self.evidence.tickets[ticket] = TicketRow("q", state, priority, "sent", frozenset())
        if incident is None:
            return
        self.evidence.reports[uid(name)] = ReportRow(ticket, (uid(incident),), None)
        row = self.evidence.incidents[uid(incident)]
        self.evidence.incidents[uid(incident)] = row.__class__(
            **{**{n: getattr(row, n) for n in row.__slots__}, "reports": row.reports + 1}
        )
        for one in {incident, *ever}:
            self.evidence.ever.setdefault(uid(one), set()).add(uid(name))


@pytest.fixture
def told():
    return Told()


def test_a_perfect_merging(told):
    for name in ("one", "two"):
        told.incident(name)
        for n in range(3):
            told.report(f"{name}{n}", f"F-{name}", name)
    found = judge(told.evidence, told.cases)
    assert found.b_cubed == Score(1.0, 1.0)
    assert (found.merged, found.faults, found.unplaced) == (6, 2, 0)
    assert (found.dispatch.orders, found.dispatch.spare, found.dispatch.hidden) == (2, 0, 0)


def test_an_order_that_was_taken_over_counts_as_spare(told):
    told.incident("first")
    told.incident("second")
    told.report("a", "F", "first")
    told.report("b", "F", "first", ever=("second",))
    found = judge(told.evidence, told.cases)
    assert found.b_cubed.f1 == 1.0
    assert (found.dispatch.orders, found.dispatch.spare) == (2, 1)


def test_an_incident_whose_order_is_still_held_is_no_order(told):
    told.incident("held")
    told.report("a", "F", "held")
    told.evidence.orders.clear()
    assert judge(told.evidence, told.cases).dispatch.orders == 0


def test_people_without_a_place_are_not_merged_and_not_forgotten(told):
    told.incident("one")
    told.report("a", "F", "one")
    told.report("b", "F", None)
    found = judge(told.evidence, told.cases)
    assert (found.merged, found.unplaced, found.b_cubed.f1) == (1, 1, 1.0)


def test_a_danger_with_its_own_incident_is_not_judged_as_merging(told):
    told.incident("outage")
    told.incident("danger", kind="hazard")
    told.report("a", "F", "outage")
    told.report("b", "F", "danger", kind=Kind.HAZARD, priority="emergency", state="queued")
    found = judge(told.evidence, told.cases)
    assert found.b_cubed.f1 == 1.0
    assert (found.hazards, found.own_order, found.attended, found.absorbed) == (1, 1, 1, 0)


def test_a_danger_in_a_shared_incident_that_nobody_attends_to_is_merged_away(told):
    told.incident("outage")
    told.report("a", "F", "outage")
    told.report("b", "F", "outage", kind=Kind.HAZARD)
    assert judge(told.evidence, told.cases).absorbed == 1


def test_a_danger_without_a_place_that_a_person_attends_to_is_not_merged_away(told):
    told.report("a", None, None, kind=Kind.HAZARD, priority="emergency", state="queued")
    found = judge(told.evidence, told.cases)
    assert (found.hazards, found.own_order, found.attended, found.absorbed) == (1, 0, 1, 0)


def test_tickets_nobody_of_this_storm_opened_are_left_out(told):
    told.incident("one")
    told.report("a", "F", "one")
    told.cases.clear()
    assert judge(told.evidence, told.cases).merged == 0
