"""What happens in the router's stories: each act, done at the real handler, the desktops' doors, timers and watchers.

Never here: which acts a story has; what must hold (``routing.laws``).
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from uuid import UUID

import httpx
from structlog.testing import capture_logs

from services.contracts import ids
from services.contracts.messages import ContactReceived, ReportSettled
from services.contracts.values import Attachment, Channel, Position, Recipient, TicketState
from services.router import clocks, timers, undeclared
from services.router.api import acts, make_router, shifts
from services.router.api.tickets import one_ticket
from services.router.attendance import give_back, sweep
from services.router.domain.desk import work_of
from services.router.domain.targets import Duty
from services.router.domain.ticket import ReportState, Ticket
from services.router.domain.work import Phase
from services.router.tree.keys import DEVELOPMENT_KEYS, read_keys
from services.runtime.http import make_app
from services.runtime.retention import PUBLISHED_DAYS
from tests.stories.routing.laws import Judge
from tests.stories.routing.world import (
    AGENTS,
    ANYBODY,
    CHANNELS,
    EDGES,
    OWN,
    SECRET,
    TEXTS,
    in_force,
)
from tests.unit.router.making import DEPLOY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from services.contracts.messages import Message
    from services.router.acting import Desk
    from services.runtime.postgres import Pool
    from tests.stories.routing.rooms import Room
    from tests.stories.telling import Step


_BESIDE: Final = frozenset(
    {"somebody_speaks", "an_agent_does", "somebody_does", "an_agent_names_a_ticket", "a_ticket_is_merged"}
)
"""What may be done with a ticket while the router takes what its customer says."""


class Teller:
    """Does what a story tells, at the router's handler, doors and timers."""

    def __init__(self, room: Room, doors: httpx.AsyncClient) -> None:
        self.room, self.doors = room, doors
        self.judge = Judge(room)
        phones = [f"1380000000{n + 1}" for n in range(4)]
        self.judge.secrets = frozenset({*phones, "session-", *(f'"{n + 1} Road' for n in range(4)), SECRET})
        self.said: list[ContactReceived] = []
        self.waiting: list[Message] = []
        """Contacts that are taken with those that follow."""
        self.silent: set[str] = set()
        self.standing_still = False
        self.merged: dict[UUID, Ticket] = {}
        self.settled = 0

    # --- contacts ---

    async def somebody_speaks(
        self, *, who: int, channel: int, thread: int | None, text: int, tells: list[str], of: int | None,
        chosen: str | None, final: bool, hazard: bool, unconfirmed: bool, answered: bool, age: float, late: float,
        more: bool,
    ) -> None:  # fmt: skip
        by, whose = CHANNELS[channel], who if of is None else of
        n = len(self.said)
        contact_id = ids.contact_id("story", f"e{n}")
        ticket_id = ids.ticket_id("story", None if thread is None else f"{who}-{by}-{thread}", contact_id)
        received_at = self.room.now - timedelta(minutes=late)
        phone = f"1380000000{whose + 1}"
        home = 30.0101 if whose < 3 else 31.0101
        told: dict[str, Any] = {
            "account": {"account_id": f"001234567{whose + 1}"},
            "phone": {"phone": phone},
            "address": {"address": f"{whose + 1} Road"},
            "position": {"position": Position(lat=home, lon=home + 80, accuracy_m=20)},
            "photo": {"attachments": (Attachment(kind="image", ref="photo-1"),)},
            "language": {"language": "en"},
            "nobody": {"reply_to": None},
            "interim": {"facts": {"transcript_final": False}},
            "one_home": {"facts": {"single_premise": True}},
            "edge": {"position": EDGES[text % len(EDGES)]},
            "odd": {"account_id": "号 —²", "phone": "+0①", "address": "㊿楼\t½"},
        }
        to = f"1380000000{who + 1}" if by in {Channel.PHONE, Channel.SMS} else f"session-{who}"
        fields: dict[str, Any] = {"reply_to": Recipient(channel=by, address=to)}
        for name in tells:
            fields |= told[name]
        said = ContactReceived(
            contact_id=contact_id,
            ticket_id=ticket_id,
            ticket_ref=ids.ticket_ref(ticket_id),
            source="story",
            source_event_id=f"e{n}",
            raw_sha256="0" * 64,
            channel=by,
            event="report",
            occurred_at=received_at - timedelta(minutes=age),
            received_at=received_at,
            business_type=chosen,
            text=TEXTS[text],
            final=final,
            hazard=hazard,
            unconfirmed=unconfirmed,
            **{"facts": {"answered": True} if answered else {}, **fields},
        )
        self.said.append(said)
        self.waiting.append(said)
        if not more:
            await self.take()

    async def take(self) -> None:
        """Take what has come as one batch."""
        batch, self.waiting = self.waiting, []
        if not batch:
            return
        new = {one.contact_id for one in batch if isinstance(one, ContactReceived)}
        refused = await self.room.take(batch)
        assert not any(isinstance(one, ContactReceived) for one in refused), "no contact is refused"
        self.judge.contacts |= new
        await self.judge.look()

    async def the_same_comes_again(self, number: int) -> None:
        if not self.said:
            return
        again = self.said[number % len(self.said)]
        before = {one: row.body for one, row in (await self.room.rows()).items()}
        await self.room.take([again])
        assert not self.room.outbox.settled, "what came before changes nothing"
        assert {one: row.body for one, row in (await self.room.rows()).items()} == before

    async def a_report_is_settled(self, number: int, outcome: str, reason: str, by_command: bool) -> None:
        sent = [ticket for ticket in self.tickets() if ticket.report is not ReportState.NONE]
        if sent:
            await self._settle(sent[number % len(sent)].ticket_id, outcome, reason, by_command=by_command)

    async def a_report_that_nobody_sent_is_settled(self, number: int, outcome: str, reason: str) -> None:
        none = [ticket.ticket_id for ticket in self.tickets() if ticket.report is ReportState.NONE]
        refused = await self._settle([*none, UUID(int=1)][number % (len(none) + 1)], outcome, reason, by_command=False)
        assert len(refused) == 1, "nobody sent it"

    async def _settle(self, ticket_id: UUID, outcome: str, reason: str, *, by_command: bool) -> list[Message]:
        self.settled += 1
        settled = ReportSettled.model_validate(
            {
                "report_id": ids.report_id(ticket_id),
                "ticket_id": ticket_id,
                "ticket_ref": ids.ticket_ref(ticket_id),
                "area": "S1",
                "outcome": outcome,
                "reason": reason,
                "settled_at": self.room.now,
                "language": "zh",
                "command_id": UUID(int=self.settled) if by_command else None,
            }
        )
        return await self.room.take([settled])

    # --- agents ---

    async def ask(self, path: str, method: str = "POST", **said: Any) -> Any:
        """Ask at a door; return what it answers, None where it refuses."""
        return await asked(self.doors, path, method, said)

    async def an_agent_is_made_or_changed(self, agent: str, queues: list[str], capacity: int) -> None:
        await self.ask(f"agents/{agent}", "PUT", queues=queues, capacity=capacity, languages=["*"], skills=["senior"])

    async def an_agent_is(self, agent: str, presence: str) -> None:
        self.silent.discard(agent)
        await self.ask(f"agents/{agent}/presence", "PUT", presence=presence)

    async def an_agent_is_removed(self, agent: str) -> None:
        await self.ask(f"agents/{agent}", "DELETE")

    async def a_desktop_falls_silent(self, agent: str) -> None:
        self.silent.add(agent)

    async def a_desktop_hangs_up(self, agent: str) -> None:
        self.room.people.hung_up[agent] = self.room.now

    async def an_agent_asks(self, agent: str, claims: bool) -> None:
        self.silent.discard(agent)
        await self.ask(f"agents/{agent}/{'claims' if claims else 'offers'}")

    async def an_agent_names_a_ticket(self, agent: str, number: int) -> None:
        if (ticket := self.ticket(number)) is not None:
            await self.ask(f"agents/{agent}/claims", ticket=str(ticket.ticket_id))

    async def an_agent_does(self, agent: str, own: int, number: int, theirs: bool) -> None:
        act, said = OWN[own]
        self.silent.discard(agent)
        in_hand = [one for one in self.tickets() if work_of(one).in_hand and work_of(one).agent == agent]
        fitting = [one for one in in_hand if (work_of(one).phase is Phase.OFFERED) == (act in {"accept", "decline"})]
        those = (fitting or in_hand) if theirs else self.tickets()
        if those:
            await self.ask(f"tickets/{those[number % len(those)].ticket_id}/{act}", agent_id=agent, **said)

    async def somebody_does(self, act: int, number: int) -> None:
        name, said = ANYBODY[act]
        if (ticket := self.ticket(number)) is not None:
            await self.ask(f"tickets/{ticket.ticket_id}/{name}", **said)

    async def somebody_does_while_the_caller_speaks_on(self, who: int, text: int, act: int, number: int) -> None:
        """Do something with the ticket of a call, which may turn out to be another's matter meanwhile."""
        call: dict[str, Any] = dict.fromkeys(("hazard", "unconfirmed", "answered"), False)
        call |= {
            "who": who,
            "channel": 0,
            "thread": number,
            "tells": [],
            "of": None,
            "chosen": None,
            "age": 0,
            "late": 0,
        }
        await self.somebody_speaks(**call, text=0, final=False, more=False)
        await self.somebody_speaks(**call, text=text, final=True, more=True)
        await self.somebody_does(act, number=1)

    async def a_ticket_is_merged(self, number: int, other: int, across: bool) -> None:
        ticket, into = self.ticket(number), self.ticket(other)
        if ticket is None or into is None or ticket.merged_into is not None:
            return
        asked = {"into": str(into.ticket_id), "reason": "same", "across_customers": across}
        before = await self.now(ticket.ticket_id)
        done = await self.ask(f"tickets/{ticket.ticket_id}/merge", **asked)
        if done is not None and work_of(before).merged_into is None:
            self.merged[ticket.ticket_id] = before

    async def a_merge_is_undone(self, number: int) -> None:
        those = [one for one in self.tickets() if work_of(one).phase is Phase.MERGED]
        if not those:
            return
        before = await self.now(those[number % len(those)].ticket_id)
        if await self.ask(f"tickets/{before.ticket_id}/unmerge", reason="other") is None:
            return
        was, after = self.merged.pop(before.ticket_id), await self.now(before.ticket_id)
        assert (after.facts, after.contacts, after.place) == (before.facts, before.contacts, before.place)
        closed = work_of(was).phase is Phase.CLOSED
        assert work_of(after).phase is (Phase.CLOSED if closed else Phase.WAITING), "as it was before"
        if closed:
            ended = work_of(was).agent, work_of(was).outcome
            assert (work_of(after).agent, work_of(after).outcome) == ended
        assert work_of(after).elapsed.start == work_of(was).elapsed.start, "its clock is the old one"
        assert work_of(after).carries == work_of(before).carries
        assert work_of(after).queue == work_of(was).queue

    def tickets(self) -> list[Ticket]:
        return [self.judge.rows[one].ticket for one in sorted(self.judge.rows)]

    def ticket(self, number: int) -> Ticket | None:
        """Return a ticket: often one whose customer says something just now."""
        every = self.tickets()
        speak = {one.ticket_id for one in self.waiting if isinstance(one, ContactReceived)} if number % 2 else set()
        every = [one for one in every if one.ticket_id in speak] or every
        return every[number % len(every)] if every else None

    async def now(self, ticket_id: UUID) -> Ticket:
        return (await self.room.rows())[ticket_id].ticket

    # --- operators, and time ---

    async def the_tree_changes(self, which: int) -> None:
        rules = in_force().rules
        self.room.book.rules = rules[which % len(rules)]

    async def the_desk_changes(self, which: int) -> None:
        desks = in_force().desk
        self.room.desk_rules = desks[which % len(desks)]
        self.judge.in_force += 1

    async def who_is_there_is_counted(self, all_of_them: bool) -> None:
        queues = frozenset(self.room.book.rules.tree.queues)
        self.room.book.note_duty(Duty(queues if all_of_them else frozenset({"repair"}), {"complaint": 300}))

    async def hours_pass(self, hours: float) -> None:
        ends = self.room.now + timedelta(hours=hours)
        for _ in range(25):
            due = [row.columns["wake_at"] for row in (await self.room.rows()).values()]
            following = min((at for at in due if isinstance(at, datetime) and self.room.now < at < ends), default=None)
            if following is None:
                break
            self.room.now = following
            await self.time_passes()
        self.room.now = ends

    async def two_weeks_pass(self) -> None:
        self.room.now += timedelta(days=PUBLISHED_DAYS, hours=1)

    async def customers_are_forgotten(self, number: int, all_of_them: bool) -> None:
        before = self.room.now - timedelta(days=PUBLISHED_DAYS)
        ticket = self.ticket(number)
        if ticket is not None:
            await self.room.erase(None if all_of_them else [ticket.ticket_id], before)

    async def the_process_starts_anew(self) -> None:
        self.room.start()

    async def the_clock_jumps(self, minutes: float) -> None:
        self.room.now += timedelta(minutes=minutes)

    async def the_timers_stand_still(self) -> None:
        self.standing_still = not self.standing_still

    async def time_passes(self) -> None:
        """Let those look who look again and again."""
        if self.standing_still:
            return
        people = self.room.people
        people.signs |= {agent: self.room.now for agent in AGENTS if agent not in self.silent}
        await self.room.only_here()
        if self.judge.stored_anew != self.judge.in_force:
            await clocks.look(people, frozenset())
            self.judge.stored_anew = self.judge.in_force
        await _until_done(lambda: timers.limit_write_ups(people))
        await _until_done(lambda: timers.wake(people))
        await _until_done(lambda: sweep(people))
        await give_back(people)
        await _until_done(lambda: undeclared.look(people))
        undeclared.tell_unknown(people, [])
        await self.judge.look(by_time=True)
        in_queues = {row.ticket.queue for row in self.judge.rows.values() if row.ticket.standing is TicketState.QUEUED}
        assert in_queues <= self.room.queues, "it waits where nobody looks"

    async def lives(self, steps: list[Step]) -> None:
        """Live a story to its end, and then the days after it."""
        with patch.object(acts, "one_ticket", self.read), patch.object(shifts, "one_ticket", self.read):
            await self._lives(steps)

    async def read(self, pool: Pool, key: str, field: str | None = None) -> Ticket:
        """Read a ticket at a door; then what customers said meanwhile is taken, before anything is done with it."""
        found = await one_ticket(pool, key, field)
        await self.take()
        return found

    async def _lives(self, steps: list[Step]) -> None:
        for agent in AGENTS[:2]:
            await self.an_agent_is_made_or_changed(agent, ["*"], 2)
            await self.an_agent_is(agent, "available")
        for step in steps:
            if step.minutes:
                self.room.now += timedelta(minutes=step.minutes)
                await self.time_passes()
            if step.act not in _BESIDE:
                await self.take()
            await getattr(self, step.act)(**step.told)
            if step.act != "somebody_speaks":
                await self.take()
                await self.judge.look()
        await self.take()
        self.standing_still = False
        await self.everybody_is_served()
        self.room.now += timedelta(days=40)
        await self.time_passes()

    async def everybody_is_served(self) -> None:
        """Let one who can everything claim what waits: nothing keeps them from the next ticket."""
        self.room.now += timedelta(hours=5)  # what is kept for somebody is for anybody, though the clock went back
        await self.time_passes()
        await self.an_agent_is_made_or_changed("all", ["*"], 50)
        await self.an_agent_is("all", "available")
        waiting = {
            row.ticket.ticket_id for row in (await self.room.rows()).values() if row.columns["state"] == "queued"
        }
        while waiting and await self.ask("agents/all/claims") is not None:
            continue
        await self.judge.look()
        left = [row.ticket for row in (await self.room.rows()).values() if row.columns["state"] == "queued"]
        assert not left or len(waiting) > 50, f"nobody is given these: {left}"


