"""An HTTP/1.1 load generator: keep-alive connections, requests made beforehand, nothing measured but time.

Two modes. *Closed*: every connection sends its next request when the last is answered; it finds the capacity. *Open*:
requests leave at a fixed rate whatever the answers do, and a latency counts from the moment the request was due, not
from when a connection was free: otherwise a stall hides the requests that would have come in it (coordinated
omission).

*Pressed*: as open, but refusals are counted too, and what finds no free connection is not sent: for what happens
beyond the capacity.

Never here: a parser of more than a status line and a length. Except where it is pressed, an answer that is not wanted
stops the run, since a refusal is cheaper than an acceptance and would flatter the figure.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

WANTED = (200, 202)  # 200 is the WeChat platform's
REFUSALS = (429, 503)
_PATIENCE_SECONDS = 60.0


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return one POST, ready to send."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class RefusedError(Exception):
    """A server answered something else than it was asked for; the text has its words."""


@dataclass
class Load:
    """What a run gave.

    Attributes:
        seconds: From the first request to the last answer that counts.
        due: When each answered request was due, by ``time.perf_counter``; in the open mode in the requests' order.
        answered: When it was answered.
        generator_cores: Processor time of this process over ``seconds``: near 1 it was the bottleneck itself.
    """

    seconds: float = 0.0
    due: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    generator_cores: float = 0.0

    @property
    def rate(self) -> float:
        """Accepted requests a second."""
        return len(self.answered) / self.seconds

    @property
    def latencies(self) -> list[float]:
        """Seconds from due to answered."""
        return [answered - due for due, answered in zip(self.due, self.answered, strict=True)]


@dataclass
class Pressed:
    """What became of more than a server can take.

    Attributes:
        waits: By status, seconds from sending to the answer, one a request: the server's own, not the sender's.
        unsent: Requests that were due while every connection waited.
    """

    waits: defaultdict[int, array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    unsent: int = 0

    def of(self, statuses: Iterable[int]) -> list[float]:
        """Return the waits for these answers."""
        return [wait for status in statuses for wait in self.waits.get(status, ())]


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(
        self,
        answered: Callable[[_Connection], None],
        failed: asyncio.Future[None],
        wanted: tuple[int, ...] = WANTED,
    ) -> None:
        self._answered = answered
        self._wanted = wanted
        self._failed = failed
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.tag = 0
        self.due = 0.0
        self.status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._fail(f"the connection was closed: {exc}")

    def send(self, request: bytes, tag: int, due: float) -> None:
        if self._transport is None:
            raise AssertionError("not connected")
        self.tag, self.due = tag, due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        if at < 0:
            self._fail(f"an answer without a length: {head!r}")
            return
        if len(body) < int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return
        self._buffer = b""
        self.status = int(head[9:12])
        if self.status not in self._wanted:
            self._fail(f"{head[:60].decode('latin-1')!r}: {body[:300].decode('utf-8', 'replace')}")
            return
        self._answered(self)

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _fail(self, why: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(RefusedError(why))


@asynccontextmanager
async def _connections(
    port: int,
    count: int,
    answered: Callable[[_Connection], None],
    finished: asyncio.Future[None],
    wanted: tuple[int, ...] = WANTED,
) -> AsyncIterator[list[_Connection]]:
    loop = asyncio.get_running_loop()
    made: list[_Connection] = []
    try:
        for _ in range(count):
            _, one = await loop.create_connection(lambda: _Connection(answered, finished, wanted), "127.0.0.1", port)
            made.append(one)
        yield made
    finally:
        for one in made:
            one.close()


async def closed(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Send the requests in a cycle, as fast as the answers come, for ``seconds``.

    Raises:
        RefusedError: one was not accepted.
    """
    load = Load()
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    following = cycle(requests)
    end = 0.0

    def answered(connection: _Connection) -> None:
        now = time.perf_counter()
        if finished.done():
            return
        load.due.append(connection.due)
        load.answered.append(now)
        if now < end:
            connection.send(next(following), 0, now)
        else:
            finished.set_result(None)

    async with _connections(port, connections, answered, finished) as made:
        begun, processor = time.perf_counter(), time.process_time()
        end = begun + seconds
        for connection in made:
            connection.send(next(following), 0, time.perf_counter())
        await asyncio.wait_for(finished, seconds + _PATIENCE_SECONDS)
        load.seconds = time.perf_counter() - begun
        load.generator_cores = (time.process_time() - processor) / load.seconds
    return load


async def opened(
    port: int,
    requests: Sequence[bytes],
    *,
    rate: float,
    connections: int,
    on_due: Callable[[], None] = lambda: None,
) -> Load:
    """Send ``requests`` at ``rate`` a second; latencies count from when each was due.

    ``on_due`` is called after each request's due time, for a display.

    Raises:
        RefusedError: one was not accepted.
    """
    load = Load(due=[0.0] * len(requests), answered=[0.0] * len(requests))
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting: deque[int] = deque()
    free: deque[_Connection] = deque()
    left = len(requests)

    def answered(connection: _Connection) -> None:
        nonlocal left
        load.answered[connection.tag] = time.perf_counter()
        left -= 1
        if waiting:
            number = waiting.popleft()
            connection.send(requests[number], number, load.due[number])
        else:
            free.append(connection)
        if not left and not finished.done():
            finished.set_result(None)

    async with _connections(port, connections, answered, finished) as made:
        free.extend(made)
        begun, processor = time.perf_counter(), time.process_time()
        for number, request in enumerate(requests):
            due = load.due[number] = begun + number / rate
            while (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if finished.done():
                break
            if free:
                free.popleft().send(request, number, due)
            else:
                waiting.append(number)
            on_due()
        await asyncio.wait_for(finished, _PATIENCE_SECONDS)
        load.seconds = time.perf_counter() - begun
        load.generator_cores = (time.process_time() - processor) / load.seconds
    return load


async def pressed(
    port: int,
    requests: Sequence[bytes],
    *,
    rate: float,
    connections: int,
    seconds: float,
    on_second: Callable[[], None],
) -> Pressed:
    """Send the requests in a cycle at ``rate`` a second for ``seconds``, more than the server can take.

    Raises:
        RefusedError: an answer is neither an acceptance nor a refusal.
    """
    pressed = Pressed()
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    free: deque[_Connection] = deque()

    def answered(connection: _Connection) -> None:
        pressed.waits[connection.status].append(time.perf_counter() - connection.due)
        free.append(connection)

    async with _connections(port, connections, answered, failed, (*WANTED, *REFUSALS)) as made:
        free.extend(made)
        begun = time.perf_counter()
        told = number = 0
        following = cycle(requests)
        while (now := time.perf_counter() - begun) < seconds:
            if failed.done():
                failed.result()
            while number < now * rate:
                number += 1
                if free:
                    free.popleft().send(next(following), 0, time.perf_counter())
                else:
                    pressed.unsent += 1
            if now >= told + 1:
                told += 1
                on_second()
            await asyncio.sleep(0.001)
    return pressed
