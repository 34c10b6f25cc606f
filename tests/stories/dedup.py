"""Random stories of dedup over its tables: ``python -m tests.stories [SEED] --of dedup``.

Reports, crews (by their topic and their door), dispatchers, plans, meters and the network of two substations, in
batches of any size, hours and days apart. The rules become others; processes end, die in a batch and hand over;
customers are erased. Beside it the core is told the same in memory, from the first message to the last (``Twin``).
After each batch what is published, what the process has in memory and what one that starts now would load are the
twin's; at the end each report is explained, and each incident leads to where it is now.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from unittest.mock import patch
from uuid import UUID

import asyncpg

from services.contracts.ids import derive
from services.contracts.messages import (
    FieldProgress,
    FieldProgressed,
    OutageCommanded,
    PowerRestored,
    TelemetryReceived,
)
from services.contracts.values import Channel, CommandAction, CustomerClass, Etr, ProgressStage, Reading, Recipient
from services.dedup import erasing
from services.dedup.__main__ import SCHEMA
from services.dedup.domain.planning import proposed_plan
from services.dedup.domain.storm import StormRules
from services.dedup.ground import Ground
from services.dedup.keys import DEVELOPMENT_KEYS
from services.dedup.network_watch import tell_moved
from services.dedup.store import commands
from services.dedup.store.load import load_areas
from services.dedup.store.pseudonym import pseudonym_of
from services.grid.operating import switch_network
from services.grid.store import SCHEMA as GRID_SCHEMA
from services.grid.store import load_trees
from services.grid.switching import Switching
from services.runtime import clock
from services.runtime.errors import FencedError
from services.runtime.migration import migrate
from services.runtime.pool import open_pool
from tests.integration.dedup.processes import AREAS, CREWS, PARTITIONS, Processes, import_rows
from tests.integration.dedup.room import Room, doors
from tests.stories.servers import on_its_own
from tests.stories.telling import Step, step_of
from tests.unit.dedup.test_network_changes import AWAY, BEFORE, HOME
from tests.unit.dedup.timeline import RULES, a_report, minute, rules_of_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import httpx

    from services.contracts.messages import OrderVersion, OutageInput
    from services.dedup.domain.rules import Rules
    from services.runtime.postgres import Pool
    from tests.stories.telling import Live, Story

_UNDER: Final = [f"0TR000{n}" for n in (23, 24, 25, 26, 27, 28, 30, 20, 34)] + ["0TR00104"]
_ABOVE: Final = ["0FU00016", "0FU00017", "0SW00015", "0SW00012", "0BR00001"]
_GONE: Final = "B0TR00104"
_PLANS: Final = 3
_TO: Final = Switching("TIE", "A0SW00015"), Switching("A0SW00015", "TIE")
_ACTIONS: Final = ["merge", "split", "move", "confirm", "relate", "accept_plan", "decline_plan", "place"]
_FLAVOURS: Final = [
    *("", "", "", "", "", "hazard", "only_mine", "life_support", "important", "suspended", "unconfirmed", "kept_back")
]
_WEIGHTS: Final = {
    "somebody_reports": 6.0,
    "power_is_back": 2.5,
    "a_crew_speaks": 2.0,
    "a_crew_speaks_on_its_topic": 1.0,
    "a_crew_speaks_at_the_door": 0.5,
    "a_dispatcher_acts": 1.5,
    "a_dispatcher_takes_something_back": 0.6,
    "a_plan_is_entered_or_changed": 0.5,
    "a_plan_is_cancelled": 0.2,
    "what_is_proposed_is_accepted": 0.4,
    "a_meter_speaks": 0.6,
    "it_comes_again": 0.3,
    "the_rules_change": 0.4,
    "the_process_ends": 0.8,
    "another_process_takes_over": 0.4,
    "the_network_is_switched": 0.3,
    "a_network_is_imported": 0.08,
    "customers_are_erased": 0.3,
}
_GAPS: Final = (0.1, 0.5, 1, 3, 10, 21, 45, 90, 200)
_DAYS: Final = (1_500, 6_000, 25_000)
_ERASED_AFTER: Final = timedelta(days=14)
READ: Final = {"X-API-Key": DEVELOPMENT_KEYS["desk-dev"]}
_FIELD: Final = {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}
_ANY: Final = {"If-Match": "*"}
_STORM: Final = StormRules(
    recent=600, usual=86_400, usual_per_hour=1, enter=3, least=3, leave=2, holds={"fuse": timedelta(minutes=4)}
)


def _others(rules: Rules) -> list[Rules]:
    """Sets of rules by which an area that is loaded knows the same."""
    fresh = replace(rules.inference, fresh=600.0, lift_margin=2.0)
    momentary = replace(rules.inference, home=None, wave=2.0, relook=(300.0,))
    holds = {"transformer": timedelta(minutes=1), "fuse": timedelta(minutes=15)}
    return [
        rules,
        replace(rules, hash="fresh", inference=fresh, storm=None),
        replace(rules, hash="one wave", inference=momentary, still_out=timedelta(minutes=5)),
        replace(rules, hash="held", holds=holds, storm=_STORM),
        replace(rules, hash="stormy", storm=replace(_STORM, enter=2.5, leave=0.2, lift_margin=4.0, holds=holds)),
        replace(rules, hash="machines", holds={"meters": timedelta(minutes=15)}, closed_after=timedelta(minutes=5)),
        replace(
            rules,
            hash="tolerant",
            holds={"breakers": timedelta(minutes=2)},
            asked_twice=True,
            closed_after=timedelta(minutes=1),
            early=timedelta(minutes=15),
            restored_tolerance=timedelta(minutes=30),
            inference=fresh,
        ),
    ]


def story(seed: int) -> Story:
    """Tell a story."""
    dice = random.Random(seed)
    places = [dice.choice("AAB") + one for one in dice.sample(_UNDER, dice.choice([2, 3, 5, 9]))]
    devices = [*places, *(dice.choice("AAB") + one for one in dice.sample(_ABOVE, 2))]
    if dice.random() < 0.4:
        devices.append("")
    acts = {act: weight * dice.choice([0, 1, 1, 2]) for act, weight in _WEIGHTS.items()} | {"somebody_reports": 6.0}
    large, slow = dice.random() < 0.4, dice.random() * 0.6
    far = dice.choice([0.02, 0.02, 0.2])
    steps: Story = [Step(0, "it_begins", {"cached": dice.choice([1, 10])})]
    steps.append(Step(0, "rules_are_made", {"memory": dice.choice([24, 24, 2, 0]), "lag": dice.choice([45, 45, 0])}))
    for _ in range(dice.randint(6, 45)):
        gap = dice.choice(_GAPS) if dice.random() < slow else 0.0
        if dice.random() < far:
            gap = dice.choice(_DAYS)
        act = dice.choices(list(acts), list(acts.values()))[0]
        if act == "customers_are_erased" and dice.random() < 0.6:
            gap = _DAYS[-1]
        drawn = {
            "device": dice.choice(devices),
            "account": dice.choice([None, None, "A1", "A2", "A3"]),
            "made": dice.choice([0, 0, 0, 3, 25, 40]),
            "clock": dice.choice([0, 0, 0, 3, 25, 40, -30, 1_000, -100_000, 30_000_000]),
            "to": dice.choice(["theirs", "theirs", "theirs", "none"]),
            "flavour": dice.choice(_FLAVOURS),
            "stage": dice.choice([ProgressStage.ARRIVED, ProgressStage.RESTORED, *ProgressStage]),
            "reading": dice.choice(list(Reading)),
            "action": dice.choice(_ACTIONS),
            "begins": dice.choice([-60, -10, -2, 30]),
            "lasts": dice.choice([11, 60, 300]),
            "dies": dice.random() < 0.2,
            **{name: dice.randrange(1_000) for name in ("number", "first", "second")},
        }
        steps.append(step_of(Hotline, gap, act, drawn))
        if dice.random() < (0.15 if large else 0.6):
            steps.append(Step(0, "what_came_is_decided", {"dies": dice.random() < 0.1}))
    return steps


class Hotline(Processes):
    """What goes on in two substations, and what becomes of the processes."""

    doors: ClassVar = 1
    """Processes that have doors."""
    connections: ClassVar = 3

    def __init__(self, pool: Pool, ground: Ground, dsn: str, client: httpx.AsyncClient) -> None:
        super().__init__(pool, ground, dsn, client)
        self.plans: dict[int, UUID] = {}
        self.usual = ground.rules
        self.every_rules = _others(ground.rules)
        self.switched = False
        self.changed_network = False

    def at_doors(self, places: Sequence[Standing], clients: Sequence[httpx.AsyncClient]) -> None:
        """Be told the doors of each process, and what stands for its rules and network behind them."""

    async def somebody_reports(self, device: str, account: str | None, made: float, flavour: str, number: int) -> None:
        area = self.twin.area_of(device) or (AWAY if device.startswith("B") else HOME)
        place: str | None = device or None
        said: dict[str, Any] = {"account": account, "arrives": self.minute, "only_mine": flavour == "only_mine"}
        if number % 10 == 0:
            area, place, said["lat"], said["lon"] = AREAS[2], "cell:89318d9a543ffff", 31.0, 118.0
        elif number % 10 == 1:
            said["address"] = f"黄河中路{number}号"
        said |= {"suspended": flavour == "suspended", "unconfirmed": flavour == "unconfirmed"}
        if flavour == "hazard":
            said["hazards"] = ("fire",)
        if flavour == "kept_back":
            said["kept_back"] = True
        if flavour in {"life_support", "important"}:
            said["customer_class"] = CustomerClass(flavour)
        message = a_report(area, place, self.n(), self.minute - made, **said)
        if number % 3:
            to = Recipient(channel=Channel.SMS, address=f"1380000{number:04}")
            message = message.model_copy(update={"recipient": to, "language": "zh"})
        self.reports.append(message.report_id)
        self.waiting.append(message)

    async def power_is_back(self, device: str, account: str | None, made: float) -> None:
        homes = [one for one, state in self.twin.states.items() if state.by_device.get(device) is not None]
        area = homes[0] if homes else self.twin.area_of(device)
        if area is not None:
            self.waiting.append(
                PowerRestored(
                    area=area,
                    restoration_id=derive("test restoration", self.n()),
                    device=device,
                    account_id=account,
                    restored_at=minute(self.minute - made),
                    received_at=self.now,
                )
            )

    def _word(self, order: UUID, stage: ProgressStage, at: float, number: int) -> FieldProgress:
        return FieldProgress(
            progress_id=derive("test progress", self.n()),
            order_id=order,
            stage=stage,
            at=minute(self.minute - at),
            etr=Etr(at=minute(self.minute - at + 90)) if number % 3 == 0 else None,
            cause="tree" if number % 5 == 0 else None,
            note="in the yard",
        )

    def _order(self, number: int) -> OrderVersion | None:
        """One that was ever issued: its incident may be over, or part of another, and it called back."""
        orders = list(self.twin.orders.values())
        return orders[number % len(orders)] if orders else None

    def _of_order(self, number: int, to: str) -> UUID:
        """The id of such an order, or of none."""
        order = self._order(number)
        return derive("no order", number) if order is None or to == "none" else order.order_id

    async def a_crew_speaks(self, number: int, stage: ProgressStage, clock: float, first: int) -> None:
        if (order := self._order(number)) is not None:
            said = self._word(order.order_id, stage, clock, first)
            self.waiting.append(
                FieldProgressed(area=order.area, incident_id=order.incident_id, progress=said, received_at=self.now)
            )

    async def a_crew_speaks_on_its_topic(
        self, number: int, stage: ProgressStage, clock: float, first: int, to: str
    ) -> None:
        to_whom = self._of_order(number, to)
        said = self._word(to_whom, stage, clock, first)
        self.waiting.append(said)
        if first % 4 == 0:
            self.waiting.append(said.model_copy(update={"note": "said again"} if first % 8 else {}))

    async def a_crew_speaks_at_the_door(
        self, number: int, stage: ProgressStage, clock: float, first: int, to: str
    ) -> None:
        to_whom = self._of_order(number, to)
        said = self._word(to_whom, stage, clock, first).model_dump(mode="json", exclude={"order_id"})
        for _ in range(1 + (first % 4 == 0)):
            answer = await self.client.post(f"/v1/orders/{to_whom}/progress", json=said, headers=_FIELD)
            assert answer.status_code == (202 if to_whom in self.twin.orders else 404), answer.text
        self.waiting += await self._published()

    async def _command(self, area: str, action: str, *, through_the_door: bool = True, **told: Any) -> None:
        command = OutageCommanded(
            area=area,
            command_id=derive("test command", self.n()),
            action=CommandAction(action),
            author="dispatcher Li",
            reason="seen",
            accepted_at=self.now,
            **told,
        )
        if through_the_door:
            async with self.pool.acquire() as connection:
                if not await commands.give(connection, command):
                    return  # another about the same is undecided
        self.waiting.append(command)

    async def a_dispatcher_acts(self, action: str, first: int, second: int, device: str, number: int) -> None:
        states = [one for one in self.twin.states.values() if one.incidents or one.waiting]
        if not states:
            return
        state = states[number % len(states)]
        incidents, reports, waiting = list(state.incidents), list(state.members), list(state.waiting)
        told: dict[str, Any] = {}
        if action in {"merge", "relate", "split", "confirm", "accept_plan", "decline_plan"}:
            if not incidents:
                return
            told["incident_id"] = incidents[first % len(incidents)]
        if action in {"merge", "relate", "move"} and incidents:
            told["target_id"] = incidents[second % len(incidents)]
        if action == "split":
            inside = list(state.incidents[told["incident_id"]].reports)
            told["reports"] = tuple(inside[: 1 + second % len(inside)])
        if action == "move":
            if not reports:
                return
            told["reports"] = tuple({reports[first % len(reports)], reports[second % len(reports)]})
        if action == "place":
            if not waiting:
                return
            told["reports"] = (waiting[first % len(waiting)],)
        if action in {"accept_plan", "decline_plan"}:
            if not self.plans:
                return
            told["planned_id"] = list(self.plans.values())[second % len(self.plans)]
        if action in {"split", "confirm", "place"} and device:
            told["device"] = device
        await self._command(state.area, action, through_the_door=number % 4 > 0, **told)

    async def a_dispatcher_takes_something_back(self, number: int) -> None:
        known = [(area, key) for area, state in self.twin.states.items() for key in state.commands]
        if known:
            area, key = known[number % len(known)]
            await self._command(area, "undo", undoes=key)

    async def a_plan_is_entered_or_changed(self, number: int, device: str, begins: float, lasts: float) -> None:
        times = {"starts_at": self.minute + begins, "ends_at": self.minute + begins + lasts}
        said = {name: minute(at).isoformat() for name, at in times.items()} | {"device": device}
        key = self.plans.get(number % _PLANS)
        path = "" if key is None else f"/{key}"
        answer = await self._of_a_plan("POST" if key is None else "PUT", path, **said)
        if key is None and answer.status_code == 202:
            self.plans[number % _PLANS] = UUID(answer.json()["subject"])

    async def a_plan_is_cancelled(self, number: int) -> None:
        if (key := self.plans.get(number % _PLANS)) is not None:
            await self._of_a_plan("POST", f"/{key}/cancel")

    async def _of_a_plan(self, method: str, path: str, **said: Any) -> httpx.Response:
        """Go through the door, which knows of a planned outage what its area may have forgotten."""
        told = {"command_id": str(derive("test command", self.n())), "reason": "seen", **said}
        path = f"/v1/planned-outages{path}?wait=0"
        answer = await self.client.request(method, path, json=told, headers=_ANY)
        assert answer.status_code in {202, 404, 409, 412, 422}, answer.text
        self.waiting += await self._published()
        return answer

    async def what_is_proposed_is_accepted(self, first: int) -> None:
        states = self.twin.states.values()
        known = [(state.area, one, proposed_plan(state, one)) for state in states for one in state.incidents.values()]
        proposed = [(area, one.incident_id, plan.planned_id) for area, one, plan in known if plan is not None]
        if proposed:
            area, incident, planned = proposed[first % len(proposed)]
            await self._command(area, "accept_plan", incident_id=incident, planned_id=planned)

    async def a_meter_speaks(self, reading: Reading, device: str, account: str | None, made: float) -> None:
        if (area := self.twin.area_of(device)) is not None:
            self.waiting.append(
                TelemetryReceived(
                    area=area,
                    source="head-end",
                    source_event_id=self.n(),
                    reading=reading,
                    device=device,
                    account_id=account,
                    at=minute(self.minute - made),
                    received_at=self.now,
                )
            )

    async def it_comes_again(self, number: int) -> None:
        if self.said:
            self.waiting.append(self.said[number % len(self.said)])

    # --- what becomes of the processes, the network and the data ---

    async def the_process_ends(self, number: int) -> None:
        process = self.processes[number % 2]
        process.starts()
        for at in list(process.owns):
            await process.claims(at)

    async def another_process_takes_over(self, number: int, dies: bool) -> None:
        at = PARTITIONS[number % len(PARTITIONS)]
        before, after = sorted(self.processes, key=lambda one: at not in one.owns)
        await after.claims(at)
        if dies:  # it does not know yet
            said: OutageInput | FieldProgress = self._word(derive("no order", number), ProgressStage.ARRIVED, 0, number)
            if at != CREWS:
                said = a_report(AREAS[at[1]], None, f"lost {self.n()}", self.minute)
            record = self._read(said, before.owns[at])
            try:
                await before.transactor.run([record], {at: before.owns[at]}, self.now)
            except FencedError:
                before.starts()
            else:
                raise AssertionError("two processes own a partition")
        del before.owns[at]
        before.handler.forget([at])

    async def rules_are_made(self, memory: float, lag: float) -> None:
        """As somebody has set them who remembers for shorter, or believes no clock."""
        times = {"restored_memory": timedelta(hours=memory), "trusted_lag": timedelta(minutes=lag)}
        self.every_rules = _others(replace(rules_of_tests(), levels=self.usual.levels, **times))
        await self.the_rules_change(0)

    async def the_rules_change(self, number: int) -> None:
        """Between two messages, or while a process stands still that was told so before."""
        rules = self.every_rules[number % len(self.every_rules)]
        self.ground.rules = rules
        self.twin.under_rules(rules)

    async def the_network_is_switched(self, number: int) -> None:
        del number
        await self.what_came_is_decided(dies=False)
        connection = await asyncpg.connect(self.dsn)
        await switch_network(connection, [_TO[self.switched]], author="test", reason="")
        await connection.close()
        self.switched = not self.switched
        await self._other_network()

    async def a_network_is_imported(self, number: int) -> None:
        await self.what_came_is_decided(dies=False)
        rows = [row for row in BEFORE.values() if row.id != _GONE or number % 2]
        rows.append(BEFORE[_GONE]._replace(id=f"B0TR9{number:04}"))
        await import_rows(self.dsn, rows)
        self.switched, self.changed_network = False, True
        await self._other_network()

    async def _other_network(self) -> None:
        await self.ground.look_at_network(self.pool)
        async with self.pool.acquire() as connection:
            self.twin.under(await load_trees(connection))
        await tell_moved(self.pool, self.processes[0].outbox, str(self.ground.network), self.now, set())
        self.waiting += await self._published()

    async def customers_are_erased(self, number: int) -> None:
        """Those of whom nothing is needed, however many."""
        before = self.now - _ERASED_AFTER
        figures = await self._figures()
        async with self.pool.acquire() as connection:
            live = await erasing.live(connection, self.reports, before)
            free = [one for one in self.reports if one not in live and one.int % 3 != number % 3]
            free = [
                one for one in free if await connection.fetchval("SELECT true FROM report WHERE report_id = $1", one)
            ]
            await erasing.erase(connection, free, before)
        assert await self._figures() == figures, "figures stay"
        for state in self.twin.states.values():  # its ticket is closed, or the plan long over that answers it
            for one in free:
                state.waiting.pop(one, None)
                for answered in state.answered.values():
                    answered.pop(one, None)
        await self._homes_are_pseudonyms()
        for process in self.processes:
            process.starts()

    async def _homes_are_pseudonyms(self) -> None:
        """Whose power came back long ago is known no more by whoever loads an area in which nothing happened since."""
        for area, state in self.twin.states.items():
            trees = {} if state.tree is None else {area: state.tree}
            async with self.pool.acquire() as connection:
                loaded = (await load_areas(connection, [area], trees, state.rules))[area].restored_premises
                for home in list(state.restored_premises):
                    stands = await connection.fetchval(f"SELECT {pseudonym_of('$1::text')}", home)
                    if home not in loaded and stands in loaded:
                        state.restored_premises[stands] = state.restored_premises.pop(home)


class Standing:
    """What doors decide by, as the process that has them goes by it now."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ground, name)


