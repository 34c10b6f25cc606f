"""A storm as files with its truth: presets, nested faults, steps, spoken addresses, grown networks."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from datetime import datetime
from random import Random

import pytest

from services.contracts.values import Crs
from services.grid.datum import to_wgs84
from services.grid.tree import Tree
from services.simulator.faults import SERVICE
from services.simulator.files import FAULT_COLUMNS, TRUTH_COLUMNS, report_lines, write_storm
from services.simulator.grown import TOWN, VALLEY, grow
from services.simulator.presets import PRESETS, Purpose, named
from services.simulator.spoken import spoken

START = datetime.fromisoformat("2026-07-01T18:00:00+08:00")
SEED = 5


@pytest.fixture(scope="module")
def network():
    return PRESETS["valley"].network()


@pytest.fixture(scope="module")
def storm(network):
    return PRESETS["valley"].storm(SEED, network)


@pytest.fixture(scope="module")
def folder(storm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("storm")
    write_storm(storm, START, folder)
    return folder


def rows(folder, name):
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_report_has_its_truth_and_every_fault_a_report(folder):
    lines = [json.loads(line) for line in (folder / "reports.jsonl").read_text(encoding="utf-8").splitlines()]
    truth, faults = rows(folder, "truth.csv"), rows(folder, "faults.csv")
    assert tuple(truth[0]) == TRUTH_COLUMNS
    assert tuple(faults[0]) == FAULT_COLUMNS
    assert {line["event_id"] for line in lines} == {row["event_id"] for row in truth}
    told = Counter(row["fault_id"] for row in truth if row["fault_id"])
    assert told == {row["fault_id"]: int(row["reports"]) for row in faults}
    assert min(told.values()) >= 1


def test_a_nested_fault_is_told_of_only_once_power_is_back_above_it(storm):
    outer = {fault.id: fault for fault in storm.faults}
    nested = [fault for fault in storm.faults if fault.under is not None]
    assert nested
    tree = storm.network.tree
    for fault in nested:
        above = outer[fault.under]
        assert tree.is_under(fault.device, above.device)
        assert set(fault.customers) < set(above.customers)
        assert above.start <= fault.start <= fault.shows == above.power_back(tree, fault.device)
        assert all(case.at >= fault.shows for case in storm.cases if case.fault == fault.id)


def test_power_that_comes_back_in_steps_is_told_by_each_and_quiet_after_it(storm, folder):
    stepped = [fault for fault in storm.faults if fault.steps]
    assert stepped
    told = {row["device_or_account"] for row in rows(folder, "restorations.csv")}
    assert any(device in told for fault in stepped for _, device in fault.steps)
    customers, tree = storm.network.customers, storm.network.tree
    for fault in stepped:
        assert all(fault.start < at < fault.restored for at, _ in fault.steps)
        for case in storm.cases:
            if case.fault == fault.id:
                assert case.at < fault.power_back(tree, customers[case.customer].transformer_id)


def test_some_restorations_are_told_late_and_some_never(storm, folder):
    ends = {
        (storm.network.customers[f.customers[0]].account_id if f.type == SERVICE else f.device): f.restored
        for f in storm.faults
    }
    seconds = {
        row["device_or_account"]: (datetime.fromisoformat(row["restored_at"]) - START).total_seconds()
        for row in rows(folder, "restorations.csv")
    }
    late = [what for what, end in ends.items() if what in seconds and seconds[what] > end + 1]
    assert late
    assert len(ends.keys() - seconds.keys()) >= 2


def test_positions_come_in_the_datum_they_name(storm):
    cases = {f"E{case.number:06d}": case.said for case in storm.cases}
    seen = Counter()
    for line in report_lines(storm, START):
        if "lat" in line:
            said, datum = cases[line["event_id"]], Crs(line.get("crs", "wgs84"))
            lat, lon = to_wgs84(line["lat"], line["lon"], datum)
            assert lat == pytest.approx(said.lat, abs=1e-5)
            assert lon == pytest.approx(said.lon, abs=1e-5)
            seen[datum] += 1
    assert set(seen) == set(Crs)


def test_addresses_are_said_in_many_ways():
    rng = Random(1)
    said = Counter(spoken("3区团结北路227号5栋3001室", rng) for _ in range(2000))
    assert len(said) > 100
    assert all("团结北路" in text for text in said)
    for part in ("3区", "附近", "5号楼", "五", "3001室", "我家在"):
        assert 20 < sum(n for text, n in said.items() if part in text) < 1600, part


def test_an_estates_address_and_a_strange_one_are_said_too():
    assert all("阳光花园" in spoken("7区阳光花园3栋2单元501室", Random(n)) for n in range(50))
    assert spoken("Main Street 5", Random(1)) == "Main Street 5"
    assert spoken("", Random(1)) == ""


def test_what_is_tuned_on_is_not_what_is_reported_on():
    tuning = {base for preset in named(Purpose.TUNING) for base in preset.bases}
    reporting = {base for preset in named(Purpose.REPORTING) for base in preset.bases}
    assert tuning
    assert reporting
    assert not tuning & reporting
    assert not any(isinstance(base, str) for base in tuning)  # real networks are for reporting


def test_streets_have_names_of_their_own_but_for_some_that_are_in_every_town(network):
    towns = {}
    for customer in network.customers:
        district, street = re.match(r"(\d+)区(\D+)", customer.address).groups()
        towns.setdefault(street, set()).add(district)
    counts = sorted(len(found) for found in towns.values())
    assert counts[len(counts) // 2] <= 2
    assert counts[-1] >= 10


def test_people_and_crews_have_other_habits_in_each_seed():
    preset = PRESETS["mini"]
    assert preset.shape(1) == preset.shape(1)
    assert preset.shape(1).delay_median != preset.shape(2).delay_median


@pytest.mark.parametrize("habit", [VALLEY, TOWN])
def test_a_grown_feeder_is_radial_and_every_device_feeds_somebody(habit):
    base = grow(habit, 3)
    assert base == grow(habit, 3)
    assert base != grow(habit, 4)
    connected = Counter(row.transformer_id for row in base.customers)
    tree = Tree(base.devices, connected)
    assert all(tree.customers_under(device) for device in tree)
    assert habit.customers[0] <= min(connected.values())
    assert max(connected.values()) <= habit.customers[1]
    numbers = [row.phone for row in base.customers if row.phone]
    assert len(set(numbers)) == len(numbers)
    assert all(re.fullmatch(r"1区\D+(\d+号)?\d+栋(\d+单元)?\d+室", row.address) for row in base.customers)
