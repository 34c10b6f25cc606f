"""Which lanes are worth a look for an agent, and who is woken for what waits."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from services.router import lanes as module
from services.router.bell import Bell, Waiter, spread
from services.router.domain.desk import turn_of
from services.router.domain.serving import Agent, lane_of, serves
from services.router.lanes import MOST, Lanes
from tests.unit.router.making import NOON, SHIPPED_DESK, after, contact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

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
ANYBODY = Agent(agent_id="a", queues=("*",), languages=("*",), skills=("area:*",))


def at(n: float) -> datetime:
    return NOON + timedelta(seconds=n)


def waiting(*order: str) -> dict[str, datetime]:
    return {lane: at(n) for n, lane in enumerate(order)}


@given(
    st.permutations(LANES).flatmap(lambda all_: st.integers(0, len(all_)).map(lambda n: all_[:n])),
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(LANES), st.integers(-40, 40).map(lambda n: n + 0.5)),
)
def test_an_agent_is_looked_at_the_lanes_that_come_first_what_came_since_included(
    order: list[str], agent: Agent, heard: dict[str, float]
) -> None:
    lanes = Lanes()
    lanes.saw(waiting(*order), 1.0, 2.0)
    lanes.heard({lane: at(n) for lane, n in heard.items()}, 3.0)
    first = waiting(*order)
    for lane, n in heard.items():
        first[lane] = min(first.get(lane, at(n)), at(n))
    theirs = sorted((lane for lane in first if serves(agent, lane)), key=first.__getitem__)
    worth = lanes.worth(agent)
    assert [first[lane] for lane in worth] == [first[lane] for lane in theirs[:MOST]]
    further = [lane for some in lanes.further(agent, worth) for lane in some]
    assert sorted([*worth, *further]) == sorted(theirs), "each once"


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
    narrow = Agent(agent_id="n", queues=("repair",), skills=("area:S4000", "area:S7"))
    for n in range(500):
        agent = Agent(agent_id=f"a{n}", queues=("*",), languages=("*",), skills=("area:*",))
        assert lanes.worth(agent) == list(many)[:MOST]
        nobody = agent.model_copy(update={"queues": ("general",)})
        assert lanes.worth(nobody) == []
        assert lanes.worth(narrow) == [lane_of("repair", (f"area:S{n}",)) for n in (7, 4000)]
    last = lane_of("repair", ("area:S4000",))
    lanes.saw({lane: rank for lane, rank in many.items() if lane != last}, 1.5, 1.6)
    assert lanes.worth(narrow) == [lane_of("repair", ("area:S7",))], "in the other nothing waits any more"
    lanes.saw(many, 2.0, 2.1)
    assert lanes.worth(agent) == list(many)[:MOST]
    assert asked == 3 * 5000, "not once an agent, nor once a look"
    sizes = [len(some) for some in lanes.further(agent, lanes.worth(agent))]
    assert sizes[:3] == [MOST, 4 * MOST, 16 * MOST], "a few, in case that one of them has it"
    assert sum(sizes) == 5000 - MOST
    assert lanes.is_fresh(3.0), "what costs as much is not looked at for everybody who finds nothing"
    assert not lanes.is_fresh(5.0)
    lanes.saw(waiting(*LANES), 2.0, 2.1)
    assert not lanes.is_fresh(2.1), "what costs little is, so that nothing there is overlooked"


def test_lanes_that_came_and_went_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_LANES", 10)
    lanes = Lanes()
    for n in range(100):
        lane = lane_of("repair", (f"area:S{n}",))
        lanes.saw({lane: NOON}, float(n), n + 0.1)
        assert lanes.worth(ANYBODY) == [lane]
        assert len(lanes.served(ANYBODY)) <= 11


def test_an_emergency_stands_before_thousands_of_lanes_as_soon_as_it_is_heard_of() -> None:
    lanes = Lanes()
    lanes.saw(waiting(*(lane_of("repair", (f"area:S{n}",)) for n in range(5000))), 1.0, 1.1)
    assert lanes.worth(ANYBODY)
    danger = lane_of("repair", ("area:S9999",))
    lanes.heard({danger: at(-86400)}, 2.0)
    assert lanes.worth(ANYBODY)[0] == danger
    assert len(lanes.worth(ANYBODY)) == MOST
    lanes.heard({danger: at(-80000)}, 2.5)
    assert lanes.worth(ANYBODY)[0] == danger, "a later one beside it changes nothing"


def test_what_came_while_it_was_looked_is_not_forgotten() -> None:
    lanes = Lanes()
    lanes.heard({"before": at(1)}, 1.0)
    lanes.heard({"meanwhile": at(2)}, 2.0)
    lanes.saw({}, 1.5, 3.0)
    assert lanes.worth(ANYBODY) == ["meanwhile"]
    lanes.saw(waiting("old"), 1.4, 4.0)
    assert lanes.worth(ANYBODY) == ["meanwhile"], "an older look that took longer"


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
    bell.lanes.saw(waiting(*there), 1.0, 1.1)
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


async def test_what_this_process_routed_wakes_at_once_who_waits_and_who_rests() -> None:
    """No look at the database: nobody watches here."""
    bell = Bell()
    ticket = after(contact("1", text="查电费"))
    turn = turn_of(ticket, SHIPPED_DESK)
    deaf = Agent(agent_id="deaf", queues=("repair",), languages=("*",))
    async with asyncio.timeout(60), asyncio.TaskGroup() as waits:
        resting = waits.create_task(bell.wait(ANYBODY, 50, found_nothing=True))
        longer = waits.create_task(bell.wait(ANYBODY, 50))
        apart = waits.create_task(bell.wait(deaf, 50))
        await asyncio.sleep(0)
        bell.lanes.saw({turn.lane: turn.rank_at}, 1.0, 1.1)
        bell.ring({turn.lane: 2}, set())
        assert await longer
        assert not resting.done(), "they found nothing there a moment ago"
        bell.heard([(ticket, turn)])
        assert await resting, "but this one is new"
        assert not apart.done()
        bell.close()
    assert bell.lanes.worth(ANYBODY) == [turn.lane]


async def test_a_look_wakes_nobody_for_tickets_whose_agents_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all was slow, each look woke others for the same tickets: 1,400 for 600; what they asked made it slower."""
    bell = Bell()
    agents = [ANYBODY.model_copy(update={"agent_id": f"a{n}"}) for n in range(4)]
    lane = {LANES[0]: 1}
    bell.lanes.saw({LANES[0]: at(0)}, 1.0, 1.1)
    async with asyncio.timeout(60), asyncio.TaskGroup() as waits:
        tasks = [waits.create_task(bell.wait(agent, None)) for agent in agents]

        async def woken() -> list[int]:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return [n for n, task in enumerate(tasks) if task.done()]

        await asyncio.sleep(0)
        bell.ring(lane, set())
        bell.ring(lane, set())
        assert await woken() == [0], "the ticket is theirs until they have looked"
        bell.looked("a0")
        bell.ring(lane, set())
        tasks[1].cancel()  # a connection that ends just as it was woken
        await asyncio.sleep(0)
        bell.ring(lane, set())
        assert await woken() == [0, 1, 2]
        bell.ring(lane, set(), new=True)
        assert await woken() == [0, 1, 2, 3], "it is another one"
        monkeypatch.setattr("services.router.bell._REST_SECONDS", 0.0)
        assert not bell.called(), "whoever has not come within a second is not waited for"
        bell.close()


