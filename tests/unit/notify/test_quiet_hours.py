"""Quiet hours: when they are, what waits for their end, and that everybody owed news has it once by the morning."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.contracts.values import IncidentState
from services.notify.domain.comparison import Occasion
from services.notify.domain.decide import Book, decide
from services.notify.domain.incident import News
from services.notify.domain.notice import Reach, Stage, Told, Turn, without_etr
from services.notify.domain.quiet_hours import MAY_WAIT, QuietHours, owed_by_now
from tests.unit.notify.snapshots import CALM, INCIDENTS, NOW, SINGLE, Dedup, Memory, Snapshots

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
HELD = frozenset({Stage.JOINED_KNOWN, Stage.ETR_SET, Stage.ETR_CHANGED, Stage.RESTORED})


def hours(begins="22:00", ends="07:00", zone=SHANGHAI, awake=120):
    return QuietHours(zone, time.fromisoformat(begins), time.fromisoformat(ends), HELD, timedelta(minutes=awake))


def instant(text):
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (hours(), "2026-07-01T21:59:59.999999+08:00", None),
        (hours(), "2026-07-01T22:00:00+08:00", "2026-07-02T07:00:00+08:00"),
        (hours(), "2026-07-01T23:59:59+08:00", "2026-07-02T07:00:00+08:00"),
        (hours(), "2026-07-02T00:00:00+08:00", "2026-07-02T07:00:00+08:00"),
        (hours(), "2026-07-02T06:59:59.999999+08:00", "2026-07-02T07:00:00+08:00"),
        (hours(), "2026-07-02T07:00:00+08:00", None),
        (hours(), "2026-12-31T23:00:00+08:00", "2027-01-01T07:00:00+08:00"),
        (hours("01:00", "05:30"), "2026-07-02T00:59:59+08:00", None),  # within one day
        (hours("01:00", "05:30"), "2026-07-02T01:00:00+08:00", "2026-07-02T05:30:00+08:00"),
        (hours("01:00", "05:30"), "2026-07-02T05:30:00+08:00", None),
        (hours("00:00", "06:00"), "2026-07-02T00:00:00+08:00", "2026-07-02T06:00:00+08:00"),
        (hours("22:00", "00:00"), "2026-07-01T23:59:59+08:00", "2026-07-02T00:00:00+08:00"),
        # The night of 8 March 2026 has eight hours in New York, that of 1 November ten.
        (hours(zone=NEW_YORK), "2026-03-07T22:00:00-05:00", "2026-03-08T07:00:00-04:00"),
        (hours(zone=NEW_YORK), "2026-03-08T03:30:00-04:00", "2026-03-08T07:00:00-04:00"),
        (hours(zone=NEW_YORK), "2026-03-08T07:00:00-04:00", None),
        (hours(zone=NEW_YORK), "2026-10-31T22:00:00-04:00", "2026-11-01T07:00:00-05:00"),
        (hours(zone=NEW_YORK), "2026-11-01T06:59:59-05:00", "2026-11-01T07:00:00-05:00"),
        # They begin or end in the hour that is left out, or that comes twice: one begin and one end all the same.
        (hours("22:00", "02:30", NEW_YORK), "2026-03-08T03:29:59-04:00", "2026-03-08T03:30:00-04:00"),
        (hours("22:00", "02:30", NEW_YORK), "2026-03-08T03:30:00-04:00", None),
        (hours("22:00", "01:30", NEW_YORK), "2026-11-01T01:29:59-04:00", "2026-11-01T01:30:00-04:00"),
        (hours("22:00", "01:30", NEW_YORK), "2026-11-01T01:10:00-05:00", None),
        (hours("01:30", "05:00", NEW_YORK), "2026-11-01T01:30:00-04:00", "2026-11-01T05:00:00-05:00"),
        (hours("01:30", "05:00", NEW_YORK), "2026-11-01T01:10:00-05:00", "2026-11-01T05:00:00-05:00"),
    ],
)
def test_when_it_is_quiet(quiet, now, until):
    assert quiet.until(instant(now)) == (None if until is None else instant(until))


@given(
    st.sampled_from([SHANGHAI, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia"), UTC]),
    st.times(),
    st.times(),
    st.integers(1_100_000_000, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_quiet_hours_end_in_the_future_and_within_a_day(zone, begins, ends, now):
    """Else what is held would go round for ever, or never come."""
    until = hours(begins.isoformat(), ends.isoformat(), zone).until(now)
    assert until is None or now < until <= now + timedelta(hours=25)


NIGHT, DAY = instant("2026-07-02T03:00:00+08:00"), instant("2026-07-02T12:00:00+08:00")
AN_HOUR_AGO, LAST_EVENING = NIGHT - timedelta(hours=1), NIGHT - timedelta(hours=8)


@pytest.mark.parametrize(
    ("stage", "turn", "contacted_at", "now", "waits"),
    [
        *((stage, Turn.OTHERS, LAST_EVENING, NIGHT, stage in HELD) for stage in Stage),
        *((stage, Turn.OTHERS, None, DAY, False) for stage in Stage),
        *((stage, Turn.AT_RISK, None, NIGHT, False) for stage in Stage),
        (Stage.ETR_CHANGED, Turn.IMPORTANT, None, NIGHT, True),
        (Stage.ETR_CHANGED, Turn.OTHERS, None, NIGHT, True),
        (Stage.ETR_CHANGED, Turn.OTHERS, AN_HOUR_AGO, NIGHT, False),
        (Stage.ETR_CHANGED, Turn.OTHERS, NIGHT - timedelta(minutes=120), NIGHT, True),
        (Stage.ETR_CHANGED, Turn.OTHERS, NIGHT + timedelta(minutes=1), NIGHT, False),
    ],
)
def test_who_is_woken_by_what(stage, turn, contacted_at, now, waits):
    assert (hours().holds(stage, turn, contacted_at, now) is not None) == waits


def test_who_asks_is_never_left_waiting():
    assert set(Stage) - {Stage.ASKED, Stage.CLOSED} == MAY_WAIT


def look_again(standings, book, calm, now):
    return decide(News.about(standings), book, calm=calm, now=now, occasion=Occasion.MORNING)


@dataclass
class Nights(Memory):
    """A memory whose sender does as ``delivery`` and ``morning`` do: it holds at night, and looks again by day."""

    quiet_hours: QuietHours = field(default_factory=hours)
    contacted: dict = field(default_factory=dict)
    log: list = field(default_factory=list)

    def send(self):
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            who = self.contacted.get(one.recipient_id)
            if self.quiet_hours.holds(one.stage, one.turn, who, self.now) is not None:
                self.asleep.append(one)
                continue
            told = one
            if one.etr is not None and one.etr <= self.now:
                heard = any(one.incident_id == other.incident_id for other in self.sent_to(one.recipient_id))
                left = without_etr(one.stage, one.template, first_word=not heard)
                if left is None:
                    continue
                told = replace(one, template=left, etr=None)
            self.sent.append(one)
            self.log.append((self.now, told))

    def sent_to(self, who):
        return [one for one in self.sent if one.recipient_id == who]

    def look(self, of=None):
        """Look again at what is held, of everybody by day, at night of who is awake."""
        due = [one for one in self.asleep if of is None or one.recipient_id == of]
        if not due or (of is None and self.quiet_hours.until(self.now) is not None):
            return
        owed = {(one.incident_id, one.recipient_id) for one in due}
        self.asleep = [one for one in self.asleep if one not in due]
        customers = {who for _, who in owed}
        mine = {key: one for key, one in self.subscriptions.items() if self.reporters[key[1]].recipient_id in customers}
        book = Book(self.reporters, mine, self.told())
        owed_now = owed_by_now(owed, book)
        standings = {incident: self.standings[incident] for incident, _ in owed_now}
        decision = look_again(standings, book, self.calm, self.now)
        said = [one for one in decision.notices if (one.incident_id, one.recipient_id) in owed_now]
        over = [one for one in self.notices if (one.incident_id, one.recipient_id) in owed and one not in self.sent]
        self.notices = [one for one in self.notices if one not in over] + said
        self.waiting += said
        self.send()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["report", "report", "etr", "etr", "etr", "withdrawn", "power", "crew"]),
        st.sampled_from(INCIDENTS[:2]),
        st.integers(0, 11),
        st.integers(5, 150),  # minutes after the one before; it begins at 20:00
    ),
    min_size=1,
    max_size=14,
)


def lived(steps, memory):
    """A night of these, then the morning after it."""
    dedup = Dedup(Snapshots())
    for what, incident, number, gap in steps:
        if dedup.minute + gap > 600:  # six in the morning
            break
        dedup.minute += gap - 1
        begun, at = len(dedup.sent), NOW + timedelta(minutes=dedup.minute + 1)
        if what in {"etr", "withdrawn"}:
            dedup.minute += 1
            dedup.etr[incident] = at + timedelta(hours=1 + number) if what == "etr" else None
            dedup.emit(incident)
        else:
            dedup.act((what, incident, number))
        memory.now = at
        for change in dedup.sent[begun:]:
            new = [one for one in change.joined if one.report_id not in memory.reporters and one.recipient]
            memory.take([change])
            for one in new:
                who = memory.reporters[one.report_id].recipient_id
                memory.contacted[who] = at
                memory.look(who)
    memory.now = instant("2026-07-02T07:00:00+08:00")
    memory.look()
    return dedup


@settings(max_examples=600, deadline=None)
@given(steps=STEPS)
@example(  # the last report of one whose word was held goes to another incident that is restored as well
    steps=[
        ("report", 102, 2, 5),
        ("report", 101, 0, 39),
        ("report", 101, 0, 71),
        ("power", 101, 0, 5),
        ("power", 102, 0, 5),
        ("report", 101, 2, 5),
    ]
)
@example(
    steps=[
        ("report", 101, 2, 5),
        ("power", 101, 0, 5),
        ("report", 101, 0, 110),
        ("power", 101, 0, 5),
        ("report", 102, 2, 5),
    ]
)
def test_nobody_is_woken_but_by_an_exception_and_everybody_owed_news_has_it_once_by_morning(steps):
    memory = Nights()
    dedup = lived(steps, memory)

    for at, one in memory.log:
        by_night = at.astimezone(SHANGHAI).hour >= 22 or at.astimezone(SHANGHAI).hour < 7
        asleep = at - memory.contacted[one.recipient_id] >= timedelta(hours=2)
        assert not (by_night and asleep and one.stage in HELD), "woken"
        assert one.etr is None or one.etr > at, "told a time that has passed"
    keys = Counter((one.recipient_id, one.incident_id, one.stage, one.revision) for one in memory.sent)
    assert set(keys.values()) <= {1}
    assert memory.asleep == []
    assert memory.waiting == []

    for report in SINGLE.values():
        told = [(at, one) for at, one in memory.log if one.report_id.int == report]
        truth = memory.standings.get(Snapshots.id(dedup.home.get(report, 0)))
        if truth is None:
            assert told == []
            continue
        assert told, "nobody is left out"
        assert sum(at == memory.now for at, _ in told) <= 1, "what was held is one word in the morning"
        last = told[-1][1]
        assert (last.stage is Stage.RESTORED) == (truth.state is IncidentState.RESTORED)
        if truth.state is not IncidentState.RESTORED and truth.etr is not None and truth.etr > memory.now:
            heard = last.etr
            assert heard is not None
            assert abs(heard - truth.etr) <= memory.calm.usual


def test_control_a_night_that_would_wake_somebody():
    steps = [("report", 101, 0, 5), ("etr", 101, 9, 150), ("etr", 101, 7, 30), ("power", 101, 0, 60)]
    loud, quiet = Nights(quiet_hours=replace(hours(), hold=frozenset())), Nights()
    lived(steps, loud)
    lived(steps, quiet)
    assert [one.stage for _, one in loud.log] == [
        Stage.RECEIVED,
        Stage.ETR_SET,
        Stage.ETR_CHANGED,
        Stage.RESTORED,
    ]
    assert [(at, one.stage) for at, one in quiet.log] == [
        (NOW + timedelta(minutes=5), Stage.RECEIVED),
        (instant("2026-07-02T07:00:00+08:00"), Stage.RESTORED),
    ]


def night_of(*changes, told=()):
    """What is said at seven to somebody of whose incident these changes came at night."""
    steps = [("report", 101, 0, 5), *told, *changes]
    memory = Nights()
    lived(steps, memory)
    return [one for at, one in memory.log if at == memory.now]


def test_an_estimate_that_went_and_came_back_is_no_news():
    """It was told before the night, and holds in the morning."""
    memory = Nights()
    dedup = Dedup(Snapshots())

    def at(minute, etr):
        dedup.minute, memory.now, dedup.etr[101] = minute, NOW + timedelta(minutes=minute), etr
        dedup.emit(101)
        memory.take(dedup.sent[-1:])

    evening, other = NOW + timedelta(hours=14), NOW + timedelta(hours=18)
    dedup.act(("report", 101, 0))
    memory.take(dedup.sent)
    at(30, evening)
    for minute, etr in ((200, other), (260, evening), (300, other), (400, evening)):
        at(minute, etr)
    memory.now = instant("2026-07-02T07:00:00+08:00")
    memory.look()
    assert [one.stage for _, one in memory.log] == [Stage.RECEIVED, Stage.ETR_SET]


def test_restored_and_out_again_within_the_night_is_no_first_word():
    said = night_of(("power", 101, 0, 150), ("power", 101, 0, 60))
    assert said == []
    said = night_of(("power", 101, 0, 150), ("power", 101, 0, 60), ("etr", 101, 11, 5))
    assert [one.stage for one in said] == [Stage.ETR_SET]


def test_an_estimate_that_passed_while_it_was_held_is_not_made_again():
    """Sent, it would be given up, as an estimate that passed on its way: a notice that failed."""
    standing = Memory()
    standing.take([Snapshots().changed(1, 1, joined=[Snapshots.member(1, 1)], etr=NOW + timedelta(hours=2))])
    [made] = standing.notices
    heard = {made.recipient_id: [Told(Snapshots.id(1), Snapshots.id(1), Stage.RECEIVED, 1, None)]}
    book = Book(standing.reporters, standing.subscriptions, heard)
    for hours_later, said in ((1, [Stage.ETR_SET]), (3, [])):
        decision = look_again(standing.standings, book, standing.calm, NOW + timedelta(hours=hours_later))
        assert [one.stage for one in decision.notices] == said


@pytest.mark.parametrize(
    ("hours_later", "etr", "said"),
    [
        (1, 2, (Stage.ETR_SET, 3)),  # it holds: again, under the id that it had
        (1, 3, (Stage.ETR_SET, 4)),
        (2.1, 2, (Stage.RECEIVED, 3)),
        (3, 2, (Stage.ETR_PASSED, 3)),
        (1, None, (Stage.RECEIVED, 3)),
    ],
)
def test_of_a_time_that_they_may_have_been_told_before_the_night_they_hear_that_it_has_passed(hours_later, etr, said):
    """Nobody knows whether it was taken: whatever is said is no older news than it."""
    calm = replace(CALM, usual=timedelta(hours=2), passed=timedelta(minutes=15))
    truth = Memory(calm=calm)
    expected = None if etr is None else NOW + timedelta(hours=etr)
    truth.take([Snapshots().changed(1, 1, joined=[Snapshots.member(1, 1)])])
    for revision, at in ((3, NOW + timedelta(hours=2)), (4, expected)):
        truth.take([Snapshots().changed(1, revision, etr=at)])
    whose = truth.notices[0].recipient_id
    told = [Told(Snapshots.id(1), Snapshots.id(1), Stage.ETR_SET, 3, NOW + timedelta(hours=2), Reach.DOUBTED)]
    book = Book(truth.reporters, truth.subscriptions, {whose: told})
    decision = look_again(truth.standings, book, calm, NOW + timedelta(hours=hours_later))
    assert [(one.stage, one.revision) for one in decision.notices] == [said]


def test_power_that_they_may_have_been_told_is_back_and_went_again_is_an_outage_that_is_known():
    standing = Memory()
    standing.take([Snapshots().changed(1, 1, joined=[Snapshots.member(1, 1)])])
    for revision, state in ((2, IncidentState.RESTORED), (3, IncidentState.PREDICTED)):
        standing.take([Snapshots().changed(1, revision, state=state)])
    [whose] = {one.recipient_id for one in standing.notices}
    for reach, said in ((Reach.DOUBTED, [Stage.JOINED_KNOWN]), (Reach.KEPT, [])):
        told = [
            Told(Snapshots.id(1), Snapshots.id(1), Stage.RECEIVED, 1, None),
            Told(Snapshots.id(1), Snapshots.id(1), Stage.RESTORED, 2, None, reach),
        ]
        book = Book(standing.reporters, standing.subscriptions, {whose: told})
        decision = look_again(standing.standings, book, standing.calm, NOW + timedelta(hours=1))
        assert [one.stage for one in decision.notices] == said