async def asked(doors: httpx.AsyncClient, path: str, method: str, said: dict[str, Any]) -> Any:
    """Ask at a door of a router; return what it answers, None where it refuses."""
    headers = {"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]}
    answer = await doors.request(method, f"/v1/{path}", json=said, headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        return None
    return json.loads(answer.content) if answer.content else None


async def _until_done(look: Callable[[], Awaitable[int]]) -> None:
    for _ in range(500):
        if not await look():
            return
    raise AssertionError("there is always more to do")


@cache
def an_app(number: int = 0) -> tuple[Any, list[Desk]]:
    """Return the doors of one router, and for whom: made once, as it takes longer than a story."""
    from services.router.acting import Desk

    del number

    async def ready() -> list[str]:
        return []

    made = Desk.__new__(Desk)
    made.looking, made.book = None, None  # type: ignore[assignment]
    keys = DEPLOY / "keys.yaml"
    ring = read_keys(str(keys), keys.read_text(encoding="utf-8"))
    app = make_app("router", ready=ready)
    app.include_router(make_router(made, lambda: ring))
    return app, [made]


@asynccontextmanager
async def quietly() -> AsyncIterator[None]:
    """Write no log: what a story came to is told once, with its steps."""
    with capture_logs():
        yield


async def lived(room: Room, steps: list[Step], tells: type[Teller] = Teller) -> None:
    """Live a story in a room."""
    app, [people] = an_app()
    room.people = people
    async with (
        quietly(),
        room.open(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as doors,
    ):
        await tells(room, doors).lives(steps)
