"""Agents' desktops by the thousand, in one cheap process: a stream or long polls each, heartbeats, tickets worked.

Each seat has the connections that a desktop has: one that waits for offers, one for everything else. Decided here: what
a floor consists of (queues, languages, skills) and how a seat behaves: as docs/agent-desktop.md says, so it comes back
after two seconds and at a time of its own. Never here: an HTTP client that could be the bottleneck itself; no more of
an answer is read than a status, a length and a ticket's id.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from services.router.tree.keys import DEVELOPMENT_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

AGAIN_S: Final = 15.0
"""Of a seat: how long a poll waits, and between two heartbeats beside a stream."""
_RETRY_S: Final = 2.0
_LONGEST_RETRY_S: Final = 20.0
_PROVINCES: Final = 27
_KINDS: Final[tuple[tuple[int, dict[str, list[str]]], ...]] = (
    (55, {"queues": ["consultation", "service_request", "opinion", "general", "locate", "repair", "power_quality"]}),
    (20, {"queues": ["consultation", "complaint", "opinion", "general"]}),
    (10, {"queues": ["repair", "locate", "power_quality", "emergency", "key_customers"]}),
    (6, {"queues": ["english", "repair.en", "consultation", "emergency"], "languages": ["en", "zh"]}),
    (4, {"queues": ["complaint", "whistleblow"]}),
    (3, {"queues": ["minority_language", "repair.minority", "general"], "languages": ["bo", "ug", "zh"]}),
    (2, {"queues": ["*"], "languages": ["*"]}),
)
"""What seats serve, by percentage; each belongs to one of the provinces as well."""
_TICKET: Final = re.compile(rb'"ticket_id":"([0-9a-f-]{36})"')
_HEAD: Final = f"HTTP/1.1\r\nHost: bench\r\nX-API-Key: {DEVELOPMENT_KEYS['supervisor-dev']}\r\n"


class GoneError(Exception):
    """The connection ended before its answer was whole."""


class _Line(asyncio.Protocol):
    """A connection: one request at a time, or a stream of events for good."""

    def __init__(self, heard: Callable[[bytes], object] | None = None) -> None:
        self.transport: asyncio.Transport | None = None
        self._heard = heard
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # it is one

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(GoneError())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._answer is None or self._answer.done():
            if self._heard is not None:
                *events, self._buffer = self._buffer.split(b"\n\n")
                for event in events:
                    self._heard(event)
            return
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        status, low = int(head[9:12]), head.lower()
        if self._heard is not None and status == 200:
            self._buffer = rest
            self._answer.set_result((status, b""))
            return
        length = int(low.partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
        if len(rest) >= length:
            self._buffer = rest[length:]
            self._answer.set_result((status, rest[:length]))

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Send a request and return status and body of its answer."""
        said = b"" if body is None else json.dumps(body).encode()
        kind = f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\n" if body is not None else ""
        self._answer = asyncio.get_running_loop().create_future()
        if self.transport is None or self.transport.is_closing():
            raise GoneError
        self.transport.write(f"{method} /v1/{path} {_HEAD}{kind}\r\n".encode() + said)
        return await self._answer


@dataclass
class Floor:
    """All seats, and what they have seen.

    Attributes:
        ports: Of the routers; seats are spread over them, and try the next where one is away.
        handle_s: How long a ticket is in hand, on average.
        after_s: How long it is written up.
        sent: When each ticket's contact was sent.
        waits: Milliseconds from there to its first offer.
        statuses: What requests were answered with; 0: the connection ended.
    """

    ports: list[int]
    handle_s: float = 0.0
    after_s: float = 0.0
    sent: dict[str, float] = field(default_factory=dict)
    offered: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    waits: dict[str, list[float]] = field(default_factory=lambda: {"long poll": [], "stream": []})
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    waiting: set[str] = field(default_factory=set)
    dice: random.Random = field(default_factory=lambda: random.Random(95598))
    _seats: list[asyncio.Task[None]] = field(default_factory=list)

    async def sit(self, agents: int, *, over_s: float, streams: float) -> None:
        """Let agents come and wait, one after another: no shift begins in one moment.

        Args:
            agents: How many; there must be profiles of them.
            over_s: Within how long.
            streams: The share of them that holds a stream; the others poll.
        """
        first, began = len(self._seats), time.perf_counter()
        for n in range(first, first + agents):
            self._seats.append(asyncio.create_task(_Seat(self, n).work(stream=n * streams % 1 < streams)))
            await asyncio.sleep(max(0.0, began + over_s * (n - first) / agents - time.perf_counter()))

    async def until_waiting(self, agents: int, patience_s: float) -> float:
        """Return how long it took until so many waited.

        Raises:
            TimeoutError: it takes longer.
        """
        began = time.perf_counter()
        async with asyncio.timeout(patience_s):
            while len(self.waiting) < agents:
                self.check()
                await asyncio.sleep(0.1)
        return time.perf_counter() - began

    def check(self) -> None:
        """Raise what a seat ended with."""
        for seat in self._seats:
            if seat.done() and not seat.cancelled():
                seat.result()

    async def leave(self) -> None:
        """Let go of all seats."""
        for seat in self._seats:
            seat.cancel()
        ended = await asyncio.gather(*self._seats, return_exceptions=True)
        self._seats.clear()
        if failed := [one for one in ended if isinstance(one, Exception)]:
            raise RuntimeError(f"{len(failed)} seats failed: {failed[:3]}")


