"""The desk's file and what lies beside it: read as it is written, refused with the line, told where it fits nothing."""

from __future__ import annotations

import errno
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
import yaml

from services.contracts.values import Priority
from services.router.domain.desk import clock_of
from services.router.domain.kpi import RATED
from services.router.domain.sla import Clock, Elapsed, Stage, next_level
from services.router.domain.timing import Timings, WrapUp
from services.router.domain.working_time import WorkingTime
from services.router.tree.book import load_desk
from services.router.tree.calendars import holidays_beside
from services.router.tree.desk import kinds_of_no_ticket, queues_of_no_tree
from services.router.tree.keys import DEVELOPMENT_KEYS, Scope, read_keys
from services.runtime.metrics import FILE_STALE
from services.runtime.watched import watched_file
from services.runtime.yaml_reading import RulesError
from tests.unit.router.making import DEPLOY, DESK, MINUTE, NOON, ROUTES, SHIPPED, SHIPPED_DESK, after, contact

TEXT = DESK.read_text(encoding="utf-8")
KEYS = (DEPLOY / "keys.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("version: 1", "version: 2", "version must be 1"),
        ("offer: 20s", "offer: soon", "offer: 'soon' must be a number and s, m, h or d"),
        ("offer: 20s", "offer: 0s", "is out of reach: at least 1 s"),
        ("within: 20s, share: 0.8", "within: 20s, share: 80", "share must be a number from 0.001 to 1, not '80'"),
        ("emergency: 24h, urgent: 2h", "emergency: 1h, urgent: 2h", "cannot have the smaller head start"),
        ('"08:30-12:00", "13:30-17:00"', '"13:30-17:00", "08:30-12:00"', "must begin before it ends, and after"),
        ('"08:30-12:00"', '"8-12"', "must be like 08:30-12:00"),
        ('"08:30-12:00", "13', '"08:30-24:00", "13', "must begin before it ends, and after"),
        ('"08:30-12:00", "13', '"00:00-00:00", "13', "must begin before it ends"),
        ("answer: {within: 7d,", "answer: {within: 1300d,", "its last level of warning is out of reach in five years"),
        ('offset: "+08:00"', 'offset: "8"', "must be like +08:00"),
        ("weekend: [sat, sun]", "weekend: [mon, tue, wed, thu, fri, sat, sun]", "a week needs a working day"),
        ("holidays: china", "holidays: chian", "is no list of holidays.yaml"),
        ("met_by: [contacted, completed, transferred]", "met_by: [called]", "'called' meets no stage"),
        ("levels: [0.5, 0.75, 1, 3]", "levels: [0.5, 0.75, 1]", "must be 4 ascending numbers"),
        (
            "levels: [0.5, 0.75, 1, 3]",
            "levels: [0.5, x, 1, 3]",
            "each of levels must be a number from 0.001 to 100, not 'x'",
        ),
        ("calendar: office, met_by: [contacted, completed]}", "calendar: moon, met_by: [completed]}", "no calendar"),
        ("match: {priority: emergency}", "match: {priority: high_}", "is no priority"),
        ("match: {priority: emergency}", 'match: {priority: {regex: "em.*"}}', "priority must be a text"),
        ("match: {priority: emergency}", "match: {priority: []}", "priority has an empty list: it would never match"),
        ("match: {priority: emergency}", "match: {colour: red}", "unknown key 'colour'"),
        ("match: {priority: emergency}", "match: {}", "must be the last clock"),
        ("- name: others", "- name: fault", "stands twice"),
        ("usual: {limit: 10m, then: complete}", "usual: {limit: 10m}", "wrap_up of usual has no 'then'"),
        ("usual: {limit: 10m, then: complete}", "usual: {limit: ten, then: complete}", "limit: 'ten' must be a number"),
        ("complaint: {limit: 30m, then: requeue}", "complaint: {limit: 30m, then: wait}", "'wait' is no then"),
    ],
)
def test_a_wrong_desk_file_is_refused_with_its_line(old: str, new: str, fault: str) -> None:
    assert old in TEXT
    wrong = TEXT.replace(old, new, 1)
    with pytest.raises(RulesError) as refused:
        load_desk("desk.yaml", wrong)
    assert fault in str(refused.value)
    for found in refused.value.faults:
        assert 1 <= found.line <= wrong.count("\n") + 1


