"""A report is asked for by its id, or by the reference that its customer reads out."""

from __future__ import annotations

from uuid import UUID

import pytest
from typer.testing import CliRunner

from services.cli import desk, http
from services.cli.commands import incidents
from services.cli.errors import CommandError, Exit
from services.contracts.ids import report_id, ticket_ref

TICKET, JOINED = UUID("0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"), UUID("5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e")
TWIN = UUID(int=TICKET.int + 1)  # of fifty bits of its id a reference is made
TOLD = {"ticket_ref": "x", "outcome": "answered", "words": "y", "ledger": [], "considered": [], "would_change": []}


def shown(ticket, carried, report="sent"):
    """Return of the router's answer what is read here."""
    return {"ticket_id": str(ticket), "carries": [*map(str, carried)], "report": report, "queue": "locate"}


@pytest.fixture
def explained(monkeypatch):
    """Return the report that is explained; the router knows these tickets and who stands for whom."""

    def explain(said, *tickets):
        asked = []

        def get(service, _url, path, **_):
            assert service == "router"
            asked.append(path)
            return {"tickets": [shown(one, *more) for one, *more in tickets]}

        monkeypatch.setattr(http, "get", get)
        monkeypatch.setattr(desk, "ask", lambda path: asked.append(path) or TOLD)
        result = CliRunner().invoke(incidents.app, ["explain", said])
        if isinstance(result.exception, CommandError):
            raise result.exception
        return result.output if result.exit_code else asked

    return explain


@pytest.mark.parametrize("spoken", [str, str.lower, lambda ref: ref.replace("-", " "), lambda ref: f" {ref} "])
def test_the_report_of_a_ticket_is_found_however_its_reference_is_said(explained, spoken):
    ref = ticket_ref(TICKET)
    asked = explained(spoken(ref), (TICKET, ()))
    assert asked == [f"/v1/tickets/{ref}", f"/v1/reports/{report_id(TICKET)}/explain"]


def test_an_id_is_a_reports_and_asks_no_router(explained):
    assert explained(str(TICKET).upper()) == [f"/v1/reports/{TICKET}/explain"]


def test_a_ticket_that_was_joined_to_another_has_a_report_of_its_own(explained):
    assert explained(ticket_ref(JOINED), (TICKET, (JOINED,)))[-1] == f"/v1/reports/{report_id(JOINED)}/explain"
    assert explained(ticket_ref(TICKET), (TICKET, (JOINED,)))[-1] == f"/v1/reports/{report_id(TICKET)}/explain"


def test_who_contacted_us_again_reads_out_a_reference_of_the_same_report(explained):
    assert explained(ticket_ref(JOINED), (TICKET, ()))[-1] == f"/v1/reports/{report_id(TICKET)}/explain"


def test_a_ticket_that_has_reported_nothing_is_told_where_it_is(explained):
    with pytest.raises(CommandError, match="has reported no outage: it is in locate") as refused:
        explained(ticket_ref(TICKET), (TICKET, (), "none"))
    assert f"gridline routes explain {ticket_ref(TICKET)}" in refused.value.advice
    # What was joined to it may have.
    assert explained(ticket_ref(JOINED), (TICKET, (JOINED,), "none"))[-1] == f"/v1/reports/{report_id(JOINED)}/explain"


def test_of_two_tickets_with_one_reference_the_reports_are_named(explained):
    with pytest.raises(CommandError, match="2 tickets have the reference") as refused:
        explained(ticket_ref(TICKET), (TICKET, ()), (TWIN, ()))
    assert refused.value.code == Exit.NO
    assert all(str(report_id(one)) in refused.value.advice for one in (TICKET, TWIN))


def test_what_is_neither_is_told_what_it_may_be(explained):
    wrong_check = ticket_ref(TICKET)[:-1] + ("0" if ticket_ref(TICKET)[-1] != "0" else "1")
    for said in (wrong_check, "0b7e6c0a", "外滩"):
        output = " ".join(explained(said).replace("│", "").split())
        assert "neither an id, such as" in output
        assert "nor a ticket reference, such as 7K3M-9QPX-2HR" in output
