"""A name that is looked up slowly takes one thread, however many ask for it and stop waiting."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import httpx
import pytest
import uvloop

from services.runtime.lookups import Loop

NAME = "slow.example"
UNKNOWN = "unknown.example"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The look-ups that have begun: of one name without end, of the others in vain."""
    names: list[str] = []

    async def slow(_loop: uvloop.Loop, host: str | bytes, *_others: Any, **_how: Any) -> Any:
        names.append(host if isinstance(host, str) else host.decode())
        await asyncio.sleep(3600 if names[-1] == NAME else 0.01)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(uvloop.Loop, "getaddrinfo", slow)
    return names


async def many_who_give_up() -> None:
    for _ in range(5):
        client = httpx.AsyncClient(timeout=0.1, trust_env=False)
        asked = [client.get(f"http://{NAME}/") for _ in range(8)]
        said = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(one) for one in said} == {httpx.ConnectTimeout}
        await client.aclose()


def test_many_who_give_up_leave_one_look_up_behind(begun: list[str]) -> None:
    uvloop.run(many_who_give_up(), loop_factory=Loop)
    assert begun == [NAME]


def test_control_each_of_them_leaves_one_to_uvloop(begun: list[str]) -> None:
    uvloop.run(many_who_give_up())
    assert len(begun) == 40


def test_all_who_wait_hear_what_came_of_it_and_the_next_asks_anew(begun: list[str]) -> None:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(2):
            said = await asyncio.gather(*[loop.getaddrinfo(UNKNOWN, 80) for _ in range(3)], return_exceptions=True)
            assert [type(one) for one in said] == [socket.gaierror] * 3

    uvloop.run(ask(), loop_factory=Loop)
    assert begun == [UNKNOWN] * 2


def test_one_name_waits_for_no_other(begun: list[str]) -> None:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        waits = asyncio.ensure_future(loop.getaddrinfo(NAME, 80))
        with suppress(socket.gaierror):
            await loop.getaddrinfo(UNKNOWN, 80)
        assert not waits.done()

    uvloop.run(ask(), loop_factory=Loop)
    assert sorted(begun) == [NAME, UNKNOWN]


def test_an_address_is_found_as_ever() -> None:
    async def ask() -> Any:
        return await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)

    assert ("127.0.0.1", 80) in [found[4] for found in uvloop.run(ask(), loop_factory=Loop)]
