"""Random stories of what customers are told: ``python -m tests.stories [SEED] --of notify``.

The engine is told a story (``tests.stories.engine``); what it says of incidents, reports and plans comes to notify
late, each partition in its own order, in batches of any size. Crews give times that move and pass; customers stop,
come back, ask, and are erased; nights come, the texts' settings change, the receiver fails, processes end in a call. At
the end the clock goes on until everybody owed a word must have it.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import replace
from datetime import time, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import deploy
from services.contracts.ids import derive, recipient_id, ticket_ref
from services.contracts.messages import IncidentChanged, OutageReported, RecipientHeard, ReportSettled
from services.contracts.topics import INCIDENT_CHANGED, PLAN_CHANGED, RECIPIENT_HEARD, REPORT_SETTLED
from services.contracts.values import Channel, CustomerClass, ProgressStage, Recipient
from services.notify import erasing, estimates
from services.notify.__main__ import SCHEMA
from services.notify.domain.quiet_hours import MAY_WAIT, QuietHours
from services.notify.wording import read_wording
from services.runtime.migration import migrate
from services.runtime.pool import open_pool
from tests.integration.notify.town import CLOCK, SEARCHED, Town
from tests.stories import engine
from tests.stories.customers import laws
from tests.stories.servers import postgres_of_its_own
from tests.stories.telling import step_of
from tests.unit.dedup.laws import AREA, RULES, TREE
from tests.unit.dedup.test_command_laws import Desk
from tests.unit.dedup.timeline import Timeline, minute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import Message, OutageInput
    from services.dedup.domain.events import Event
    from services.notify.wording import Wording
    from services.runtime.postgres import Pool
    from tests.stories.telling import Live, Step, Story

_TEMPLATES: Final = Path(deploy.__file__).parent / "templates.yaml"
_NUMBERS: Final = 8
_ALL_IS_TRIED_AGAIN: Final = 0.5
"""Hours after which nothing waits for another attempt, if the receiver takes what it is sent."""
_AWAKE: Final = timedelta(minutes=120)
_NIGHTS: Final = (None, ("22:00", "07:00"), ("20:30", "22:15"), ("20:10", "07:00"), ("23:00", "21:00"))
_AT_ONCE: Final = 2 / 3600
"""Hours: a time that passes before it is written down that its word was taken."""
_WEIGHTS: Final = {
    "some_of_it_comes": 9.0,
    "a_crew_gives_a_time": 5.0,
    "it_grows_late": 2.5,
    "somebody_stops": 0.4,
    "somebody_comes_back": 0.4,
    "somebody_asks": 0.5,
    "the_process_ends_in_a_call": 0.5,
    "the_settings_change": 0.8,
    "the_receiver_fails": 0.8,
    "customers_are_erased": 0.5,
}


def story(seed: int) -> Story:
    """Tell a story."""
    dice = random.Random(seed)
    acts = {act: weight * dice.choice([0, 1, 1, 2]) for act, weight in _WEIGHTS.items()} | {"some_of_it_comes": 9.0}
    steps: Story = []
    for step in [None, *engine.story(seed)]:
        if step is not None:
            steps.append(step)
        for _ in range(dice.choice([0, 1, 2, 3])):
            act = "the_settings_change" if step is None else dice.choices(list(acts), list(acts.values()))[0]
            number = dice.randrange(1_000)
            drawn = {
                "number": number,
                "hours": dice.choice([_AT_ONCE, 0.1, 0.5, 1, 1.2, 3, 6]),
                "night": dice.choice(_NIGHTS),
                "passed": dice.choice([15, 15, 0, 240, None]),
                "usual": dice.choice([20, 20, 0]),
                "fails": dice.choice([0, 3, 6]),
                "takes": dice.choice([0, 0, 3]),
                "refuses": (0, 0, 1, 2, 5)[number % 5],
            }
            steps.append(step_of(Customers, 0, act, drawn))
    return steps


class Callers(Timeline):
    """A timeline whose callers leave a number, and have a reference of each report."""

    def take(self, message: OutageInput, now: datetime) -> list[Event]:
        if isinstance(message, OutageReported):
            said: dict[str, Any] = {"ticket_ref": ticket_ref(message.ticket_id)}
            if (number := message.report_id.int % (_NUMBERS + 1)) < _NUMBERS:
                said["recipient"] = Recipient(channel=Channel.SMS, address=address(number))
                said["language"] = "en" if number % 2 else "zh-Hans-CN"
            message = message.model_copy(update=said)
        return super().take(message, now)


def address(number: int) -> str:
    """One of few telephone numbers; the receiver refuses one of them."""
    return f"138000000{number:02}"


class Customers:
    """An outage desk, and the customers of its area."""

    lives_in: ClassVar[type[Town]] = Town

    def __init__(self, pool: Pool, wording: Wording) -> None:
        self.desk = Desk()
        self.story = self.desk.story = Callers(AREA, TREE, RULES)
        self.usual = wording
        self.town = self.lives_in(pool, wording)
        self.queues: defaultdict[tuple[str, int], deque[Message]] = defaultdict(deque)
        self.read = [0, 0, 0]
        self.asked: list[tuple[str, float]] = []
        self.gone: dict[str, int] = {}
        """Who may not be told, and how many letters there were by then."""
        self.ever_gone: set[str] = set()
        self.erased: set[UUID] = set()
        """Reports of which nobody knows any more who made them."""
        self.usuals: list[tuple[float, int]] = [(-1.0, 20)]
        """When texts came by which a time must have moved by so much to be told again."""

    # --- what goes on ---

    async def act(self, step: Step) -> None:
        """Do something, and let time pass by so much."""
        if step.minutes > 0:
            await self.town.passes(step.minutes)
        self.desk.minute = max(self.desk.minute, self.town.minute)
        if hasattr(self, step.act):
            await getattr(self, step.act)(**step.told)
        else:
            getattr(self.desk, step.act)(**step.told)
            self._note()
        if self.desk.minute > self.town.minute:
            await self.town.passes(self.desk.minute - self.town.minute)

    def _note(self) -> None:
        """Put what was said into the partitions."""
        said = ((INCIDENT_CHANGED, self.story.changed), (REPORT_SETTLED, self.story.settled))
        for n, (topic, messages) in enumerate((*said, (PLAN_CHANGED, self.story.plans))):
            for one in messages[self.read[n] :]:
                self.queues[topic.name, zlib.crc32(one.partition_key.encode()) % 3].append(one)
            self.read[n] = len(messages)

    async def some_of_it_comes(self, number: int) -> None:
        dice = random.Random(number)
        waiting = [(key, queue) for key, queue in sorted(self.queues.items()) if queue]
        batch = []
        for key, queue in dice.sample(waiting, dice.randint(0, len(waiting))):
            batch += [(key[0], queue.popleft()) for _ in range(dice.randint(1, len(queue)))]
        if batch:
            await self.town.take(batch)
            await self.town.look()

    async def a_crew_gives_a_time(self, number: int, hours: float) -> None:
        if self.story.orders:
            self.desk.later()
            order = self.story.orders[number % len(self.story.orders)]
            self.story.crew(order.order_id, ProgressStage.ARRIVED, etr=self.desk.minute + 60 * hours)
            self._note()

    async def it_grows_late(self, hours: float) -> None:
        await self.town.passes(60 * hours)
        self.desk.minute = self.town.minute
        self.story.at(self.desk.minute)
        self._note()
        if hours >= _ALL_IS_TRIED_AGAIN and not self.town.receiver.fails and self.town.is_day():
            for _ in range(3):
                await self.town.look()
            self._everybody_has_the_last_word(minute(self.town.minute))

    def _everybody_has_the_last_word(self, now: datetime | None = None) -> None:
        """As far as notify knows by now; at the end it knows all."""
        come = self.town.receiver.come
        laws.everybody_has_the_last_word(
            [one for one in come if isinstance(one, IncidentChanged)],
            [one for one in come if isinstance(one, ReportSettled)],
            {report: who for report, who in self._numbers().items() if report not in self.erased},
            list(self.town.receiver.taken.values()),
            self.ever_gone | self.town.receiver.refused,
            laws.Missed(come, self.town.receiver.lost),
            now,
        )

    async def _heard(self, what: Any, number: int) -> str:
        to = Recipient(channel=Channel.SMS, address=address(number % _NUMBERS))
        at = minute(self.town.minute)
        one = RecipientHeard(
            event_id=derive("test", what, number, self.town.minute, len(self.asked)),
            source="gateway",
            source_event_id=f"{what} {number} {self.town.minute}",
            recipient_id=recipient_id(to.channel, to.address),
            recipient=to,
            heard=what,
            occurred_at=at,
            received_at=at,
            raw_sha256="0" * 64,
        )
        await self.town.take([(RECIPIENT_HEARD.name, one)])
        return to.address

    async def somebody_stops(self, number: int) -> None:
        who = await self._heard("unlinked", number)
        self.gone.setdefault(who, len(self.town.receiver.taken))
        self.ever_gone.add(who)

    async def somebody_comes_back(self, number: int) -> None:
        laws.nobody_gone_is_told(self.town.receiver.taken.values(), self.gone)
        who = await self._heard("linked", number)
        self.gone.pop(who, None)
        self.asked.append((who, self.town.minute))

    async def somebody_asks(self, number: int) -> None:
        self.asked.append((await self._heard("asks_status", number), self.town.minute))
        await self.town.look()

    async def the_process_ends_in_a_call(self) -> None:
        await self.town.dies_in_a_call()

    async def the_settings_change(self, night: tuple[str, str] | None, passed: int | None, usual: int) -> None:
        quiet = None
        if night is not None:
            begins, ends = (time.fromisoformat(one) for one in night)
            quiet = QuietHours(self.usual.zone, begins, ends, MAY_WAIT, _AWAKE)
        calm = replace(
            self.usual.calm,
            usual=timedelta(minutes=usual),
            passed=None if passed is None else timedelta(minutes=passed),
        )
        self.usuals.append((self.town.minute, usual))
        self.town.reads(replace(self.usual, quiet=quiet, calm=calm))

    def _least(self, since: float, until: float) -> timedelta:
        """Return by how much a time must at least have moved in a while; one of two processes has the texts before."""
        before = [usual for at, usual in self.usuals if at <= since][-2:]
        return timedelta(minutes=min([*before, *(usual for at, usual in self.usuals if since < at <= until)]))

    async def the_receiver_fails(self, fails: int, takes: int, refuses: int = 0) -> None:
        receiver = self.town.receiver
        receiver.fails, receiver.takes, receiver.refuses = fails, takes / 60, refuses

    async def customers_are_erased(self, number: int) -> None:
        """Whose outages are over for good, as everybody has heard by then; weeks later, or so soon."""
        while any(self.queues.values()):
            await self.some_of_it_comes(number)
            number += 1
        mine = [one for one in self._numbers() if one not in self._may_come_back() and one.int % 2 == number % 2]
        async with self.town.pool.acquire() as connection:
            _, left = await erasing.erase(connection, mine)
            self.erased |= set(mine) - left.keys()
            named = "SELECT count(*) FROM report WHERE report_id = ANY($1::uuid[]) AND recipient_id IS NOT NULL"
            assert await connection.fetchval(named, list(self.erased)) == 0
            named = "SELECT count(*) FROM notice WHERE report_id = ANY($1::uuid[]) AND recipient_id <> report_id"
            assert await connection.fetchval(named, list(self.erased)) == 0

    def _may_come_back(self) -> set[UUID]:
        """Return the reports that dedup still knows: it gives none of them up (``dedup.erasing``)."""
        state = self.story.state
        undone = (report for done in state.commands.values() for report, _ in done.moves)
        return {*state.members, *state.waiting, *undone, *(one for theirs in state.answered.values() for one in theirs)}

    def _numbers(self) -> dict[UUID, str]:
        """Return the number that each report left."""
        return {
            m.report_id: m.recipient.address
            for m, _ in self.story.inputs
            if isinstance(m, OutageReported) and m.recipient
        }

    # --- the end ---

    async def ends(self) -> None:
        """All has come, the night is over, and the receiver takes what it is sent."""
        self.story.at(self.desk.minute)
        self._note()
        self.town.receiver.fails = 0
        for number in count():
            if not any(self.queues.values()):
                break
            await self.some_of_it_comes(number)
        await self.town.passes(24 * 60, step=90)
        for _ in range(2):  # one of two processes has them last
            self.town.reads(self.usual)
        await self.town.passes(30, step=15)
        rows = await self.town.pool.fetch("SELECT stage, state FROM notice WHERE state IN ('pending', 'sending')")
        assert not rows, f"what waits for ever: {[tuple(row) for row in rows]}"
        receiver = self.town.receiver
        letters = laws.letters_of(receiver.taken.values())
        laws.each_letter_is_news(letters, receiver.answered, self._is_awake)
        laws.nobody_gone_is_told(receiver.taken.values(), self.gone)
        laws.everybody_reads_of_their_own(
            receiver.taken.values(), self.story.changed, self.story.settled, self._numbers()
        )
        laws.what_is_told_is_so(receiver.taken.values(), receiver.come)
        laws.nobody_hears_a_time_again_that_moved_little(letters, receiver.come, receiver.answered, self._least)
        laws.nobody_hears_that_a_time_has_passed_who_was_told_none(letters, receiver.answered, receiver.begun)
        self._everybody_has_the_last_word()
        async with self.town.pool.acquire() as connection:
            await estimates.how_they_held(connection, minute(-1_000), minute(100_000))

    def _is_awake(self, who: str, at: float) -> bool:
        """Whether they contacted us lately, or depend on power, or are in danger."""
        since = at - _AWAKE.total_seconds() / 60
        if any(one == who and since < asked <= at for one, asked in self.asked):
            return True
        for message, now in self.story.inputs:
            if isinstance(message, OutageReported) and message.recipient and message.recipient.address == who:
                at_risk = message.hazards or message.place.customer_class is CustomerClass.LIFE_SUPPORT
                if at_risk or minute(since) < now <= minute(at):
                    return True
        return False


@contextmanager
def over(dsn: str, lives: type[Customers] = Customers) -> Iterator[Live]:
    """Live stories over an empty database."""
    with asyncio.Runner() as runner:
        runner.run(migrate(dsn, "notify", SCHEMA))
        pool = runner.run(open_pool(dsn, schema=SEARCHED, size=6))
        runner.run(pool.execute(CLOCK))
        wording = read_wording(_TEMPLATES.name, _TEMPLATES.read_text())

        async def lived(steps: Story) -> None:
            customers = lives(pool, wording)
            await customers.town.empty()
            for step in steps:
                await customers.act(step)
            await customers.ends()

        try:
            yield lambda steps: runner.run(lived(steps))
        finally:
            runner.run(pool.close())


@contextmanager
def stage() -> Iterator[Live]:
    """Return what lives a story, on a Postgres of its own."""
    with postgres_of_its_own() as (dsn, _), over(dsn) as live:
        yield live
