"""Server-sent events: what is sent, when silence is broken, and that nobody writes to whom hung up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.sse import KEEPALIVE_COMMENT

from services.runtime.event_stream import EventStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message

LONG = 3600.0


class Line:
    """A connection as an ASGI application sees it."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.hangs_up = asyncio.Event()
        self.heard = asyncio.Event()
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        if self.asked == 1:
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.hangs_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.heard.set()

    def serve(self, events: AsyncIterator[bytes], silence: float = LONG) -> asyncio.Task[None]:
        return asyncio.create_task(EventStream(events, silence)({"type": "http"}, self.receive, self.send))

    async def until(self, messages: int) -> None:
        async with asyncio.timeout(30):
            while len(self.sent) < messages:
                self.heard.clear()
                await self.heard.wait()

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]


async def two(ends: list[str]) -> AsyncIterator[bytes]:
    """Two events and then none, until somebody hangs up."""
    try:
        yield b"one\n\n"
        yield b"two\n\n"
        await asyncio.Event().wait()
    finally:
        ends.append("ended")


async def test_events_are_sent_until_they_end():
    async def events() -> AsyncIterator[bytes]:
        yield b"one\n\n"
        yield b"two\n\n"

    line = Line()
    await asyncio.wait_for(line.serve(events()), 30)
    assert line.sent[0]["status"] == 200
    assert dict(line.sent[0]["headers"]) == {
        b"cache-control": b"no-cache",
        b"x-accel-buffering": b"no",
        b"content-type": b"text/event-stream; charset=utf-8",
    }
    assert line.bodies == [b"one\n\n", b"two\n\n", b""]
    assert [message["more_body"] for message in line.sent[1:]] == [True, True, False]
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set(), "nobody listens on"


async def test_who_hangs_up_ends_the_events_and_the_answer():
    line, ends = Line(), list[str]()
    answer = line.serve(two(ends))
    await line.until(3)
    assert ends == []
    line.hangs_up.set()
    await asyncio.wait_for(answer, 30)
    assert (ends, line.bodies) == (["ended"], [b"one\n\n", b"two\n\n"])


async def test_silence_is_broken_again_and_again():
    line, ends = Line(), list[str]()
    answer = line.serve(two(ends), silence=0.01)
    await line.until(6)
    assert line.bodies[:2] == [b"one\n\n", b"two\n\n"]
    assert set(line.bodies[2:]) == {KEEPALIVE_COMMENT}
    line.hangs_up.set()
    await asyncio.wait_for(answer, 30)
    assert ends == ["ended"]


async def test_whoever_ends_the_request_ends_it():
    """A server that shuts down: that is no hanging up, and must not be passed over."""
    line, ends = Line(), list[str]()
    answer = line.serve(two(ends))
    await line.until(3)
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    assert ends == ["ended"]


async def test_a_bug_in_the_events_is_one_of_the_answer():
    async def events() -> AsyncIterator[bytes]:
        yield b"one\n\n"
        raise ZeroDivisionError

    line: Any = Line()
    with pytest.raises(ZeroDivisionError):
        await line.serve(events())
    assert line.bodies == [b"one\n\n"]
