"""What instruments bring, counted by hand; and the files of a storm with them, scored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.cli.commands import replay, score
from services.cli.errors import CommandError
from services.dedup.replay_files import ReplayFileError
from services.dedup.replay_reports import load_served
from services.grid.network_file import write_customers, write_devices
from services.quality.hearing import hearing
from services.quality.judge import Order, Outcome, judge
from services.quality.losses import Cause, losses
from services.quality.methods import prepare
from services.quality.oracles import true_faults
from services.quality.placed import first_arrivals, says_where
from services.quality.storms import StormFiles, TrueFault, Truth, read_storm
from services.quality.told import told
from services.simulator.files import write_storm
from services.simulator.instruments import Instruments, with_instruments
from services.simulator.presets import PRESETS
from services.simulator.words import Kind
from tests.unit.dedup.timeline import NETWORKS

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
CALLED, UNCALLED, LOST = "A0TR00026", "A0TR00048", "A0TR00020"


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def storm() -> StormFiles:
    """One fault that somebody called about, one that only a meter told of, one whose gasp is in the first's order."""
    feeder = NETWORKS / "ieee123"
    return StormFiles(
        served=load_served(feeder / "network.csv", feeder / "customers.csv"),
        lines=[],
        restored=[],
        truth={
            "call": Truth("F1", Kind.OUTAGE, "a", CALLED, at(9)),
            "arrears": Truth("", Kind.ARREARS, "b", CALLED, at(9)),
        },
        faults={
            name: TrueFault(device, service=False, shows_at=at(0), ended_at=None)
            for name, device in (("F1", CALLED), ("S1", UNCALLED), ("S2", LOST))
        },
        told={"gasp": "F1", "gasp2": "F1", "quiet": "S1", "hidden": "S2", "false": "", "false2": "", "trip": ""},
    )


@pytest.fixture
def outcome() -> Outcome:
    """The fault's order, one of the quiet fault, two for false gasps, one for a trip and a customer in arrears."""
    ever = {
        **dict.fromkeys(("call", "gasp", "gasp2", "hidden"), ("O1",)),
        **dict.fromkeys(("trip", "arrears"), ("O5",)),
        "quiet": ("O2",),
        "false": ("O3",),
        "false2": ("O4",),
    }
    issued = {"O1": 2, "O2": 3, "O3": 4, "O4": 5, "O5": 6}
    orders = {name: Order(at(minutes), [(at(minutes), CALLED)]) for name, minutes in issued.items()}
    return Outcome({event: f"I{orders[0]}" for event, orders in ever.items()}, ever, orders)


def test_what_instruments_bring_is_what_counting_by_hand_gives(storm: StormFiles, outcome: Outcome) -> None:
    found = told(outcome, storm)

    assert (found.from_fault_p50, found.from_fault_p90) == (120, 120), "the call's fault, from its start, not the call"
    assert found.for_no_outage == 3, "two false gasps; the trip that somebody in arrears called about"
    assert found.on_words_alone == 2
    assert (found.untold, found.untold_hidden) == (2, 0.5), "S1 and S2; S2 is in another's order"
    assert found.untold_to_order_p50 == 180


def test_figures_are_over_what_people_reported_and_an_order_for_what_only_a_meter_told_of_is_not_spare(
    storm: StormFiles, outcome: Outcome
) -> None:
    found = judge(outcome, storm.truth, storm.faults, {"call": at(9)}, storm.served.tree, storm.told)

    assert (found.reports, found.faults, found.hidden) == (1, 1, 0)
    assert found.spare_per_fault == 3, "O3, O4, O5"
    assert found.to_order_p50 == 0, "there before the first call"
    assert (found.b3_f1, found.device_hops) == (1, 0)
    deaf = judge(outcome, storm.truth, storm.faults, {"call": at(9)}, storm.served.tree)
    assert deaf.hidden == 1, "the one call is outvoted where nobody knows what the gasps in its order are of"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini")
    drawn = with_instruments(
        PRESETS["mini"].storm(1), Instruments(meters=0.9, telemetry=1.0, false_gasps=40.0, silent=1.0)
    )
    write_devices(folder / "network.csv", drawn.network.devices)
    write_customers(folder / "customers.csv", drawn.network.customers)
    write_storm(drawn, NOON, folder)
    names = {"reports": "reports.jsonl", "restorations": "restorations.csv", "readings": "readings.jsonl"}
    files = {name: folder / file for name, file in names.items()}
    replay.replay(
        network=folder / "network.csv",
        customers=folder / "customers.csv",
        out_folder=folder,
        truth=folder / "truth.csv",
        **files,
    )
    return folder


def test_a_storm_with_instruments_is_scored_beside_itself_without(folder: Path, capsys) -> None:
    capsys.readouterr()
    score.score([folder], as_json=True, explain=True, ask=True, baselines=True)
    (found,) = json.loads(capsys.readouterr().out)
    these, without = found["instruments"], found["without_instruments"]["instruments"]
    assert these["on_words_alone"] > 0 == without["on_words_alone"], "false gasps"
    assert these["untold"] == without["untold"] > 0
    assert these["untold_hidden"] < without["untold_hidden"] == 1
    assert these["from_fault_p50"] < without["from_fault_p50"]
    assert found["lost"]["spare"][Cause.WORDS] > 0
    assert found["baselines"]["no merging"]["b3_f1"] < found["b3_f1"]
    assert "b3_f1" in found["asked"]
    score.score([folder])
    assert "faults that only instruments told of" in " ".join(capsys.readouterr().out.split())


def test_the_causes_of_what_is_lost_add_up_with_instruments_too(folder: Path) -> None:
    storm = read_storm(folder)
    outcome = score.read_outcome(folder / "assignments.csv", folder / "orders.csv")
    arrivals = {line.event_id: line.received_at for line in first_arrivals(storm.lines)}
    figures = judge(outcome, storm.truth, storm.faults, arrivals, storm.served.tree, storm.told)
    lines = {line.event_id: line for line in storm.lines}
    prepared = prepare(storm, storm.lines, hearing())
    lost = losses(storm, prepared, outcome, lambda event: says_where(storm, lines[event]))
    lacking = (1 - figures.b3_recall, 1 - figures.b3_precision, figures.spare_per_fault, figures.hidden)
    assert [sum(one.values()) for one in lost] == pytest.approx(lacking)


@pytest.mark.parametrize(
    ("row", "said"),
    [("R999999,,state,,X", "event 'R999999' is not in the readings"), ("R000001,F9,outage,,X", "fault 'F9' of event")],
)
def test_a_truth_of_other_readings_is_refused(folder: Path, tmp_path: Path, row: str, said: str) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    truth = tmp_path / "readings_truth.csv"
    truth.unlink()
    truth.write_text(f"event_id,fault_id,why,account_id,device\n{row}\n")
    with pytest.raises(ReplayFileError, match=said):
        read_storm(tmp_path)
    with pytest.raises(CommandError, match=said):
        score.score([tmp_path])


def test_a_homes_own_fault_that_nobody_reported_explains_no_report(storm: StormFiles) -> None:
    service = replace(storm.faults["S1"], service=True)
    assert {one.name for one in true_faults(replace(storm, faults={**storm.faults, "S1": service}))} == {"F1", "S2"}
