"""Readings of meters and breakers in a replay: taken by arrival like the service takes them, and written beside."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from services.dedup.replay import replay_files
from services.dedup.replay_files import ReplayFileError
from services.dedup.replay_readings import read_readings
from tests.unit.dedup.test_replay import FOLDER, HOMES
from tests.unit.dedup.timeline import minute

if TYPE_CHECKING:
    from pathlib import Path

    from services.dedup.domain.rules import Rules
    from services.dedup.replay import Replayed

GOOD = '{"event_id":"1","reading":"last_gasp","account_id":"A","at":"2026-07-01T12:00:00Z"}'


class Files:
    def __init__(self, folder: Path, rules: Rules) -> None:
        self.folder, self.rules = folder, rules
        self.reports: list[dict[str, Any]] = []
        self.readings: list[dict[str, Any]] = []

    def report(self, event: str, at: float, transformer: str) -> None:
        when, account = minute(at).isoformat(), HOMES[transformer][0].account_id
        self.reports.append({"event_id": event, "channel": "app", "reported_at": when, "received_at": when})
        self.reports[-1]["account_id"] = account

    def says(self, event: str, at: float, reading: str, *, came: float | None = None, **where: str) -> None:
        arrived = minute(at if came is None else came).isoformat()
        line = {"event_id": event, "reading": reading, "at": minute(at).isoformat(), "received_at": arrived}
        self.readings.append(line | where)

    def run(self) -> Replayed:
        for name, lines in (("reports", self.reports), ("readings", self.readings)):
            (self.folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return replay_files(
            network=FOLDER / "network.csv",
            customers=FOLDER / "customers.csv",
            reports=self.folder / "reports.jsonl",
            restorations=None,
            readings=self.folder / "readings.jsonl",
            out=self.folder,
            rules=self.rules,
        )

    def assigned(self) -> dict[str, str]:
        with (self.folder / "assignments.csv").open() as file:
            return {row["event_id"]: row["incident_id"] for row in csv.DictReader(file)}


@pytest.fixture
def files(tmp_path: Path, rules: Rules) -> Files:
    return Files(tmp_path, rules)


def account(transformer: str, customer: int = 0) -> str:
    return HOMES[transformer][customer].account_id


def test_a_gasp_orders_before_the_call_and_stands_in_its_incident(files: Files) -> None:
    files.report("call", 10, "A0TR00026")
    files.says("gasp", 1, "last_gasp", came=2, account_id=account("A0TR00026", 1))
    files.says("back", 90, "power_up", account_id=account("A0TR00026", 1))
    found = files.run()

    assert files.assigned()["gasp"] == files.assigned()["call"] != ""
    assert "back" not in files.assigned(), "it stands for no report"
    assert (found.lines, found.in_incidents, found.readings) == (1, 1, 3 - 1)
    assert [one.event_id for one in found.of_readings] == ["gasp"]
    (order,) = found.orders
    assert order.issued_at == minute(2), "when the gasp arrived"


def test_readings_are_taken_by_arrival_whatever_the_order_of_their_lines(files: Files) -> None:
    files.report("call", 3, "A0TR00026")
    files.says("late", 1, "last_gasp", came=5, account_id=account("A0TR00026", 1))
    files.says("soon", 1, "last_gasp", came=2, account_id=account("A0TR00026", 2))
    forth = files.run(), files.assigned()
    files.readings.reverse()
    back = files.run(), files.assigned()

    assert forth[1] == back[1]
    assert [one.event_id for one in forth[0].of_readings] == ["soon", "late"]
    assert forth[0].orders == back[0].orders
    assert forth[0].orders[0].issued_at == minute(2)


def test_a_breaker_that_opens_is_confirmed_where_it_is(files: Files) -> None:
    files.report("call", 5, "A0TR00026")
    files.says("open", 1, "breaker_open", device="A0BR00001")
    found = files.run()

    assert files.assigned()["open"] == files.assigned()["call"]
    assert [order.device for order in found.orders] == ["A0BR00001"]


def test_a_reading_of_something_unknown_is_told_and_the_others_are_taken(files: Files) -> None:
    files.report("call", 5, "A0TR00026")
    files.says("strange", 1, "last_gasp", account_id="nobody")
    files.says("other", 1, "breaker_open", device="X9")
    files.says("gasp", 1, "last_gasp", account_id=account("A0TR00026"))
    found = files.run()

    assert found.readings_unknown == ["nobody", "X9"]
    assert [one.event_id for one in found.of_readings] == ["gasp"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        (GOOD.replace('"event_id":"1",', ""), "lacks 'event_id'"),
        (GOOD.replace('"reading":"last_gasp",', ""), "lacks 'reading'"),
        (GOOD.replace("last_gasp", "burp"), "reading must be one of last_gasp, power_up"),
        (GOOD.replace('"account_id":"A",', ""), "device or account_id is needed"),
        (GOOD.replace('"at"', '"commanded":"no","at"'), "commanded must be true or false"),
        (GOOD.replace("12:00:00Z", "noon"), "at must be an ISO 8601 time with its offset"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "readings.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n")

    with pytest.raises(ReplayFileError) as refused:
        read_readings(path)
    assert str(refused.value).startswith(f"readings.jsonl:3: {reason}")