@contextmanager
def over(dsn: str, folder: Path, lives: type[Hotline] = Hotline) -> Iterator[Live]:
    """Live stories over an empty database."""
    levels = folder / "levels.yaml"
    levels.write_text("version: 1\nusual: town\nzones: {town: {arrive_minutes: 45, restore_hours: 2}}\n")
    with asyncio.Runner() as runner:
        runner.run(migrate(dsn, "dedup", SCHEMA))
        runner.run(migrate(dsn, "grid", GRID_SCHEMA, kernel=False))
        runner.run(import_rows(dsn, BEFORE.values()))
        pool = runner.run(open_pool(dsn, schema="dedup", size=lives.connections))
        ground = Ground(RULES, levels)
        places = [Standing(ground) for _ in range(lives.doors)]
        through = [doors(Room(pool, cast("Ground", one), RULES), READ) for one in places]
        clients = [runner.run(one.__aenter__()) for one in through]

        async def lived(steps: Story) -> None:
            told = lives(pool, ground, dsn, clients[0])
            told.at_doors(places, clients)
            monotonic = patch.object(clock, "monotonic", lambda: 60 * told.minute)
            with patch.object(clock, "now", lambda: told.now), monotonic:
                try:
                    for step in steps:
                        if step.minutes > 3:
                            await told.what_came_is_decided(dies=False)
                        told.minute += step.minutes
                        act: Callable[..., Any] = getattr(told, step.act)
                        await act(**step.told)
                    await told.ends()
                finally:
                    await tidied(told)

        async def tidied(told: Hotline) -> None:
            ground.rules = told.usual
            if told.changed_network:
                await import_rows(dsn, BEFORE.values())
            elif told.switched:
                connection = await asyncpg.connect(dsn)
                await switch_network(connection, [_TO[1]], author="test", reason="")
                await connection.close()

        try:
            yield lambda steps: runner.run(lived(steps))
        finally:
            for one in through:
                runner.run(one.__aexit__(None, None, None))
            runner.run(pool.close())


stage: Final = on_its_own(over)