class _Seat:
    """One agent's desktop."""

    def __init__(self, floor: Floor, number: int) -> None:
        self.floor = floor
        self.name = name_of(number)
        self._port = number
        self._failed = 0
        self._line: _Line | None = None
        self._asking = asyncio.Lock()

    async def connect(self, heard: Callable[[bytes], object] | None = None) -> _Line:
        """Connect to a router."""
        ports = self.floor.ports
        try:
            loop = asyncio.get_running_loop()
            _, line = await loop.create_connection(lambda: _Line(heard), "127.0.0.1", ports[self._port % len(ports)])
        except OSError:
            self._port += 1
            raise GoneError from None
        return line

    async def ask(self, what: str, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Ask until it is answered, coming back as a desktop does."""
        while True:
            try:
                async with self._asking:
                    if self._line is None or self._line.ended.done():
                        self._line = await self.connect()
                    status, said = await self._line.ask(method, path, body)
            except GoneError:
                status, said = 0, b""
            self.floor.statuses[what, status] += 1
            if status not in {0, 503}:
                self._failed = 0
                return status, said
            await self.pause()

    async def pause(self) -> None:
        """Wait as long as a desktop is told to: twice as long each time, and a part of it by chance."""
        longest = min(_LONGEST_RETRY_S, _RETRY_S * 2**self._failed)
        self._failed = min(self._failed + 1, 10)
        await asyncio.sleep(longest * (0.5 + 0.5 * self.floor.dice.random()))

    async def work(self, *, stream: bool) -> None:
        """Come, and work for good."""
        await self.available()
        try:
            await (self._stream() if stream else self._poll())
        finally:
            self.floor.waiting.discard(self.name)

    async def available(self) -> None:
        """Say so."""
        await self.ask("presence", "PUT", f"agents/{self.name}/presence", {"presence": "available"})

    async def _poll(self) -> None:
        waiting = self.floor.waiting
        while True:
            waiting.add(self.name)
            status, said = await self.ask("poll", "POST", f"agents/{self.name}/offers?wait={AGAIN_S:g}")
            waiting.discard(self.name)
            if status == 409:  # not heard of in time
                await self.available()
            elif status == 200 and (found := _TICKET.search(said)) is not None:
                await self.serve(found[1].decode(), "long poll")

    async def _stream(self) -> None:
        offers: asyncio.Queue[str] = asyncio.Queue()
        serving = asyncio.create_task(self._serve_all(offers))
        beating = asyncio.create_task(self._beat())

        def heard(event: bytes) -> None:
            if b"event: offer\n" in event and (found := _TICKET.search(event)) is not None:
                offers.put_nowait(found[1].decode())

        try:
            while True:
                try:
                    line = await self.connect(heard)
                    status, _ = await line.ask("GET", f"agents/{self.name}/offers")
                except GoneError:
                    status = 0
                self.floor.statuses["stream", status] += 1
                if status == 200:
                    self.floor.waiting.add(self.name)
                    self._failed = 0
                    await line.ended
                    self.floor.waiting.discard(self.name)
                    self.floor.statuses["stream ended", 0] += 1
                if status == 409:
                    await self.available()
                await self.pause()
        finally:
            serving.cancel()
            beating.cancel()

    async def _serve_all(self, offers: asyncio.Queue[str]) -> None:
        while True:
            await self.serve(await offers.get(), "stream")

    async def _beat(self) -> None:
        await asyncio.sleep(AGAIN_S * self.floor.dice.random())
        while True:
            await self.ask("heartbeat", "POST", f"agents/{self.name}/heartbeat")
            await asyncio.sleep(AGAIN_S)

    async def serve(self, ticket: str, how: str) -> None:
        """Take a ticket to its end; who polls shows meanwhile that they live."""
        floor = self.floor
        if ticket not in floor.offered and ticket in floor.sent:
            floor.offered.add(ticket)
            floor.waits[how].append(1000 * (time.perf_counter() - floor.sent[ticket]))
        beating = asyncio.create_task(self._beat()) if how == "long poll" and floor.handle_s > AGAIN_S else None
        try:
            if not await self._act(ticket, "accept"):
                return
            await asyncio.sleep(floor.handle_s * (0.5 + floor.dice.random()))
            if floor.after_s:
                await self._act(ticket, "wrap-up")
                await asyncio.sleep(floor.after_s * (0.5 + floor.dice.random()))
            if await self._act(ticket, "complete", outcome="solved"):
                floor.done.add(ticket)
        finally:
            if beating is not None:
                beating.cancel()

    async def _act(self, ticket: str, act: str, **said: str) -> bool:
        status, _ = await self.ask(act, "POST", f"tickets/{ticket}/{act}", {"agent_id": self.name, **said})
        return status == 200


def name_of(number: int) -> str:
    """Return an agent's id."""
    return f"a{number:05}"


def profile_of(number: int) -> dict[str, Any]:
    """Return what an agent can, as it is stored."""
    at = number * 37 % 100
    for share, profile in _KINDS:
        if at < share:
            skills = [f"area:P{number % _PROVINCES:02}"]
            return {"agent_id": name_of(number), "languages": ["zh"], **profile, "skills": skills, "capacity": 1}
        at -= share
    raise AssertionError("the shares make a hundred")
