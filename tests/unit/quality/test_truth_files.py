"""The truth of a storm, as anybody may write it: what is taken, and what is refused with its file, line and field."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli.commands import score
from services.cli.errors import CommandError
from services.dedup.replay_files import ReplayFileError
from services.quality.storms import read_faults, read_storm, read_truth

IEEE123 = Path(__file__).parents[3] / "deploy/networks/ieee123"
AT = "2026-07-01T12:00:00+00:00"
TRUTH = ("event_id,fault_id,kind,account_id,transformer_id,happened_at", f"e1,f1,outage,A0900001,A0TR00020,{AT}")
FAULTS = (
    "fault_id,device,type,started_at,restored_at,shows_at",
    f"f1,A0TR00020,transformer,{AT},2026-07-01T13:00:00Z,",
)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def storm(tmp_path: Path) -> Path:
    for name in ("network.csv", "customers.csv"):
        (tmp_path / name).symlink_to(IEEE123 / name)
    report = f'{{"event_id": "e1", "channel": "app", "reported_at": "{AT}", "received_at": "{AT}"}}'
    write(tmp_path / "reports.jsonl", report)
    write(tmp_path / "truth.csv", *TRUTH)
    write(tmp_path / "faults.csv", *FAULTS)
    return tmp_path


def test_a_fault_that_shows_from_its_start_need_not_say_so_and_restorations_need_not_be_told(storm: Path) -> None:
    read = read_storm(storm)

    assert read.faults["f1"].shows_at == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert read.restored == []


def test_files_of_other_programs_are_read(storm: Path) -> None:
    path = storm / "truth.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert list(read_truth(path)) == ["e1"]
    shorter = [line.rsplit(",", 1)[0] for line in FAULTS]
    assert read_faults(write(storm / "faults.csv", *shorter))["f1"].shows_at.hour == 12


@pytest.mark.parametrize(
    ("file", "lines", "said"),
    [
        ("truth.csv", (TRUTH[0], TRUTH[1].replace("outage", "blackout")), "truth.csv:2: kind must be one of"),
        ("truth.csv", (TRUTH[0], TRUTH[1].replace("+00:00", "")), "truth.csv:2: happened_at must be an ISO 8601 time"),
        ("truth.csv", (TRUTH[0].replace("kind", "sort"), TRUTH[1]), "truth.csv:1: lacks the column 'kind'"),
        ("truth.csv", TRUTH[:1], "truth.csv: has no row"),
        ("truth.csv", (TRUTH[0], TRUTH[1].replace("e1", "e2")), "truth.csv: event 'e2' is not in the reports"),
        ("truth.csv", (TRUTH[0], TRUTH[1].replace("f1", "f2")), "fault 'f2' of event 'e1' is not in faults.csv"),
        ("truth.csv", (*TRUTH, TRUTH[1]), "truth.csv:3: event_id 'e1' stands in an earlier line already"),
        ("faults.csv", (*FAULTS, FAULTS[1]), "faults.csv:3: fault_id 'f1' stands in an earlier line already"),
        ("faults.csv", (FAULTS[0], FAULTS[1].replace("A0TR00020", "X")), "device 'X' of fault 'f1' is not in the"),
        ("faults.csv", (FAULTS[0], FAULTS[1].replace("T13", "T99")), "faults.csv:2: restored_at must be an ISO 8601"),
    ],
)
def test_what_cannot_be_used_is_named(storm: Path, file: str, lines: tuple[str, ...], said: str) -> None:
    write(storm / file, *lines)
    with pytest.raises(ReplayFileError, match=re.escape(said)):
        read_storm(storm)


def test_columns_may_be_written_large_and_rows_be_empty(storm: Path) -> None:
    write(storm / "truth.csv", TRUTH[0].upper().replace(",", " ,"), TRUTH[1], ",,,,,")
    assert read_storm(storm).truth.keys() == {"e1"}


def test_a_compressed_file_is_named_as_one(storm: Path) -> None:
    (storm / "truth.csv").write_bytes(gzip.compress("\n".join(TRUTH).encode()))
    with pytest.raises(ReplayFileError, match=r"truth\.csv: is compressed with gzip: unpack it"):
        read_storm(storm)


def test_assignments_of_another_storm_are_refused_and_what_they_leave_out_is_told(storm: Path, capsys) -> None:
    write(storm / "orders.csv", "order_id,incident_id,issued_at,device,superseded_by")
    write(storm / "assignments.csv", "event_id,incident_id,order_ids", "e2,i1,")
    with pytest.raises(CommandError, match=r"assignments\.csv: event 'e2' is not in the reports"):
        score.score([storm])
    write(storm / "assignments.csv", "event_id,incident_id,order_ids")
    with pytest.raises(CommandError, match=r"assignments\.csv: has no row"):
        score.score([storm])
    with (storm / "reports.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"event_id": "e0", "received_at": "{AT}"}}\n')
    write(storm / "assignments.csv", "event_id,incident_id,order_ids", "e0,,")
    score.score([storm])
    assert "1 of 2 reports are not in" in " ".join(capsys.readouterr().err.split())
    score.score([storm], as_json=True)

    def none_of_json(word: str) -> None:
        raise AssertionError(word)

    (figures,) = json.loads(capsys.readouterr().out, parse_constant=none_of_json)
    assert (figures["hidden"], figures["to_order_p50"]) == (1, None)
