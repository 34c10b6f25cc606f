"""Notify as the intake sees it over HTTP, on a real socket: what it is asked, and answers a test chooses."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import orjson

from services.contracts.ids import parse_ticket_ref


@dataclass
class NotifyStandIn:
    """Answers ``GET /v1/status`` and ``POST /v1/status/places`` in the shapes of notify's OpenAPI document.

    Attributes:
        text: What is said of any report.
        place: What is known of any place; None answers what is no JSON.
        status: HTTP status of every answer.
        reports: Queries asked of reports.
        places: Questions asked of places, a list a request.
        held: While it is not set, nothing is answered.
    """

    text: str = "Your report is being worked on."
    place: dict[str, Any] | None = field(default_factory=lambda: {"outage": "known", "progress": "arrived", "new": 1})
    status: int = 200
    reports: list[dict[str, str]] = field(default_factory=list)
    places: list[list[dict[str, Any]]] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _open: dict[asyncio.StreamWriter, asyncio.Task[Any]] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.held.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer, task in list(self._open.items()):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                body = await self._answer(reader)
                writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        answer: Any
        if method == "GET":
            query = dict(parse_qsl(urlsplit(path).query))
            self.reports.append(query)
            report = {"stage": "received", "text": self.text, "language": "en"}
            answer = {"ticket_ref": parse_ticket_ref(query["ticket_ref"]), "reports": [report]}
        else:
            length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
            questions = orjson.loads(await reader.readexactly(length))["questions"]
            self.places.append(questions)
            answer = None if self.place is None else {"answers": [self.place] * len(questions)}
        await self.held.wait()
        return b"nonsense" if answer is None else orjson.dumps(answer)
