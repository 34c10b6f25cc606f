"""Which lanes are worth a look for an agent, and who is woken for what waits."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from services.router import lanes as module
from services.router.bell import Bell
from services.router.domain.desk import Agent, lane_of, serves
from services.router.lanes import MOST, Lanes
from services.router.roster import Waiting
from tests.unit.router.making import NOON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

QUEUES = ("repair", "complaint", "general")
KINDS = [
    Agent(agent_id="a", queues=queues, languages=languages, skills=skills)
    for queues in (("*",), ("repair",), ("complaint", "general"))
    for languages in (("*",), ("zh",))
    for skills in ((), ("area:*",), ("area:S1",))
]
LANES = [
    lane_of(queue, (f"language:{language}", *area))
    for queue in QUEUES
    for language in ("zh-Hans-CN", "bo-CN")
    for area in ((), ("area:S1",), ("area:S2",))
]


def waiting(*order: str) -> dict[str, Waiting]:
    return {lane: Waiting(1, NOON + timedelta(seconds=n)) for n, lane in enumerate(order)}


@given(st.permutations(LANES), st.sampled_from(KINDS), st.sets(st.sampled_from(LANES)))
def test_an_agent_is_looked_at_the_first_of_their_lanes_and_those_heard_of_since(
    order: list[str], agent: Agent, heard: set[str]
) -> None:
    lanes = Lanes()
    lanes.saw(waiting(*order), 1.0, 2.0)
    lanes.heard(heard, 3.0)
    theirs = [lane for lane in order if serves(agent, lane)]
    worth = lanes.worth(agent)
    assert worth[: min(MOST, len(theirs))] == theirs[:MOST]
    assert set(worth) == {*theirs[:MOST], *(lane for lane in heard if serves(agent, lane))}
    further = [lane for some in lanes.further(agent, worth) for lane in some]
    assert further == [lane for lane in theirs if lane not in worth]


def test_a_claim_looks_at_few_lanes_however_many_there_are_and_each_is_judged_once_for_agents_of_a_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0

    def counted(agent: Agent, lane: str) -> bool:
        nonlocal asked
        asked += 1
        return serves(agent, lane)

    monkeypatch.setattr(module, "serves", counted)
    lanes = Lanes()
    many = waiting(*(lane_of("repair", (f"area:S{n}",)) for n in range(5000)))
    lanes.saw(many, 1.0, 1.1)
    for n in range(500):
        agent = Agent(agent_id=f"a{n}", queues=("*",), languages=("*",), skills=("area:*",))
        assert lanes.worth(agent) == list(many)[:MOST]
        nobody = agent.model_copy(update={"queues": ("general",)})
        assert lanes.worth(nobody) == []
    assert asked <= 5000 + MOST, "not once an agent"
    sizes = [len(some) for some in lanes.further(agent, lanes.worth(agent))]
    assert sizes[:3] == [MOST, 4 * MOST, 16 * MOST], "a few, in case that one of them has it"
    assert sum(sizes) == 5000 - MOST
    assert lanes.is_fresh(2.0), "what costs as much is not looked at for everybody who finds nothing"
    assert not lanes.is_fresh(4.0)
    lanes.saw(waiting(*LANES), 1.0, 1.1)
    assert not lanes.is_fresh(1.1), "what costs little is, so that nothing there is overlooked"


def test_what_came_while_it_was_looked_is_not_forgotten() -> None:
    lanes = Lanes()
    anybody = Agent(agent_id="a", queues=("*",), languages=("*",))
    lanes.heard({"before"}, 1.0)
    lanes.heard({"meanwhile"}, 2.0)
    lanes.saw({}, 1.5, 3.0)
    assert lanes.worth(anybody) == ["meanwhile"]
    lanes.saw(waiting("old"), 1.4, 4.0)
    assert lanes.worth(anybody) == ["meanwhile"], "an older look that took longer"


@given(
    st.lists(st.sampled_from(KINDS), max_size=12),
    st.dictionaries(st.sampled_from(LANES), st.integers(1, 3), max_size=8),
)
def test_as_many_are_woken_as_tickets_wait_for_them_those_who_wait_longest_first(
    kinds: list[Agent], there: dict[str, int]
) -> None:
    assert asyncio.run(woken(kinds, there)) == expected(kinds, there)


async def woken(kinds: Sequence[Agent], there: Mapping[str, int]) -> list[int]:
    bell = Bell()
    tasks = [asyncio.create_task(bell.wait(agent, 60)) for agent in kinds]
    await asyncio.sleep(0)
    bell.ring(there, set())
    found = [n for n, waiter in enumerate(bell._waiters) if waiter.woken.is_set()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def expected(kinds: Sequence[Agent], there: Mapping[str, int]) -> list[int]:
    left = dict(there)
    found = []
    for n, agent in enumerate(kinds):
        lane = next((lane for lane, many in left.items() if many and serves(agent, lane)), None)
        if lane is not None:
            left[lane] -= 1
            found.append(n)
    return found
