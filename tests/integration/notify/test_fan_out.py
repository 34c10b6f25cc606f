"""A large outage: its customers are looked at in pieces, each once, whatever happens and wherever a process dies."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest

from services.contracts.topics import INCIDENT_CHANGED
from services.contracts.values import CustomerClass, IncidentState
from services.notify import fan_out, timers
from services.notify.fan_out import FanOut
from services.notify.handler import NotifyHandler
from services.runtime.clock import now
from services.runtime.failpoints import EXIT_CODE
from tests.integration.notify.conftest import Desk
from tests.integration.notify.test_service import by_webhook
from tests.unit.notify.snapshots import CUSTOMER_OF, INCIDENTS, NOW, Dedup, Snapshots

pytestmark = pytest.mark.integration

ETR = NOW + timedelta(hours=2)
RESTORED = IncidentState.RESTORED
WHOLE, PIECE = 10, 5


@pytest.fixture
def large(desk):
    """A desk to which ten reports are many."""
    return made_large(desk, WHOLE)


def made_large(desk, whole):
    desk.handler = NotifyHandler(desk.templates, desk._wake, whole=whole)
    return desk


def fan(desk, most=PIECE):
    return FanOut(desk.pool, desk.templates, desk._wake, most=most)


async def go_through(desk, most=PIECE):
    """Look at all that is to be looked at; return in how many steps."""
    steps, one = 0, fan(desk, most)
    while await one.step():
        steps += 1
    return steps


async def opened(desk, count, incident=1):
    """An outage of so many customers, who were all told of it."""
    members = [desk.make.member(1000 * incident + n, n) for n in range(count)]
    await desk.take(desk.make.changed(incident, 1, joined=members))
    await go_through(desk)
    await desk.pool.execute("UPDATE notice SET state = 'sent', sent_at = now()")


async def test_everybody_is_told_once_and_in_pieces(large):
    await opened(large, 23)
    assert await large.take(large.make.changed(1, 2, etr=ETR)) == 0, "nobody in the batch that brings the news"
    assert await go_through(large) == 1 + 5, "one look for those whose turn is before others', then five at a time"
    assert Counter(await large.states()) == {("received", "sent"): 23, ("etr_set", "pending"): 23}
    assert await go_through(large) == 0
    assert await large.take(large.make.changed(1, 3, etr=ETR, state=IncidentState.CONFIRMED)) == 0
    await go_through(large)
    assert len(await large.notices()) == 46, "nothing of it is new to anybody"


async def test_a_batch_and_a_piece_lock_and_load_no_more_of_a_larger_outage(large, monkeypatch):
    """Rows are counted where everybody is locked and everything loaded."""
    locked = []

    async def counting(tx, *args, _lock=fan_out.customers.lock, **how):
        rows = await _lock(tx, *args, **how)
        locked.append(len(rows))
        return rows

    monkeypatch.setattr(fan_out.customers, "lock", counting)
    most = []
    for incident, count in ((1, 20), (2, 200)):
        await opened(large, count, incident)
        locked.clear()
        await large.take(large.make.changed(incident, 2, state=RESTORED))
        assert locked == [0], "the batch itself"
        steps = await go_through(large)
        assert steps == 1 + count // PIECE + 1
        most.append(max(locked))
    assert most == [PIECE, PIECE]


async def test_it_is_counted_who_is_still_to_be_looked_at_and_for_how_long_nobody_was(large):
    await opened(large, 23)
    left = [large.make.member(2000 + n, 50 + n) for n in range(2)]
    await large.take(large.make.changed(1, 2, joined=left), large.make.changed(1, 3, left=[2000, 2001]))
    assert await fan_out.to_do(large.pool) == (0, 0)
    await large.take(large.make.changed(1, 4, etr=ETR))
    counts = []
    while await fan(large).step():
        counts.append((await fan_out.to_do(large.pool))[0])
    assert counts == [23, 18, 13, 8, 3, 0], "whose turn is before others' is looked at twice"
    await large.take(large.make.changed(1, 5, state=RESTORED))
    await large.pool.execute("UPDATE fan_out SET looked_at = now() - interval '90 s'")
    assert await fan_out.to_do(large.pool) == (23, pytest.approx(90, abs=20))
    await fan(large).step()
    await fan(large).step()
    assert await fan_out.to_do(large.pool) == (18, pytest.approx(0, abs=20))


async def test_who_is_at_risk_hears_before_others(large):
    members = [large.make.member(n, n) for n in range(1, 41)]
    ill = large.make.member(77, 77).model_copy(update={"customer_class": CustomerClass.LIFE_SUPPORT})
    await large.take(large.make.changed(1, 1, joined=[*members, ill]))
    await large.take(large.make.changed(1, 2, etr=ETR))
    await fan(large).step()
    assert [row["report_id"].int for row in await large.notices(stage="etr_set")] == [77]
    await go_through(large)
    assert len(await large.notices(stage="etr_set")) == 41


async def test_what_is_news_meanwhile_is_what_everybody_hears(large):
    """Half have been told a time as power comes back; who joins then, and who has left, is told by the batch."""
    await opened(large, 20)
    await large.take(large.make.changed(1, 2, etr=ETR))
    one = fan(large)
    for _ in range(3):
        await one.step()
    assert len(await large.notices(stage="etr_set")) == 10
    left = large.make.changed(1, 3, state=RESTORED, left=[1003], joined=[large.make.member(500, 500)])
    assert await large.take(left) == 1
    await go_through(large)
    last = {}
    for row in await large.notices():
        last[row["recipient_id"]] = row
    assert Counter(row["stage"] for row in last.values())["restored"] == 20
    counts = Counter((row["recipient_id"], row["stage"]) for row in await large.notices())
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("seed", range(4))
async def test_in_pieces_they_hear_what_they_would_at_once(pool, templates, seed):
    rng = random.Random(seed)
    what = ["report"] * 4 + ["etr"] * 3 + ["crew", "power"]
    actions = [(rng.choice(what), rng.choice(INCIDENTS), rng.randrange(12)) for _ in range(50)]
    said = Dedup.after(actions).sent
    told = []
    for whole in (1000, 0):
        await pool.execute("TRUNCATE notice, subscription, incident, report, recipient, fan_out")
        desk = made_large(Desk(pool, templates), whole)
        for change in said:
            await desk.take(change)
            await go_through(desk, most=1)
            await pool.execute("UPDATE notice SET state = 'sent', sent_at = now() WHERE state = 'pending'")
        rows = await desk.notices()
        told.append(sorted((row["recipient_id"], row["incident_id"], row["stage"], row["revision"]) for row in rows))
    assert len(told[0]) > len(set(CUSTOMER_OF.values()))
    assert told[0] == told[1]


async def test_several_processes_and_their_batches_never_wait_in_a_circle(large):
    await opened(large, 60)
    await opened(large, 60, incident=2)  # of the same customers

    async def batches(incident):
        for revision in range(2, 9):
            etr = ETR + timedelta(hours=revision)
            member = large.make.member(9000 + 10 * incident + revision, 7 * revision)
            await large.take(large.make.changed(incident, revision, etr=etr, joined=[member]))

    async def pieces(until):
        while not until.done() or await fan(large).step():
            await fan(large).step()
            await asyncio.sleep(0)

    both = asyncio.gather(batches(1), batches(2))
    async with asyncio.timeout(60):
        await asyncio.gather(both, *(pieces(both) for _ in range(3)))
    assert await large.pool.fetchval("SELECT count(*) FROM fan_out") == 0
    told = {}
    for row in await large.notices():
        told.setdefault((row["incident_id"].int, row["recipient_id"]), []).append(row["etr"])
    assert {incident for incident, _ in told} == {1, 2}
    assert {words[-1] for words in told.values()} == {ETR + timedelta(hours=8)}


async def test_that_a_time_has_passed_is_told_in_pieces(large, monkeypatch):
    await opened(large, 23)
    await large.take(large.make.changed(1, 2, etr=ETR))
    await go_through(large)
    await large.pool.execute("UPDATE notice SET state = 'sent', sent_at = $1", NOW)
    sizes = []

    async def piece_of(*args):
        sizes.append(await fan_out.piece_of(*args, most=PIECE))
        return sizes[-1]

    monkeypatch.setattr(timers, "piece_of", piece_of)
    later = ETR + timedelta(minutes=30)
    assert await timers.tell_passed(large.pool, large.templates(), later) == 23
    assert [len(one.who) for one in sizes] == [5, 5, 5, 5, 3]
    assert await timers.tell_passed(large.pool, large.templates(), later) == 0


CUSTOMERS = 1250


async def many_open(service):
    """An outage of more than a batch looks at, as dedup tells it: 250 at a time."""
    make = Snapshots()
    for revision in range(1, 6):
        members = [make.member(n, n) for n in range(250 * revision, 250 * revision + 250)]
        change = make.changed(1, revision, joined=members).model_copy(update={"changed_at": now()})
        await service.say(INCIDENT_CHANGED, change)
    count = "SELECT count(*)::text FROM notice WHERE state = 'sent'"
    await service.until("all were told of it", str(CUSTOMERS), count)
    return make.changed(1, 6, state=RESTORED, restored_at=now()).model_copy(update={"changed_at": now()})


@pytest.mark.parametrize("point", ["fan_out.looked", "fan_out.committed"])
async def test_a_process_that_is_killed_between_pieces_misses_nobody_and_tells_nobody_twice(service, receiver, point):
    service.start(**by_webhook(receiver), failpoint=f"{point}:exit:3")
    await service.wait_ready()
    await service.say(INCIDENT_CHANGED, await many_open(service))
    assert await service.ended() == EXIT_CODE
    made = await service.sql("SELECT count(*) AS n FROM notice WHERE stage = 'restored'")
    assert 0 < made[0]["n"] < CUSTOMERS, "it died in the middle"

    await service.sql("UPDATE notice SET sending_until = now() WHERE state = 'sending'")  # its claims end
    service.start(**by_webhook(receiver))
    await service.wait_ready()
    sent = "SELECT count(*)::text FROM notice WHERE state = 'sent' AND stage = 'restored'"
    await service.until("all have heard that power is back", str(CUSTOMERS), sent)
    whom = await service.sql("SELECT count(DISTINCT recipient_id) AS n FROM notice WHERE stage = 'restored'")
    assert whom[0]["n"] == CUSTOMERS
    assert len({post.id for post in receiver.posts if post.data["stage"] == "restored"}) == CUSTOMERS
    assert await service.sql("SELECT FROM fan_out") == []


async def test_a_place_that_is_forgotten_would_be_seen(large):
    """Control: a cursor that moves without what is told, as by a commit of its own, misses customers."""
    await opened(large, 20)
    await large.take(large.make.changed(1, 2, state=RESTORED))
    await fan(large).step()
    async with large.pool.acquire() as connection:
        piece = await fan_out.piece_of(connection, large.make.id(1), fan_out.FIRST, most=PIECE)
        await connection.execute(fan_out._GO_ON, large.make.id(1), piece.after, piece.reports)
    await go_through(large)
    assert len(await large.notices(stage="restored")) == 15
