"""The router's rows in memory: what its statements do, on dictionaries.

A story takes a twentieth of the time here. What is held of the statements (``store``, ``roster``, ``next_ticket``,
``undeclared``, ``clocks``, ``erasing``), stories in Postgres hold against the statements themselves. Never here: a law,
a decision.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

from services.grid.book import CustomerBook
from services.grid.candidates import search
from services.grid.evidence import DEFAULT_RULES, ask
from services.grid.network_file import open_network
from services.grid.place import weigh
from services.grid.tree import Tree
from services.router import clocks, glances, handler, next_ticket, roster, store, undeclared
from services.router.api import acts
from services.router.domain.desk import Turn, work_of
from services.router.domain.erased import erased, why_live
from services.router.domain.repeats import reporters
from services.router.domain.work import Phase
from services.router.glances import Glance
from services.router.next_ticket import Hand
from services.router.roster import Presence, Row
from tests.unit.router.making import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.grid.evidence import PlaceEvidence
    from services.grid.place import Weighed
    from services.router.domain.desk import DeskRules
    from services.router.domain.log import Event
    from services.router.domain.serving import Agent
    from services.router.domain.ticket import Rules, Ticket
    from services.runtime.handling import Decided
    from services.runtime.postgres import Pool
from tests.stories.routing.rooms import COLUMNS, Room, Shown


@dataclass(slots=True)
class _Rows:
    """The tables."""

    tickets: dict[UUID, tuple[Ticket, Turn, str]] = field(default_factory=dict)
    log: list[tuple[UUID, int, str]] = field(default_factory=list)
    aliases: dict[UUID, UUID] = field(default_factory=dict)
    reporters: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    agents: dict[str, Row] = field(default_factory=dict)
    known: dict[UUID, tuple[str, datetime]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def copy(self) -> _Rows:
        return _Rows(
            dict(self.tickets),
            list(self.log),
            dict(self.aliases),
            dict(self.reporters),
            dict(self.agents),
            dict(self.known),
            Counter(self.counts),
        )


def served(folder: Path) -> CustomerBook:
    """Return the customers of a small network."""
    files = open_network(folder / "network.csv", folder / "customers.csv")
    rows = list(files.read_customers())
    return CustomerBook(Tree(files.devices, Counter(row.transformer_id for row in rows)), rows)


class _Memory:
    """What the statements of the router do, on rows in memory; also the connection that they are asked on."""

    def __init__(self, customers: CustomerBook) -> None:
        self.rows = _Rows()
        self._customers = customers

    def get_max_size(self) -> int:
        return 4

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[_Memory]:
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        before = self.rows.copy()
        try:
            yield
        except BaseException:
            self.rows = before
            raise

    # services.router.store

    async def load(
        self, _tx: object, ticket_ids: Collection[UUID], handles: Collection[Any], now: datetime
    ) -> store.Stored:
        opened = {handle: self.rows.reporters.setdefault(handle.key, ()) for handle in handles}
        wanted = {*ticket_ids, *(each for tickets in opened.values() for each in tickets)}
        return store.Stored(list((await self.locked(None, wanted)).values()), opened)

    async def locked(self, _tx: object, ticket_ids: Collection[UUID]) -> dict[UUID, Ticket]:
        wanted = {*ticket_ids, *(self.rows.aliases[one] for one in ticket_ids if one in self.rows.aliases)}
        return {one: self.rows.tickets[one][0] for one in sorted(wanted) if one in self.rows.tickets}

    async def keep(self, _tx: object, tickets: Collection[tuple[Ticket, Turn]]) -> None:
        for ticket, turn in tickets:
            body = store.written(ticket)
            again = store.read(body)
            assert again == ticket, "what is stored loads to what was in memory"
            for number in (ticket.tellings.start, ticket.tellings.stop - 1):
                assert -(2**15) <= number < 2**15, "a smallint"
            self.rows.tickets[ticket.ticket_id] = again, turn, body

    async def acted(
        self,
        tx: object,
        tickets: Collection[tuple[Ticket, Turn]],
        lines: Sequence[tuple[Ticket, Sequence[Event]]],
        counts: Mapping[tuple[str, int, str], int],
        _records: object,
    ) -> None:
        await self.keep(tx, tickets)
        self._note(lines)
        for (_, _, name), n in counts.items():
            self.rows.counts[name] += n

    async def save(
        self,
        tx: object,
        tickets: Collection[tuple[Ticket, Turn]],
        lines: Sequence[tuple[Ticket, Sequence[Event]]],
        book: Any,
        _stored: object,
    ) -> None:
        await self.keep(tx, tickets)
        self._note(lines)
        self.rows.aliases.update(book.aliases)
        self.rows.reporters.update({handle.key: opened for handle, opened in book.open.items()})

    def _note(self, lines: Sequence[tuple[Ticket, Sequence[Event]]]) -> None:
        self.rows.log += [
            (ticket.ticket_id, ticket.version, event.model_dump_json(exclude_none=True))
            for ticket, events in lines
            for event in events
        ]

    async def by_id(self, _connection: object, ticket_id: UUID) -> list[Ticket]:
        found = self.rows.tickets.get(self.rows.aliases.get(ticket_id, ticket_id))
        return [] if found is None else [found[0]]

    # services.router.roster

    async def put(self, _tx: object, agent: Agent, now: datetime) -> None:
        known = self.rows.agents.get(agent.agent_id)
        self.rows.agents[agent.agent_id] = (
            Row(agent, Presence.OFFLINE, now, now) if known is None else replace(known, agent=agent)
        )

    async def agent_locked(self, _tx: object, agent_id: str) -> Row | None:
        return self.rows.agents.get(agent_id)

    async def signed(self, _tx: object, agent_id: str, now: datetime) -> Row | None:
        if agent_id in self.rows.agents:
            self.rows.agents[agent_id] = replace(self.rows.agents[agent_id], seen_at=now)
        return self.rows.agents.get(agent_id)

    async def alive(self, _tx: object, signs: Mapping[str, datetime]) -> frozenset[str]:
        for agent_id, at in signs.items():
            row = self.rows.agents.get(agent_id)
            if row is not None and row.presence is not Presence.OFFLINE and row.seen_at < at:
                self.rows.agents[agent_id] = replace(row, seen_at=at)
        return frozenset(signs) & self.rows.agents.keys()

    async def seen(self, _tx: object, row: Row, presence: Presence, now: datetime) -> None:
        since = row.since if presence is row.presence else now
        self.rows.agents[row.agent.agent_id] = replace(row, presence=presence, since=since, seen_at=now)

    async def says(
        self, _connection: object, agent_id: str, presence: Presence, now: datetime
    ) -> tuple[Row, Presence] | None:
        row = self.rows.agents.get(agent_id)
        if row is None:
            return None
        await self.seen(None, row, presence, now)
        return self.rows.agents[agent_id], row.presence

    async def remove(self, _tx: object, agent_id: str) -> None:
        self.rows.agents.pop(agent_id, None)

    async def gone(self, _tx: object, before: datetime, limit: int) -> list[Row]:
        rows = sorted(self.rows.agents.items())
        return [row for _, row in rows if row.presence is not Presence.OFFLINE and row.seen_at < before][:limit]

    async def in_hand(self, _connection: object, agent_id: str) -> list[Ticket]:
        return [one for one, _, _ in self._in_order() if _has(one, agent_id)]

    def _in_order(self) -> list[tuple[Ticket, Turn, str]]:
        return [self.rows.tickets[one] for one in sorted(self.rows.tickets)]

    def _queued(self) -> list[tuple[Ticket, Turn]]:
        found = [(one, turn) for one, turn, _ in self._in_order() if one.standing.value == "queued"]
        return sorted(found, key=lambda each: (each[1].rank_at, each[0].ticket_id))

    async def hand(
        self, _tx: object, agent_id: str, lanes: Sequence[str], capacity: int, offers_until: datetime | None = None
    ) -> Hand:
        theirs = await self.in_hand(None, agent_id)
        on_offer = offers_until is not None and any(
            work_of(one).phase is Phase.OFFERED and (work_of(one).until or offers_until) > offers_until
            for one in theirs
        )
        first = None
        if len(theirs) < capacity and not on_offer:
            for ticket, turn in self._queued():
                work = work_of(ticket)
                held = work.held_for if work.phase is Phase.WAITING else None
                if held == agent_id or (held is None and turn.lane in lanes and agent_id not in work.passed):
                    first = ticket
                    break
        return Hand(theirs, first)

    async def lanes(self, _connection: object) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for ticket, turn in self._queued():
            if work_of(ticket).held_for is None:
                found.setdefault(turn.lane, turn.rank_at)
        return found

    async def emergencies(self, connection: object) -> dict[str, datetime]:
        return await self.lanes(connection)

    async def how_many(self, _connection: object, wanted: Sequence[str]) -> dict[str, int]:
        waiting = [turn.lane for ticket, turn in self._queued() if work_of(ticket).held_for is None]
        return {lane: waiting.count(lane) for lane in wanted}

    async def held(self, _connection: object) -> set[str]:
        return {agent for one, _ in self._queued() if (agent := work_of(one).held_for) is not None}

    async def hands(self, connection: object, agent_ids: Collection[str]) -> dict[str, str]:
        return {
            one: f"{row.presence},{row.agent},{[(t.ticket_id, t.version) for t in await self.in_hand(connection, one)]}"
            for one in agent_ids
            if (row := self.rows.agents.get(one)) is not None
        }

    # services.router.glances

    async def at_a_glance(
        self, connection: object, agent_id: str, lanes: Sequence[str], called: Sequence[int]
    ) -> Glance | None:
        if (row := self.rows.agents.get(agent_id)) is None:
            return None
        theirs = await self.in_hand(connection, agent_id)
        more, waits = Counter({lane: -n for lane, n in zip(lanes, called, strict=True)}), False
        for ticket, turn in self._queued():
            work = work_of(ticket)
            if work.held_for is None and turn.lane in lanes and agent_id not in work.passed:
                more[turn.lane] += 1
            waits = waits or work.held_for == agent_id or more[turn.lane] > 0
        seen = Glance(row, (await self.hands(connection, [agent_id]))[agent_id], len(theirs), finds=False)
        on_offer = any(work_of(one).phase is Phase.OFFERED for one in theirs)
        return replace(seen, finds=on_offer or (waits and not seen.busy))

    # services.router.roster

    async def kept_for(self, _connection: object, agent_id: str) -> set[UUID]:
        return {one.ticket_id for one, _ in self._queued() if work_of(one).held_for == agent_id}

    async def know(self, _tx: object, customers: Collection[UUID], agent_id: str, now: datetime) -> None:
        for one in customers:
            if one not in self.rows.known or self.rows.known[one][1] <= now:
                self.rows.known[one] = agent_id, now

    async def free(self, _connection: object, agent_ids: Collection[str]) -> frozenset[str]:
        found = set()
        for agent_id in agent_ids:
            row = self.rows.agents.get(agent_id)
            there = row is not None and row.presence is Presence.AVAILABLE
            if there and len(await self.in_hand(None, agent_id)) < row.agent.capacity:
                found.add(agent_id)
        return frozenset(found)

    async def known(self, _connection: object, customers: Collection[UUID], since: datetime) -> dict[UUID, Agent]:
        spoke = {one: self.rows.known[one] for one in customers if one in self.rows.known}
        free = await self.free(None, {agent for agent, _ in spoke.values()})
        return {
            one: self.rows.agents[agent].agent for one, (agent, at) in spoke.items() if at > since and agent in free
        }

    async def waking(self, _tx: object, now: datetime, limit: int) -> list[Ticket]:
        due = [(turn.wake_at, one) for one, turn, _ in self._in_order() if turn.wake_at and turn.wake_at <= now]
        return [one for _, one in sorted(due, key=lambda each: (each[0], each[1].ticket_id))][:limit]

    async def writing_for_ever(self, _tx: object, queues: Collection[str] | None, limit: int) -> list[Ticket]:
        found = [one for one, _, _ in self._in_order() if work_of(one).phase is Phase.WRAP_UP]
        return [one for one in found if work_of(one).until is None and (queues is None or one.queue in queues)][:limit]

    # services.grid.lookup

    async def weigh_places(self, _connection: object, evidence: Sequence[PlaceEvidence]) -> list[Weighed]:
        found = []
        for one in evidence:
            question = ask(one, DEFAULT_RULES)
            named = self._customers.named(question)
            around = self._customers.around(search(question, named, DEFAULT_RULES))
            found.append(weigh(question, named, around, DEFAULT_RULES))
        return found

    async def chains_of(self, _connection: object, _weighed: object) -> dict[str, Any]:
        return {}

    async def resolve_places(self, _connection: object, evidence: Sequence[PlaceEvidence]) -> list[Any]:
        return [self._customers.resolve(one) for one in evidence]

    # the statements that other modules ask themselves

    async def fetchval(self, query: str, *_given: object) -> object:
        return True if query == undeclared._SAY else 0

    async def fetchrow(self, _query: str, *_given: object) -> dict[str, Any]:
        return {"at": NOON, "is_stored": False}

    async def execute(self, _query: str, *_given: object) -> None:
        return None

    async def fetch(self, query: str, *given: Any) -> list[dict[str, Any]]:
        if query == undeclared.LEFT:
            queue, limit = given
            return [{"body": store.written(one)} for one, _ in self._queued() if one.queue == queue][:limit]
        if query == undeclared._DECLARED:
            return [{"queue": queue} for queue in self.declared]
        if query == undeclared._WAITED_IN:
            return [{"queue": queue} for queue in sorted({one.queue for one, _ in self._queued()})]
        if query in {clocks.WAITING, clocks.IN_HAND}:
            return self._page(query == clocks.WAITING, given[:3], given[3])
        return []

    def _page(self, waiting: bool, after: tuple[Any, ...], limit: int) -> list[dict[str, Any]]:
        found = []
        for one, turn, body in self._in_order():
            by = one.queue if waiting else work_of(one).agent
            if one.standing.value == "queued" if waiting else work_of(one).in_hand:
                row = {"by": by, "rank_at": turn.rank_at, "ticket_id": one.ticket_id}
                found.append({**row, "wake_at": turn.wake_at, "body": body})
        found.sort(key=lambda row: (row["by"], row["rank_at"], row["ticket_id"]))
        return [row for row in found if (row["by"], row["rank_at"], row["ticket_id"]) > after][:limit]

    declared: tuple[str, ...] = ()


def _has(ticket: Ticket, agent_id: str) -> bool:
    return work_of(ticket).in_hand and work_of(ticket).agent == agent_id


_IN_MEMORY: Final = {
    store: ("load", "locked", "keep", "acted", "save", "by_id", "waking", "writing_for_ever"),
    roster: ("put", "signed", "alive", "seen", "says", "remove", "gone", "know", "free", "known"),
    next_ticket: ("in_hand", "hand", "lanes", "emergencies", "how_many", "held", "hands", "kept_for"),
}
"""What of each module is lived here instead."""


class InMemory(Room):
    """The router with its rows in memory."""

    def __init__(self, rules: Rules, desk: DeskRules, customers: CustomerBook) -> None:
        super().__init__(rules, desk)
        self._memory = _Memory(customers)

    @property
    def pool(self) -> Pool:
        return cast("Pool", self._memory)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        memory = self._memory
        with ExitStack() as stack:
            for module, names in _IN_MEMORY.items():
                for name in names:
                    stack.enter_context(patch.object(module, name, getattr(memory, name)))
            stack.enter_context(patch.object(glances, "at_a_glance", memory.at_a_glance))
            for name in ("locked", "one"):
                stack.enter_context(patch.object(roster, name, memory.agent_locked))
            stack.enter_context(patch.object(handler, "weigh_places", memory.weigh_places))
            stack.enter_context(patch.object(handler, "chains_of", memory.chains_of))
            stack.enter_context(patch.object(acts, "resolve_places", memory.resolve_places))
            async with super().open():
                yield

    async def _counted(self, _tx: object, decided: Decided) -> None:
        self._memory.rows.counts.update(decided.tally)

    async def rows(self) -> dict[UUID, Shown]:
        found = {}
        for one, turn, body in self._memory.rows.tickets.values():
            work = work_of(one)
            values = (
                one.version,
                one.queue,
                one.standing.value,
                work.agent if work.in_hand else None,
                work.held_for if work.phase is Phase.WAITING else None,
                turn.wake_at,
                turn.rank_at,
                turn.lane,
                turn.level,
            )
            found[one.ticket_id] = Shown(one, body, dict(zip(COLUMNS, values, strict=True)))
        return found

    async def lines(self) -> list[tuple[UUID, int, str]]:
        return list(self._memory.rows.log)

    async def counts(self) -> Counter[str]:
        return self._memory.rows.counts

    async def agents(self) -> dict[str, Row]:
        return self._memory.rows.agents

    async def erase(self, ids: Collection[UUID] | None, before: datetime) -> set[UUID]:
        rows, gone = self._memory.rows, set()
        for ticket, turn, _ in list(rows.tickets.values()):
            last = ticket
            while (into := last.merged_into or work_of(last).merged_into) is not None:
                last = rows.tickets[into][0]
            stands_for_it = None if last is ticket else last
            if (ids is None or ticket.ticket_id in ids) and why_live(ticket, stands_for_it, before) is None:
                less = erased(ticket, self.now)
                rows.tickets[ticket.ticket_id] = less, turn, store.written(less)
                for handle in reporters(ticket.facts):
                    if set(rows.reporters.get(handle.key, ())) <= {ticket.ticket_id, *ticket.also}:
                        rows.reporters.pop(handle.key, None)
                gone.add(ticket.ticket_id)
        without = [(one, n, _without(line)) if one in gone else (one, n, line) for one, n, line in rows.log]
        rows.log[:] = without
        return gone

    async def only_here(self) -> None:
        self._memory.declared = tuple(self.book.rules.tree.queues)


def _without(line: str) -> str:
    event = acts.Event.model_validate_json(line)
    return event.model_copy(update={"note": None, "place": None}).model_dump_json(exclude_none=True)
