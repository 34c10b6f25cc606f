"""The side of WeChat that sends template messages, as its documents describe it, on a real socket.

Tokens end and can be withdrawn, a repeat with the same client_msg_id is dropped, and a script of troubles comes first.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

APPID, SECRET = "wx0123456789abcdef", "0123456789abcdef0123456789abcdef"
_FIRST_MSGID = 200163836


@dataclass
class Platform:
    """Takes messages. ``script`` holds what the next sends meet: an errcode, a body, or "drop" after taking it.

    ``taken`` are the messages that reach people, by client_msg_id; ``sends`` every request to send. The next ``hung``
    requests for a token get no answer; ``token_said`` is what all of them get instead of a token.
    """

    script: deque[int | bytes | str] = field(default_factory=deque)
    sends: list[dict[str, Any]] = field(default_factory=list)
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens_given: int = 0
    no_token: int | None = None
    hung: int = 0
    expires_in: int = 7200
    port: int = 0
    after_taking: Callable[[], Awaitable[Any]] | None = None
    token_said: bytes | None = None

    def __post_init__(self) -> None:
        self._token: str | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def withdraw_token(self) -> None:
        """As a forced refresh by somebody else does."""
        self._token = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                before = len(self.taken)
                url = urlsplit(head[0].split(" ")[1])
                if self.hung and url.path == "/cgi-bin/stable_token":
                    self.hung -= 1
                    await asyncio.Event().wait()
                answer = self._answer(url, body)
                if self.after_taking is not None and len(self.taken) > before:
                    await self.after_taking()
                if answer is None:
                    return
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    def _answer(self, url: Any, body: dict[str, Any]) -> bytes | None:
        if url.path == "/cgi-bin/stable_token":
            return self.token_said or json.dumps(self._give_token(body)).encode()
        assert url.path == "/cgi-bin/message/template/send"
        self.sends.append(body)
        [token] = parse_qs(url.query)["access_token"]
        if token != self._token:
            return b'{"errcode": 40001, "errmsg": "invalid credential, access_token is invalid or not latest"}'
        trouble = self.script.popleft() if self.script else 0
        if isinstance(trouble, bytes):
            return trouble
        if isinstance(trouble, int) and trouble:
            return json.dumps({"errcode": trouble, "errmsg": f"about {body['touser']}"}).encode()
        self.taken.setdefault(body["client_msg_id"], body)
        msgid = _FIRST_MSGID + list(self.taken).index(body["client_msg_id"])
        return None if trouble == "drop" else json.dumps({"errcode": 0, "errmsg": "ok", "msgid": msgid}).encode()

    def _give_token(self, asked: dict[str, Any]) -> dict[str, Any]:
        if (asked["grant_type"], asked["appid"]) != ("client_credential", APPID):
            return {"errcode": 40013, "errmsg": "invalid appid"}
        if asked["secret"] != SECRET:
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        if self.no_token is not None:
            return {"errcode": self.no_token, "errmsg": "no token now"}
        if self._token is None:
            self._token = secrets.token_urlsafe(48)
            self.tokens_given += 1
        return {"access_token": self._token, "expires_in": self.expires_in}
