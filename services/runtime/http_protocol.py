"""HTTP below the application: one write per response, limits on the request's head, parse errors as problem details.

Uvicorn writes a response's head and body separately, and uvloop makes a system call and a packet of each: a tenth of
the cost of an accepted request, and two reads for the sender. Its parser accepts a head of any length, and it waits for
one as long as somebody likes: whoever opens connections and says nothing, or a byte now and then, would have them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES: Final = 32 * 1024
HEAD_SECONDS: Final = 30.0
"""From the first byte of a head that does not come whole to its last."""


class _OneWrite:
    """A transport that writes at the end of the loop's turn what was written in it, and is the other's in all else."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            whole = b"".join(self._held)
            self._held.clear()
            self._transport.write(whole)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's, with all three."""

    _head: int | None = None
    """Bytes since a head began; None while none is being read."""
    _late: asyncio.TimerHandle | None = None
    """Ends a head that does not come whole."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin a connection."""
        super().connection_made(transport)
        self.transport = _OneWrite(transport, self.loop)  # type: ignore[assignment] # it has all that is asked of it
        self._expect_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._head_is_over()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless this is still the same head."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self.transport.is_closing():
                return
            if self._head > MAX_HEAD_BYTES:
                self.send_400_response("The request's head is too large.")
            elif self._late is None:
                self._late = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
        elif self.cycle is None or self.cycle.response_complete:
            self._expect_a_head()  # what came was less than the beginning of one

    def _expect_a_head(self) -> None:
        """Close the connection if none begins for as long as one is kept between two requests."""
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _head_is_late(self) -> None:
        if not self.transport.is_closing():
            self._refuse(408, "Request Timeout", f"The request's head did not arrive within {HEAD_SECONDS:g} s.")

    def _head_is_over(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "Bad Request", msg)

    def _refuse(self, status: int, title: str, detail: str) -> None:
        """Answer as every other error is answered (RFC 9457), and close the line."""
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        body = orjson.dumps(problem)
        head = (
            f"HTTP/1.1 {status} {title}\r\n"
            "content-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Count from here."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more."""
        self._head = None
        self._head_is_over()
        super().on_headers_complete()