def test_a_desk_file_is_read_as_it_is_written() -> None:
    text = """
version: 1
timings: {offer: 21s, hold: 31s, declined: 3m, presence: 46s, urge: 29m, known: 2d}
service_level: {within: 25s, share: 0.7, ring: 10s}
timely_complaints: [complaint, opinion]
wrap_up: {usual: {limit: 10m, then: complete}, queues: {complaint: {limit: 30m, then: requeue}}}
head_start: {emergency: 1d, urgent: 2h, high: 30m, normal: 0s}
calendars: {office: {hours: ["08:30-12:00", "13:30-17:00"], offset: "+08:00", weekend: [sat, sun]}}
clocks:
  - name: complaint
    match: {business_type: [complaint, opinion], priority: high}
    stages:
      dispatch: {within: 20m, met_by: [transferred, completed]}
      answer: {within: 5d, calendar: office, met_by: [completed], levels: [0.6, 0.8, 1, 1.4]}
  - name: others
    match: {}
    stages: {answer: {within: 2d, met_by: [completed]}}
"""
    read = load_desk("desk.yaml", text)
    assert read.timings == Timings(
        offer=timedelta(seconds=21),
        hold=timedelta(seconds=31),
        passed=timedelta(minutes=3),
        presence=timedelta(seconds=46),
        urge=timedelta(minutes=29),
        known=timedelta(days=2),
    )
    assert (read.answer_within, read.answer_share, read.ring) == (timedelta(seconds=25), 0.7, timedelta(seconds=10))
    assert read.rated == ("complaint", "opinion")
    assert load_desk("desk.yaml", text.replace("timely_complaints: [complaint, opinion]\n", "")).rated == RATED
    assert read.wrap_up_in("repair") == WrapUp(timedelta(minutes=10), completes=True)
    assert read.wrap_up_in("complaint") == WrapUp(timedelta(minutes=30), completes=False)
    assert [span / MINUTE for span in map(read.head_start.get, Priority) if span is not None] == [1440, 120, 30, 0]
    office, done = WorkingTime(), frozenset({"completed"})
    assert read.clocks == (
        Clock(
            "complaint",
            (
                Stage("dispatch", timedelta(minutes=20), frozenset({"transferred", "completed"})),
                Stage("answer", timedelta(hours=35), done, (0.6, 0.8, 1, 1.4), office),  # five days of seven hours
            ),
            {"business_type": frozenset({"complaint", "opinion"}), "priority": frozenset({"high"})},
        ),
        Clock("others", (Stage("answer", timedelta(days=2), done),), {}),
    )


def test_a_queue_that_no_tree_has_is_told_with_its_line_and_is_no_fault() -> None:
    assert queues_of_no_tree(SHIPPED_DESK, SHIPPED.tree.queues) == []
    wrong = TEXT.replace("    whistleblow: {limit", "    whistelblow: {limit").replace(
        "match: {business_type: complaint}", "match: {queue: [complaint, complaints]}"
    )
    read = load_desk("desk.yaml", wrong)
    lines = [1 + n for n, line in enumerate(wrong.splitlines()) if "whistelblow" in line or "complaints]" in line]
    told = queues_of_no_tree(read, SHIPPED.tree.queues)
    assert [line.split(";")[0] for line in told] == [
        f"desk.yaml:{lines[0]}: 'whistelblow' is no queue of any tree",
        f"desk.yaml:{lines[1]}: 'complaints' is no queue of any tree",
    ]
    assert "did you mean 'whistleblow'?" in told[0]
    assert queues_of_no_tree(read, {*SHIPPED.tree.queues, "whistelblow", "complaints"}) == [], "another router's tree"


def test_a_clock_of_a_type_that_no_word_list_has_is_told_with_its_line_and_is_no_fault() -> None:
    assert kinds_of_no_ticket(SHIPPED_DESK, SHIPPED.keywords) == []
    wrong = TEXT.replace("{business_type: complaint}", "{business_type: [complaints, opinion], fault: voltages}")
    [line] = [1 + n for n, each in enumerate(wrong.splitlines()) if "complaints, " in each]
    told = kinds_of_no_ticket(load_desk("desk.yaml", wrong), SHIPPED.keywords)
    assert [line.split(" allowed")[0] for line in told] == [
        f"desk.yaml:{line}: 'complaints' is no business_type of the word lists; did you mean 'complaint'?",
        f"desk.yaml:{line}: 'voltages' is no fault of the word lists; did you mean 'voltage'?",
    ]


def test_a_complaint_of_a_type_that_no_word_list_has_is_told_with_its_line() -> None:
    wrong = TEXT.replace("timely_complaints: [complaint,", "timely_complaints: [complaints,")
    [told] = kinds_of_no_ticket(load_desk("desk.yaml", wrong), SHIPPED.keywords)
    assert "'complaints' is no business_type of the word lists; did you mean 'complaint'?" in told


def test_a_calendar_that_both_files_name_has_the_same_hours_in_both() -> None:
    desk, routes = (yaml.safe_load(path.read_text(encoding="utf-8"))["calendars"] for path in (DESK, ROUTES))
    assert desk.keys() & routes.keys() == {"office"}
    assert desk["office"] == routes["office"]


def test_a_key_is_found_by_its_hash_and_two_stand_while_one_is_changed() -> None:
    ring = read_keys("keys.yaml", KEYS)
    assert ring.published(DEVELOPMENT_KEYS) == sorted(DEVELOPMENT_KEYS)
    holder = ring.holder(DEVELOPMENT_KEYS["desktop-dev"])
    assert holder is not None
    assert (holder.name, holder.scopes) == ("desktop-dev", {Scope.AGENT, Scope.READ})
    nameless = ring.holder("")
    assert nameless is not None
    assert not nameless.scopes


