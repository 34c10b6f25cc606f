"""A day on two router processes in mid-rollout, with a storm, a kill -9, a database restart and an agent who dies; and
the example desktop.

Every ticket goes to one agent at a time and to its end; the figures the router tells are those that anybody can compute
from the topic. ``python -m tests.bench --only day`` is the same, larger.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest

from services.contracts.topics import CONTACT_RECEIVED
from tests.integration.router.figures_told import wrong_figures
from tests.integration.router.shift import KEY, Size, a_day
from tests.integration.router.story import faults
from tests.service_process import ROOT
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from deploy.native.postgres import PostgresServer
    from tests.integration.router.process import Router
    from tests.integration.router.shift import Day

pytestmark = pytest.mark.integration

SECONDS = 120


async def test_a_day_with_a_storm_two_routers_and_deaths_loses_nothing_and_gives_nothing_twice(
    running: Router, postgres_server: PostgresServer
) -> None:
    day = await a_day(running, postgres_server, Size(agents=250, calm=50, storm=240))
    said = {one.ticket_id for one in day.said}
    assert day.statuses[500] == 0
    assert day.done == {str(key) for key in said}
    assert (day.tally["accepted"], day.tally["contact_queued"], day.tally["contact_outage"]) == (len(said), 0, 0)
    assert day.tally["duplicate"] >= 60, "what was said again"
    assert faults(day.stories, said) == []
    changes = {one.change for story in day.stories.values() for one in story}
    assert changes >= {"offered", "accepted", "declined", "transferred", "returned", "urged", "lost", "completed"}
    steps = [step for story in day.stories.values() for step in pairwise(story)]
    assert any(was.agent == day.dead and now.change == "lost" for was, now in steps), "the dead agent's went back"
    assert len(day.trees) == 2
    assert {one.reason.tree_hash for story in day.stories.values() for one in story} <= day.trees
    assert day.backlog == 0
    assert wrong_figures(day.stories, day.there, day.shown) == {}
    assert 0 < day.shown["occupancy"]["value"] <= 1
    the_checks_can_fail(day)


def the_checks_can_fail(day: Day) -> None:
    """Tell the same day with one thing wrong, each time another."""
    said = {one.ticket_id for one in day.said}
    moved = (key for key, story in day.stories.items() if any(one.change == "transferred" for one in story))
    key = next(moved)
    story = day.stories[key]
    taken = next(n for n, one in enumerate(story) if one.change == "accepted")
    another = story[taken].model_copy(update={"agent": "somebody-else"})
    twice = story[-1].model_copy(update={"version": story[-1].version + 1})
    without = [*story[:taken], *story[taken + 1 :]]
    for wrong in (story[:-1], without, [*story, twice]):
        stories = {**day.stories, key: wrong}
        assert any(str(key) in fault for fault in faults(stories, said))
        assert wrong_figures(stories, day.there, day.shown)
    assert faults({**day.stories, key: [*story[:taken], another, *story[taken + 1 :]]}, said)
    assert faults({each: one for each, one in day.stories.items() if each != key}, said) == [f"{key}: lost"]


@pytest.mark.parametrize("how", [[], ["--stream"]])
async def test_the_example_desktop_works_tickets_to_their_end(running: Router, how: list[str]) -> None:
    running.start()
    at = datetime.now(UTC)
    said = [contact(f"e{n}", text="查电费", occurred_at=at, received_at=at) for n in range(3)]
    command = [sys.executable, "examples/agent_desktop.py", "--router", running.url]
    command += ["--agent", "a-1017", "--make", "--queues", "consultation", "--tickets", "3", "--seconds", "0.05", *how]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    await running.say(CONTACT_RECEIVED, *said)
    async with asyncio.timeout(SECONDS):
        out, _ = await child.communicate()
    lines = out.decode().splitlines()
    assert child.returncode == 0
    assert lines[-1] == "a-1017: 3 completed"
    assert {one.ticket_ref for one in said} == {line.split()[1] for line in lines if line.endswith("(consultation)")}
    await running.counted(lambda seen: seen["contact_closed"] == 3)
    if how:
        await a_stream_ends_in_order_with_its_process(running)


async def a_stream_ends_in_order_with_its_process(running: Router) -> None:
    """A process that drains lets go of its streams; cut off by uvicorn's patience, reading would fail."""
    url = f"{running.url}/v1/agents/a-1017"
    async with httpx.AsyncClient(headers=KEY, timeout=SECONDS) as client:
        (await client.put(f"{url}/presence", json={"presence": "available"})).raise_for_status()
        async with client.stream("GET", f"{url}/offers") as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith(":")
            running.process.terminate()
            assert "data" not in "".join([line async for line in lines])
    assert await running.ended() == 0
