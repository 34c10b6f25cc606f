"""Whatever customers, agents, supervisors, dedup and clocks do: the KPIs are what a stranger computes from topics."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from services.router.attendance import note_signs, sweep
from services.router.timers import wake
from services.runtime import clock
from tests.integration.router.seat import Seat, given_back, published, question
from tests.integration.router.story import told
from tests.integration.router.told_once_more import figures_of, written_down

if TYPE_CHECKING:
    import httpx

    from services.contracts.messages import ContactReceived
    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk
    from tests.integration.router.told_once_more import Times

pytestmark = pytest.mark.integration

STEPS = 280
BEGINS = datetime(2026, 3, 2, 15, 50, tzinfo=UTC)  # of 23:50 in Beijing: a Monday
CHINA = timezone(timedelta(hours=8))
WORDS = ("查电费", "停电了", "我要投诉", "我要举报", "着火了", "快点派人来", "还没来电", "电压低", "又不对了", None)
RETURNS = ("wrong_queue", "wrong_type", "wrong_language", "not_our_area", "missing_information", "other")
BY_AGENT = (
    *("accept", "decline", "contact", "wrap-up", "wrap-up", "complete", "complete", "complete"),
    *("transfer", "return", "reopen", "urge", "pause", "resume", "withdraw"),
)
BY_SUPERVISOR = ("reprioritise", "requeue", "merge", "unmerge")
HAPPENS = (
    *BY_AGENT * 2,
    *BY_SUPERVISOR,
    *["says"] * 10,
    *["takes"] * 14,
    "settled",
    "passes",
    "passes",
    "dies",
    "comes",
)
WITHIN_S, RING_S = 20, 9


class Walk:
    """Random acts at a hotline whose time is this one's."""

    def __init__(self, doors: httpx.AsyncClient, desk: Desk, people: People, seed: int, *, jumps: bool) -> None:
        self.desk, self.people, self.jumps = desk, people, jumps
        self.chance = random.Random(seed)
        self.now = BEGINS
        self.seats = [Seat(doors, name) for name in ("ann", "bob", "cai")]
        self.said: list[ContactReceived] = []
        self.returned_as: dict[tuple[str, int], str] = {}
        self.done = Counter[str]()
        self.held: dict[str, list[str]] = defaultdict(list)

    async def begin(self) -> None:
        for seat in self.seats:
            await seat.begin("*", capacity=3, languages=("*",))

    def passes(self) -> None:
        """Let time pass: mostly seconds, at times a night; a clock that jumps goes back an hour at times."""
        short = self.chance.random() < 0.8
        self.now += timedelta(seconds=self.chance.choice((0.5, 3, 8, 15, 40) if short else (200, 900, 4000, 30000)))
        if self.jumps and self.chance.random() < 0.02:
            self.now -= timedelta(hours=1)

    async def step(self, n: int) -> None:
        self.passes()
        self.desk.now = self.now
        what, seat = self.chance.choice(HAPPENS), self.chance.choice(self.seats)
        if what == "says" or not self.said:
            self.said.append(self.speaks(n))
            await self.desk.take(self.said[-1])
        elif what == "settled":
            answered = {"outcome": "answered", "reason": "arrears"}
            found = {"outcome": "in_incident", "reason": "same_device", "command_id": uuid4()}
            of = given_back(self.chance.choice(self.said)).model_copy(update={"settled_at": self.now})
            await self.desk.take(of.model_copy(update=self.chance.choice(({}, answered, found))))
        elif what == "passes":
            while await wake(self.people):
                continue
        elif what == "dies":
            await note_signs(self.people)
            while await sweep(self.people):
                continue
        elif what == "comes":
            await seat.presence(self.chance.choice(("available", "available", "away", "offline")))
        else:
            answer = await self.does(seat, what)
            assert answer.status_code in {200, 204, 409}, answer.text
            self.done[what] += answer.status_code == 200

    def speaks(self, n: int) -> ContactReceived:
        account = self.chance.choice(("A1", "A2", "A4", None))
        told: dict[str, Any] = {"account_id": account} if account else {}
        phone, at = f"1370000000{self.chance.randrange(8)}", self.now
        if self.chance.random() < 0.1:
            told |= {"unconfirmed": True, "business_type": "fault_report", "text": None}
        else:
            told["text"] = self.chance.choice(WORDS)
        happened = at - timedelta(seconds=self.chance.choice((0, 0, 5, 60, 2000)))
        said = question(f"said-{n}", phone=phone, **told).model_copy(
            update={"occurred_at": happened, "received_at": at}
        )
        if not self.said or self.chance.random() < 0.6:
            return said
        thread = self.chance.choice(self.said)
        return said.model_copy(update={"ticket_id": thread.ticket_id, "ticket_ref": thread.ticket_ref})

    async def does(self, seat: Seat, act: str) -> httpx.Response:
        if act == "takes":
            offer = await seat.offer()
            if offer.status_code == 409:
                await seat.presence("available")
            if offer.status_code == 200 and self.chance.random() < 0.7:
                self.passes()
                return await seat.do(self.chance.choice(("accept", "accept", "decline")), offer.json()["ticket_id"])
            return await seat.claim(ticket=str(self.chance.choice(self.said[-20:]).ticket_id))
        rows = await self.people.pool.fetch("SELECT ticket_id, agent, state FROM ticket ORDER BY ticket_id")
        own = [row["ticket_id"] for row in rows if row["agent"] == seat.agent]
        ticket = self.chance.choice(
            own if own and act not in {"reopen", "unmerge"} else [row["ticket_id"] for row in rows]
        )
        because = {"reason": "because"}
        if act == "merge":
            into = str(self.chance.choice(rows)["ticket_id"])
            return await seat.ask(f"tickets/{ticket}/merge", into=into, across_customers=True, **because)
        if act == "reprioritise":
            urgency = self.chance.choice(("emergency", "high", "normal"))
            return await seat.ask(f"tickets/{ticket}/reprioritise", priority=urgency, **because)
        if act in BY_SUPERVISOR:
            return await seat.ask(f"tickets/{ticket}/{act}", **because)
        body: dict[str, Any] = {
            "complete": {"outcome": self.chance.choice(("solved", "passed_on", "not_reached"))},
            "contact": {"outcome": self.chance.choice(("reached", "not_reached"))},
            "transfer": {"to_queue": self.chance.choice(("general", "complaint"))},
            "return": {"reason": self.chance.choice(RETURNS)},
            "decline": {},
            "accept": {},
            "wrap-up": {},
        }.get(act, because)
        if act == "return" and self.chance.random() < 0.4:
            body["business_type"] = self.chance.choice(("complaint", "enquiry"))
        answer = await seat.do(act, ticket, **body)
        if act == "return" and answer.status_code == 200:
            self.returned_as[str(answer.json()["ticket_id"]), int(answer.headers["etag"].strip('W/"'))] = body["reason"]
        return answer

    async def there(self) -> tuple[dict[str, Times], dict[str, datetime]]:
        """Return when agents were available, and when each was seen last: no topic has that."""
        spells: dict[str, Times] = defaultdict(list)
        for row in await self.people.pool.fetch("SELECT * FROM agent_presence WHERE presence = 'available'"):
            spells[row["agent_id"]].append((row["start_at"], row["end_at"]))
        agents = await self.people.pool.fetch("SELECT * FROM agent")
        for row in agents:
            if row["presence"] == "available":
                spells[row["agent_id"]].append((row["since"], row["seen_at"]))
        return spells, {row["agent_id"]: row["seen_at"] for row in agents}


