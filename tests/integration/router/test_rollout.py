"""A tree is rolled out and taken back while customers call and agents work: two routers with two trees at once.

Every seat names its queues; none serves all of them, so whatever is stranded in a queue that is gone is seen.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from services.contracts.topics import CONTACT_RECEIVED, TICKET_ROUTED
from services.router.tree.book import load_rules
from tests.integration.router.process import a_router
from tests.integration.router.shift import KEY, SHORT, Shift, Size, until
from tests.integration.router.story import faults, told
from tests.integration.router.trees import COME, GONE, write
from tests.unit.router.making import DESK, contact

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.native.postgres import PostgresServer
    from services.contracts.messages import ContactReceived
    from services.router.domain.ticket import Rules
    from tests.integration.router.process import Router
    from tests.integration.router.story import Stories

pytestmark = pytest.mark.integration

SIZE = Size(agents=48, calm=0, storm=0, wait=2)
WORDS = ("查电费", "我有意见", "我要投诉", "着火了", "我要新装电表", "表扬师傅")
KEPT = ("emergency", "complaint", "general", "service_request", "consultation", "opinion")
AFTER = ("emergency", "complaint", "general", "service_request", "billing", "questions")


class Rollout(Shift):
    """Agents with seats of their own, most of them at one router."""

    async def sit(self, number: int, *queues: str) -> httpx.Response:
        """Give an agent a seat, by the router they talk to first."""
        profile = {"queues": list(queues), "languages": ["*"], "skills": ["senior"], "capacity": 1 + number % 2}
        return await self.ask(number, "PUT", f"agents/a{number:03}", **profile)

    async def sits(self, number: int, *queues: str) -> None:
        """Give an agent a seat on queues of which a router hears from the other: in a moment it has."""
        async with asyncio.timeout(20):
            while (answer := await self.sit(number, *queues)).status_code != 200:
                assert answer.status_code == 422, answer.text
                await asyncio.sleep(0.5)


async def test_a_tree_is_rolled_out_and_taken_back_while_agents_work_and_nothing_is_lost_or_given_twice(
    running: Router, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    text = DESK.read_text(encoding="utf-8")
    for was, instead in SHORT.items():
        assert was in text
        text = text.replace(was, instead.format(presence=SIZE.presence))
    (tmp_path / "desk.yaml").write_text(text, encoding="utf-8")
    extra = {"desk_file": str(tmp_path / "desk.yaml")}
    old, later = write(tmp_path / "old", new=False), write(tmp_path / "later", new=True)
    trees = {
        rules.hash: rules
        for each in (old, later)
        for rules in [load_rules(each / "routes.yaml", each / "classify.yaml")]
    }
    first, second, third = (
        a_router(running.bootstrap, running.dsn, running.prefix, folder) for folder in (old, later, old)
    )
    said: list[ContactReceived] = []

    async def say(many: int) -> None:
        at = datetime.now(UTC) - timedelta(seconds=1)
        numbers = range(len(said), len(said) + many)
        some = [contact(f"r{n}", text=WORDS[n % len(WORDS)], occurred_at=at, received_at=at) for n in numbers]
        said.extend(some)
        # late, and twice: some of what was said before comes again, at whichever router reads it now
        await first.say(CONTACT_RECEIVED, *some, *said[:: max(2, len(said) // 8)])

    both: list[tuple[datetime, datetime]] = []
    try:
        async with AsyncExitStack() as stack:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=SIZE.agents)
            made = [httpx.AsyncClient(headers=KEY, timeout=60, limits=limits) for _ in range(8)]
            clients = [await stack.enter_async_context(client) for client in made]
            first.start(**extra)
            await first.wait_ready()
            rollout = Rollout([first.port, first.port], clients, SIZE)
            numbers = range(SIZE.agents)
            for n in numbers:
                assert (await rollout.sit(n, *KEPT)).status_code == 200
            agents = [asyncio.create_task(rollout.agent(n)) for n in numbers]
            await say(60)
            await until(lambda: len(rollout.done) > 20, agents, SIZE.patience)

            # The new tree at a second router: a third of the agents has both seats, a third the new one.
            second.start(**extra)
            await second.wait_ready()
            rollout.ports[1] = second.port
            began = datetime.now(UTC)
            for n in numbers[::3]:
                await rollout.sits(n, *KEPT, *COME)
            for n in numbers[1::3]:
                await rollout.sits(n, *AFTER)
            await say(90)
            await until(lambda: len(rollout.done) > 80, agents, SIZE.patience)
            # Nobody is left at the old queues, and things go on coming to them: the old router reads on.
            await asyncio.gather(*(rollout.sits(n, *AFTER) for n in numbers))
            await say(90)
            postgres_server.kill()  # not in a thread: the server would end with it
            postgres_server.start()
            await asyncio.sleep(20)  # longer than a tree counts: what is in the way here must not be taken to be gone
            both.append((began, datetime.now(UTC)))
            assert await first.terminate() == 0, first.log[-3000:]
            rollout.ports[0] = second.port
            await say(30)
            await until(lambda: len(rollout.done) == len(said), agents, SIZE.patience)

            # And back: the old tree at a third router, the agents at the old seats, the new router ends.
            third.start(**extra)
            await third.wait_ready()
            rollout.ports[0] = third.port
            began = datetime.now(UTC)
            await say(60)
            await asyncio.gather(*(rollout.sits(n, *KEPT) for n in numbers))
            await say(60)
            await asyncio.sleep(20)
            both.append((began, datetime.now(UTC)))
            second.kill()
            rollout.ports[1] = third.port
            await say(30)
            await until(lambda: len(rollout.done) == len(said), agents, SIZE.patience)
            for task in agents:
                task.cancel()
            await asyncio.gather(*agents, return_exceptions=True)
            tally = await third.counted(lambda seen: seen["contact_closed"] == len(said))
    finally:
        for router in (first, second, third):
            router.end()
    assert rollout.statuses[500] == 0
    assert rollout.done == {str(one.ticket_id) for one in said}
    assert (tally["accepted"], tally["contact_queued"], tally["contact_outage"]) == (len(said), 0, 0)
    assert tally["duplicate"] >= 40, "what was said again"
    stories = told(await third.published(TICKET_ROUTED))
    assert faults(stories, {one.ticket_id for one in said}) == []
    assert decided_by_no_tree(stories, trees) == []
    decided_again(stories, both)


def decided_by_no_tree(stories: Stories, trees: dict[str, Rules]) -> list[str]:
    """Return decisions that the tree they name cannot have made: its hash is that of a tree that has the queue."""
    return [
        f"{one.ticket_ref} {one.version}: {one.queue} by {one.reason.tree_hash}"
        for story in stories.values()
        for one in story
        if one.change in {None, "rerouted", "moved_on"}
        and (one.reason.tree_hash not in trees or one.queue not in trees[one.reason.tree_hash].tree.queues)
    ]


def decided_again(stories: Stories, both: list[tuple[datetime, datetime]]) -> None:
    """While both ran none took a ticket from the other's queue; once a tree had ended, each was decided once."""
    again = [one for story in stories.values() for one in story if one.change == "rerouted"]
    for began, ended in both:
        assert [one for one in again if began <= one.routed_at <= ended] == []
        decided = {
            one.reason.tree_hash for story in stories.values() for one in story if began <= one.routed_at <= ended
        }
        assert len(decided) == 2, "both trees decided while both ran"
    first_back = both[1][0]
    assert {one.queue for one in again if one.routed_at < first_back} & COME, "of the old tree's queues"
    assert {one.queue for one in again if one.routed_at > first_back} & GONE, "of the new tree's queues"
    assert len({(one.ticket_id, one.reason.tree_hash) for one in again}) == len(again), "once for each tree"
