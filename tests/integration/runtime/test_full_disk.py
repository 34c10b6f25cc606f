"""The database's disk is full, or it is slow: the service waits, keeps its place, and goes on when there is room.

The real server answers with what it answers then: a trigger raises the error of a full disk in it, for a file system
that is really full needs rights that not every machine gives (tests/integration/faults/test_full_disks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.runtime.world import a_record, a_report

if TYPE_CHECKING:
    from tests.integration.runtime.world import World

pytestmark = pytest.mark.integration

FULL = "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'"
BROKEN = "RAISE EXCEPTION 'something else' USING ERRCODE = 'internal_error'"
MENDED = "DROP TRIGGER troubled ON outbox"


async def troubled(world: World, what: str) -> None:
    """Let the database do something at each row of the outbox: the last that a batch writes."""
    await world.sql(
        "CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + what + "; RETURN NEW; END $$"
    )
    await world.sql("CREATE TRIGGER troubled BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION trouble()")


async def test_a_full_disk_is_waited_for_and_nothing_is_lost_or_counted_twice(world: World):
    reports = [a_report(n) for n in range(200)]
    process = world.start()
    await world.produce([a_record(one) for one in reports[:40]])
    await world.settled(40)
    await troubled(world, FULL)
    await world.produce([a_record(one) for one in reports[40:]])
    await world.logged('"waiting_for"')
    assert (await world.sql("SELECT count(*) FROM effect"))[0][0] == 40, "nothing of a batch that cannot be kept"
    await world.sql(MENDED)
    await world.settled(len(reports))
    assert process.poll() is None
    assert await world.findings(reports) == []


async def all_is_kept_of_a_slow_database(world: World, many: int, **how: str) -> None:
    """Ten rows of the outbox take it a second, once the first ten reports are settled."""
    reports = [a_report(n) for n in range(many)]
    process = world.start(**how)
    await world.produce([a_record(one) for one in reports[:10]])
    await world.settled(10)
    await troubled(world, "PERFORM pg_sleep(0.1)")
    await world.produce([a_record(one) for one in reports[10:]])
    await world.settled(len(reports))
    assert process.poll() is None
    assert await world.findings(reports) == []


async def test_a_database_that_takes_seconds_for_a_batch_is_slow_and_no_more(world: World):
    await all_is_kept_of_a_slow_database(world, 60)


async def test_a_database_too_slow_for_a_batch_gets_smaller_ones_until_it_takes_them(world: World):
    """Forty take four seconds, and a statement has two: the same forty again would be in vain for ever."""
    await all_is_kept_of_a_slow_database(world, 120, without="patience with the database")
    await world.sql(MENDED)
    more = [a_report(n) for n in range(120, 1000)]
    await world.produce([a_record(one) for one in more])
    await world.settled(1000)
    [largest] = await world.sql("SELECT max(n) AS n FROM (SELECT count(*) AS n FROM inbox GROUP BY seen_at) AS batches")
    assert largest["n"] == 40, "they have their full size again"


async def test_a_database_whose_statements_are_each_in_time_and_a_batch_is_not_gets_smaller_ones(world: World):
    """Six take eighteen seconds, and the watchdog gives the loop eight: begun anew they would be in vain for ever."""
    reports = [a_report(n, area="area-1", address="slow" if n else "") for n in range(7)]
    process = world.start(watchdog_seconds="8")
    await world.produce([a_record(one) for one in reports[:1]])
    await world.settled(1)
    await world.produce([a_record(one) for one in reports[1:]])
    await world.settled(len(reports))
    assert process.poll() is None
    assert await world.findings(reports) == []


async def test_control_an_error_that_is_no_full_disk_ends_the_process_and_keeps_the_record(world: World):
    world.start()
    await world.produce([a_record(a_report(1))])
    await world.settled(1)
    await troubled(world, BROKEN)
    await world.produce([a_record(a_report(2))])
    assert await world.ended() == 1
    assert (await world.sql("SELECT count(*) FROM effect"))[0][0] == 1
