"""Storms of the second generator: seeded, read by the product without a complaint, and drawn without its knowledge."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

import pytest

from services.dedup.replay_files import ReplayFileError, read_reports, read_restorations
from services.dedup.replay_reports import load_served
from services.dedup.replay_restorations import power_back
from services.quality.storms import read_storm
from tests.heldout.__main__ import _seeds
from tests.heldout.contact import Said
from tests.heldout.files import draw_storm, write_storm
from tests.heldout.measure import NETWORKS, silent

FILES = ("network.csv", "customers.csv", "reports.jsonl", "restorations.csv", "truth.csv", "faults.csv")
HELDOUT = Path(__file__).parents[2] / "heldout"
TILES, FAULTS = 3, 15


def written(folder: Path, seed: int) -> Path:
    write_storm(draw_storm(NETWORKS / "ieee123", TILES, seed, FAULTS), folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("storm"), 3)


def test_equal_seeds_give_equal_bytes_and_others_another_storm(storm, tmp_path):
    first = contents(storm)
    assert contents(written(tmp_path / "same", 3)) == first
    other = contents(written(tmp_path / "other", 4))
    assert all(other[name] != first[name] for name in FILES if name != "network.csv")  # that has few forms


def test_the_product_reads_every_line(storm):
    served = load_served(storm / "network.csv", storm / "customers.csv")
    assert served.warnings == ()
    refused: list[ReplayFileError] = []
    lines = read_reports(storm / "reports.jsonl", refused)
    assert refused == []
    assert len(lines) == len((storm / "reports.jsonl").read_text().splitlines()) > FAULTS
    told, unknown = power_back(read_restorations(storm / "restorations.csv"), served)
    assert told
    assert unknown == []


def test_a_line_that_cannot_be_read_would_be_noticed(storm, tmp_path):
    spoilt = tmp_path / "reports.jsonl"
    spoilt.write_bytes((storm / "reports.jsonl").read_bytes() + b'{"event_id": "x"}\n')
    refused: list[ReplayFileError] = []
    read_reports(spoilt, refused)
    assert refused


def test_every_report_has_a_truth_that_names_a_fault_or_none(storm):
    found = read_storm(storm)
    assert found.truth.keys() == {line.event_id for line in found.lines}
    assert {one.fault for one in found.truth.values()} - {""} == found.faults.keys()
    for event, one in found.truth.items():
        home = found.served.homes[one.account]
        assert home == one.transformer, event
        if one.fault:
            fault = found.faults[one.fault]
            assert fault.shows_at <= one.happened_at < fault.ended_at
            assert fault.device in found.served.tree.chain(home)


def test_a_report_is_silent_if_no_file_knows_what_it_says(tmp_path):
    truth = tmp_path / "truth.csv"
    rows = (
        *("f1,outage,", f"f1,outage,{Said.PHONE_OF_NOBODY}+{Said.ACCOUNT_OF_NOBODY}", f"f1,outage,{Said.PHONE}"),
        *(f"f1,outage,{Said.PHONE_OF_NOBODY}+{Said.ADDRESS_VAGUE}", "f1,hazard,", ",outage,"),
    )
    truth.write_text("fault_id,kind,said\n" + "\n".join(rows) + "\n")
    assert silent(truth) == 0.5


@pytest.mark.parametrize(("said", "seeds"), [("7", [7]), ("11-13", [11, 12, 13]), ("3, 1-3", [3, 1, 2]), ("2-2", [2])])
def test_seeds_are_given_as_numbers_and_ranges(said, seeds):
    assert _seeds(said) == seeds


@pytest.mark.parametrize("said", ["", "13-11", "1-2-3", "x", "1,,2", "-1"])
def test_what_names_no_seeds_is_refused(said):
    with pytest.raises(argparse.ArgumentTypeError, match="11-13,20"):
        _seeds(said)


def imported(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    return {name for name in found if name.split(".")[0] in {"services", "deploy"}}


def test_storms_are_drawn_without_the_product():
    found = {path.name: imported(path.read_text()) for path in HELDOUT.glob("*.py")}
    assert found.pop("__main__.py") == {"services.quality.spread"}
    assert found
    assert not any(found.values())
    assert imported("from services.simulator.words import Kind\nimport deploy.native.ports, csv") == {
        "services.simulator.words",
        "deploy.native.ports",
    }
