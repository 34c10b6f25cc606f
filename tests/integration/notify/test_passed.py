"""Estimates that have passed: told once, to who was told one, whichever process looks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.contracts.values import IncidentState
from services.notify import timers
from services.notify.timers import tell_passed, watch_estimates
from tests.unit.notify.snapshots import NOW

pytestmark = pytest.mark.integration

_SEND = """
UPDATE notice SET state = 'sent', sent_at = $1, etr = CASE WHEN etr > $1 THEN etr END WHERE state = 'pending'
"""


def at(minute):
    return NOW + timedelta(minutes=minute)


async def send(desk, minute):
    """Send all that waits, at a minute."""
    await desk.pool.execute(_SEND, at(minute))


async def told_a_time(desk, incident=1, customers=(1, 2, 3), etr=60):
    """An outage whose customers were told a time."""
    members = [desk.make.member(10 * incident + n, n) for n in customers]
    await desk.take(desk.make.changed(incident, 1, joined=members, minute=0))
    await send(desk, 1)
    await desk.take(desk.make.changed(incident, 2, etr=at(etr), minute=10))
    await send(desk, 11)


async def look(desk, minute):
    return await tell_passed(desk.pool, desk.templates(), at(minute))


async def test_everyone_who_was_told_a_time_hears_a_quarter_of_an_hour_later_that_it_has_passed(desk):
    await told_a_time(desk)

    assert await look(desk, 74) == 0
    assert await look(desk, 75) == 3
    assert await look(desk, 90) == 0, "once"
    said = await desk.notices(state="pending")
    assert [(one["stage"], one["template"], one["etr"], one["caused_at"]) for one in said] == [
        ("etr_passed", "etr_passed", None, at(75))
    ] * 3


async def test_two_processes_that_look_at_once_tell_it_once(desk):
    await told_a_time(desk)
    assert sum(await asyncio.gather(*[look(desk, 80) for _ in range(4)])) == 3
    assert len(await desk.notices(stage="etr_passed")) == 3


async def test_what_comes_next_takes_its_place_as_long_as_it_was_not_sent(desk):
    await told_a_time(desk)
    await look(desk, 80)
    await desk.take(desk.make.changed(1, 3, etr=at(200), minute=81))

    states = await desk.states()
    assert states.count(("etr_passed", "superseded")) == 3
    assert states.count(("etr_set", "pending")) == 3, "a first time again: the other did not hold"
    await send(desk, 82)
    assert await look(desk, 214) == 0
    assert await look(desk, 216) == 3, "the next one may pass as well"


async def test_nobody_hears_it_who_has_power_or_was_told_no_time_or_wants_no_word(desk):
    await told_a_time(desk, 1, (1,))
    await desk.take(desk.make.changed(1, 3, state=IncidentState.RESTORED, restored_at=at(50), minute=60))
    await told_a_time(desk, 2, (2, 3))
    await desk.take(desk.make.changed(2, 3, etr=at(60), joined=[desk.make.member(99, 9)], minute=65))
    await desk.pool.execute("INSERT INTO link SELECT link_id, false, now() FROM recipient WHERE address LIKE '%3'")
    await send(desk, 66)

    assert await look(desk, 80) == 1
    (told,) = await desk.notices(stage="etr_passed")
    assert told["ticket_ref"] == "REF-22"


async def test_who_was_told_a_later_time_hears_it_when_that_has_passed(desk):
    await told_a_time(desk)
    await desk.take(desk.make.changed(1, 3, etr=at(45), minute=20))  # moved too little to be told
    assert await look(desk, 61) == 0
    assert await look(desk, 75) == 3


async def test_a_large_outage_of_which_all_were_told_a_later_time_is_not_gone_through_again_and_again(
    desk, monkeypatch
):
    await told_a_time(desk, customers=range(1, 9))
    await desk.take(desk.make.changed(1, 3, etr=at(45), minute=20))  # moved too little to be told
    later, looked = {}, []

    async def counting(*args, _piece_of=timers.piece_of):
        looked.append(await _piece_of(*args, most=2))
        return looked[-1]

    monkeypatch.setattr(timers, "piece_of", counting)

    async def told_every_15_s(begin, end):
        """In those minutes; of eight customers there are five pieces, the last of which is empty."""
        times = [at(begin + quarter / 4) for quarter in range(4 * (end - begin))]
        return sum([await tell_passed(desk.pool, desk.templates(), one, later) for one in times])

    monkeypatch.setattr(timers, "_AT_LEAST", timedelta(seconds=12))
    monkeypatch.setattr(timers, "_AT_MOST", timedelta(minutes=1))
    assert await told_every_15_s(61, 75) == 0
    assert len(looked) <= 5 * 4, "once in five minutes, of five pieces each, and not four times a minute"
    assert await told_every_15_s(75, 76) == 8, "as soon as theirs has passed"
    looked.clear()
    assert await told_every_15_s(76, 80) == 0
    assert looked == []
    assert later == {}


@pytest.mark.parametrize("state", ["pending", "sending"])
async def test_a_time_that_has_passed_before_it_could_be_sent_leaves_the_one_that_was_told(desk, state):
    """The change lay in a backlog until its time had passed; who looks before or while it is given up looks again."""
    await told_a_time(desk, etr=300)
    await desk.take(desk.make.changed(1, 3, etr=at(46), minute=20))
    begun = at(62) if state == "sending" else None
    await desk.pool.execute("UPDATE notice SET state = $1, doubted_at = $2 WHERE state = 'pending'", state, begun)
    assert await look(desk, 62) == 0
    refused = "UPDATE notice SET state = 'failed', reason = 'etr_past', doubted_at = NULL WHERE state = $1"
    assert await desk.pool.execute(refused, state) == "UPDATE 3"
    assert await look(desk, 314) == 0
    assert await look(desk, 316) == 3
    assert await look(desk, 317) == 0


async def two_times_that_nobody_heard(desk):
    """Both lay in a backlog: the second took the place of the first, and had passed before it could be sent."""
    await told_a_time(desk, etr=300)
    await desk.take(desk.make.changed(1, 3, etr=at(80), minute=20))
    await desk.take(desk.make.changed(1, 4, etr=at(46), minute=21))
    refused = "UPDATE notice SET state = 'failed', reason = 'etr_past' WHERE state = 'pending'"
    assert await desk.pool.execute(refused) == "UPDATE 3"
    assert (await desk.states()).count(("etr_changed", "superseded")) == 3


async def test_a_time_whose_successor_was_given_up_leaves_the_one_that_was_told(desk):
    await two_times_that_nobody_heard(desk)
    assert await look(desk, 62) == 0
    assert await look(desk, 316) == 3


async def test_a_time_near_one_that_nobody_heard_is_news(desk):
    await two_times_that_nobody_heard(desk)
    await desk.take(desk.make.changed(1, 5, etr=at(85), minute=50))
    assert (await desk.states()).count(("etr_changed", "pending")) == 3


@pytest.mark.parametrize("state", ["sending", "pending"])
@pytest.mark.parametrize(("begun", "hear"), [(199, 3), (201, 0)])
async def test_nobody_hears_it_of_a_time_that_had_passed_when_somebody_began_to_send_it(desk, state, begun, hear):
    """It is not told, also where nobody knows yet what came of it: they would hear twice that their time has passed."""
    await told_a_time(desk)
    assert await look(desk, 75) == 3
    await send(desk, 76)
    await desk.take(desk.make.changed(1, 3, etr=at(200), minute=81))
    await desk.pool.execute("UPDATE notice SET state = $1, doubted_at = $2 WHERE state = 'pending'", state, at(begun))

    assert await look(desk, 216) == hear


async def test_without_the_setting_nobody_hears_it(desk):
    await told_a_time(desk)
    calm = desk.templates().calm
    quiet = replace(desk.templates(), calm=replace(calm, passed=None))
    assert await tell_passed(desk.pool, quiet, at(80)) == 0
    assert await look(desk, 80) == 3, "which the setting decides"


async def test_the_service_looks_by_itself_and_wakes_who_sends(desk, monkeypatch):
    await told_a_time(desk)
    woken = asyncio.Event()
    monkeypatch.setattr("services.notify.timers.clock.now", lambda: at(80))
    watching = asyncio.create_task(watch_estimates(desk.pool, desk.templates, woken.set))
    try:
        await asyncio.wait_for(woken.wait(), 20)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert len(await desk.notices(stage="etr_passed")) == 3
