"""HTTP below the application: one write per response, limits on what is no body, parse errors as problem details.

Uvicorn writes a response's head and body separately, and uvloop makes a system call and a packet of each: a tenth of
the cost of an accepted request, and two reads for the sender. Its parser accepts a head of any length, and it waits for
one as long as somebody likes: whoever opens connections and says nothing, or a byte now and then, would have them all.

It keeps what follows a body in chunks (RFC 9112, 7.1.2) without a bound, and among the headers: who is believed because
of a header that only our proxy writes could be named there by anybody. And of a request that would rather go on in
another protocol it leaves out the body, and takes it for the next request: so does every client of Java's own begin
that is not told to speak HTTP/1.1. Here such a request is one like any other (RFC 9110, 7.8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.runtime.bodies import Unfinished

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES: Final = 32 * 1024
"""Of a head; of what stands between two parts of a body in chunks, or follows it."""
MOST_UNFINISHED_HEADS: Final = 8 * 1024 * 1024
"""Bytes of all heads of which a part has come and the rest is awaited: as many short headers they take up to twenty
times as much memory. A head that comes at once, as nearly all do, is not counted."""
HEAD_SECONDS: Final = 30.0
"""From the first byte of a head that does not come whole to its last."""


_unfinished: Final = Unfinished(MOST_UNFINISHED_HEADS)


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
    """Uvicorn's, with all of that."""

    _head: int | None = None
    """Bytes since a head began; None while none is being read."""
    _held: int = 0
    """How many of them count among those of all lines."""
    _around: int = 0
    """Bytes since a head ended or a part of a body did."""
    _instead: bytes = b""
    """The head of a request that would rather go on in another protocol, without that wish."""
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
        """Read on, unless this is still the same head, or still nothing of a body."""
        self._unset_keepalive_if_required()
        self._around += len(data)
        rest = self._read(data)
        while rest:
            rest = self._read(rest)
        if self._head is not None:
            self._head += len(data)
            if self.transport.is_closing():
                return
            self._held += len(data)
            has_room = _unfinished.hold(len(data))
            if self._head > MAX_HEAD_BYTES:
                self.send_400_response("The request's head is too large.")
            elif not has_room:
                detail = "Too many requests' heads come in parts; nothing was done: send this one again, at once."
                self._refuse(503, "Service Unavailable", detail, "retry-after: 2\r\n")
            elif self._late is None:
                self._late = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
        elif self._around > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Too much stands around the request's body.")
        elif self.cycle is None or self.cycle.response_complete:
            self._expect_a_head()  # what came was less than the beginning of one

    def _read(self, data: bytes) -> bytes:
        """Read, and return what is to be read next."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as wish:
            self.parser = HttpRequestParser(self)  # the other has ended where its line is to be closed
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
            return self._instead + data[wish.args[0] :]
        except HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")
        return b""

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
        _unfinished.let_go(self._held)
        self._held = 0

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "Bad Request", msg)

    def _refuse(self, status: int, title: str, detail: str, header: str = "") -> None:
        """Answer as every other error is answered (RFC 9457), and close the line."""
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        body = orjson.dumps(problem)
        head = (
            f"HTTP/1.1 {status} {title}\r\n"
            "content-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\n"
            f"{header}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Count from here."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more, and keep what comes later from the headers."""
        method: bytes = self.parser.get_method()
        if self.parser.should_upgrade() and method != b"CONNECT":
            lines = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
            version = self.parser.get_http_version().encode()
            self._instead = b"\r\n".join([b"%b %b HTTP/%b" % (method, self.url, version), *lines, b"", b""])
            return
        self._head, self._around, self._instead = None, 0, b""
        self._head_is_over()
        super().on_headers_complete()
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Count from here."""
        self._around = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Go on, unless it begins anew."""
        if not self._instead:
            super().on_message_complete()