def windows(chance: random.Random, moments: list[datetime]) -> list[tuple[datetime, datetime]]:
    """Return all of it, days of Beijing and of Greenwich, cuts in the middle of things, an empty and a future one."""
    first, last = min(moments), max(moments)
    found = [
        (first - timedelta(days=1), last + timedelta(days=1)),
        (last + timedelta(days=2), last + timedelta(days=3)),
    ]
    found.append((first - timedelta(days=3), first - timedelta(days=2)))
    for zone in (CHINA, UTC):
        day = first.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        while day < last and len(found) < 9:
            found.append((day, day + timedelta(days=1)))
            day += timedelta(days=1)
    for _ in range(5):
        since, until = sorted(chance.sample(moments, 2))
        if since < until:
            found.append((since, until))
    return found


@pytest.mark.parametrize(("seed", "jumps"), [(1, False), (2, False), (3, True)])
async def test_the_kpis_are_what_a_stranger_computes_from_the_topic(
    doors: httpx.AsyncClient, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch, seed: int, jumps: bool
) -> None:
    walk = Walk(doors, desk, people, seed, jumps=jumps)
    monkeypatch.setattr(clock, "now", lambda: walk.now)
    await walk.begin()
    for n in range(STEPS):
        await walk.step(n)
    stories = told([*desk.routed, *await published(people)])
    ledger = written_down(stories, walk.returned_as, WITHIN_S, RING_S)
    there, seen = await walk.there()
    moments = [one.routed_at for story in stories.values() for one in story]
    wrong = []
    for since, until in windows(walk.chance, moments):
        for queue in (None, *sorted({one.queue for story in stories.values() for one in story})):
            expected = figures_of(ledger, since, until, queue, there, seen)
            asked = {"since": since.isoformat(), "until": until.isoformat(), **({"queue": queue} if queue else {})}
            answer = await doors.get("/v1/kpis", params=asked, headers={"X-API-Key": "gridline-dev-supervisor-key"})
            assert answer.status_code == 200, answer.text
            shown = {kpi["name"]: (kpi["counted"], kpi["of"]) for kpi in answer.json()["kpis"]}
            assert shown.keys() == expected.keys()
            wrong += [
                f"{since} {until} {queue} {name}: shown {shown[name]}, told {each}"
                for name, each in expected.items()
                if not all(
                    math.isclose(a, b, rel_tol=1e-5, abs_tol=0.05) for a, b in zip(shown[name], each, strict=True)
                )
            ]
    assert min(walk.done[act] for act in ("complete", "wrap-up", "transfer", "return", "requeue", "urge")) > 0, (
        "enough came of it"
    )
    assert wrong == []
