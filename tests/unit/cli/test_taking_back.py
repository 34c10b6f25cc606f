"""What a command of a dispatcher says that takes it back, does: it is a command line that asks for just that."""

from __future__ import annotations

import shlex

import pytest
from typer.testing import CliRunner

from services.cli import desk
from services.cli.commands import incidents, planned

KEY, OTHER = "0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11", "5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e"
WHEN = {"starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-01T04:00:00Z"}
LATER = {"starts_at": "2026-12-01T08:00:00Z", "ends_at": "2026-12-01T12:00:00Z"}
TIMES = ("--from", LATER["starts_at"], "--until", LATER["ends_at"])


@pytest.fixture
def door(monkeypatch):
    """Dedup's doors: what was asked of them; each command is done, and can be undone if it is an incident's."""

    class Door:
        def __init__(self):
            self.asked, self.told = [], {}

        def act(self, path, body, *, method="POST", **_):
            self.asked.append((method, path, body))
            action = "plan" if path.startswith("/v1/planned") else path.rsplit("/", 1)[-1].replace("-", "_")
            done = {"command_id": OTHER, "action": action, "subject": KEY, "author": "desk-dev/Li", "outcome": "done"}
            return {**done, "undoable": action not in {"plan", "cancel", "undo"}, "undone_by": None, **self.told}

        def ask(self, path, **_):
            return {"device_id": "T001 A0[FU]00016", **WHEN, "revision": 3, "proposed_plan": {"planned_id": KEY}}

    made = Door()
    monkeypatch.setattr(desk, "act", made.act)
    monkeypatch.setattr(desk, "ask", made.ask)
    return made


def said(app, *line):
    result = CliRunner().invoke(app, [*line, "-r", "a reason"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def taken_back(output):
    """Run the first command line that an output names."""
    words = shlex.split(output.split("gridline ", 1)[1].split("\n")[0].split(";")[0])
    assert words[-2:] == ["--reason", "…"]
    said({"planned": planned.app, "incidents": incidents.app}[words[0]], *words[1:-2])


@pytest.mark.parametrize(
    "line",
    [("merge", KEY, OTHER), ("split", KEY, OTHER), ("confirm", KEY), ("accept-plan", KEY), ("place", KEY, "T1")],
    ids=lambda line: line[0],
)
def test_what_is_done_to_an_incident_is_undone(door, line):
    output = said(incidents.app, *line)
    assert ("move" in output) is (line[0] == "place"), "a report that opened its incident is moved"
    taken_back(output)
    assert door.asked[-1][:2] == ("POST", f"/v1/commands/{OTHER}/undo")


def test_work_that_was_entered_is_cancelled(door):
    output = said(planned.app, "add", "T001", *TIMES)
    assert "undo" not in output
    taken_back(output)
    assert door.asked[-1][:2] == ("POST", f"/v1/planned-outages/{KEY}/cancel")


def test_work_that_was_changed_is_changed_to_what_it_was(door):
    output = said(planned.app, "change", KEY, "--device", "T001", *TIMES)
    assert "undo" not in output
    taken_back(output)
    method, path, body = door.asked[-1]
    assert (method, path) == ("PUT", f"/v1/planned-outages/{KEY}")
    assert {**body, "reason": ""} == {"device": "T001 A0[FU]00016", **WHEN, "reason": ""}


def test_work_that_takes_longer_keeps_its_device_and_its_beginning(door):
    said(planned.app, "change", KEY, "--until", LATER["ends_at"])
    method, path, body = door.asked[-1]
    assert (method, path) == ("PUT", f"/v1/planned-outages/{KEY}")
    as_it_was = {"device": "T001 A0[FU]00016", **WHEN}
    assert {**body, "reason": ""} == {**as_it_was, "ends_at": LATER["ends_at"], "reason": ""}


def test_work_that_was_cancelled_is_entered_again(door):
    output = said(planned.app, "cancel", KEY)
    assert "undo" not in output
    taken_back(output)
    method, path, body = door.asked[-1]
    assert (method, path) == ("POST", "/v1/planned-outages")
    assert {**body, "reason": ""} == {"device": "T001 A0[FU]00016", **WHEN, "reason": ""}


def test_the_list_of_commands_has_those_of_every_page(monkeypatch):
    """Newest first, up to the limit: each page is asked for after the one before."""
    one = {
        "accepted_at": WHEN["starts_at"],
        "action": "merge",
        "subject": KEY,
        "author": "desk-dev",
        "reason": "one [x]",
    }
    pages = {None: ("second", 0), "second": (None, 1)}
    asked = []

    def ask(path, *, after, limit, about):
        asked.append((path, limit, about))
        following, n = pages[after]
        command = {**one, "command_id": f"command {n}", "outcome": ("done", None)[n], "undone_by": None}
        return {"commands": [command], "next": following}

    monkeypatch.setattr(desk, "ask", ask)
    result = CliRunner().invoke(incidents.app, ["commands", KEY], catch_exceptions=False)
    assert asked == [("/v1/commands", 50, KEY), ("/v1/commands", 49, KEY)]
    assert result.output.index("command 0") < result.output.index("command 1")
    assert "one [x]" in result.output
    assert "not decided yet" in result.output


@pytest.mark.parametrize(
    ("line", "told", "words"),
    [
        (("undo", KEY), {}, "give the command again"),
        (("merge", KEY, OTHER), {"undoable": False, "undone_by": KEY}, f"undone by command {KEY}"),
        (("merge", KEY, OTHER), {"undoable": False}, "is over since"),
    ],
)
def test_what_nothing_takes_back_is_said_so(door, line, told, words):
    door.told = told
    output = said(incidents.app, *line)
    assert words in output
    assert "gridline" not in output


def test_what_is_not_decided_yet_can_be_undone(door):
    door.told = {"outcome": None, "undoable": False}
    taken_back(said(incidents.app, "confirm", KEY))
    assert door.asked[-1][1].endswith("/undo")
