"""Thousands wait in a queue that goes from the tree: all are decided again once, and dangers wait for none of it.

Two routers do it together, and one of them is killed in the middle.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from services.contracts.topics import CONTACT_RECEIVED, TICKET_ROUTED
from tests.integration.router.seat import Seat, question
from tests.integration.router.story import told
from tests.integration.router.trees import write
from tests.service_process import SECONDS

if TYPE_CHECKING:
    from tests.integration.router.process import Router

pytestmark = pytest.mark.integration

MANY = 3_000
AT_ONCE = 25
SOON = 30.0
"""Seconds within which a danger is on offer on a busy machine, its router killed meanwhile; else a tenth of one."""
LEFT = "SELECT count(*)::int FROM ticket WHERE state = 'queued' AND queue = 'consultation'"


class Calls:
    """A danger after the other, and the agent who takes them."""

    def __init__(self, router: Router, seat: Seat) -> None:
        self.router, self.seat = router, seat
        self.took: list[float] = []
        self.over = False

    async def come(self) -> None:
        while not self.over:
            danger = question(f"danger-{len(self.took)}", ago=0, text="着火了")
            told = time.monotonic()
            await self.router.say(CONTACT_RECEIVED, danger)
            while (await self.seat.offer(wait=2)).status_code != 200:
                assert time.monotonic() < told + SECONDS, "nobody hears of a danger"
            self.took.append(time.monotonic() - told)
            for act, body in (("accept", {}), ("complete", {"outcome": "solved"})):
                assert (await self.seat.do(act, danger.ticket_id, **body)).status_code == 200


async def test_thousands_that_wait_in_a_queue_that_goes_are_decided_again_once_and_calls_go_through_meanwhile(
    running: Router,
) -> None:
    write(running.folder, new=False)
    doomed = running.start()
    await running.wait_ready()
    running.start()
    await running.wait_ready()
    await running.say(CONTACT_RECEIVED, *(question(f"{n}", ago=600 - n / 10) for n in range(MANY)))
    await running.counted(lambda seen: seen["contact_queued"] == MANY)
    async with httpx.AsyncClient(base_url=running.url, timeout=SECONDS) as client:
        calls = Calls(running, await Seat(client, "ann").begin("emergency"))
        coming = asyncio.create_task(calls.come())
        write(running.folder, new=True)
        end = time.monotonic() + 2 * SECONDS
        while (left := (await running.sql(LEFT))[0][0]) > 0:
            assert time.monotonic() < end, f"{left} are left\n{running.log[-3000:]}"
            assert not coming.done(), coming
            if left < MANY * 3 // 4 and doomed.poll() is None:
                running.kill(doomed)
            await asyncio.sleep(0.1)
        assert doomed.poll() is not None, "it was killed in the middle"
        calls.over = True
        await coming
    assert len(calls.took) > 3
    assert max(calls.took) < SOON, sorted(calls.took)[-10:]

    there = "SELECT count(*) FROM ticket WHERE state = 'queued' AND queue = 'questions'"
    await running.until("each is in its new queue", MANY, there)
    await running.until("the log says so once", MANY, "SELECT count(*) FROM ticket_log WHERE did = 'rerouted'")
    tally = await running.counted(lambda seen: seen["contact_closed"] == len(calls.took))
    assert (tally["accepted"], tally["contact_queued"]) == (MANY + len(calls.took), MANY)
    stories = told(await running.published(TICKET_ROUTED))
    again = [one for story in stories.values() for one in story if one.change == "rerouted"]
    assert len(again) == len({one.ticket_id for one in again}) == MANY
    together: dict[object, int] = {}
    for one in again:
        together[one.routed_at] = together.get(one.routed_at, 0) + 1
    assert max(together.values()) <= AT_ONCE, "so many are decided in one go, in which a process does nothing else"
