"""The example desktop where nobody answers, or somebody who refuses; tests/integration/router has it at work."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

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
