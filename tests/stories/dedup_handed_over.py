"""Random stories of dedup processes that hand over: ``python -m tests.stories [SEED] --of dedup_handed_over``.

Two or three processes, each with the real consume loop, its own rules, network and memory, share the partitions of one
group over real tables. They join, die, are frozen and believe to own what another has by then, stand still in a batch
with all its locks, lose the database at any step, and look at the rules and the network each in its own time. Crews,
dispatchers and planners speak at the doors of any. What each batch that was kept decided is told to the core in memory
(``Twin``), in the order of each partition: what is published, stored and in an owner's memory is the twin's.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiokafka import TopicPartition

from services.contracts import envelope
from services.contracts.ids import derive
from services.contracts.messages import FieldProgress, FieldProgressed, OrderVersion, TimerFired
from services.contracts.topics import BY_NAME, OUTAGE_INPUT
from services.dedup.domain.indexing import on_other_ground
from services.dedup.ground import Ground
from services.dedup.network_watch import tell_moved
from services.dedup.store.load import load_areas
from services.dedup.timers import fire_due, fire_overdue, wake_moved
from services.grid.store import load_trees
from services.runtime.outbox import unpack_headers
from services.runtime.positions import totals
from tests.integration.dedup.processes import _TABLES, AREAS, PARTITIONS, alike
from tests.integration.dedup.twin import Twin
from tests.stories import dedup
from tests.stories.dedup import Hotline
from tests.stories.handing.group import Logs
from tests.stories.handing.process import STEPS, Process, Stop, end_sessions, without_waiting
from tests.stories.servers import on_its_own
from tests.stories.telling import Step, step_of
from tests.unit.dedup.timeline import RULES, a_report, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    import httpx

    from services.contracts.messages import Message
    from tests.stories.dedup import Standing
    from tests.stories.handing.process import Batch
    from tests.stories.telling import Live, Story

_EVERY: Final = [TopicPartition(*at) for at in PARTITIONS]
_RELAYED: Final = """
WITH gone AS (DELETE FROM outbox_waiting RETURNING id)
SELECT o.xmin::text::bigint AS by, o.topic, o.key, o.value, o.headers FROM outbox AS o, gone
WHERE o.id = gone.id ORDER BY o.id
"""
_TURNS: Final = 150
_WEIGHTS: Final = {
    "a_process_goes_on": 10.0,
    "all_go_on_at_once": 4.0,
    "the_group_rebalances": 2.5,
    "a_process_is_frozen": 2.5,
    "a_process_wakes": 2.5,
    "a_process_stands_still_in_a_batch": 2.0,
    "a_process_dies": 0.7,
    "a_process_joins": 1.2,
    "a_process_looks_around": 3.0,
    "a_record_comes_again": 0.5,
}
_INSTEAD: Final = {"the_process_ends", "another_process_takes_over", "what_came_is_decided", "it_comes_again"}
_SAID_AS: Final = {
    "merge": ("incidents/{incident_id}/merge", {"target_id": "into"}),
    "split": ("incidents/{incident_id}/split", {"reports": "reports", "device": "device"}),
    "move": ("incidents/{incident_id}/move", {"reports": "reports", "target_id": "to"}),
    "confirm": ("incidents/{incident_id}/confirm", {"device": "device"}),
    "relate": ("incidents/{incident_id}/relate", {"target_id": "to"}),
    "accept_plan": ("incidents/{incident_id}/accept-plan", {"planned_id": "planned_id"}),
    "decline_plan": ("incidents/{incident_id}/decline-plan", {"planned_id": "planned_id"}),
    "place": ("reports/{report_id}/place", {"device": "device"}),
    "undo": ("commands/{undoes}/undo", {}),
}


def story(seed: int) -> Story:
    """Tell a story: what goes on in two substations, and between it what becomes of the processes."""
    dice = random.Random(seed)
    acts = {act: weight * dice.choice([0, 1, 1, 2]) for act, weight in _WEIGHTS.items()} | {"a_process_goes_on": 10.0}
    often = dice.choice([0.3, 1.0, 2.0])
    steps: Story = []
    for step in dedup.story(seed):
        if step.act in _INSTEAD:
            continue
        steps.append(step)
        if step.act == "it_begins":
            drawn = {"processes": dice.choice([2, 2, 3]), "records": dice.choice([1, 2, 3, 1000])}
            steps[-1] = Step(0, step.act, step.told | drawn)
        while dice.random() < often / (1 + often):
            act = dice.choices(list(acts), list(acts.values()))[0]
            told = {
                "number": dice.randrange(1_000),
                "fails_at": dice.choice(["", "", "", *STEPS]),
                "ended": dice.random() < 0.5,
            }
            steps.append(step_of(HandedOver, 0, act, told))
    return steps


class HandedOver(Hotline):
    """What goes on in two substations, and what becomes of a group's processes."""

    doors: ClassVar = 3
    connections: ClassVar = 10

    def at_doors(self, places: Sequence[Standing], clients: Sequence[httpx.AsyncClient]) -> None:
        self._places, self._clients = places, clients

    async def it_begins(self, cached: int, processes: int = 2, records: int = 2) -> None:
        await self.pool.execute(_TABLES)
        self.logs, self.numbered = Logs(), 0
        self.by_transaction: dict[int, list[Message]] = {}
        self.undecided: list[Batch] = []
        self.versions: dict[UUID, OrderVersion] = {}
        async with self.pool.acquire() as connection:
            self.twin = Twin(self.ground.rules, await load_trees(connection))
        self.group = [Process(f"p{n}", self.pool, self.logs, cached=cached, records=records) for n in range(processes)]
        self.processes = []
        for process in self.group:
            await self._starts(process)
        await self.the_group_rebalances(0)

    # --- the processes ---

    async def _starts(self, process: Process) -> None:
        ground = Ground(RULES)
        ground.rules = self.twin.rules
        await process.starts(ground)
        self._places[self.group.index(process)].ground = ground

    @property
    def alive(self) -> list[Process]:
        return [one for one in self.group if one.lives]

    @property
    def awake(self) -> list[Process]:
        return [one for one in self.alive if not one.is_frozen]

    async def _deal(self, number: int, members: Sequence[Process]) -> None:
        """Give each of the partitions to one of the members; those of them that are frozen do not hear of it."""
        dice = random.Random(number)
        given = {at: dice.choice(members) for at in _EVERY}
        for one in self.alive:
            if one in members:
                one.given = frozenset(at for at, to in given.items() if to is one)
                if not one.is_frozen:
                    await one.hears()

    async def the_group_rebalances(self, number: int) -> None:
        """Those that are frozen are in the group no more."""
        if self.awake:
            await self._deal(number, self.awake)
        await self._judged()

    async def a_process_is_frozen(self, number: int) -> None:
        """It says nothing for longer than its session lasts: the others have what it had, and it believes to."""
        if len(self.awake) > 1:
            self.awake[number % len(self.awake)].is_frozen = True
            await self._deal(number, self.awake)

    async def a_process_wakes(self, number: int) -> None:
        """It goes on as if nothing had been, then hears that it is in the group no more, and joins again."""
        frozen = [one for one in self.alive if one.is_frozen]
        if frozen:
            one = frozen[number % len(frozen)]
            if number % 3:
                await self._go_on(self.awake)
            for topic, partition in one.claims:
                if topic == OUTAGE_INPUT.name:
                    self.waiting.append(a_report(AREAS[partition], None, self.n(), self.minute))
            await self._go_on([one])
            one.is_frozen, one.given = False, frozenset()
            await self._deal(number, self.awake)
            await self._judged()

    async def a_process_dies(self, number: int) -> None:
        if len(self.awake) > 1:
            one = self.awake[number % len(self.awake)]
            await one.dies()
            await self._deal(number, self.awake)

    async def a_process_joins(self, number: int) -> None:
        gone = [one for one in self.group if not one.lives]
        if gone:
            await self._starts(gone[number % len(gone)])
            await self._deal(number, self.awake)
            await self._judged()

    async def a_process_goes_on(self, number: int, fails_at: str) -> None:
        await self._go_on([self.awake[number % len(self.awake)]], fails_at)

    async def all_go_on_at_once(self, fails_at: str) -> None:
        await self._go_on(self.awake, fails_at)

    async def a_process_stands_still_in_a_batch(self, number: int, *, ended: bool) -> None:
        """With all it has locked; the others get what it had once it goes on, or once its session is ended."""
        if len(self.awake) < 2:
            return
        one, stop = self.awake[number % len(self.awake)], Stop()
        await self._comes()
        one.handler.stop = stop
        going, there = asyncio.create_task(one.goes_on()), asyncio.create_task(stop.reached.wait())
        await asyncio.wait([going, there], return_when=asyncio.FIRST_COMPLETED)
        one.handler.stop = None
        others: list[asyncio.Task[None]] = []
        if stop.reached.is_set():
            one.is_frozen = True
            await self._deal(number, self.awake)
            others = [asyncio.create_task(other.goes_on()) for other in self.awake]
            await asyncio.wait(others, timeout=0.02)  # they claim, and wait for its locks
            if ended:
                await end_sessions(self.dsn, stop.sessions)
            stop.over.set()
        there.cancel()
        await asyncio.gather(going, *others)
        await self._judged()

    async def a_process_looks_around(self, number: int) -> None:
        """At the network in force, at what is due, and at what an open outage stands on now."""
        dice = random.Random(number)
        one = dice.choice(self.awake)
        if dice.random() < 0.6:
            await one.ground.look_at_network(self.pool)
        if dice.random() < 0.6:
            await self._fires(one)
        network, moved = one.ground.network, one.sent[0]
        if network is not None:
            areas = dice.choice([None, ()])
            await tell_moved(self.pool, one.outbox, str(network), self.now, moved, areas=areas)
        if one.ground.rules.levels is not None:
            await wake_moved(self.pool, one.outbox, self.now, one.ground.rules.levels)
        await self._relayed()

    async def _fires(self, one: Process) -> None:
        await self._relayed()
        await fire_due(self.pool, one.outbox, self.now)
        fired = [each for each in await self._relayed() if isinstance(each, TimerFired)]
        assert {each.message_id for each in fired} == self.twin.due(self.now), "what is waited for"
        await fire_overdue(self.pool, one.outbox, self.now, one.sent[1])
        await self._relayed()

    async def a_record_comes_again(self, number: int) -> None:
        self.logs.put_again(_EVERY[number % len(_EVERY)], number)

    # --- what the others of the story need ---

    def n(self) -> str:
        self.numbered += 1
        return str(self.numbered)

    async def _published(self) -> list[Any]:
        """What was put in the outbox since is on the topics; nothing of it needs to be put there."""
        await self._relayed()
        return []

    async def what_came_is_decided(self, dies: bool) -> None:
        """Each that is awake does what is due and takes a batch of what has come."""
        del dies
        for one in self.awake:
            await self._fires(one)
        await self._go_on(self.awake)

    async def the_rules_change(self, number: int) -> None:
        """One process has seen it so far."""
        rules = self.every_rules[number % len(self.every_rules)]
        self.awake[number % len(self.awake)].ground.rules = self.twin.rules = rules

    async def rules_are_made(self, memory: float, lag: float) -> None:
        await super().rules_are_made(memory, lag)
        for one in self.alive:
            one.ground.rules = self.twin.rules

    async def _other_network(self) -> None:
        """No process has looked yet."""
        async with self.pool.acquire() as connection:
            self.twin.trees = await load_trees(connection)

    async def customers_are_erased(self, number: int) -> None:
        await self._all_is_decided()
        await super().customers_are_erased(number)
        for one in self.alive:
            one.consumer._claiming.release_all()

    async def _command(self, area: str, action: str, *, through_the_door: bool = True, **told: Any) -> None:
        """Go through the door of any process."""
        if not through_the_door or action not in _SAID_AS:
            await super()._command(area, action, through_the_door=through_the_door, **told)
            return
        path, names = _SAID_AS[action]
        if action == "move":
            told["incident_id"] = self.twin.state(area).members[told["reports"][0]]
        if action == "place":
            told["report_id"] = told["reports"][0]
        said = {"command_id": str(derive("test command", self.n())), "reason": "seen"}
        if any(name not in told and name != "device" for name in names):
            return
        for name, called in names.items():
            if name in told:
                value = told[name]
                said[called] = [str(each) for each in value] if isinstance(value, tuple) else str(value)
        door = self._clients[self.numbered % len(self.group)]
        answer = await door.post(f"/v1/{path.format(**told)}?wait=0", json=said, headers={"If-Match": "*"})
        assert answer.status_code in {202, 404, 409, 412, 422}, answer.text
        await self._relayed()

    # --- what comes of it ---

    async def _comes(self) -> None:
        """What waited is on the topics."""
        await self._relayed()
        for one in self.waiting:
            self.said.append(one)
            at, content = self._at(one), None
            if isinstance(one, FieldProgressed):
                content = envelope.fingerprint(one, without=("received_at",))
            record = envelope.encode(one, topic=at[0], source="gridline/test", content=content)
            self.logs.put(TopicPartition(*at), record.key, record.value, record.headers)
        self.waiting = []

    async def _go_on(self, processes: Sequence[Process], fails_at: str = "") -> None:
        await self._comes()
        await asyncio.gather(*(asyncio.create_task(one.goes_on(fails_at)) for one in processes))
        await self._judged()

    async def _relayed(self) -> list[Message]:
        """Put what was committed since on the topics, and note by which transaction."""
        found = []
        for row in await self.pool.fetch(_RELAYED):
            if row["topic"] not in BY_NAME:
                continue  # a dead letter
            headers = unpack_headers(row["headers"])
            message = envelope.decode(envelope.open_record(row["value"], headers), BY_NAME[row["topic"]].types)
            self.by_transaction.setdefault(row["by"], []).append(message)
            found.append(message)
            if isinstance(message, OrderVersion):
                before = self.versions.get(message.order_id)
                assert before is None or before.version < message.version, "an order's versions ascend"
                self.versions[message.order_id] = message
            if row["topic"] in {at.topic for at in _EVERY}:
                self.logs.put(TopicPartition(*self._at(message)), row["key"], row["value"], headers)
        return found

    async def _judged(self) -> None:
        """Tell the twin what was kept, and compare what came of it."""
        await self._relayed()
        for process in self.group:
            self.undecided += process.handler.batches
            process.handler.batches = []
        touched: set[str] = set()
        for one in sorted(self.undecided, key=lambda one: one.transaction):
            became = await self.pool.fetchval("SELECT pg_xact_status($1::text::xid8)", str(one.transaction))
            if became == "committed":
                self._is_kept(one)
                touched |= one.on.keys()
            assert became != "in progress", "a batch that nobody ends"
        self.undecided = []
        async with self.pool.acquire() as connection:
            for area in sorted(touched):
                wanted = self.twin.states[area]
                trees = {} if wanted.tree is None else {area: wanted.tree}
                stored = await load_areas(connection, [area], trees, wanted.rules)
                alike(snapshot(stored[area]), snapshot(wanted), "what is stored")
            rows = await connection.fetch("SELECT topic, partition, epoch FROM consumer_partition")
        epochs = {(row["topic"], row["partition"]): row["epoch"] for row in rows}
        for process in self.alive:
            owned = {at[1] for at, epoch in process.claims.items() if epochs[at] == epoch and at[0] == _EVERY[0].topic}
            for (partition, area), state in process.handler.in_memory.items():
                if partition in owned:
                    alike(snapshot(state), snapshot(self.twin.states[area]), "what is in memory")

    def _is_kept(self, batch: Batch) -> None:
        again = [one for one in batch.messages if one.message_id in self.twin.seen]
        assert not again, f"decided twice: {again}"
        for area, (tree, rules) in batch.on.items():
            state = self.twin.state(area)
            if state.tree is not tree or state.rules is not rules:
                self.twin.states[area] = on_other_ground(state, tree, rules)
        told = self.twin.rekeyed(batch.messages, batch.now)
        told += self.twin.take([one for one in batch.messages if not isinstance(one, FieldProgress)], batch.now)
        self.twin.sent_on = []
        found = self.by_transaction.pop(batch.transaction & 0xFFFFFFFF, [])
        assert found == told, f"what is published: {found!r}, not {told!r}"

    async def _all_is_decided(self) -> None:
        """All wake, and go on until nothing is left."""
        while len(self.awake) < len(self.alive):
            await self.a_process_wakes(0)
        for _ in range(_TURNS):
            self.minute += 0.1
            await self._go_on(self.awake)
            rows = await self.pool.fetch("SELECT topic, partition, next_offset FROM consumer_partition")
            stands = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            if all(stands.get(at) == len(self.logs.of[at]) for at in _EVERY):
                return
        raise AssertionError("what is never decided")

    async def ends(self) -> None:
        await self._all_is_decided()
        await super().ends()
        await self._all_is_decided()
        async with self.pool.acquire() as connection:
            counts = await totals(connection)
            open_commands = await connection.fetchval("SELECT count(*) FROM command WHERE outcome IS NULL")
        assert not open_commands, "a command that was accepted and never decided"
        assert not counts[f"{OUTAGE_INPUT.name}/conflict"], "one id with two bodies"
        assert not counts[f"{OUTAGE_INPUT.name}/dead_lettered"], "what cannot be read"
        live = [one.incident_id for one in self.versions.values() if one.status in {"issued", "updated"}]
        assert len(live) == len(set(live)), "two live orders of one incident"


@contextmanager
def over(dsn: str, folder: Any) -> Iterator[Live]:
    """Live stories over an empty database."""
    with ExitStack() as undone:
        for one in without_waiting():
            undone.enter_context(one)
        yield undone.enter_context(dedup.over(dsn, folder, HandedOver))


stage: Final = on_its_own(over)
