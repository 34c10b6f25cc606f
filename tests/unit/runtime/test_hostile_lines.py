"""Whoever says nothing, or a byte now and then, or without end, is cut off: memory and connections are for others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from services.runtime import bodies, http_protocol
from services.runtime.bodies import MAX_BODY_BYTES
from services.runtime.doors import Doors
from services.runtime.http import make_app
from tests.unit.runtime.test_http_protocol import connected

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_POST = b"POST /v1/words HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
_BATCH = 64 * 1024


class Words(BaseModel):
    words: list[str]


def doors(taken: list[int]) -> ASGIApp:
    router = APIRouter()

    @router.post("/v1/words")
    async def take(said: Words) -> dict[str, int]:
        taken.append(len(said.words))
        return {"words": len(said.words)}

    async def ready() -> list[str]:
        return []

    return Doors(make_app("test", ready=ready), [router])


async def test_a_chunked_body_without_end_is_refused_after_what_any_of_ours_has():
    taken: list[int] = []
    async with connected(doors(taken)) as (reader, writer):
        writer.write(_POST + b"Transfer-Encoding: chunked\r\n\r\n")
        answer = asyncio.create_task(reader.readline())
        sent = 0
        while not answer.done() and sent < 1 << 30:
            try:
                writer.write(b"%x\r\n" % _BATCH + b"[" * _BATCH + b"\r\n")
                await writer.drain()
            except ConnectionError:
                break
            sent += _BATCH
            await asyncio.sleep(0)
        assert (await answer).startswith(b"HTTP/1.1 413")
        assert sent < 1 << 30, "a gigabyte was not needed to see it"
    assert taken == []


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes():
    taken: list[int] = []
    async with connected(doors(taken)) as (reader, writer):
        writer.write(_POST + b"Content-Length: 1000000000000\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        assert b"larger than 1048576 bytes" in await reader.readuntil(b"}")
    assert taken == []


@pytest.mark.parametrize("length", [b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_stalls_is_refused(monkeypatch: pytest.MonkeyPatch, length: bytes):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    async with connected(doors([])) as (reader, writer):
        writer.write(_POST + length + b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        assert b"did not arrive within" in await reader.readuntil(b"}")


async def test_a_body_of_the_largest_size_that_comes_in_pieces_is_taken():
    taken: list[int] = []
    word = b'"' + b"x" * 100 + b'"'
    body = b'{"words":[' + b",".join([word] * ((MAX_BODY_BYTES - 20) // 103)) + b"]}"
    assert MAX_BODY_BYTES - 200 < len(body) <= MAX_BODY_BYTES
    async with connected(doors(taken)) as (reader, writer):
        writer.write(_POST + b"Content-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), _BATCH):
            writer.write(body[at : at + _BATCH])
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert len(taken) == 1


async def test_bodies_that_stop_on_their_way_hold_so_much_all_together(monkeypatch: pytest.MonkeyPatch):
    """Whoever has no key opens as many lines as they like: each may hold a megabyte for half a minute."""
    monkeypatch.setattr(bodies, "_unfinished", bodies.Unfinished(5 * _BATCH))
    taken: list[int] = []
    whole = b'{"words":["a"]}'
    async with connected(doors(taken)) as (reader, writer), AsyncExitStack() as stack:
        lines = [(reader, writer)]
        for _ in range(9):
            lines.append(await asyncio.open_connection(*writer.get_extra_info("peername")))
            stack.callback(lines[-1][1].close)
        answers = []
        for asked, sender in lines:
            sender.write(_POST + b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES + b"[" * _BATCH)
            answers.append(asyncio.create_task(asked.readline()))
        done, waiting = await asyncio.wait(answers, timeout=1)
        assert {answer.result() for answer in done} == {b"HTTP/1.1 503 Service Unavailable\r\n"}
        assert 4 <= len(waiting) <= 6, "the first go on"
        asked, sender = await asyncio.open_connection(*writer.get_extra_info("peername"))
        stack.callback(sender.close)
        sender.write(_POST + b"Content-Length: %d\r\n\r\n" % len(whole) + whole)
        assert (await asked.readline()).startswith(b"HTTP/1.1 200"), "one that comes at once is taken"
        for _, stopped in lines:
            stopped.close()
        await asyncio.wait(answers)
        later, sender = await asyncio.open_connection(*writer.get_extra_info("peername"))
        stack.callback(sender.close)
        half = len(whole) // 2
        sender.write(_POST + b"Content-Length: %d\r\n\r\n" % len(whole) + whole[:half])
        await asyncio.sleep(0.1)
        sender.write(whole[half:])
        assert (await later.readline()).startswith(b"HTTP/1.1 200"), "what they held is free again"
        assert bodies._unfinished.held == 0
    assert len(taken) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"words":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        b'{"words": NaN}',
        b'{"words": [1e999]}',
        b'{"words": ' + b"9" * 10_000 + b"}",
        b'{"words": ["\xff\xfe"]}',
        b'{"words": "\\ud800"}',
        b"\x1f\x8b\x08\x00" + b"\x00" * 100,
    ],
    ids=["open brackets", "deep", "NaN", "1e999", "a long number", "no UTF-8", "half a pair", "gzip"],
)
async def test_json_that_is_none_or_absurd_is_a_4xx(body: bytes):
    taken: list[int] = []
    async with connected(doors(taken)) as (reader, writer):
        writer.write(_POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 4")
    assert taken == []


async def test_a_head_of_a_byte_now_and_then_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.5)
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")

        async def trickle() -> None:
            while True:
                writer.write(b"y")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        assert b"did not arrive within" in await reader.readuntil(b"}")
        trickling.cancel()


async def test_a_head_in_two_pieces_is_served():
    async with connected() as (reader, writer):
        writer.write(b"GET /slow HTTP/1.1\r\nX-So")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"me: y\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("said", [b"", b"\r\n", b"GET /before HTTP/1.1\r\nHost: here\r\n\r\n\r\n"])
async def test_a_connection_on_which_no_request_begins_is_closed(said: bytes):
    async with connected(timeout_keep_alive=1) as (reader, writer):
        writer.write(said)
        rest = await reader.read()
        assert rest == b"" or rest.endswith(b"/before")