def test_a_file_of_before_has_the_ring_limit_and_keeps_nothing_for_whom_a_customer_knows(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    old = "\n".join(line for line in TEXT.splitlines() if not line.startswith("  known:")).replace(", ring: 9s", "")
    assert len(old) < len(TEXT) - 20
    read = load_desk(str(file), old)
    assert (read.ring, read.timings.known) == (timedelta(seconds=9), timedelta(0))
    assert SHIPPED_DESK.timings.known == timedelta(days=3)


def test_a_list_of_holidays_beside_a_desk_file_is_taken_in_with_it(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text(TEXT, encoding="utf-8")
    watched = watched_file(file, load_desk, holidays_beside)
    first, holidays = watched().hash, tmp_path / "holidays.yaml"
    holidays.write_text("version: 1\nchina:\n  otherwise: [12-24]\n", encoding="utf-8")
    watched.look()
    watched.look()
    assert watched().hash != first, "other rules, though the desk's own file is the same: what waits is stored anew"
    off = {day for clock in watched().clocks for stage in clock.stages for day in stage.calendar.holidays}
    assert {(day.month, day.day) for day in off} == {(12, 24)}


def test_a_list_of_holidays_on_a_disk_that_is_away_is_told_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, holidays = tmp_path / "desk.yaml", tmp_path / "holidays.yaml"
    file.write_text(TEXT, encoding="utf-8")
    holidays.write_text("version: 1\nchina:\n  otherwise: [12-24]\n", encoding="utf-8")
    watched = watched_file(file, load_desk, holidays_beside)
    known, does = watched().hash, {name: getattr(Path, name) for name in ("stat", "open")}

    def away(name: str, path: Path, *how: str, **further: bool) -> object:
        if path == holidays:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return does[name](path, *how, **further)

    with monkeypatch.context() as moment:
        for name in does:
            moment.setattr(Path, name, lambda path, *how, name=name, **further: away(name, path, *how, **further))
        assert not any(watched.look() for _ in range(3))
    assert watched().hash == known, "no other list holds meanwhile"
    assert FILE_STALE.labels("desk.yaml")._value.get() == 1
    assert any(watched.look() for _ in range(3))
    assert (watched().hash, FILE_STALE.labels("desk.yaml")._value.get()) == (known, 0)


def test_a_list_of_holidays_that_is_gone_holds_until_somebody_says_otherwise(tmp_path: Path) -> None:
    """The shipped one stands in where there never was another; it must not count because a file was lost."""
    file, holidays = tmp_path / "desk.yaml", tmp_path / "holidays.yaml"
    own = "version: 1\nchina:\n  otherwise: [12-24]\n"
    file.write_text(TEXT, encoding="utf-8")
    holidays.write_text(own, encoding="utf-8")
    watched = watched_file(file, load_desk, holidays_beside)
    known = watched().hash
    holidays.unlink()
    with structlog.testing.capture_logs() as logs:
        assert not any(watched.look() for _ in range(4))
    assert watched().hash == known
    [told] = [each for each in logs if each["event"] == "file_refused_old_one_holds"]
    assert told["faults"] == [f"{holidays}: is gone: put it back, or start the service anew to go without it"]
    assert FILE_STALE.labels("desk.yaml")._value.get() == 1
    file.write_text(TEXT.replace("offer: 20s", "offer: 25s"), encoding="utf-8")
    assert not any(watched.look() for _ in range(4)), "nor with another change beside it"
    holidays.write_text(own, encoding="utf-8")
    assert any(watched.look() for _ in range(4))
    assert FILE_STALE.labels("desk.yaml")._value.get() == 0
    holidays.unlink()
    assert watched_file(file, load_desk, holidays_beside)().hash != watched().hash, "started anew, it goes without"


def test_a_saturday_that_is_worked_after_all_brings_a_warning_forward(tmp_path: Path) -> None:
    complaint = after(contact("1", business_type="complaint"))  # on a Wednesday at noon
    told = Elapsed(told=dict.fromkeys(("dispatch", "contact"), 4))
    shutil.copy(DESK.with_name("holidays.yaml"), holidays := tmp_path / "holidays.yaml")

    def warns() -> datetime | None:
        clock = clock_of(complaint, load_desk(str(tmp_path / "desk.yaml"), TEXT))
        assert clock is not None
        return next_level(clock, told, NOON)

    assert warns() == datetime(2026, 7, 6, 4, tzinfo=UTC), "three of its five days: Thursday, Friday, Monday"
    listed = holidays.read_text(encoding="utf-8")
    holidays.write_text(listed.replace('"05-09"', '"05-09", "07-04"'), encoding="utf-8")
    assert warns() == datetime(2026, 7, 4, 4, tzinfo=UTC)


def test_clocks_and_tree_go_together() -> None:
    queues = {value for clock in SHIPPED_DESK.clocks for value in clock.match.get("queue", ())}
    types = {value for clock in SHIPPED_DESK.clocks for value in clock.match.get("business_type", ())}
    assert queues <= set(SHIPPED.tree.queues)
    assert types <= set(SHIPPED.keywords.business_types)
    assert isinstance(SHIPPED_DESK.clocks[-1], Clock)
    assert not SHIPPED_DESK.clocks[-1].match, "every ticket has a clock"
