"""A handful of keep-alive HTTP/1.1 connections to one server, for a load generator.

Decided here: that it costs little. httpx takes some 5 ms of processor time a request with 64 connections in use (its
pool looks at every connection for every request), which on a small machine is taken from the system under test; this
takes a tenth. Never here: redirects, chunked answers, TLS: it talks to a service of ours.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_BODY: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """Posts to one server over at most ``most`` connections; a caller waits for a free one."""

    def __init__(self, url: str, most: int, timeout: float) -> None:
        """Args: ``http://host:port``; connections at most; seconds a request may take."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url!r} is no http address of a service")
        self._host, self._port = parts.hostname, parts.port or 80
        self._timeout = timeout
        self._free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        for _ in range(most):
            self._free.put_nowait(_Connection(self._host, self._port))

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post and return the answer.

        Raises:
            OSError: no connection, or it broke; whether the server has the request is unknown.
            TimeoutError: no answer in time; likewise.
        """
        connection = await self._free.get()
        try:
            async with asyncio.timeout(self._timeout):
                return await connection.post(path, headers, body)
        except BaseException:
            connection.close()  # half an exchange is on it
            raise
        finally:
            self._free.put_nowait(connection)

    def close(self) -> None:
        """Close those that are free: all, once nothing is under way."""
        while not self._free.empty():
            self._free.get_nowait().close()


class _Connection:
    """One connection, made when it is needed."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            status, *fields = head.decode("latin-1").split("\r\n")
            found = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            length = int(found["content-length"])
            if length > _MOST_BODY:
                raise ConnectionError(f"an answer of {length} bytes")
            answer = Answer(int(status.split(" ", 2)[1]), found, await reader.readexactly(length))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, KeyError, ValueError, IndexError) as error:
            raise ConnectionError(f"no whole answer: {type(error).__name__}") from error
        if found.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
