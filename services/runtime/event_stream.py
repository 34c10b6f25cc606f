"""Server-sent events (HTML Living Standard, 9.2) as an answer, for as long as somebody listens.

Decided here: that silence is broken, so that proxies keep the connection, and that whoever hung up is written to no
more. FastAPI has such an answer too, with five tasks and four queues a stream; thousands of desktops hold one each.

Never here: what an event says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.responses import Response

from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

_SILENCE_SECONDS: Final = 15.0
"""After so long a comment is sent: proxies give up a connection on which nothing is said for a minute."""
_EVENTS: Final = "text/event-stream"
DESCRIBED: Final[dict[str, Any]] = {
    "description": "Events until the stream ends",
    "content": {_EVENTS: {"schema": {"type": "string"}}},
}
"""How an OpenAPI document describes it. An event's own schema (``itemSchema``) is a word of 3.2, which 3.1 forbids."""


class EventStream(Response):
    """An answer of events, each as it is sent (``fastapi.sse.format_sse_event``), until they or the line end.

    The class has no media type: FastAPI would describe the door's errors by it.
    """

    def __init__(self, events: AsyncIterator[bytes], silence: float = _SILENCE_SECONDS) -> None:
        """Send nothing yet.

        Args:
            events: What is sent.
            silence: Seconds of it after which a comment is sent.
        """
        # Nginx would hold events back.
        super().__init__(None, 200, {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}, _EVENTS)
        del self.headers["content-length"]
        self._events = events
        self._silence = silence
        self._spoke = 0.0
        self._hung_up = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Send events until they end, or nobody listens any more."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writer = asyncio.current_task()
        if writer is None:
            raise AssertionError("a coroutine is run by a task")
        listener = asyncio.create_task(self._listen(receive, send, writer))
        try:
            async for event in self._events:
                await self._send(send, event)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            if not self._hung_up or writer.uncancel():
                raise
        finally:
            listener.cancel()

    async def _send(self, send: Send, event: bytes) -> None:
        self._spoke = clock.monotonic()
        await send({"type": "http.response.body", "body": event, "more_body": True})

    async def _listen(self, receive: Receive, send: Send, writer: asyncio.Task[None]) -> None:
        """Hear the end of the line, and end the writer then; break the silence until that comes."""
        self._spoke = clock.monotonic()
        while not self._hung_up:
            left = self._spoke + self._silence - clock.monotonic()
            if left <= 0:
                await self._send(send, KEEPALIVE_COMMENT)
                continue
            try:
                async with asyncio.timeout(left):
                    self._hung_up = (await receive())["type"] == "http.disconnect"
            except TimeoutError:
                continue
        writer.cancel()
