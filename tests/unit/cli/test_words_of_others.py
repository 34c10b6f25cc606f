"""What others wrote is shown as they wrote it: brackets in a name or a reason are no markup, and break no command."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

from services.cli import dead_letters, desk, http, switching
from services.cli.commands import dlq, grid, incidents
from services.cli.dead_letters import DeadLetter
from services.cli.errors import CommandError, Exit
from services.cli.topics import Record
from services.contracts.topics import CONTACT_RECEIVED
from services.grid.device import DeviceRow
from services.grid.store import NetworkVersion
from services.grid.tree import Tree

HOSTILE = "feeder [/] 3 [night shift]"
WHEN = "2026-11-28T08:00:00Z"


def said(app, *line):
    result = CliRunner().invoke(app, line, catch_exceptions=False, env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    return result.output


def test_an_event_id_of_a_dead_letter(monkeypatch):
    async def read(*_, **__):
        headers = (("ce_id", HOSTILE.encode()), ("dlq.reason", b"bad_field"), ("dlq.topic", b"contact.received.v1"))
        return [DeadLetter(Record(CONTACT_RECEIVED.dead_letters, 0, 12, 0, None, b"{}", headers))]

    monkeypatch.setattr(dead_letters, "read_letters", read)
    assert HOSTILE in said(dlq.app, "list")


def test_the_reason_of_a_switching(monkeypatch):
    async def done(_work):
        row = {"version": 1, "revision": 1, "at": None, "closed": "A[1]", "opened": "B[2]", "customers": 3}
        return [{**row, "author": "Li [desk]", "reason": HOSTILE}]

    monkeypatch.setattr(switching, "connected", done)
    output = said(grid.app, "switchings")
    assert all(word in output for word in (HOSTILE, "Li [desk]", "A[1]", "B[2]"))


def test_devices_and_areas(monkeypatch):
    rows = [
        DeviceRow("S[1]", None, "substation", False, 31.0, 118.0),
        DeviceRow("F[2]", "S[1]", "fuse", False, 31.0, 118.1),
    ]
    network = NetworkVersion(1, "", 1, 1, 2, 0), {"S[1]": Tree(rows)}

    async def read(_work):
        return network

    monkeypatch.setattr(grid, "connected", read)
    assert "S[1]" in said(grid.app, "show")
    assert "fed through: S[1]" in said(grid.app, "show", "F[2]")
    assert "directly below: F[2]" in said(grid.app, "show", "S[1]")


INCIDENT = {
    "incident_id": "0b7e6c0a",
    "kind": "outage",
    "state": "confirmed",
    "reports": 2,
    "customers_served": 40,
    "stage": None,
    "etr": None,
    "proposed_plan": None,
    "device": {"id": "T[1]", "type": "transformer"},
    "breached": [],
    "network_change": None,
    "proposed_device": None,
    "suggested_at": None,
}


def test_a_list_of_incidents_shows_what_alerts_send_people_to_look_for(monkeypatch):
    late = {**INCIDENT, "breached": ["arrival", "restoration"]}
    gone = {**INCIDENT, "network_change": "device_gone", "proposed_device": "SW[7]"}
    over = {**INCIDENT, "suggested_at": WHEN}
    monkeypatch.setattr(desk, "ask", lambda *_, **__: {"incidents": [late, gone, over, INCIDENT], "next": None})
    output = said(incidents.app, "list")
    assert "breached: arrival, restoration" in output
    assert "network_change: device_gone; proposed_device: SW[7]" in output
    assert "suggested_at: " in output
    assert output.count("T[1]") == 4


def test_an_address_that_would_steer_the_terminal_is_seen_and_does_not(monkeypatch):
    hostile = "\x1b]0;owned\x07\x1b[2J新街5号\x9b31m \u202e[red]\u202c ئۈرۈمچى 😀 ᠮᠣᠩᠭᠣᠯ\r"
    waiting = {
        "report_id": "5f0c9e11",
        "ticket_ref": "7K3M-9QPX-2HR",
        "area": "A[1]",
        "reported_at": WHEN,
        "customer_class": "normal",
        "address": hostile,
        "reason": "place_ambiguous",
    }
    monkeypatch.setattr(desk, "ask", lambda *_, **__: {"reports": [waiting], "next": None})
    shown = r"\x1b]0;owned\x07\x1b[2J新街5号\x9b31m \u202e[red]\u202c ئۈرۈمچى 😀 ᠮᠣᠩᠭᠣᠯ\x0d"
    assert shown in said(incidents.app, "waiting")
    printed = said(incidents.app, "waiting", "--json")
    assert not set(printed) & set("\x1b\x07\x9b\u202e\r")
    assert json.loads(printed)[0]["address"] == hostile, "another program reads it as it was said"


def test_who_did_what_to_a_report(monkeypatch):
    ledger = [{"at": WHEN, "action": "joined", "incident_id": "0b7e", "words": "moved", "author": HOSTILE}]
    told = {"ticket_ref": "7K3M", "outcome": "in_incident", "words": "x", "ledger": ledger}
    monkeypatch.setattr(desk, "ask", lambda *_, **__: {**told, "considered": [], "would_change": []})
    assert HOSTILE in said(incidents.app, "explain", "5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e")


@pytest.mark.parametrize("given", ["secret\r", " secret", "密钥"])
def test_a_key_that_cannot_be_sent_is_named_and_not_taken_for_a_service_that_is_down(monkeypatch, given):
    monkeypatch.setenv("GRIDLINE_API_KEY", given)
    with pytest.raises(CommandError, match="GRIDLINE_API_KEY") as refused:
        http.key("dev")
    assert refused.value.code == Exit.REFUSED


def test_a_command_without_an_answer_is_given_again_under_its_id(monkeypatch):
    sent = []

    def silent(*_, **arguments):
        sent.append(arguments["json"])
        raise httpx.ReadTimeout("")

    monkeypatch.setattr(httpx, "request", silent)
    for given in (None, "7c0f"):
        with pytest.raises(CommandError) as told:
            desk.act("/v1/incidents/1/merge", {"into": "2"}, command_id=given)
        assert f"--command-id {sent[-1]['command_id']}" in told.value.advice
    assert sent[-1]["command_id"] == "7c0f"


def test_what_changed_meanwhile_is_to_be_looked_at_again(monkeypatch):
    changed = httpx.Response(412, json={"title": "Precondition Failed", "detail": "it was changed since you looked"})
    monkeypatch.setattr(httpx, "request", lambda *_, **__: changed)
    with pytest.raises(CommandError, match="changed since you looked") as told:
        desk.act("/v1/incidents/1/merge", {"into": "2"}, command_id=None)
    assert "gridline incidents show" in told.value.advice


def test_what_answers_in_place_of_a_service_is_told(monkeypatch):
    page = httpx.Response(200, text="<html>Grafana</html>")
    monkeypatch.setattr(httpx, "request", lambda *_, **__: page)
    with pytest.raises(CommandError, match="that is not dedup") as told:
        http.get("dedup", "http://127.0.0.1:3000", "/v1/incidents")
    assert "GRIDLINE_DEDUP_URL" in told.value.advice
    assert told.value.code == Exit.UNREACHABLE
