"""Whatever customers, agents, supervisors and dedup do, in any order: no contact is lost, and logs and merges agree."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from services.router import store
from services.router.domain.conservation import CLOSED, OUTAGE, QUEUED, counted_as
from services.router.domain.desk import live_of, work_of
from services.router.domain.effects import fold
from services.router.timers import wake
from services.runtime import positions
from tests.integration.router.seat import Seat, given_back, question

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from services.contracts.messages import ContactReceived
    from services.router.acting import Desk as People
    from services.router.domain.ticket import Ticket
    from tests.integration.router.desk import Desk


pytestmark = pytest.mark.integration

STEPS = 90
WORDS = ("查电费", "停电了", "我要投诉", "着火了", "快点派人来", "还没来电", "电压低", "又不对了", "电线冒火花", None)
PLAIN = ("reopen", "withdraw", "pause", "resume", "urge", "requeue", "unmerge")
ACTS: dict[str, dict[str, Any]] = {
    **{act: {"reason": "because"} for act in PLAIN},
    "complete": {"outcome": "solved"},
    "wrap-up": {},
    "return": {"reason": "wrong_type", "business_type": "complaint"},
    "transfer": {"to_queue": "general"},
    "place": {"account_id": "A2"},
}


@pytest.mark.parametrize("seed", range(4))
async def test_no_contact_is_lost_whatever_anybody_does(
    doors: httpx.AsyncClient, desk: Desk, people: People, seed: int
) -> None:
    chance = random.Random(seed)
    seats = [await Seat(doors, name).begin("*", capacity=3, languages=("*",)) for name in ("ann", "bob")]
    said: list[ContactReceived] = []
    done = Counter[str]()
    for step in range(STEPS):
        desk.now = datetime.now(UTC)
        seat, act = chance.choice(seats), chance.choice(("says", "says", "settled", "merge", "takes", "time", *ACTS))
        if act == "says" or not said:
            said.append(speaks(chance, step, said))
            await desk.take(said[-1])
        elif act == "settled":
            await desk.take(settled(chance, chance.choice(said)))
        elif act == "time":
            await people.pool.execute("UPDATE ticket SET wake_at = now() WHERE wake_at IS NOT NULL")
            while await wake(people):
                continue
            await seat.presence("offline")
            await seat.presence("available")
        else:
            answer = await does(seat, act, chance, [each.ticket_id for each in said])
            assert answer.status_code in {200, 204, 409}, answer.text
            done[act] += answer.status_code == 200
        if step % 10 == 9:
            await all_agree(desk, people, said)
    assert min(done["merge"], done["takes"]) > 0, "enough came of it"


def speaks(chance: random.Random, step: int, before: list[ContactReceived]) -> ContactReceived:
    """A customer's words: in a thread of before, by a number of before, or new."""
    where = {"account_id": account} if (account := chance.choice(("A1", "A2", "A4", None))) else {}
    phone, ago = f"1370000000{chance.randrange(6)}", chance.choice((0, 60, 2000, 4000))
    said = question(f"said-{step}", ago=ago, text=chance.choice(WORDS), phone=phone, **where)
    if not before or chance.random() < 0.6:
        return said
    thread = chance.choice(before)
    return said.model_copy(update={"ticket_id": thread.ticket_id, "ticket_ref": thread.ticket_ref})


def settled(chance: random.Random, of: ContactReceived) -> Any:
    """Dedup gives a report back, answers it, or was told where it is."""
    answered = {"outcome": "answered", "reason": "arrears"}
    found = {"outcome": "in_incident", "reason": "same_device", "command_id": uuid4()}
    return given_back(of).model_copy(update=chance.choice(({}, answered, found)))


async def does(seat: Seat, act: str, chance: random.Random, tickets: list[UUID]) -> httpx.Response:
    ticket = chance.choice(tickets)
    if act == "merge":
        into = {"into": str(chance.choice(tickets)), "reason": "same_matter", "across_customers": True}
        return await seat.ask(f"tickets/{ticket}/merge", **into)
    if act in {"unmerge", "requeue"}:
        return await seat.ask(f"tickets/{ticket}/{act}", **ACTS[act])
    if act != "takes":
        return await seat.do(act, ticket, **ACTS[act])
    offer = await seat.offer()
    if offer.status_code != 200:
        return await seat.claim(ticket=str(ticket))
    return await seat.do(chance.choice(("accept", "decline")), offer.json()["ticket_id"])


async def all_agree(desk: Desk, people: People, said: list[ContactReceived]) -> None:
    """Every contact is counted once, the work on each ticket is its log, and who stands for whom is said by both."""
    rows = await people.pool.fetch("SELECT ticket_id, body::text AS body FROM ticket")
    tickets = {row["ticket_id"]: store.read(row["body"]) for row in rows}
    counts = Counter[str]()
    for ticket in tickets.values():
        counts[counted_as(ticket)] += ticket.counted
        assert fold(await store.log_of(desk.connection, ticket.ticket_id)) == work_of(ticket)
        assert {each.ticket for each in work_of(ticket).carries} == {
            other.ticket_id for other in tickets.values() if ticket.ticket_id in above(other, tickets)
        }
        for need in ticket.carried_needs or ():
            assert live_of(tickets[need.ticket], tickets) is ticket, "asked of whom people have to do with"
    async with people.pool.acquire() as connection:
        told = desk.tally + await positions.totals(connection)
    shown = [told[name] for name in (QUEUED, OUTAGE, CLOSED)]
    assert shown == [counts[name] for name in (QUEUED, OUTAGE, CLOSED)]
    assert sum(shown) == len(said)


def above(ticket: Ticket, tickets: dict[UUID, Ticket]) -> set[UUID]:
    """The tickets that stand for one."""
    found: set[UUID] = set()
    while (into := work_of(ticket).merged_into) is not None:
        found.add(into)
        ticket = tickets[into]
    return found