async def test_who_polls_keeps_their_place_from_one_poll_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside streams that last for hours each poll was the last in the line: on an idle floor polls got nothing."""
    bell = Bell()
    polls, streams, other = (ANYBODY.model_copy(update={"agent_id": name}) for name in ("polls", "streams", "other"))
    lane = {LANES[0]: 1}
    bell.lanes.saw({LANES[0]: at(0)}, 1.0, 1.1)
    async with asyncio.timeout(60), asyncio.TaskGroup() as waits:
        assert not await bell.wait(polls, 0.01)
        stream = waits.create_task(bell.wait(streams, None))
        await asyncio.sleep(0)
        poll = waits.create_task(bell.wait(polls, 50))
        await asyncio.sleep(0)
        bell.ring(lane, set(), new=True)
        assert await poll, "they were there first"
        # Another was faster: they look again, and are still the first.
        bell.looked("polls")
        poll = waits.create_task(bell.wait(polls, 50, found_nothing=True))
        await asyncio.sleep(0)
        bell.ring(lane, set(), new=True)
        assert await poll
        assert not stream.done()
        # With a ticket of their own, they are the last.
        bell.changed({"polls"})
        poll = waits.create_task(bell.wait(polls, 50))
        await asyncio.sleep(0)
        bell.ring(lane, set(), new=True)
        assert await stream
        # Who does not come back, or as somebody else, stands nowhere.
        bell.changed({"streams"})
        another = waits.create_task(bell.wait(other, 50))
        await asyncio.sleep(0)
        bell.ring({LANES[0]: 2}, set(), new=True)
        assert await poll
        assert await another
        everybody = list(bell._kept)
        assert everybody == ["polls", "other"]
        monkeypatch.setattr("services.router.bell._KEPT_SECONDS", -1.0)
        bell.let_go()
        assert (bell._kept, bell._idle) == ({}, {})
        bell.close()


class NotGoneThrough(dict[Waiter, None]):
    """All who wait; nobody goes through them."""

    def __iter__(self) -> Iterator[Waiter]:
        raise AssertionError("all who wait were gone through")


async def test_what_a_ticket_or_an_act_costs_does_not_depend_on_how_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A floor of 4,700: going through all of them at every contact and act took a good part of the process."""
    bell, looked_at = Bell(), list[Waiter]()
    can_be_woken = Waiter.can_be_woken

    def counted(waiter: Waiter, now: float, *, new: bool) -> bool:
        looked_at.append(waiter)
        return can_be_woken(waiter, now, new=new)

    monkeypatch.setattr(Waiter, "can_be_woken", counted)
    ticket = after(contact("1", text="查电费"))
    turn = turn_of(ticket, SHIPPED_DESK)
    agents = [ANYBODY.model_copy(update={"agent_id": f"a{n}", "skills": (f"area:{n % 30}",)}) for n in range(3000)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as waits:
        tasks = [waits.create_task(bell.wait(agent, None, busy=n % 3 == 0)) for n, agent in enumerate(agents)]
        await asyncio.sleep(0)
        everybody, bell._waiters = bell._waiters, NotGoneThrough(bell._waiters)
        bell.heard([(ticket, turn)])
        bell.changed({"a3"}, {"a4"})
        bell.ring({}, {"a5"})
        assert len(looked_at) == 2, "the one who is woken for the ticket, and for whom one is kept"
        assert [n for n, waiter in enumerate(everybody) if waiter.woken.is_set()] == [1, 3, 4, 5]
        bell._waiters = everybody
        await asyncio.sleep(0.1)
        assert sum(task.done() for task in tasks) == 4
        bell.close()
    assert (bell._waiters, bell._idle, bell._of) == ({}, {}, {})


def test_agents_who_came_together_do_not_wait_equally_long() -> None:
    waits = [spread(20.0, f"a-{n:04}") for n in range(500)]
    assert max(waits) <= 20.0
    assert min(waits) >= 16.0
    of_each_half_second = [sum(16 + n / 2 <= each < 16.5 + n / 2 for each in waits) for n in range(8)]
    assert max(of_each_half_second) < 500 / 8 * 1.6, of_each_half_second
    assert spread(20.0, "a-0001") == waits[1], "each always the same: their period is another one than others'"
    assert spread(0.0, "a-0001") == 0.0, "who does not want to wait is answered at once"
