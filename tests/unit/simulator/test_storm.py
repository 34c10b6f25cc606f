"""The simulated storm: repeatable, true to its figures, and made of what real senders send."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest
from defusedxml import ElementTree

from services.contracts.values import Channel
from services.grid.network_file import open_network
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.intake.channels import app, phone, web, wechat
from services.intake.channels.conversation import Talk
from services.intake.channels.source import PhoneSource, ReportSource, WeChatSource
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases
from services.simulator.faults import SERVICE, Network
from services.simulator.files import report_lines, write_storm
from services.simulator.generate import draw_storm
from services.simulator.misspelt import misspelt
from services.simulator.payloads import Senders, at_steady_rate, events_of, render
from services.simulator.shape import CUSTOMERS_OUT, Shape, quantile
from services.simulator.words import Kind

NETWORKS = Path(__file__).parents[3] / "deploy" / "networks"
START = datetime.fromisoformat("2026-07-01T18:00:00+08:00")
KEY = "0" * 64
SENDERS = Senders(
    sources={Channel.PHONE: "ivr", Channel.WEB: "site", Channel.APP: "mobile"},
    keys={Channel.PHONE: "k1", Channel.WEB: "k2", Channel.APP: "k3"},
    account="gh_test",
    token="tokentoken",
)


@pytest.fixture(scope="module")
def network():
    bases = []
    for name in ("ckt5", "ieee123"):
        files = open_network(NETWORKS / name / "network.csv", NETWORKS / name / "customers.csv")
        bases.append(Base(files.devices, list(files.read_customers())))
    tiling = Tiling(areas=2, tiles_per_area=6, suspended_every=100, important_every=300, life_support_every=500)
    return Network(tile_devices(bases, tiling), tile_customers(bases, tiling))


@pytest.fixture(scope="module")
def storm(network):
    return draw_storm(network, Shape(faults=100), seed=7)


@pytest.fixture(scope="module")
def requests(storm):
    return at_steady_rate(render(storm, events_of(storm), START, SENDERS), 20.0)


def test_the_same_seed_gives_the_same_storm_byte_for_byte(network, storm, requests):
    again = draw_storm(network, Shape(faults=100), seed=7)
    assert (again.faults, again.cases) == (storm.faults, storm.cases)
    assert at_steady_rate(render(again, events_of(again), START, SENDERS), 20.0) == requests


def test_another_seed_gives_another_storm(network, storm):
    other = draw_storm(network, Shape(faults=100), seed=8)
    assert other.faults != storm.faults
    assert other.cases != storm.cases


def test_misspelt_addresses_leave_all_else_of_a_storm_as_it_was(network, storm):
    spoilt = draw_storm(network, Shape(faults=100, misspelt=0.5), seed=7)
    assert spoilt.faults == storm.faults
    homes, changed = 0, 0
    for one, other in zip(storm.cases, spoilt.cases, strict=True):
        assert replace(other, said=replace(other.said, home=one.said.home)) == one
        homes += bool(one.said.home)
        changed += one.said.home != other.said.home
    assert 0.35 * homes < changed < 0.5 * homes


@pytest.mark.parametrize(
    "address", ["3区团结北路227号5栋", "我家在 团结北路227号附近", "阳光花园3栋", "7区 阳光花园3栋"]
)
def test_every_way_to_misspell_a_street_leaves_the_rest_of_the_address(address):
    said = {misspelt(address, Random(n)) for n in range(400)}
    assert len(said) > 50
    head, tail = re.split("团结北路|阳光花园", address)
    assert all(one.startswith(head) and one.endswith(tail) for one in said)
    assert misspelt("Main Street 5", Random(1)) == "Main Street 5"


def test_the_files_of_a_seed_are_the_same_bytes(network, tmp_path):
    shape = Shape(faults=30, seconds=6 * 3600, restores=True)
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        write_storm(draw_storm(network, shape, seed=3), START, folder)
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"reports.jsonl", "restorations.csv", "truth.csv", "faults.csv"}


def test_the_curve_of_sizes_has_the_recorded_quantiles():
    assert [round(quantile(CUSTOMERS_OUT, share)) for share in (0.3, 0.59, 0.75, 0.9, 0.99)] == [1, 1, 13, 104, 1998]


def test_sizes_follow_the_recorded_ones_as_far_as_the_network_goes(storm):
    sizes = sorted(len(fault.customers) for fault in storm.faults)
    assert len(sizes) == 100
    assert 0.55 <= sum(size == 1 for size in sizes) / 100 <= 0.68
    assert sizes[90] >= 30
    assert sizes[-1] >= 1000  # a feeder


def test_a_feeder_is_reported_by_many_and_within_the_reporting_share(storm):
    feeder = max(storm.faults, key=lambda fault: len(fault.customers))
    reporters = {case.customer for case in storm.cases if case.fault == feeder.id}
    assert 0.05 * len(feeder.customers) <= len(reporters) <= 0.13 * len(feeder.customers)


def test_every_fault_is_reported_at_least_once_and_only_by_its_own_customers(storm):
    reporters = {fault.id: set() for fault in storm.faults}
    for case in storm.cases:
        if case.fault is not None:
            reporters[case.fault].add(case.customer)
    for fault in storm.faults:
        assert reporters[fault.id]
        assert reporters[fault.id] <= set(fault.customers)


def test_no_home_is_dark_by_two_faults_at_once(storm):
    dark = Counter(customer for fault in storm.faults for customer in fault.customers)
    assert max(dark.values()) == 1


def test_faults_of_one_customer_are_below_every_device(storm):
    assert all(len(fault.customers) == 1 for fault in storm.faults if fault.type == SERVICE)


def test_nobody_reports_a_fault_before_it_began_or_after_it_ended(network):
    storm = draw_storm(network, Shape(faults=60, seconds=12 * 3600, restores=True), seed=5)
    faults = {fault.id: fault for fault in storm.faults}
    for case in storm.cases:
        if case.fault is not None:
            assert faults[case.fault].start <= case.at <= faults[case.fault].restored


def test_the_storm_has_everything_a_hotline_has(storm):
    kinds = Counter(case.kind for case in storm.cases)
    assert set(Kind) - kinds.keys() <= {Kind.WHISTLEBLOW, Kind.OPINION}  # rare ones may be absent
    assert kinds[Kind.HAZARD] >= 5
    assert kinds[Kind.ARREARS] >= 5
    assert any(case.again for case in storm.cases)
    assert any(case.misplaced for case in storm.cases)
    assert any(case.said.only_mine for case in storm.cases)
    assert any(case.said.english for case in storm.cases)
    assert any(case.kind is Kind.HAZARD and case.fault is None for case in storm.cases)


def test_some_give_nothing_to_be_found_by_and_some_only_one_thing(storm):
    reports = [case.said for case in storm.cases if case.fault is not None]
    evidence = Counter(
        tuple(name for name in ("account", "phone", "lat") if getattr(said, name) is not None) for said in reports
    )
    assert {(), ("account",), ("phone",), ("lat",)} <= evidence.keys()


def test_the_steady_rate_keeps_the_order_and_the_time(storm):
    sent = render(storm, events_of(storm), START, SENDERS)
    steady = at_steady_rate(sent, 20.0)
    assert [(one.contact_id, one.body) for one in steady] == [(one.contact_id, one.body) for one in sent]
    gaps = {round(b.at - a.at, 9) for a, b in pairwise(steady)}
    assert len(gaps) <= 2
    assert steady[-1].at < 20.0


def test_an_event_sent_again_is_the_same_bytes_and_comes_later(requests):
    first = {}
    resent = 0
    for request in requests:
        if request.resend:
            original = first[request.contact_id]
            assert (original.body, original.path) == (request.body, request.path)
            assert original.at <= request.at
            resent += 1
        else:
            assert request.contact_id not in first
            first[request.contact_id] = request
    assert resent > 10


def test_the_same_storm_at_another_time_is_other_contacts(storm, requests):
    later = render(storm, events_of(storm), START + timedelta(hours=1), SENDERS)
    assert not {r.contact_id for r in later} & {r.contact_id for r in requests}


def test_the_intakes_own_parsers_read_every_request_and_derive_the_same_ids(requests):
    sources = {
        Channel.PHONE: PhoneSource(name="ivr", api_keys_sha256=(KEY,), menu={"1": "fault_report"}),
        Channel.WEB: ReportSource(name="site", api_keys_sha256=(KEY,)),
        Channel.APP: ReportSource(name="mobile", api_keys_sha256=(KEY,)),
    }
    doors = {Channel.PHONE: phone.accept, Channel.WEB: web.accept, Channel.APP: app.accept}
    account = WeChatSource(name="gh_test", token="tokentoken")
    now = START + timedelta(minutes=5)
    phrases = load_phrases(IntakeSettings().phrases_file)
    talk = Talk.fresh(lambda: phrases)
    seen = Counter()
    for request in requests:
        if request.channel is Channel.WECHAT:
            accepted = wechat.accept(account, wechat.in_clear(request.body), now, talk)
        else:
            accepted = doors[request.channel](sources[request.channel], request.body, None, now)
        assert not accepted.ignored
        assert accepted.contact.contact_id == request.contact_id
        assert accepted.contact.ticket_id == request.ticket_id
        seen[request.channel] += 1
    assert set(seen) == {Channel.PHONE, Channel.WEB, Channel.APP, Channel.WECHAT}


def test_wechat_requests_are_signed_with_the_accounts_token(requests):
    request = next(request for request in requests if request.channel is Channel.WECHAT)
    query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
    assert wechat.signed(query["signature"], SENDERS.token, query["timestamp"], query["nonce"])
    assert not wechat.signed(query["signature"], "othertoken", query["timestamp"], query["nonce"])


def test_a_wechat_location_is_in_the_platforms_shifted_datum(storm, requests):
    cases = {case.number: case for case in storm.cases}
    for request in requests:
        if request.channel is Channel.WECHAT and b"Location_X" in request.body:
            root = ElementTree.fromstring(request.body)
            lat, lon = float(root.findtext("Location_X")), float(root.findtext("Location_Y"))
            said = cases[request.case].said
            assert 0.0005 < max(abs(lat - said.lat), abs(lon - said.lon)) < 0.02  # some 500 m
            return
    pytest.fail("no location message in the storm")


def test_a_call_is_several_events_of_one_ticket(requests):
    calls = Counter()
    for request in requests:
        if request.channel is Channel.PHONE and not request.resend:
            calls[request.ticket_id] += 1
    assert set(calls.values()) == {3, 4}  # given up, or heard out


def test_phone_events_never_carry_the_callers_digits(requests):
    for request in requests:
        if request.channel is Channel.PHONE:
            assert "digits" not in json.loads(request.body)


def test_report_lines_come_by_arrival_and_repeat_an_event_unchanged(network):
    storm = draw_storm(network, Shape(faults=60, seconds=12 * 3600, restores=True), seed=4)
    lines = report_lines(storm, START)
    arrivals = [datetime.fromisoformat(line["received_at"]) for line in lines]
    assert arrivals == sorted(arrivals)
    by_event = {}
    for line in lines:
        content = {name: value for name, value in line.items() if name != "received_at"}
        assert by_event.setdefault(line["event_id"], content) == content
    assert len(by_event) < len(lines)
    for line in lines:
        assert {"event_id", "channel", "reported_at", "received_at"} <= line.keys()
        assert line.keys() <= {
            *("event_id", "channel", "reported_at", "received_at"),
            *("account_id", "phone", "lat", "lon", "crs", "address", "text"),
        }
