"""The list of reports that wait for a place: those of every page, and it says when it does not show all."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from services.cli import desk
from services.cli.commands import incidents

ALL = 1_200


@pytest.fixture(autouse=True)
def door(monkeypatch):
    """Dedup's door: twelve hundred reports, each page by the number where it begins."""

    def ask(path, *, after, limit, area):
        assert (path, area) == ("/v1/reports/waiting", "S1")
        begin = int(after or 0)
        end = min(begin + limit, ALL)
        reports = [
            {
                "report_id": f"report {n}",
                "ticket_ref": "7K3M-9QPX-2HD",
                "area": area,
                "reported_at": "2026-11-01T08:00:00Z",
                "customer_class": "normal",
                "address": None,
                "reason": "no_place",
            }
            for n in range(begin, end)
        ]
        return {"reports": reports, "next": str(end) if end < ALL else None}

    monkeypatch.setattr(desk, "ask", ask)


def listed(*line: str) -> str:
    result = CliRunner().invoke(incidents.app, ["waiting", "--area", "S1", *line], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_every_page_is_asked_for():
    found = json.loads(listed("--limit", "5000", "--json"))
    assert [one["report_id"] for one in found] == [f"report {n}" for n in range(ALL)]


def test_it_says_when_there_are_more_than_it_shows():
    assert "There are newer ones than these 50: --limit." in listed()
    assert "There are newer ones" not in listed("--limit", str(ALL))


def test_what_dispatchers_did_is_shown_as_far_back_as_asked_for(monkeypatch):
    def ask(path, *, after, limit, about):
        assert (path, about) == ("/v1/commands", None)
        begin = int(after or 0)
        end = min(begin + limit, ALL)
        fields = ("accepted_at", "subject", "author", "reason", "outcome", "undone_by")
        done = [{"command_id": f"c{n}", "action": "merge", **dict.fromkeys(fields, "")} for n in range(begin, end)]
        return {"commands": done, "next": str(end) if end < ALL else None}

    monkeypatch.setattr(desk, "ask", ask)
    runner = CliRunner()
    few = runner.invoke(incidents.app, ["commands"], catch_exceptions=False).output
    assert "There are older ones than these 50: --limit." in few
    all_ = runner.invoke(incidents.app, ["commands", "--limit", str(ALL), "--json"], catch_exceptions=False).output
    assert len(json.loads(all_)) == ALL
