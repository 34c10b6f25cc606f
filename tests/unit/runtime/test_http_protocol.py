"""Answers leave whole and in order, and a head that does not end is cut off."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import uvicorn

from services.runtime import http_protocol
from services.runtime.bodies import Unfinished
from services.runtime.doors import Doors
from services.runtime.http import make_app
from services.runtime.http_protocol import MAX_HEAD_BYTES, HttpProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

_SECONDS = 60
_LARGE = 3_000_000


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await asyncio.Event().wait()
    body = b"x" * _LARGE if scope["path"] == "/large" else scope["path"].encode()
    if scope["path"] == "/said":
        body = repr([value for name, value in scope["headers"] if name == b"x-forwarded-for"]).encode()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connected(
    app: ASGIApp = _app, **settings: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http=HttpProtocol, log_config=None, lifespan="off", **settings
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(_SECONDS):
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            server.force_exit = True  # a stream would be waited for
            await serving


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def test_answers_come_whole_and_in_the_order_of_the_requests():
    async with connected() as (reader, writer):
        for path in (b"/one", b"/large", b"/two"):  # one line, the next request sent before the answer came
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: here\r\n\r\n")
        assert await _answer(reader) == b"/one"
        assert len(await _answer(reader)) == _LARGE
        assert await _answer(reader) == b"/two"


async def test_a_piece_of_a_stream_leaves_while_the_next_is_awaited():
    async with connected() as (reader, writer):
        writer.write(b"GET /stream HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await reader.readuntil(b"\r\n5\r\nfirst")).startswith(b"HTTP/1.1 200")


async def test_the_last_answer_leaves_before_the_line_is_closed():
    async with connected() as (reader, writer):
        writer.write(b"GET /bye HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert await _answer(reader) == b"/bye"
        assert await reader.read() == b""


@pytest.mark.parametrize("part", [b"x", b"X-Some: y\r\n"], ids=["one header without end", "headers without end"])
async def test_a_head_without_end_is_refused(part: bytes):
    endless = b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + part * MAX_HEAD_BYTES
    async with connected() as (reader, writer):
        writer.write(endless[: MAX_HEAD_BYTES + 1])  # no more: what is left unread makes the kernel drop the answer
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        assert b"head is too large" in await reader.read()


async def test_heads_that_do_not_come_whole_have_a_bound_together_and_others_are_answered(
    monkeypatch: pytest.MonkeyPatch,
):
    """Ten thousand lines of nearly the limit each would be 300 MB, and as headers twenty times that."""
    room = Unfinished(3 * MAX_HEAD_BYTES)
    monkeypatch.setattr(http_protocol, "_unfinished", room)
    part = b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + b"x" * (MAX_HEAD_BYTES - 100)
    async with connected() as (reader, writer), AsyncExitStack() as lines:
        port = writer.get_extra_info("peername")[1]

        async def begins() -> asyncio.StreamReader:
            one, to = await asyncio.open_connection("127.0.0.1", port)
            lines.callback(to.close)
            to.write(part)
            return one

        began = [await begins() for _ in range(3)]
        async with asyncio.timeout(_SECONDS):
            while room.held < 3 * len(part):
                await asyncio.sleep(0.01)
            refused = await (await begins()).read()
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 2" in refused
        assert not any(one.at_eof() for one in began), "who was there before may go on"
        writer.write(b"GET /whole HTTP/1.1\r\nHost: here\r\n\r\n")
        assert await _answer(reader) == b"/whole", "a head that comes at once needs no room"
    async with asyncio.timeout(_SECONDS):
        while room.held:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"], ids=["version", "TLS"]
)
async def test_what_is_no_http_is_answered_as_a_problem_like_every_error(sent: bytes):
    async with connected() as (reader, writer):
        writer.write(sent)
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head
        problem = json.loads(body)
        assert (problem["status"], problem["title"]) == (400, "Bad Request")
        assert problem["detail"]


async def test_head_has_the_length_of_gets_body_and_none_of_it():
    async def ready() -> list[str]:
        return []

    async with connected(Doors(make_app("test", ready=ready), [])) as (reader, writer):
        writer.write(b"HEAD /healthz HTTP/1.1\r\nHost: here\r\n\r\nGET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        body = await _answer(reader)
        assert b"content-length: %d\r\n" % len(body) in head


async def test_many_requests_on_one_line_are_not_one_long_head():
    async with connected() as (reader, writer):
        for _ in range(40):
            writer.write(b"GET /again HTTP/1.1\r\nHost: here\r\nX-Some: " + b"y" * 2000 + b"\r\n\r\n")
            assert await _answer(reader) == b"/again"


_UPGRADE = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
"""As Java's own client asks of every server that it does not reach by https (RFC 7540, 3.2)."""


