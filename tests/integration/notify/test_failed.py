"""What failed for good counts as told to nobody: on a real Postgres, by a real gateway."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.contracts.values import IncidentState
from services.notify.timers import tell_passed
from services.runtime.clock import now
from tests.integration.notify.test_deciding import settled
from tests.integration.notify.test_links import heard

pytestmark = pytest.mark.integration

ETR = now() + timedelta(hours=2)
LITTLE = timedelta(minutes=5)
FAILS = {
    "refused": [422],
    "given up": [503] * 2,
    "did not arrive": [],
    "perhaps taken, and given up": ["drop"] * 2,
}


@pytest.fixture(params=FAILS)
async def fails(request, desk, deliveries, receiver):
    """Return what has a customer's next word fail, in one of the ways in which one may."""
    ways = FAILS[request.param]

    async def fail(stage):
        receiver.script.extend(ways)
        task = deliveries.start(deliveries.make(deliveries.webhook(receiver.url), attempts=2))
        row = await desk.wait_row(stage=stage, state="failed" if ways else "sent")
        await deliveries.stop(task)
        if not ways:
            said = heard("undelivered", receiver.posts[-1].data["address"])
            await desk.take(said.model_copy(update={"delivery_id": row["delivery_id"], "detail": "blocked"}))
            assert await desk.notices(stage=stage, state="failed", reason="blocked")
        return request.param

    return fail


async def sent(desk, deliveries, receiver, stage):
    """Send what is due; return how often a word of this stage has been tried by then."""
    task = deliveries.start(deliveries.make(deliveries.webhook(receiver.url)))
    await desk.wait_row(stage=stage, state="sent")
    await deliveries.stop(task)
    return sum(post.data["stage"] == stage for post in receiver.posts)


async def test_of_a_time_that_nobody_heard_no_one_hears_that_it_has_passed_and_all_hear_the_next(
    desk, deliveries, receiver, fails
):
    await desk.take(desk.make.changed(1, 1, joined=[desk.make.member(1, 1)]))
    await sent(desk, deliveries, receiver, "received")
    await desk.take(desk.make.changed(1, 2, etr=ETR))
    how = await fails("etr_set")

    perhaps = how.startswith("perhaps")
    assert await tell_passed(desk.pool, desk.templates(), ETR + timedelta(minutes=20)) == perhaps
    assert await desk.take(desk.make.changed(1, 3, etr=ETR + LITTLE)) == 1, "it has moved little, and they know none"
    assert await sent(desk, deliveries, receiver, "etr_set") == (3 if len(FAILS[how]) == 2 else 2)
    assert await desk.take(desk.make.changed(1, 4, etr=ETR + 2 * LITTLE)) == 0, "of this one they know"
    assert await tell_passed(desk.pool, desk.templates(), ETR + timedelta(minutes=40)) == 1


async def test_who_did_not_hear_that_power_was_back_is_not_told_that_it_is_out_again(desk, deliveries, receiver, fails):
    await desk.take(desk.make.changed(1, 1, joined=[desk.make.member(1, 1)]))
    await sent(desk, deliveries, receiver, "received")
    await desk.take(desk.make.changed(1, 2, state=IncidentState.RESTORED))
    perhaps = (await fails("restored")).startswith("perhaps")

    assert await desk.take(desk.make.changed(1, 3)) == perhaps
    assert await desk.take(desk.make.changed(1, 4, state=IncidentState.RESTORED)) == 1
    await sent(desk, deliveries, receiver, "restored")


async def test_who_did_not_hear_that_it_is_planned_hears_it_with_its_end_however_little_that_moves(
    desk, deliveries, receiver, fails
):
    plan = {"outcome": "answered", "reason": "planned_outage", "planned_id": UUID(int=7)}
    await desk.take(settled(**plan, expected_at=ETR))
    await fails("answered")

    moved = {**plan, "expected_at": ETR + LITTLE, "expected_before": ETR}
    assert await desk.take(settled(**moved, command_id=UUID(int=101), minute=1)) == 1
    await sent(desk, deliveries, receiver, "answered")
    again = {**plan, "expected_at": ETR + 2 * LITTLE, "expected_before": ETR + LITTLE}
    assert await desk.take(settled(**again, command_id=UUID(int=102), minute=2)) == 0, "of this one they know"
    assert [row["template"] for row in await desk.notices(state="sent")] == ["answered_planned"]
