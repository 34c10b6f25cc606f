"""A replay over files: the same core, by arrival, and what it writes."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.contracts.values import Channel
from services.dedup.replay import replay_files
from services.dedup.replay_files import ReplayFileError, ReportLine, read_reports, read_restorations
from services.dedup.replay_reports import Heard
from services.grid.network_file import read_customers, read_devices
from tests.unit.dedup.timeline import NETWORKS, minute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from services.dedup.domain.rules import Rules
    from services.dedup.replay import Replayed

FOLDER = NETWORKS / "ieee123"


def homes() -> dict[str, list[Any]]:
    """Transformer to its customers."""
    found: dict[str, list[Any]] = {}
    for row in read_customers(FOLDER / "customers.csv", read_devices(FOLDER / "network.csv")):
        found.setdefault(row.transformer_id, []).append(row)
    return found


HOMES = homes()


class Files:
    """The files of a replay, as a test writes them, and what came out."""

    def __init__(self, folder: Path, rules: Rules) -> None:
        self.folder = folder
        self.rules = rules
        self.lines: list[dict[str, Any]] = []
        self.restored: list[tuple[str, str]] = []

    def report(
        self, event: str, at: float, transformer: str | None = None, *, made: float | None = None, **said: Any
    ) -> None:
        customer = said.pop("customer", 0)
        if transformer is not None:
            said.setdefault("account_id", HOMES[transformer][customer].account_id)
        line = {"event_id": event, "channel": "app", "received_at": minute(at).isoformat(), **said}
        line["reported_at"] = minute(at if made is None else made).isoformat()
        self.lines.append(line)

    def power_back(self, at: float, what: str) -> None:
        self.restored.append((minute(at).isoformat(), what))

    def run(self, **more: Any) -> Replayed:
        written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines)
        (self.folder / "reports.jsonl").write_text(written)
        rows = "".join(f"{at},{what}\n" for at, what in self.restored)
        (self.folder / "restorations.csv").write_text("restored_at,device_or_account\n" + rows)
        return self.replay(**more)

    def replay(self, **more: Any) -> Replayed:
        return replay_files(
            network=FOLDER / "network.csv",
            customers=FOLDER / "customers.csv",
            reports=self.folder / "reports.jsonl",
            restorations=self.folder / "restorations.csv",
            out=self.folder,
            rules=self.rules,
            **more,
        )

    def assignments(self) -> dict[str, tuple[str, list[str]]]:
        with (self.folder / "assignments.csv").open() as file:
            rows = list(csv.reader(file))
        assert rows.pop(0) == ["event_id", "incident_id", "order_ids"]
        found = {event: (incident, orders.split(";") if orders else []) for event, incident, orders in rows}
        assert len(found) == len(rows)
        return found

    def orders(self) -> list[dict[str, str]]:
        with (self.folder / "orders.csv").open() as file:
            reader = csv.DictReader(file)
            assert reader.fieldnames == ["order_id", "incident_id", "issued_at", "device", "superseded_by"]
            return list(reader)


@pytest.fixture
def files(tmp_path: Path, rules: Rules) -> Files:
    return Files(tmp_path, rules)


def test_reports_of_one_lateral_are_assigned_to_one_incident_and_every_order_is_listed(files: Files) -> None:
    files.report("first", 0, "A0TR00026")
    files.report("second", 10, "A0TR00104")
    files.report("third", 11, "A0TR00023")
    files.report("elsewhere", 60, "A0TR00048")
    replayed = files.run()

    found = files.assignments()
    assert len({found[event][0] for event in ("first", "second", "third")}) == 1
    assert found["elsewhere"][0] != found["first"][0]
    orders = {row["order_id"]: row for row in files.orders()}
    assert len(orders) == 3
    (survivor,) = found["first"][1]
    absorbed, also_survivor = found["second"][1]
    assert also_survivor == survivor, "an order once issued always counts"
    assert orders[absorbed]["superseded_by"] == survivor
    assert orders[survivor]["device"] == "A0SW00012"
    assert orders[survivor]["issued_at"] == minute(0).isoformat()
    assert (replayed.in_incidents, replayed.incidents) == (4, 3)


def test_what_a_channel_that_was_cut_off_posts_late_is_of_the_outages_that_were(files: Files) -> None:
    """The app was heard until noon; the telephone all the time. A few wrong clocks of its callers remain ones."""
    for n in range(10):
        files.report(f"before {n}", n - 10, "A0TR00086", customer=n)
    lateral = ("A0TR00026", "A0TR00104", "A0TR00023", "A0TR00024", "A0TR00025")
    for n, transformer in enumerate(lateral):
        files.report(f"phone {n}", 10 + n, transformer, channel="phone")
    files.power_back(60, "A0SW00012")
    for n in range(20):
        files.report(f"app {n}", 110 + n / 60, lateral[n % 5], made=2.5 * n + 8, customer=n % 2)
        files.report(f"wrong {n}", 111 + n, "A0TR00086", channel="phone", made=111 + n - 20 * (n % 10 == 0), customer=n)
    files.run()
    found = files.assignments()
    of_lateral = found["phone 0"][0]
    assert [found[f"app {n}"][0] for n in range(3, 20)] == [of_lateral] * 17
    assert len({order for n in range(20) for order in found[f"app {n}"][1]}) <= 3
    assert "" not in {found[f"wrong {n}"][0] for n in range(20)}


def test_reports_whose_street_is_misspelt_join_the_incident_of_their_neighbours(files: Files) -> None:
    said = [home.address for home in HOMES["A0TR00020"]]
    assert "黄河中路154号" in said[0]
    files.report("right", 0, "A0TR00020")
    files.report("letters", 1, address="1 qu huang he zhong lu 154 hao 2 dong 2504 shi")
    files.report("sound", 2, text=f"{said[1].replace('黄河', '皇合')}停电了")
    files.report("no such house", 3, address=said[2].replace("黄河", "皇合").replace("132号", "9132号"))
    files.run()
    found = files.assignments()
    assert found["right"] == found["letters"] == found["sound"]
    assert found["no such house"] == ("", [])  # the control


def test_the_order_of_lines_does_not_matter_but_that_of_arrival_does(files: Files) -> None:
    files.report("late", 9, "A0TR00023", made=0)
    files.report("early", 1, "A0TR00024")
    files.run()
    forth = (files.folder / "orders.csv").read_bytes()
    files.lines.reverse()
    files.run()

    assert (files.folder / "orders.csv").read_bytes() == forth
    assert files.orders()[0]["issued_at"] == minute(1).isoformat()


def test_an_event_that_comes_twice_is_one_event(files: Files) -> None:
    files.report("same", 0, "A0TR00023")
    files.report("same", 5, "A0TR00104")
    replayed = files.run()

    assert (len(files.orders()), replayed.repeated, replayed.lines) == (1, 1, 2)
    assert files.assignments().keys() == {"same"}


def test_what_cannot_be_placed_has_no_incident_and_no_order(files: Files) -> None:
    files.report("address only", 0, address="没有这条路154号")
    files.report("unknown account", 0, account_id="nobody's")
    replayed = files.run()

    assert files.assignments() == {"address only": ("", []), "unknown account": ("", [])}
    assert replayed.need_person == 2


def test_a_position_where_no_network_is_makes_an_incident_of_its_cell(files: Files) -> None:
    files.report("far away", 0, lat=45.0, lon=100.0, accuracy_m=10)
    files.run()

    (order,) = files.orders()
    assert order["device"].startswith("cell:")


@pytest.mark.parametrize("device", ["A0TR00023", "A0FU00016", "A0SW00015", "A0SU00000"])
def test_power_back_at_or_above_a_device_ends_its_incident(files: Files, device: str) -> None:
    files.report("before", 0, "A0TR00023")
    files.power_back(30, device)
    files.report("after", 31, "A0TR00023")
    files.run()

    found = files.assignments()
    assert found["before"][0] != found["after"][0]


def test_power_back_inside_an_outage_parts_what_was_taken_for_one(files: Files) -> None:
    files.report("one", 0, "A0TR00023")
    files.report("two", 1, "A0TR00104")
    files.power_back(20, "A0TR00104")
    files.power_back(40, "A0TR00023")
    files.report("new", 41, "A0TR00023")
    files.run()

    found = files.assignments()
    assert found["one"][1] == found["two"][1][:1], "they had one order"
    assert len({found[event][0] for event in ("one", "two", "new")}) == 3


def test_power_back_of_an_account_ends_only_what_was_that_customers(files: Files) -> None:
    files.report("alone", 0, "A0TR00023")
    files.report("shared", 100, "A0TR00048")
    files.report("neighbour", 101, "A0TR00048", customer=1)
    files.power_back(130, HOMES["A0TR00023"][0].account_id)
    files.power_back(130, HOMES["A0TR00048"][2].account_id)
    files.report("alone again", 300, "A0TR00023")
    files.report("shared again", 300, "A0TR00048")
    files.run()

    found = files.assignments()
    assert found["alone again"][0] != found["alone"][0]
    assert found["shared again"][0] == found["shared"][0] == found["neighbour"][0]


@pytest.mark.parametrize("written", [str.lower, lambda account: f"户号 {account}"])
def test_power_back_at_an_account_is_found_however_it_is_written(files: Files, written: Callable[[str], str]) -> None:
    files.report("alone", 0, "A0TR00023")
    files.power_back(30, written(HOMES["A0TR00023"][0].account_id))
    files.report("again", 300, "A0TR00023")
    came = files.run()

    found = files.assignments()
    assert came.restorations_unknown == 0
    assert found["again"][0] != found["alone"][0]


def test_the_columns_of_restorations_may_be_written_large_and_stand_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "restorations.csv"
    path.write_bytes("\ufeffWho, Device_or_Account ,Restored_at\r\nx,A0TR00023,2026-07-01T12:00:00Z\r\n\r\n".encode())

    assert [one.device_or_account for one in read_restorations(path)] == ["A0TR00023"]


def test_a_report_made_before_power_was_back_is_assigned_to_the_outage_that_answered_it(files: Files) -> None:
    files.report("first", 0, "A0TR00023")
    files.power_back(30, "A0TR00023")
    files.report("late", 45, "A0TR00023", made=10, customer=1)
    replayed = files.run()

    assert files.assignments()["late"] == files.assignments()["first"]
    assert replayed.answered == 1


def test_a_clock_ahead_or_far_behind_is_bounded_by_arrival(files: Files) -> None:
    files.report("ahead", 0, "A0TR00023", made=600)
    files.report("behind", 1, "A0TR00024", made=-3000)
    files.run()

    assert len(files.orders()) == 1, "they came together: that is what their times can be trusted for"


def test_words_of_danger_and_of_only_my_house_are_heard_if_there_is_an_ear(files: Files) -> None:
    def hear(text: str) -> Heard:
        return Heard(("fire",) if "火" in text else (), "只有我家" in text)

    files.report("outage", 0, "A0TR00023")
    files.report("danger", 1, "A0TR00023", text="电线着火了")
    files.report("mine", 2, "A0TR00023", customer=1, text="只有我家停电")
    files.run(hear=hear)
    assert len(files.orders()) == 3
    files.run()
    assert len(files.orders()) == 1


def test_an_account_in_the_words_places_a_report_and_another_fault_is_no_outage(files: Files) -> None:
    said = HOMES["A0TR00023"][0].account_id
    heard = {
        "mine": Heard(account_id=said),
        "dim": Heard(other_fault=True),
        "sparks": Heard(("fire",), other_fault=True),
    }
    files.report("mine", 0, text="mine")
    files.report("dim", 1, "A0TR00024", text="dim")
    files.report("sparks", 2, "A0TR00024", text="sparks")
    replayed = files.run(hear=heard.__getitem__)

    assert [row["device"] for row in files.orders()] == ["A0TR00023", "A0TR00024"]
    assert files.assignments()["dim"] == ("", [])
    assert replayed.need_person == 1
    files.run()
    assert files.assignments()["mine"] == ("", []), "without an ear the words are only looked through for places"


def test_holds_end_by_themselves(files: Files, rules: Rules) -> None:
    files.rules = replace(rules, holds={"transformer": timedelta(minutes=5)})
    files.report("held", 0, "A0TR00023")
    files.report("much later", 60, "A0TR00104")
    files.run()

    issued = {row["device"]: row["issued_at"] for row in files.orders()}
    assert issued == {"A0TR00023": minute(5).isoformat(), "A0TR00104": minute(65).isoformat()}


def test_it_tells_how_far_it_is(files: Files) -> None:
    files.report("one", 0, "A0TR00023")
    told: list[tuple[str, int, int]] = []
    files.run(progress=lambda *step: told.append(step))

    assert told[0] == ("network", 0, 1)
    assert told[-1] == ("reports", 1, 1)


def test_who_calls_again_without_saying_where_is_where_they_said_before(files: Files) -> None:
    files.report("first", 0, "A0TR00026", phone="15900000001")
    files.report("again", 30, phone="+86 159 0000 0001", text="还没来电")
    files.report("somebody else", 31, phone="15900000002")
    files.report("elsewhere", 32, "A0TR00048", phone="15900000001")
    files.report("long after", 32 + 241, phone="15900000001")
    files.report("and again", 32 + 239, phone="15900000001")
    files.run()

    found = {event: incident for event, (incident, _) in files.assignments().items()}
    assert found["again"] == found["first"]
    assert found["somebody else"] == found["long after"] == ""
    assert found["and again"] == found["elsewhere"] != found["first"]


def test_power_that_is_told_back_customer_by_customer_ends_one_outage_and_makes_no_others(files: Files) -> None:
    for n, transformer in enumerate(("A0TR00026", "A0TR00104", "A0TR00023")):
        files.report(f"report {n}", n, transformer)
    under = {row.account_id: row for rows in HOMES.values() for row in rows}
    for account in under:
        files.power_back(120, account)
    files.run()

    assert len({incident for incident, _ in files.assignments().values()}) == 1
    assert len({row["order_id"] for row in files.orders() if not row["superseded_by"]}) == 1


def test_a_restoration_of_something_unknown_is_counted(files: Files) -> None:
    files.report("one", 0, "A0TR00023")
    files.power_back(1, "X")

    files.power_back(2, "X")

    replayed = files.run()
    assert (replayed.restorations_unknown, replayed.unknown_places) == (2, ["X"])


GOOD = '{"event_id":"1","channel":"app","reported_at":"2026-07-01T12:00:00Z","received_at":"2026-07-01T12:00:00Z"}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        (GOOD.replace('"event_id":"1",', ""), "lacks 'event_id'"),
        (GOOD.replace('"1"', '""'), "lacks 'event_id'"),
        (GOOD.replace('"app"', '["app"]'), "channel must be text"),
        (GOOD.replace("12:00:00Z", "noon"), "received_at must be an ISO 8601 time with its offset"),
        (GOOD.replace("12:00:00Z", "12:00:00"), "received_at must be an ISO 8601 time with its offset"),
        (GOOD.replace("2026", "0001"), "received_at has a year outside 1900 to 2999"),
        (GOOD.replace('"channel"', '"lat":"north","channel"'), "lat must be a number"),
        (GOOD.replace('"channel"', '"text":["a"],"channel"'), "text must be text"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n")

    with pytest.raises(ReplayFileError) as refused:
        read_reports(path)
    assert str(refused.value).startswith(f"reports.jsonl:3: {reason}")


def test_a_channel_we_have_no_word_for_costs_nobody_their_crew(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text(GOOD.replace('"app"', '"pigeon"'))

    assert read_reports(path)[0].channel is Channel.API


@pytest.mark.parametrize("absent", ['"reported_at":"2026-07-01T12:00:00Z",', ',"received_at":"2026-07-01T12:00:00Z"'])
def test_of_two_times_one_will_do(tmp_path: Path, absent: str) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text(GOOD.replace(absent, ""))
    (line,) = read_reports(path)

    assert line.reported_at == line.received_at == datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("clock", ['"0001-01-01T00:00:00+08:00"', '"unknown"', '"2026-07-01T12:00:00"', "1782907200"])
def test_a_clock_that_cannot_be_read_costs_nobody_their_crew(tmp_path: Path, clock: str) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text(GOOD.replace('"reported_at":"2026-07-01T12:00:00Z"', f'"reported_at":{clock}'))
    (line,) = read_reports(path)

    assert line.reported_at == line.received_at == datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("arrival", ['"unknown"', '"2026-07-01T12:00:00"', "1782907200"])
def test_an_arrival_that_cannot_be_read_is_named(tmp_path: Path, arrival: str) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text(GOOD.replace('"received_at":"2026-07-01T12:00:00Z"', f'"received_at":{arrival}'))

    with pytest.raises(ReplayFileError, match="received_at must be an ISO 8601 time with its offset"):
        read_reports(path)


@pytest.mark.parametrize("said", ['"channel":null', '"lat":NaN,"lon":Infinity'])
def test_what_other_programs_write_for_nothing_is_nothing(tmp_path: Path, said: str) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text(GOOD.replace('"channel":"app"', said))
    (line,) = read_reports(path)

    assert (line.channel, line.lat, line.lon) == (Channel.API, None, None)


def test_a_table_that_writes_nan_in_its_empty_cells_is_read_and_they_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    empty = ("channel", "reported_at", "account_id", "phone", "lat", "lon", "accuracy_m", "crs", "address", "text")
    row = {"event_id": "1", "received_at": "2026-07-01T12:00:00Z", **dict.fromkeys(empty, float("nan"))}
    path.write_text(json.dumps(row))
    (line,) = read_reports(path)
    assert line == ReportLine("1", Channel.API, minute(0), minute(0), *(None,) * 8)

    path.write_text(json.dumps({**row, "event_id": float("nan")}))
    with pytest.raises(ReplayFileError, match="lacks 'event_id'"):
        read_reports(path)


def test_bad_lines_are_named_and_the_others_replayed(files: Files) -> None:
    files.report("good", 0, "A0TR00023")
    files.report("bad", 1, "A0TR00024")
    files.lines[1]["received_at"] = "yesterday"
    files.report("also good", 2, "A0TR00024")
    files.power_back(3, "")
    files.power_back(4, "A0TR00023")
    replayed = files.run()

    assert files.assignments().keys() == {"good", "also good"}
    assert [str(error).split(":")[:2] for error in replayed.refused] == [
        ["reports.jsonl", "2"],
        ["restorations.csv", "2"],
    ]


def test_the_life_of_an_order_is_told(files: Files) -> None:
    files.report("first", 0, "A0TR00026")
    files.report("second", 2, "A0TR00023")
    files.report("third", 3, "A0TR00030")
    files.power_back(30, "A0SW00015")
    replayed = files.run()

    (order,) = files.assignments()["first"][1]
    life = [step for step in replayed.steps if str(step.order_id) == order]
    assert life[0][1:] == (minute(0), "A0TR00026")
    assert "A0SW00015" in {step.device for step in life}
    assert life[-1][1:] == (minute(30), None)


def test_numbers_written_as_text_and_text_written_as_numbers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text(GOOD.replace('"channel"', '"lat":"31.5","lon":118,"account_id":900001,"phone":"","channel"'))

    (line,) = read_reports(path)
    assert (line.lat, line.lon, line.account_id, line.phone) == (31.5, 118.0, "900001", None)


def test_a_file_saved_on_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\r\n" + GOOD.encode() + b"\r\n")

    assert len(read_reports(path)) == 2


def test_bytes_that_are_no_text_cost_their_own_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + GOOD.encode("utf-16") + b"\n" + b"\xff\xfe{}\n" + GOOD.encode() + b"\n")
    refused: list[ReplayFileError] = []

    assert len(read_reports(path, refused)) == 2
    assert {line for line, _ in refused[0].problems} >= {2, 3}


def test_only_the_first_problems_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text("{\n" * 50)

    with pytest.raises(ReplayFileError, match="and 30 more"):
        read_reports(path)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("noon,A0TR00023", "restorations.csv:2: restored_at must be"),
        ("2026-07-01T12:00:00Z,", "restorations.csv:2: device_or_account is empty"),
        ("2026-07-01T12:00:00Z", "restorations.csv:2: device_or_account is empty"),
    ],
)
def test_a_bad_restoration_is_named(tmp_path: Path, rows: str, reason: str) -> None:
    path = tmp_path / "restorations.csv"
    path.write_text(f"restored_at,device_or_account\n{rows}\n")

    with pytest.raises(ReplayFileError, match=reason):
        read_restorations(path)


def test_the_empty_rows_of_a_spreadsheet_are_no_restorations_and_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "restorations.csv"
    path.write_text("restored_at,device_or_account\n2026-07-01T12:00:00Z,A0TR00023\n,\n,\n")
    assert len(read_restorations(path)) == 1


def test_restorations_of_another_form_are_told_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "restorations.csv"
    path.write_bytes(gzip.compress(b"restored_at,device_or_account\n"))
    with pytest.raises(ReplayFileError, match=r"is compressed with gzip: unpack it"):
        read_restorations(path)
    path.write_text("restored_at;device_or_account\n")
    with pytest.raises(ReplayFileError, match=r"separated by semicolons, save it with commas"):
        read_restorations(path)


@pytest.mark.parametrize(
    "header", ["when,device_or_account", "restored_at;device_or_account", "2026-07-01T12:00:00Z,A0TR00023"]
)
def test_restorations_without_their_columns_are_told_once_and_not_left_out(tmp_path: Path, header: str) -> None:
    path = tmp_path / "restorations.csv"
    path.write_text(header + "\n" + "2026-07-01T12:00:00Z,A0TR00023\n" * 3)
    refused: list[ReplayFileError] = []

    with pytest.raises(ReplayFileError, match=r"restorations\.csv:1: no column .*restored_at") as caught:
        read_restorations(path, refused)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_reports_that_are_mostly_no_reports_are_not_replayed(files: Files, encoding: str) -> None:
    files.report("first", 0, "A0TR00023")
    files.run()
    before = files.assignments()
    path = files.folder / "reports.jsonl"
    line = GOOD[:-1] + ', "text": "停电了"}\n'
    path.write_bytes(path.read_bytes() + (line * 2).encode(encoding))

    with pytest.raises(ReplayFileError, match="not UTF-8"):
        files.replay()
    assert files.assignments() == before


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_reports, read_restorations):
        with pytest.raises(ReplayFileError, match="none: cannot be read"):
            read(tmp_path / "none")
