"""Estimates that pass over night, and those of which nobody knows whether they were told, by a clock of the test's own.

It begins at eight in the evening; the night is from ten (minute 120) to seven (minute 660).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from services.contracts.topics import INCIDENT_CHANGED
from services.contracts.values import IncidentState
from services.notify.domain.quiet_hours import MAY_WAIT, QuietHours
from services.notify.senders import Delivered, Retry
from services.runtime.pool import open_pool
from tests.integration.notify.town import CLOCK, SEARCHED, Town
from tests.unit.dedup.timeline import minute
from tests.unit.notify.snapshots import Snapshots

pytestmark = pytest.mark.integration

MORNING = "morning"


@pytest.fixture
async def town(pool, notify_dsn, templates):
    await pool.execute(CLOCK)
    wording = templates()
    night = QuietHours(wording.zone, time(22), time(7), MAY_WAIT, timedelta(minutes=120))
    own = await open_pool(notify_dsn, schema=SEARCHED, size=3)
    town = Town(own, replace(wording, quiet=night))
    await town.empty()
    yield town
    await own.close()


async def becomes(town, revision, customers=(), *, incident=1, etr=None, **said):
    joined = [Snapshots.member(number, number) for number in customers]
    at = None if etr is None else minute(etr)
    one = Snapshots().changed(incident, revision, joined=joined, etr=at, minute=town.minute, **said)
    await town.take([(INCIDENT_CHANGED.name, one)])
    await town.look()


def told(town, number=1):
    """What a customer was told, and when."""
    heard = [one for one in town.receiver.taken.values() if one.letter.address.endswith(f"{number:04}")]
    return [(one.letter.stage, "evening" if one.at < 120 else "night" if one.at < 660 else "morning") for one in heard]


EVENING = [("received", "evening"), ("etr_set", "evening")]


@pytest.mark.parametrize(
    ("night", "said"),
    [
        pytest.param([], [("etr_passed", MORNING)], id="it is still so"),
        pytest.param([(300, {"etr": 500})], [("etr_passed", MORNING)], id="the next one passed as well"),
        pytest.param(
            [(300, {"etr": 900})], [("etr_changed", MORNING), ("etr_passed", MORNING)], id="another one stands"
        ),
        pytest.param([(300, {})], [], id="there is none any more"),
        pytest.param([(400, {"state": IncidentState.RESTORED})], [("restored", MORNING)], id="power is back"),
        pytest.param([(400, {"state": IncidentState.CANCELLED})], [], id="the matter is closed"),
    ],
)
async def test_that_a_time_has_passed_at_night_is_said_in_the_morning_if_it_is_so_then(town, night, said):
    await becomes(town, 1, [1])
    await town.passes(1)
    await becomes(town, 2, etr=200)
    for n, (at, change) in enumerate(night, start=3):
        await town.passes(at - town.minute, step=15)
        await becomes(town, n, **change)
    await town.passes(1_000 - town.minute, step=15)
    assert told(town) == [*EVENING, *said]


@pytest.mark.parametrize("moves", [False, True])
async def test_who_was_told_a_time_that_passes_by_day_hears_so_though_a_nearer_one_passed_at_night(town, moves):
    """The nearer one was held, and is not said in the morning; by then nobody looked any more."""
    await becomes(town, 1, [1])
    await town.passes(1)
    await becomes(town, 2, etr=900)
    await town.passes(130)
    await becomes(town, 3, etr=200)
    if moves:
        await becomes(town, 1, [1], incident=2, etr=200)
        await becomes(town, 4, left=[1], etr=200)
    await town.passes(900 - town.minute, step=15)
    assert told(town) == EVENING
    await town.passes(100, step=15)
    assert told(town) == [*EVENING, ("etr_passed", MORNING)]


async def test_who_moved_at_night_to_another_that_is_over_as_well_hears_in_the_morning_that_power_is_back(town):
    """The word of the one they were in is held, and is not said of an incident that they are not in."""
    over = {"state": IncidentState.RESTORED}
    await becomes(town, 1, [1])
    await becomes(town, 1, [2], incident=2)
    await town.passes(300, step=15)
    await becomes(town, 2, **over)
    await becomes(town, 2, incident=2, **over)
    await town.passes(15)
    await becomes(town, 3, [1], incident=2, **over)
    await becomes(town, 3, left=[1], **over)
    await town.passes(500, step=15)
    assert told(town) == told(town, 2) == [("received", "evening"), ("restored", MORNING)]


async def test_who_reports_at_night_hears_at_once_that_the_time_has_passed(town):
    await becomes(town, 1, [1])
    await town.passes(1)
    await becomes(town, 2, etr=200)
    await town.passes(169)
    await becomes(town, 3, [2], etr=200)
    await town.passes(830, step=15)
    assert told(town, 2) == [("joined_known", "night"), ("etr_passed", "night")]
    assert told(town) == [*EVENING, ("etr_passed", MORNING)]


@pytest.mark.parametrize(("first_word", "wait"), [(False, 1200), (False, 3000), (True, 1200)])
async def test_who_may_have_been_told_a_time_hears_that_it_has_passed(town, first_word, wait, monkeypatch):
    """The receiver took it and nothing came back; before or after it is looked at, it is tried again too late."""
    town.wording = replace(town.wording, quiet=None)
    taken = []

    async def takes(letter, _now):
        taken.append((letter.stage, letter.etr))
        return Retry("no answer", after_s=wait, doubtful=True) if letter.etr else Delivered()

    monkeypatch.setattr(town.receiver, "send", takes)
    await becomes(town, 1, [1], etr=30 if first_word else None)
    if not first_word:
        await becomes(town, 2, etr=30)
    await town.passes(200, step=15)
    known = (
        [("joined_known", minute(30)), ("joined_known", None)]
        if first_word
        else [("received", None), ("etr_set", minute(30))]
    )
    assert taken == [*known, ("etr_passed", None)]


async def test_nobody_hears_twice_that_a_time_has_passed_as_a_process_died_with_a_next_one_that_had_passed(town):
    """Nothing of it had left: an attempt that begins after its time says nothing."""
    town.wording = replace(town.wording, quiet=None)
    await becomes(town, 1, [1])
    await becomes(town, 2, etr=30)
    await town.passes(50, step=15)
    said = [("received", "evening"), ("etr_set", "evening"), ("etr_passed", "evening")]
    assert told(town) == said
    one = Snapshots().changed(1, 3, etr=minute(60), minute=50)
    await town.take([(INCIDENT_CHANGED.name, one)])
    town.minute = 61
    await town.set_clock()
    await town.dies_in_a_call()
    await town.passes(60, step=5)
    assert told(town) == said


@pytest.mark.parametrize("taken", [True, False])
async def test_who_may_have_heard_that_a_time_has_passed_hears_it_in_the_morning_if_the_next_has_passed_too(
    town, taken, monkeypatch
):
    """Nobody knows whether they have heard the first: they rather hear it twice than never."""
    heard = []

    async def takes(letter, _now):
        lost = letter.stage == "etr_passed" and town.minute < 120
        if taken or not lost:
            heard.append((letter.stage, town.minute >= 660))
        return Retry("no answer", after_s=3000, doubtful=True) if lost else Delivered()

    monkeypatch.setattr(town.receiver, "send", takes)
    await becomes(town, 1, [1])
    await becomes(town, 2, etr=90)
    await town.passes(300, step=15)
    await becomes(town, 3, etr=400)
    await town.passes(500, step=15)
    evening = [("etr_passed", False)] if taken else []
    assert heard == [("received", False), ("etr_set", False), *evening, ("etr_passed", True)]


@pytest.mark.parametrize(("etr", "morning"), [(200, "etr_passed"), (900, "etr_set")])
async def test_who_may_have_been_told_a_time_in_the_evening_hears_in_the_morning_that_it_has_passed_or_hears_it_again(
    town, etr, morning, monkeypatch
):
    """The receiver took it and nothing came back; before it was tried again it was night."""
    heard = []

    async def takes(letter, _now):
        heard.append((letter.stage, letter.notice_id, town.minute >= 660))
        return Retry("no answer", after_s=3000, doubtful=True) if letter.etr and town.minute < 120 else Delivered()

    monkeypatch.setattr(town.receiver, "send", takes)
    await becomes(town, 1, [1])
    await town.passes(100)
    await becomes(town, 2, etr=etr)
    await town.passes(600, step=15)
    (_, _, _), (_, once, _), (stage, last, by_day) = heard
    assert (stage, by_day, last == once) == (morning, True, morning == "etr_set"), "the same word is the same notice"


@pytest.mark.parametrize(
    ("begins", "said"), [(29.9, ["etr_set", "etr_passed"]), (30.1, ["joined_known"])], ids=["before it", "after it"]
)
@pytest.mark.parametrize("answers", [True, False], ids=["taken", "nobody knows"])
async def test_a_time_counts_as_told_if_the_word_that_went_out_named_it(town, begins, said, answers, monkeypatch):
    """It is written down that it was taken when that time has passed."""
    town.wording = replace(town.wording, quiet=None)
    monkeypatch.setattr(town.receiver, "repeatable", answers)
    taken = []

    async def takes(letter, _now):
        taken.append(letter.template if letter.stage != "etr_passed" else letter.stage)
        town.minute += 0.3
        await town.set_clock()
        if not answers and len(taken) == 1:
            raise TimeoutError
        return Delivered()

    monkeypatch.setattr(town.receiver, "send", takes)
    one = Snapshots().changed(1, 1, joined=[Snapshots.member(1, 1)], etr=minute(30), minute=begins - 1)
    await town.take([(INCIDENT_CHANGED.name, one)])
    town.minute = begins
    await town.passes(60, step=5)
    assert [one.replace("joined_known_etr", "etr_set") for one in taken] == said
    etr = await town.pool.fetchval("SELECT etr FROM notice WHERE stage <> 'etr_passed'")
    assert etr == (minute(30) if begins < 30 else None), "the row says what was in it"


async def test_control_who_was_told_no_time_hears_nothing_of_it(town, monkeypatch):
    town.wording = replace(town.wording, quiet=None)
    taken = []

    async def takes(letter, _now):
        taken.append(letter.stage)
        return Retry("busy", after_s=3000) if letter.stage == "etr_set" else Delivered()

    monkeypatch.setattr(town.receiver, "send", takes)
    await becomes(town, 1, [1])
    await becomes(town, 2, etr=30)
    await town.passes(200, step=15)
    assert taken == ["received", "etr_set"]
