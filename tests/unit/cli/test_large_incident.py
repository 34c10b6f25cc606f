"""What the command line asks for and shows of the largest outage: a screen of it, and that there is more."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from services.cli import desk, http
from services.cli.commands import incidents, planned

ALL, VERSIONS, PLANS = 100_000, 200, 2_000
KEY = "0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"
AT = "2026-11-01T08:00:00Z"
ABSENT = ("arrive_by", "restore_by", "suggested_at", "proposed_device", "network_change", "stage", "etr", "cause")
HEAD = {
    "redirected_from": None,
    "kind": "outage",
    "device": {"id": "T1", "type": "breaker", "feeder": "F1"},
    "state": "predicted",
    "area": "S1",
    "customers_served": 120_000,
    "reports": ALL,
    "opened_at": AT,
    "order_id": KEY,
    "revision": 7,
    "members": [],
    "breached": [],
    "hazards": [],
    "progress": [],
    **dict.fromkeys((*ABSENT, "restored_at", "merged_into", "covered_by", "related_to", "proposed_plan")),
}


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """What was asked of dedup's doors, behind which there is such an outage, and very many plans."""
    seen = []

    def get(_service, _url, path, *, headers, **query):
        assert headers
        seen.append((path, query))
        begin = int(query.get("after") or 0)
        if path == f"/v1/incidents/{KEY}":
            order = [
                {
                    "version": n,
                    "status": "updated",
                    "priority": "normal",
                    "device_id": "T1",
                    "reason": "",
                    "issued_at": AT,
                }
                for n in range(1, VERSIONS + 1)
            ]
            return {**HEAD, "order": order}
        if path == f"/v1/incidents/{KEY}/reports":
            end = min(begin + query["limit"], ALL)
            report = {"ticket_ref": "7K3M", "channel": "sms", "device_id": "T1", "customer_class": "normal"}
            reports = [{**report, "reported_at": AT, "report_id": f"report {n}"} for n in range(begin, end)]
            return {"reports": reports, "next": end if end < ALL else None}
        assert path == "/v1/planned-outages"
        end = min(begin + query["limit"], PLANS)
        plan = {"device_id": "T1", "starts_at": AT, "ends_at": AT, "reason": "work", "cancelled": False}
        plans = [{**plan, "planned_id": f"plan {n}"} for n in range(begin, end)]
        return {"planned_outages": plans, "next": str(end) if end < PLANS else None}

    monkeypatch.setattr(http, "get", get)
    return seen


def said(app, *line):
    result = CliRunner().invoke(app, line, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_an_incident_is_shown_by_a_screen_of_its_reports_and_the_last_versions_of_its_order(asked):
    shown = said(incidents.app, "show", KEY)
    assert "There are 99950 more than these 50: --limit." in shown
    assert "the last 10 of 200 versions" in shown
    assert shown.count("\n") < 80
    assert [query for path, query in asked if path == f"/v1/incidents/{KEY}"] == [{"members": 0}]
    assert [query["limit"] for path, query in asked if path.endswith("/reports")] == [50]


def test_as_many_of_its_reports_as_are_asked_for_are_shown(asked):
    found = json.loads(said(incidents.app, "show", KEY, "--limit", "1200", "--json"))
    assert [one["report_id"] for one in found["members"]] == [f"report {n}" for n in range(1200)]
    assert [query["limit"] for path, query in asked if path.endswith("/reports")] == [500, 500, 200]


def test_whoever_acts_on_it_asks_for_none_of_its_reports(asked, monkeypatch):
    sent = []

    def send(_service, _url, _method, _path, _body, *, headers):
        sent.append(headers["If-Match"])
        return {"command_id": KEY}

    monkeypatch.setattr(http, "send", send)
    desk.act(f"/v1/incidents/{KEY}/merge", {}, seen=f"/v1/incidents/{KEY}", command_id=None)
    assert (asked, sent) == ([(f"/v1/incidents/{KEY}", {"members": 0})], ['"7"'])


def test_plans_are_listed_by_a_screen_of_them():
    shown = said(planned.app, "list")
    assert "There are later ones than these 50: --limit." in shown
    assert shown.count("\n") < 60
    assert len(json.loads(said(planned.app, "list", "--limit", "5000", "--json"))) == PLANS
