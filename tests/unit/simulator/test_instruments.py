"""Meters and breakers of a storm: what they say is true or told to be wrong, and the storm is what it was without."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import datetime

import pytest

from services.contracts.values import Reading
from services.simulator.faults import SERVICE
from services.simulator.files import write_storm
from services.simulator.generate import draw_storm
from services.simulator.instruments import Instruments, with_instruments
from services.simulator.presets import PRESETS
from services.simulator.readings import Why

START = datetime.fromisoformat("2026-07-01T18:00:00+08:00")
ALL = Instruments(meters=0.9, telemetry=1.0, false_gasps=20.0)


@pytest.fixture(scope="module")
def plain():
    preset = PRESETS["valley"]
    return draw_storm(preset.network(), replace(preset.shape(5), nested=1.0), 5)


@pytest.fixture(scope="module")
def storm(plain):
    return with_instruments(plain, ALL)


def times_in_the_dark(storm, customer):
    home = storm.network.customers[customer].transformer_id
    return [
        (fault.id, fault.start, fault.power_back(storm.network.tree, home))
        for fault in storm.faults
        if customer in fault.customers
    ]


def of(storm, *readings, why=None):
    return [word for word in storm.words if word.reading in readings and (why is None or word.why is why)]


def test_the_storm_is_byte_for_byte_what_it_is_without_instruments(plain, storm, tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "with").mkdir()
    write_storm(storm, START, tmp_path / "with")
    (tmp_path / "plain" / "readings.jsonl").write_text("of an earlier storm")
    write_storm(plain, START, tmp_path / "plain")
    assert not (tmp_path / "plain" / "readings.jsonl").exists()
    for name in ("reports.jsonl", "truth.csv"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "with" / name).read_bytes()
    for name in ("restorations.csv", "faults.csv"):
        before = (tmp_path / "plain" / name).read_text().splitlines()
        after = (tmp_path / "with" / name).read_text().splitlines()
        assert [line for line in after if line in set(before)] == before
        assert len(after) > len(before), "outages that nobody calls about"


def test_equal_arguments_give_equal_words_and_fewer_meters_say_some_of_the_same(plain, storm):
    assert with_instruments(plain, ALL).words == storm.words
    fewer = with_instruments(plain, replace(ALL, meters=0.3))
    gasps = set(of(storm, Reading.LAST_GASP))
    some = of(fewer, Reading.LAST_GASP)
    assert set(some) < gasps
    assert 0.25 < len(some) / len(gasps) < 0.42
    none = with_instruments(plain, replace(ALL, meters=0.0))
    assert none.faults == plain.faults
    assert none.words == tuple(word for word in storm.words if word.device is not None)
    assert not of(none, Reading.LAST_GASP, Reading.POWER_UP, Reading.PING_OK, Reading.PING_SILENT)


def test_a_gasp_is_of_a_home_that_goes_dark_then_and_many_are_lost(storm):
    gasps = of(storm, Reading.LAST_GASP, why=Why.OUTAGE)
    starts = {(fault.id, fault.start): set(fault.customers) for fault in storm.faults}
    for word in gasps:
        assert word.customer in starts[word.fault, word.at]
        assert word.arrived >= word.at + 30
    homes = sum(len(fault.customers) for fault in storm.faults if fault.under is None)
    assert 0.9 * 0.60 < len(gasps) / homes < 0.9 * 0.95
    late = sum(word.arrived - word.at > 330 for word in gasps) / len(gasps)
    assert 0.01 < late < 0.06


def test_words_of_power_are_of_homes_that_have_it_and_an_asked_meter_tells_of_the_fault_below(storm):
    for word in of(storm, Reading.POWER_UP, Reading.PING_OK):
        dark = [one for one in times_in_the_dark(storm, word.customer) if one[1] <= word.at < one[2]]
        assert dark == [], word
        assert word.fault is None
    silent = [word for word in of(storm, Reading.PING_SILENT) if word.fault is not None]
    nested = [word for word in silent if word.fault.startswith("N")]
    assert nested, "a meter is asked once a crew told that power is back, and is still dark by what was broken below"
    for word in silent:
        assert any(
            name == word.fault and down <= word.at < up for name, down, up in times_in_the_dark(storm, word.customer)
        )


def test_false_gasps_are_of_homes_with_power_and_as_many_as_were_asked_for(storm):
    false = of(storm, Reading.LAST_GASP, why=Why.FALSE)
    expected = 20 * 0.9 * len(storm.network.customers) * storm.shape.seconds / (365.25 * 86_400)
    assert 0.7 * expected < len(false) < 1.1 * expected, "none where it is dark"
    for word in false:
        assert word.fault is None
        assert not any(down <= word.at <= up for _, down, up in times_in_the_dark(storm, word.customer))


def test_outages_that_nobody_calls_about_are_small_and_beside_all_others(plain, storm):
    silent = storm.faults[len(plain.faults) :]
    assert len(silent) > 10
    tree, reported = storm.network.tree, {case.fault for case in storm.cases}
    for fault in silent:
        assert fault.id not in reported
        assert len(fault.customers) <= 13
        assert (fault.type == SERVICE) <= (len(fault.customers) == 1)
        for other in storm.faults:
            if other is not fault and (other.device == fault.device or tree.is_under(fault.device, other.device)):
                assert other.restored < fault.start or fault.restored < other.start


def test_a_breaker_says_that_it_opened_for_its_fault_and_closed_again_unless_it_is_stuck(storm):
    devices = {word.device for word in storm.words if word.device is not None}
    types = {storm.network.tree.type_of(device).value for device in devices}
    assert types == {"breaker", "recloser"}
    tripped = {fault.id: fault for fault in storm.faults if fault.type in types}
    opened = of(storm, Reading.BREAKER_OPEN, why=Why.OUTAGE)
    assert opened
    for word in opened:
        assert tripped[word.fault].device == word.device
        assert word.at <= tripped[word.fault].start + 3600, "its last opening; a lost word comes with the next poll"
    for device in devices:
        said = sorted((word for word in storm.words if word.device == device), key=lambda word: word.at)
        assert (said[0].why, said[0].reading) == (Why.STATE, Reading.BREAKER_CLOSED)
    assert of(storm, Reading.BREAKER_OPEN, why=Why.MOMENTARY)
    stuck = with_instruments(storm, replace(ALL, meters=0.0, stuck=1.0))
    assert {word.why for word in stuck.words} == {Why.STATE}


def test_a_trip_that_recloses_before_meters_gasp_is_told_by_breakers_alone(plain):
    found = with_instruments(plain, replace(ALL, waits=(120.0, 120.0)))
    assert of(found, Reading.BREAKER_OPEN, why=Why.MOMENTARY)
    assert not of(found, Reading.LAST_GASP, why=Why.MOMENTARY)


def test_the_files_say_a_reading_as_the_service_takes_it_with_its_truth_beside(storm, tmp_path):
    written = write_storm(storm, START, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "readings.jsonl").read_text().splitlines()]
    with (tmp_path / "readings_truth.csv").open() as file:
        truth = list(csv.DictReader(file))
    assert written.readings == len(lines) == len(truth) == len(storm.words)
    assert [line["event_id"] for line in lines] == [row["event_id"] for row in truth]
    arrived = [datetime.fromisoformat(line["received_at"]) for line in lines]
    assert arrived == sorted(arrived)
    for line, row in zip(lines, truth, strict=True):
        assert set(line) in ({"event_id", "reading", where, "at", "received_at"} for where in ("account_id", "device"))
        assert line.get("account_id", "") == row["account_id"]
        assert line.get("device", row["device"]) == row["device"]
