"""What must hold of the router after each step of a story. Never here: what a step does."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from services.contracts.ids import report_id
from services.contracts.messages import OutageReported, TicketRouted
from services.contracts.topics import CONTACT_RECEIVED
from services.contracts.values import TicketState
from services.router.api.tickets import view
from services.router.domain.conservation import CLOSED, OUTAGE, QUEUED, REPORT_SENT, counted_as, imbalance
from services.router.domain.desk import clock_of, clock_start, turn_of, work_of
from services.router.domain.log import Did, Event
from services.router.domain.telling import routed
from services.router.domain.ticket import ReportState, Ticket
from services.router.domain.versions import MOVED_ON
from services.router.domain.work import Phase
from services.router.roster import Presence
from tests.stories.routing.slow_clock import due_slowly

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from services.contracts.messages import Message
    from services.contracts.messages.tickets import Due
    from tests.stories.routing.rooms import Room, Shown

_MOMENT: Final = timedelta(milliseconds=1)
_OPEN: Final = frozenset({TicketState.QUEUED, TicketState.OFFERED, TicketState.ASSIGNED, TicketState.WRAP_UP})


@lru_cache(maxsize=4096)
def _read(line: str) -> Event:
    return Event.model_validate_json(line)


class Judge:
    """Remembers how it was, and judges how it is."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.contacts: set[UUID] = set()
        """Those that were accepted."""
        self.secrets: frozenset[str] = frozenset()
        """What tells who a customer is, where they are, or what was noted of them."""
        self.rows: Mapping[UUID, Shown] = {}
        self.reports: Counter[UUID] = Counter()
        self.told: list[TicketRouted] = []
        """Everything that was ever told of tickets."""
        self.in_force = 0
        """Changes of the desk's rules so far."""
        self.stored_anew = 0
        """How many there had been when what is open was last gone through."""
        self._hands: Counter[str] = Counter()
        self._lines: set[tuple[UUID, int, int]] = set()
        self._acts: Counter[UUID] = Counter()
        self._warned: dict[tuple[UUID, str | None], tuple[object, int]] = {}

    async def look(self, *, by_time: bool = False) -> None:
        """Judge what has become of all tickets since the last look.

        Raises:
            AssertionError: one of the laws does not hold.
        """
        before, self.rows = self.rows, await self.room.rows()
        said, self.room.outbox.settled = self.room.outbox.settled, []
        tickets = {one: row.ticket for one, row in self.rows.items()}
        self._in_one_place(tickets)
        self._counted(tickets, await self.room.counts(), said)
        self._told(before, said)
        self._ascends(before)
        self._stands_for(tickets)
        await self._in_hand()
        lines = await self.room.lines()
        self._warnings(tickets, lines)
        self._says_why(said, lines)
        for one, row in self.rows.items():
            if one not in before or before[one].body != row.body or before[one].columns != row.columns:
                self._row(row)
                if by_time and one in before:
                    self._due(before[one].ticket, row.ticket)
        await self._erased({one: row.body for one, row in self.rows.items() if row.ticket.erased_at is not None})

    def _in_one_place(self, tickets: Mapping[UUID, Ticket]) -> None:
        where: dict[UUID, UUID] = {}
        for ticket in tickets.values():
            if ticket.merged_into is not None:
                assert ticket.contacts <= tickets[ticket.merged_into].contacts, (
                    "its contacts are in the ticket it is now"
                )
                continue
            for contact in ticket.contacts:
                assert contact not in where, f"in two tickets: {contact}"
                where[contact] = ticket.ticket_id
        assert where.keys() == self.contacts, f"in no ticket: {self.contacts - where.keys()}"

    def _counted(self, tickets: Mapping[UUID, Ticket], counts: Counter[str], said: list[Message]) -> None:
        counts = counts + Counter({f"{CONTACT_RECEIVED.name}/accepted": len(self.contacts)})
        assert imbalance(counts) == 0, f"the tally does not balance: {dict(counts)}"
        expected: Counter[str] = Counter()
        for ticket in tickets.values():
            expected[counted_as(ticket)] += ticket.counted
        assert all(counts[name] == expected[name] for name in (QUEUED, OUTAGE, CLOSED)), (
            f"the tally is not that of the tickets: {counts} {expected}"
        )
        self.reports.update(one.ticket_id for one in said if isinstance(one, OutageReported))
        assert counts[REPORT_SENT] == self.reports.total()
        for one, ticket in tickets.items():
            went_out = ticket.report is not ReportState.NONE
            assert self.reports[one] == went_out, f"reports: {self.reports[one]} of {one}, which is {ticket.report}"

    def _told(self, before: Mapping[UUID, Shown], said: list[Message]) -> None:
        last: dict[UUID, TicketRouted] = {}
        for one in said:
            if isinstance(one, TicketRouted):
                known = before[one.ticket_id].ticket.version if one.ticket_id in before else 0
                was = last[one.ticket_id].version if one.ticket_id in last else known
                assert one.version > was, f"told after a later one: {one.ticket_id} {one.version}, {was}"
                last[one.ticket_id] = one
            elif isinstance(one, OutageReported):
                assert one.report_id == report_id(one.ticket_id)
                assert one.place.area == one.area
        changed = {
            one
            for one, row in self.rows.items()
            if one not in before or before[one].ticket.version != row.ticket.version
        }
        assert last.keys() == changed, "each ticket that changed is told, and no other"
        for one, told in last.items():
            ticket = self.rows[one].ticket
            if ticket.erased_at is None:
                expected = routed(ticket, turn_of(ticket, self.room.desk_rules).due)
                assert told == expected, f"told otherwise than stored: {told}, {expected}"
            TicketRouted.model_validate_json(told.model_dump_json())

    def _ascends(self, before: Mapping[UUID, Shown]) -> None:
        assert before.keys() <= self.rows.keys(), "no ticket is lost"
        for one, was in before.items():
            now = self.rows[one].ticket
            assert was.ticket.erased_at is None or now.erased_at is not None, f"erased, and that is forgotten: {one}"
            assert now.version >= was.ticket.version, (
                f"an earlier version: {one} {was.ticket.version} before {now.version}"
            )
            if now.version == was.ticket.version and now.erased_at == was.ticket.erased_at:
                assert now == was.ticket, f"another in the same version: {one}"

    def _stands_for(self, tickets: Mapping[UUID, Ticket]) -> None:
        above: defaultdict[UUID, set[UUID]] = defaultdict(set)
        for one, ticket in tickets.items():
            at, steps = ticket, 0
            while (into := work_of(at).merged_into) is not None:
                steps += 1
                assert steps <= len(tickets), "merges make a ring"
                at = tickets[into]
                above[into].add(one)
            if at is not ticket:
                assert at.merged_into is None, "what stands for a ticket is one"
        for one, ticket in tickets.items():
            carried = {each.ticket for each in work_of(ticket).carries}
            assert carried == above[one], f"carries others than are merged into it: {one} {carried} {above[one]}"
            for need in ticket.carried_needs or ():
                assert need.ticket in above[one], "it carries the need of one that it does not stand for"
                assert tickets[need.ticket].report is ReportState.RETURNED, "nobody asks that any more"

    async def _in_hand(self) -> None:
        agents = await self.room.agents()
        hands = Counter(str(row.columns["agent"]) for row in self.rows.values() if row.columns["agent"] is not None)
        for agent, n in hands.items():
            assert agent in agents, f"{agent} has a ticket and is no agent"
            assert agents[agent].presence is not Presence.OFFLINE, f"{agent} has a ticket and is not there"
            assert n <= max(agents[agent].agent.capacity, self._hands[agent]), f"has too many: {agent} {n}"
        self._hands = hands

    def _says_why(self, said: list[Message], lines: list[tuple[UUID, int, str]]) -> None:
        """A version tells what was done by it, not what was done before."""
        routed = {(one.ticket_id, one.version): one for one in said if isinstance(one, TicketRouted)}
        self.told += routed.values()
        did = {(one, version): _read(line).did.value for one, version, line in lines if (one, version) in routed}
        for key, one in routed.items():
            wanted = None if one.merged_into is not None and one.change is None else did.get(key)
            assert one.change in {wanted, MOVED_ON}, f"told as {one.change}: {key}, of which the log has {did.get(key)}"

    def _warnings(self, tickets: Mapping[UUID, Ticket], lines: list[tuple[UUID, int, str]]) -> None:
        of_version: Counter[tuple[UUID, int]] = Counter()
        for one, version, line in lines:
            of_version[one, version] += 1
            place = one, version, of_version[one, version]
            if place in self._lines:
                continue
            self._lines.add(place)
            event = _read(line)
            if event.did is not Did.ESCALATED:
                self._acts[one] += event.did not in _BY_TIME
                continue
            clock = clock_of(tickets[one], self.room.desk_rules)
            by = clock and clock.name, clock_start(tickets[one]), self.in_force, self._acts[one]
            was, level = self._warned.get((one, event.stage), (None, 0))
            now = event.level or 0
            assert was != by or now > level, f"warned again: {one} of {event.stage} at level {level}, and then at {now}"
            self._warned[one, event.stage] = by, now

    def _row(self, row: Shown) -> None:
        ticket, work = row.ticket, work_of(row.ticket)
        rules = self.room.desk_rules
        turn = turn_of(ticket, rules)
        said = row.columns
        about = (ticket.version, ticket.queue, ticket.standing.value)
        assert (said["version"], said["queue"], said["state"]) == about
        assert said["agent"] == (work.agent if work.in_hand else None)
        assert said["lane"] == turn.lane
        if self.stored_anew == self.in_force:
            assert (said["wake_at"], said["rank_at"]) == (turn.wake_at, turn.rank_at), (
                f"stored otherwise than it stands: {said} {turn}"
            )
        self._due_by_the_calendar(ticket, turn.due)
        if ticket.standing in _OPEN:
            for moment in (work.until, work.held_until):
                assert moment is None or (turn.wake_at is not None and turn.wake_at <= moment), "nobody would look"
        if work.phase is Phase.OFFERED:
            assert work.until is not None, "an offer lapses"
        assert (work.held_for is None) == (work.held_until is None), (
            f"kept for nobody, or for ever: {work.held_for} {work.held_until}"
        )
        assert not (ticket.erased_at is not None and ticket.standing in _OPEN), "nobody can do anything with it"
        assert ticket.merged_into is None or ticket.work is None or not ticket.work.in_hand
        view(ticket, rules)

    def _due_by_the_calendar(self, ticket: Ticket, due: tuple[Due, ...]) -> None:
        clock = clock_of(ticket, self.room.desk_rules)
        for stage, one in zip(clock.stages if clock is not None else (), due, strict=True):
            wanted = due_slowly(stage, work_of(ticket).elapsed, clock_start(ticket))
            same = one.due_at == wanted or (one.due_at and wanted and abs(one.due_at - wanted) < _MOMENT)
            assert same, f"due otherwise than by the calendar: {stage.name} {one.due_at}, {wanted}"

    def _due(self, was: Ticket, ticket: Ticket) -> None:
        rules = self.room.desk_rules
        if self.stored_anew != self.in_force or was.facts != ticket.facts:
            return
        before = {due.stage: due.due_at for due in turn_of(was, rules).due}
        for due in turn_of(ticket, rules).due:
            at = before.get(due.stage)
            assert at is None or due.due_at is None or due.due_at >= at, (
                f"due earlier than before: {due.stage} {at} {due.due_at}"
            )

    async def _erased(self, bodies: Mapping[UUID, str]) -> None:
        lines = [line for one, _, line in await self.room.lines() if one in bodies] if bodies else []
        for kept in (*bodies.values(), *lines):
            found = [secret for secret in self.secrets if secret in kept]
            assert not found, f"erased, and still there: {found} in {kept}"


_BY_TIME: Final = frozenset({Did.LAPSED, Did.HOLD_ENDED, Did.PASS_ENDED, Did.LIMITED, Did.NOTED})
