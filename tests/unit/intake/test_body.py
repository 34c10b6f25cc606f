"""Bodies that come in parts: who stops in the middle holds what has come, and all of them together only so much."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from services.intake.body import read_body
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.runtime.bodies import Unfinished

if TYPE_CHECKING:
    from starlette.types import Message

PART = b" " * 1500


class Sender:
    """Sends a part, and the rest when it is told to."""

    def __init__(self, unfinished: Unfinished | None) -> None:
        self._unfinished = unfinished
        self._sent = 0
        self.go_on = asyncio.Event()

    async def _receive(self) -> Message:
        self._sent += 1
        if self._sent > 1:
            await self.go_on.wait()
        return {"type": "http.request", "body": PART, "more_body": self._sent == 1}

    async def read(self, *, deadline_s: float = 60) -> bytes:
        return await read_body({}, self._receive, limit=4000, deadline_s=deadline_s, unfinished=self._unfinished)


async def test_whoever_stops_on_the_way_holds_a_part_of_what_all_may_hold_until_the_rest_comes() -> None:
    unfinished = Unfinished(2 * len(PART))
    stopped = [Sender(unfinished), Sender(unfinished)]
    reading = [asyncio.create_task(one.read()) for one in stopped]
    await asyncio.sleep(0)
    with pytest.raises(PayloadRefusedError) as refused:
        await Sender(unfinished).read()
    assert refused.value.reason is Reason.BUSY
    stopped[0].go_on.set()
    assert await reading[0] == PART * 2
    late = Sender(unfinished)
    late.go_on.set()
    assert await late.read() == PART * 2
    reading[1].cancel()
    await asyncio.wait(reading)


async def test_whoever_gave_up_or_was_given_up_holds_nothing() -> None:
    unfinished = Unfinished(2 * len(PART))
    for _ in range(3):
        gone = asyncio.create_task(Sender(unfinished).read())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        with pytest.raises(PayloadRefusedError) as refused:
            await Sender(unfinished).read(deadline_s=0.01)
        assert refused.value.reason is Reason.SLOW_BODY


async def test_what_comes_at_once_and_what_has_places_of_its_own_is_read_whoever_else_stops() -> None:
    async def at_once() -> Message:
        return {"type": "http.request", "body": PART}

    unfinished = Unfinished(2 * len(PART))
    reading = [asyncio.create_task(Sender(unfinished).read()) for _ in range(2)]
    await asyncio.sleep(0)
    assert await read_body({}, at_once, limit=4000, deadline_s=60, unfinished=unfinished) == PART
    placed = Sender(None)
    placed.go_on.set()
    assert await placed.read() == PART * 2
    for one in reading:
        one.cancel()
    await asyncio.wait(reading)
