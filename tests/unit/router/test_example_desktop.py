"""The example desktop where nobody answers, somebody refuses, or it died; tests/integration/router has it at work."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from asyncio.subprocess import Process

EXAMPLE = Path(__file__).parents[3] / "examples" / "agent_desktop.py"
SECONDS = 60
REFUSAL = (
    b"HTTP/1.1 422 Unprocessable Content\r\nContent-Type: application/problem+json\r\nContent-Length: 90\r\n"
    b"Connection: close\r\n\r\n"
    b'{"detail": "some fields do not fit", "errors": [{"field": "queues", "reason": "unknown"}]}'
)


async def desktop(port: int, *more: str) -> Process:
    command = (sys.executable, str(EXAMPLE), "--router", f"http://127.0.0.1:{port}", "--agent", "a-1", *more)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)


async def test_it_ends_when_it_is_told_to_although_no_router_answers() -> None:
    async def hang_up(_: StreamReader, writer: StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server, asyncio.timeout(SECONDS):
        child = await desktop(server.sockets[0].getsockname()[1])
        assert child.stdout is not None
        assert b"asking again" in await child.stdout.readline()
        child.terminate()
        out, err = await child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert out.splitlines()[-1] == b"a-1: 0 completed"


async def test_it_tells_a_refusal_in_the_routers_words() -> None:
    async def refuse(reader: StreamReader, writer: StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"PUT /v1/agents/a-1 ")
        writer.write(REFUSAL)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server, asyncio.timeout(SECONDS):
        child = await desktop(server.sockets[0].getsockname()[1], "--make", "--queues", "nowhere")
        _, err = await child.communicate()
    assert child.returncode == 1
    assert err.decode() == "a-1: some fields do not fit; queues: unknown\n"


class Router:
    """As much of the router's doors as a ticket in hand needs; it takes one act whose answer is lost."""

    def __init__(self, *did: str, loses: str = "") -> None:
        self.log = ["offered", "accepted", *did]
        self.loses = loses
        self.asked: list[str] = []

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        method, path, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split()
        length = [int(rest[n + 1]) for n, each in enumerate(rest) if each.lower() == "content-length:"]
        await reader.readexactly(length[0] if length else 0)
        if (answer := self.answer(f"{method} {path}", rest)) is not None:
            status, told = answer
            body = json.dumps(told).encode()
            head = f"HTTP/1.1 {status} x\r\nETag: {self.version}\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    @property
    def version(self) -> str:
        return f'"{len(self.log)}"'

    def answer(self, asked: str, rest: list[str]) -> tuple[int, object] | None:
        ticket = {"ticket_id": "t-1", "ticket_ref": "7K3M", "queue": "emergency", "version": len(self.log)}
        if asked == "GET /v1/agents/a-1":
            state = "wrap_up" if self.log[-1] == "wrapped_up" else "assigned"
            return 200, {"tickets": [ticket | {"state": state}]}
        if asked == "GET /v1/tickets/t-1/log":
            return 200, {"log": [{"did": each} for each in self.log]}
        if asked.startswith("PUT"):
            return 200, {}
        act = asked.rpartition("/")[2]
        self.asked.append(act)
        if "If-Match:" in rest and rest[rest.index("If-Match:") + 1] != self.version:
            return 412, {"detail": "it has changed since"}
        self.log.append({"contact": "contacted", "wrap-up": "wrapped_up", "complete": "completed"}[act])
        if act == self.loses:
            self.loses = ""
            return None
        return 200, ticket | {"version": len(self.log)}


@pytest.mark.parametrize("did", [(), ("contacted",), ("contacted", "wrapped_up")])
async def test_a_desktop_that_died_goes_on_with_what_its_agent_has_in_hand(did: tuple[str, ...]) -> None:
    router = Router(*did)
    await worked(router)
    assert router.asked == ["contact", "wrap-up", "complete"][len(did) :]


async def test_a_contact_whose_answer_was_lost_is_not_told_twice() -> None:
    router = Router(loses="contact")
    await worked(router)
    assert router.log == ["offered", "accepted", "contacted", "wrapped_up", "completed"]


async def worked(router: Router) -> None:
    server = await asyncio.start_server(router.serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(SECONDS):
        child = await desktop(server.sockets[0].getsockname()[1], "--tickets", "1", "--seconds", "0")
        out, err = await child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert out.splitlines()[-1] == b"a-1: 1 completed"