@pytest.mark.parametrize("apart", [False, True], ids=["together", "the body comes later"])
@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 5\r\n\r\nwords", b"Transfer-Encoding: chunked\r\n\r\n5\r\nwords\r\n0\r\n\r\n"],
    ids=["length", "chunks"],
)
async def test_whoever_would_rather_speak_another_protocol_is_understood_in_this_one(body: bytes, apart: bool):
    async with connected() as (reader, writer):
        head, _, content = body.partition(b"\r\n\r\n")
        writer.write(b"POST /said HTTP/1.1\r\nHost: here\r\n" + _UPGRADE + head + b"\r\n\r\n")
        if apart:
            await asyncio.sleep(0.05)
        writer.write(content)
        assert await _answer(reader) == b"[]words"
        assert await reader.read() == b""


async def test_what_comes_after_an_upgrade_that_is_not_made_is_a_body_and_no_request():
    within = b"GET /within HTTP/1.1\r\nHost: here\r\n\r\n"
    async with connected() as (reader, writer):
        writer.write(b"POST /said HTTP/1.1\r\nHost: here\r\nConnection: upgrade\r\nUpgrade: websocket\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(within))
        await asyncio.sleep(0.05)
        writer.write(within + b"GET /after HTTP/1.1\r\nHost: here\r\n\r\n")
        assert await _answer(reader) == b"[]" + within
        assert await _answer(reader) == b"/after"


async def test_nobody_is_connected_through():
    async with connected() as (reader, writer):
        writer.write(b"CONNECT there:443 HTTP/1.1\r\nHost: there:443\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")


async def test_what_follows_a_body_is_no_header():
    """A proxy says who is at the other end in headers, and takes out of them what that one says (RFC 9110, 6.5.1)."""
    async with connected() as (reader, writer):
        writer.write(b"POST /said HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: 192.0.2.1\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
        assert await _answer(reader) == b"[b'192.0.2.1']x"


@pytest.mark.parametrize("path", [b"/said", b"/answered"])
@pytest.mark.parametrize(
    ("before", "part"),
    [
        (b"1\r\nx\r\n0\r\n", b"X-Some: y\r\n"),
        (b"1\r\nx\r\n0\r\nX-Long: ", b"y"),
        (b"1\r\nx\r\n1; some=", b"y"),
    ],
    ids=["trailers", "a trailer", "a chunk's extension"],
)
async def test_what_is_no_body_and_has_no_end_is_refused(before: bytes, part: bytes, path: bytes):
    head = b"POST " + path + b" HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with connected() as (reader, writer):
        writer.write(head + before)
        await asyncio.sleep(0.05)  # part of it is read with what counts
        writer.write((part * (MAX_HEAD_BYTES + 1))[: MAX_HEAD_BYTES + 1])
        async with asyncio.timeout(5):
            assert b"HTTP/1.1 400" in await reader.read()


async def test_many_small_parts_are_one_body():
    async with connected() as (reader, writer):
        writer.write(b"POST /said HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            writer.write(b"1\r\nx\r\n" * 1000)
            await asyncio.sleep(0.005)
        writer.write(b"0\r\n\r\n")
        assert await _answer(reader) == b"[]" + b"x" * 20_000
