"""A gateway as its maker would write it: takes signed webhooks on a real socket, checks them, keeps count.

``python -m tests.integration.notify.receiver PORT FILE`` is one as a process: it writes the ids it takes to the file.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

KEY = b"a key of thirty-two bytes length"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
TOLERANCE_S = 300


@dataclass
class Post:
    """One request, as it came."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, object]:
        return json.loads(self.body)["data"]


@dataclass
class Receiver:
    """Answers by script, then with 200. `hold` keeps answers back until it is set again.

    A script's item is a status, a status with headers, "hang" (no answer ever), "drop" (cut the connection), or what
    ``hostile`` has: a function that is given the connection, which is cut afterwards. With ``tls`` it speaks that.
    """

    script: deque = field(default_factory=deque)
    posts: list[Post] = field(default_factory=list)
    forged: list[Post] = field(default_factory=list)
    open_now: int = 0
    open_most: int = 0
    port: int = 0
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self._arrived = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        host = "localhost" if self.tls else f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/notices?token=of-the-gateway"

    @property
    def counts(self) -> Counter[str]:
        """How often each webhook-id came."""
        return Counter(post.id for post in self.posts)

    def hold(self) -> None:
        self.free.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def wait_posts(self, number: int, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.posts) >= number)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (post := await self._read(reader)) is not None:
                self.open_now += 1
                self.open_most = max(self.open_most, self.open_now)
                try:
                    if not await self._answer(post, writer):
                        return
                finally:
                    self.open_now -= 1
        except ConnectionError:
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Post | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError:
            return None
        fields = dict(line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in fields.items()}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        post = Post(headers, body, head[0].split(" ")[1])
        (self.posts if self._genuine(post) else self.forged).append(post)
        async with self._arrived:
            self._arrived.notify_all()
        return post

    @staticmethod
    def _genuine(post: Post) -> bool:
        """Verify as Standard Webhooks says, with nothing of ours."""
        stamp = post.headers.get("webhook-timestamp", "0")
        if abs(time.time() - int(stamp)) > TOLERANCE_S:
            return False
        signed = f"{post.headers.get('webhook-id')}.{stamp}.".encode() + post.body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        given = [part.split(",", 1) for part in post.headers.get("webhook-signature", "").split(" ")]
        return any(version == "v1" and hmac.compare_digest(value, expected) for version, value in given)

    async def _answer(self, post: Post, writer: asyncio.StreamWriter) -> bool:
        """Answer; False ends the connection."""
        await self.free.wait()
        step = self.script.popleft() if self.script else 200
        if step == "drop":
            return False
        if step == "hang":
            await asyncio.Event().wait()
        if callable(step):
            await step(writer)
            return False
        status, headers = step if isinstance(step, tuple) else (step, {})
        lines = [f"HTTP/1.1 {status} X", "content-length: 2", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\nok")
        await writer.drain()
        return True


async def receive(port: int, file: Path) -> None:
    """Take what comes, for ever."""
    async with Receiver(port=port) as receiver:
        seen = 0
        while True:
            await receiver.wait_posts(seen + 1, seconds=3600)
            with file.open("a") as ids:
                ids.writelines(f"{post.id}\n" for post in receiver.posts[seen:])
            seen = len(receiver.posts)


if __name__ == "__main__":
    asyncio.run(receive(int(sys.argv[1]), Path(sys.argv[2])))
