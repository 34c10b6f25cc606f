"""A ticket's position for agents: its lane, its place in it, its clock, and when to look at it again.

Decided here: in which order tickets are had; by whom is ``serving``'s. Priority ages: a ticket is ordered as if it had
been opened earlier by the head start of its priority, so it waits only behind tickets opened at most that much later,
and its place is a constant that an index can hold. Never here: what an action changes (``effects``), I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.contracts.frozen import frozen
from services.contracts.messages import Due
from services.contracts.values import Priority, TicketState
from services.router.domain.allowing import Case, decide
from services.router.domain.effects import evolve
from services.router.domain.facts import speaks
from services.router.domain.kpi import RATED
from services.router.domain.log import GRIDLINE, Did, Event
from services.router.domain.serving import LANGUAGE, lane_of, serves
from services.router.domain.sla import Clock, due_levels, met_at, next_level, reached, told
from services.router.domain.ticket import ReportState
from services.router.domain.timing import Timings, WrapUp, lapsed, wakes, written_up
from services.router.domain.versions import wakes_at
from services.router.domain.work import UNTOUCHED, Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import ContactReceived
    from services.router.domain.serving import Agent
    from services.router.domain.ticket import Ticket
    from services.router.domain.work import Work

CUSTOMER_SPOKE: Final = "customer_spoke"
"""Why a clock runs again that stood still until the customer did something."""
_BY_MACHINE: Final = frozenset({TicketState.WITH_DEDUP, TicketState.ANSWERED})
_OUT: Final = frozenset({ReportState.SENT, ReportState.ANSWERED})
_TAKEN_BACK: Final = "placement_undone"  # in dedup's word: a dispatcher took back where a person had said it is
_MOST_KINDS: Final = 4096  # of tickets whose clock is remembered; a hotline has some hundreds
_HEAD_STARTS: Final = {
    Priority.EMERGENCY: timedelta(hours=24),
    Priority.URGENT: timedelta(hours=2),
    Priority.HIGH: timedelta(minutes=30),
    Priority.NORMAL: timedelta(),
}


@dataclass(frozen=True, slots=True)
class DeskRules:
    """The operators' data for the desk (``desk.yaml``).

    Attributes:
        wrap_up: How long writing up may take, by queue; where none is named, ``usual_wrap_up``; without that, for ever.
        head_start: How much earlier a ticket of a priority counts as opened.
        clocks: The first that fits a ticket is its clock.
        answer_within: The y of "x % in y seconds".
        answer_share: The x, from 0 to 1.
        ring: Within which an agent should take what is offered to them.
        rated: The business types that ``timely_complaints`` is of.
        named: The queues that are named, each with where: the file and its line.
        kinds: The business types and kinds of faults that clocks are for: attribute, word, and where.
    """

    timings: Timings = field(default_factory=Timings)
    wrap_up: Mapping[str, WrapUp] = field(default_factory=dict)
    usual_wrap_up: WrapUp | None = None
    head_start: Mapping[Priority, timedelta] = field(default_factory=lambda: dict(_HEAD_STARTS))
    clocks: tuple[Clock, ...] = ()
    answer_within: timedelta = timedelta(seconds=20)
    answer_share: float = 0.8
    ring: timedelta = timedelta(seconds=9)
    rated: tuple[str, ...] = RATED
    named: tuple[tuple[str, str], ...] = ()
    kinds: tuple[tuple[str, str, str], ...] = ()
    hash: str = ""
    _fitting: dict[tuple[str | None, ...], Clock | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def limited(self) -> tuple[str, ...] | None:
        """The queues in which writing up has a limit; None for every queue."""
        return tuple(self.wrap_up) if self.usual_wrap_up is None else None

    def wrap_up_in(self, queue: str) -> WrapUp | None:
        """Return how long writing up may take in a queue, if there is a limit."""
        return self.wrap_up.get(queue, self.usual_wrap_up)

    def clock(self, attributes: Mapping[str, str | None]) -> Clock | None:
        """Return the clock of a ticket with these ``CLOCK_ATTRIBUTES``, remembered: every act asks, of few kinds."""
        kind = tuple(attributes.values())
        if kind not in self._fitting:
            if len(self._fitting) >= _MOST_KINDS:
                self._fitting.clear()
            self._fitting[kind] = next((clock for clock in self.clocks if clock.fits(attributes)), None)
        return self._fitting[kind]


@frozen()
class Turn:
    """What the queues, the timers and the message need of a ticket.

    Attributes:
        lane: What an agent must serve to have it.
        rank_at: Its place: the earliest goes first.
        wake_at: When time alone changes it, if ever.
        due: Its clock, for people to see; empty where it waits for no person.
    """

    lane: str
    rank_at: datetime
    wake_at: datetime | None
    due: tuple[Due, ...]

    @property
    def level(self) -> int:
        """The highest level of warning of a stage that is not met; 0 if there is none."""
        return max((due.level or 0 for due in self.due if due.met_at is None), default=0)


def work_of(ticket: Ticket) -> Work:
    """Return the work on a ticket, also of one that nobody touched."""
    return ticket.work or UNTOUCHED


def live_of(ticket: Ticket, tickets: Mapping[UUID, Ticket]) -> Ticket:
    """Return the ticket that stands for one: itself, unless people merged it. Merges make no rings."""
    while ticket.work is not None and ticket.work.merged_into is not None:
        ticket = tickets[ticket.work.merged_into]
    return ticket


def clock_of(ticket: Ticket, rules: DeskRules) -> Clock | None:
    """Return the clock of a ticket that people have to do with."""
    work = work_of(ticket)
    if not work.open or (ticket.state is not TicketState.QUEUED and not work.in_hand):
        return None
    about = ticket.classification
    return rules.clock(
        {
            "business_type": about.business_type,
            "fault": about.fault,
            "priority": ticket.priority.value,
            "customer_class": ticket.place.customer_class.value,
            "channel": ticket.facts.channel.value.value,
            "queue": ticket.queue,
        }
    )


CLOCK_ATTRIBUTES: Final = frozenset({"business_type", "fault", "priority", "customer_class", "channel", "queue"})
"""What a clock can be matched on."""


def clock_start(ticket: Ticket) -> datetime:
    """Return when the clock began: with the first customer who spoke, those of tickets merged into it included."""
    return min(clocks_of(ticket).values())


def clocks_of(ticket: Ticket) -> dict[UUID, datetime]:
    """Return when the clock began of a ticket by itself, and of each that it stands for.

    Of a ticket that was opened again, as it was, and so of what was merged into it before, which was done with it. The
    same of one that was recalled: a danger's clock is not that of what was told before.
    """
    work, again = work_of(ticket), work_of(ticket).elapsed.start
    begun = {ticket.ticket_id: ticket.facts.opened_at if again is None else again}
    for each in work.carries:
        is_done = again is not None and (each.since is None or each.since < again)
        begun[each.ticket] = begun[ticket.ticket_id] if is_done else each.opened_at
    return begun


def turn_of(ticket: Ticket, rules: DeskRules) -> Turn:
    """Return how a ticket stands."""
    work, clock = work_of(ticket), clock_of(ticket, rules)
    wake = wakes(work, rules.wrap_up_in(ticket.queue))
    if work.phase is Phase.WAITING and (turn := wakes_at(ticket)) is not None:
        wake = turn if wake is None else min(wake, turn)
    due: tuple[Due, ...] = ()
    if clock is not None:
        start = clock_start(ticket)
        warn = next_level(clock, work.elapsed, start)
        wake = min((moment for moment in (wake, warn) if moment is not None), default=None)
        due = tuple(
            Due(
                stage=stage.name,
                due_at=reached(stage, work.elapsed, start),
                met_at=met_at(stage, work.elapsed),
                level=told(stage, work.elapsed, start),
            )
            for stage in clock.stages
        )
    rank = min((ticket.facts.opened_at, *(each.opened_at for each in work.carries)))
    return Turn(
        lane=lane_of(ticket.queue, _asked(ticket)),
        rank_at=rank - rules.head_start[ticket.priority],
        wake_at=wake,
        due=due,
    )


def _asked(ticket: Ticket) -> tuple[str, ...]:
    """Return what is asked of an agent: of a ticket that a person moved, the language only."""
    moved = work_of(ticket).queue is not None
    return tuple(skill for skill in ticket.skills if not moved or skill.startswith(f"{LANGUAGE}:"))


def case_of(ticket: Ticket, rules: DeskRules) -> Case:
    """Return a ticket as acts are judged by it."""
    clock, work, about = clock_of(ticket, rules), work_of(ticket), ticket.classification
    waits = ticket.report is ReportState.RETURNED
    last = None if clock is None else clock.stages[-1]
    return Case(
        opened_at=ticket.facts.opened_at,
        queue=ticket.queue,
        waits=ticket.state is TicketState.QUEUED,
        danger=bool(about.hazards),
        told=ticket.repeats + 1,
        business_type=about.business_type,
        urged=ticket.urges + work.urges > 0,
        last_due=None if last is None else reached(last, work.elapsed, clock_start(ticket)),
        last_met=None if last is None else met_at(last, work.elapsed),
        urge=rules.timings.urge,
        wrap_up=None if (wrap_up := rules.wrap_up_in(ticket.queue)) is None else wrap_up.limit,
        reported=ticket.report in _OUT or (waits and work.place is not None and ticket.needs_person != _TAKEN_BACK),
        waits_in=ticket.place.area if waits else None,
    )


def passing(ticket: Ticket, rules: DeskRules, now: datetime) -> Iterator[Event]:
    """Yield what the passing of time alone does to a ticket: offers that lapse, warnings of its clock."""
    work, clock = work_of(ticket), clock_of(ticket, rules)
    yield from lapsed(work, rules.timings, now)
    texts = ticket.facts.texts
    unheard = bool(texts) and work.since is not None and texts[-1].at > work.since
    by_people = unheard or bool(ticket.classification.hazards)
    yield from written_up(work, rules.wrap_up_in(ticket.queue), now, by_people=by_people)
    if clock is not None:
        for stage, level in due_levels(clock, work.elapsed, clock_start(ticket), now):
            yield Event(did=Did.ESCALATED, at=now, by=GRIDLINE, stage=stage.name, level=level, agent=work.agent)


def overdue(ticket: Ticket, rules: DeskRules, now: datetime) -> Event | None:
    """Return the first of what time has brought by now, if it has brought anything.

    One change a version, so that whoever reads the topic sees each: the next look sees that more is due.
    """
    case = case_of(ticket, rules)
    found = (decide(work_of(ticket), event, case) for event in passing(ticket, rules, now))
    return next((event for event in found if event is not None), None)


def keeping(ticket: Ticket, known: Iterable[Agent], rules: DeskRules, now: datetime) -> list[Event]:
    """Return that a new ticket is kept a while for the first of the agents its customer knows who can have it.

    What may be a danger is kept for nobody: the next agent has it.
    """
    if ticket.classification.may_be_danger or ticket.standing is not TicketState.QUEUED:
        return []
    lane = turn_of(ticket, rules).lane
    agent = next((agent for agent in known if serves(agent, lane)), None)
    if agent is None:
        return []
    until = now + rules.timings.hold
    asked = Event(did=Did.KEPT, at=now, by=GRIDLINE, to_agent=agent.agent_id, until=until, reason="known_agent")
    decided = decide(work_of(ticket), asked, case_of(ticket, rules))
    return [] if decided is None else [decided]


def following(
    before: Ticket | None,
    ticket: Ticket,
    contact: ContactReceived,
    rules: DeskRules,
    now: datetime,
    free: Collection[str] = (),
) -> list[Event]:
    """Return what a contact does to the work on its ticket, once it was folded in and routed.

    What people had closed is open again, and what a machine had taken care of once a person has to look: as of now. It
    is kept for the agent who had it, if they are among those who are ``free``; what may be a danger for nobody.
    A danger that becomes known leaves whoever has it. Where nobody has the ticket, any further danger takes away what
    else keeps it from the next agent: where a person moved it, for whom it is kept, who declined what it was before,
    and what met its clock when nobody knew of it. So does what begins to sound like danger; whoever has that hears it.
    """
    work = work_of(ticket)
    known = set(before.classification.hazards) if before else set[str]()
    dangers = set(ticket.classification.hazards)
    asked: list[Event] = []
    left = before is not None and before.standing in _BY_MACHINE and ticket.standing is TicketState.QUEUED
    if before is not None and (left or not work.open) and speaks(contact):
        keep = None if ticket.classification.may_be_danger or work.known_agent not in free else work.known_agent
        until = now + rules.timings.hold if keep else None
        asked.append(Event(did=Did.REOPENED, at=now, by=GRIDLINE, to_agent=keep, until=until))
    kept_back = work.queue or work.held_for or work.passed or work.elapsed.paused or work.elapsed.met
    if dangers - known and (not known if work.in_hand else kept_back):
        asked.append(Event(did=Did.RECALLED, at=now, by=GRIDLINE, reason="danger"))
    elif _sounds_anew(before, ticket) and kept_back and not work.in_hand:
        asked.append(Event(did=Did.RECALLED, at=now, by=GRIDLINE, reason="suspected_danger"))
    elif work.elapsed.paused and not left and speaks(contact):
        asked.append(Event(did=Did.RESUMED, at=now, by=GRIDLINE, reason=CUSTOMER_SPOKE))
    given_up = ticket.facts.is_unconfirmed and not (before and before.facts.is_unconfirmed)
    if given_up and work.rounds == 0 and work.open:
        asked.append(Event(did=Did.ABANDONED, at=now, by=GRIDLINE))
    if not asked:
        return []
    case = replace(case_of(ticket, rules), waits=False)  # what is opened again did not wait for a person before
    found: list[Event] = []
    for event in asked:
        where = before.queue if before and event.did is Did.RECALLED else ticket.queue
        if (decided := decide(work, event, replace(case, queue=where))) is not None:
            found.append(decided)
            work = evolve(work, decided)
    return found


def _sounds_anew(before: Ticket | None, ticket: Ticket) -> bool:
    """Tell whether a ticket sounds like danger now and neither named one nor sounded like it before."""
    return ticket.classification.suspected is not None and not (before and before.classification.may_be_danger)


def standing_alone(ticket: Ticket, now: datetime) -> list[Event]:
    """Return that a merged ticket stands for itself again, without anybody's asking for it."""
    return [Event(did=Did.UNMERGED, at=now, by=GRIDLINE, queue=ticket.queue)]


def released(above: Ticket, ticket: Ticket, now: datetime, by: str = GRIDLINE) -> list[Event]:
    """Return that a ticket stands no longer for one that was merged into it, nor for what that stands for."""
    gone = {ticket.ticket_id, *(each.ticket for each in work_of(ticket).carries)}
    theirs = [each.ticket for each in work_of(above).carries if each.ticket in gone]
    return [Event(did=Did.RELEASED, at=now, by=by, queue=above.queue, ticket=each) for each in theirs]


def asked_again(before: Ticket, ticket: Ticket, reason: str, now: datetime, *, taken_back: bool) -> list[Event]:
    """Return that people have to do with a ticket again because dedup gave a report back, its own or one it stands for.

    As of now where people had ended it, or a machine had taken care of it until this was ``taken_back``: nobody could
    have had it before. One that was never settled waits since its customer spoke.
    """
    by_machine = taken_back and before.standing in _BY_MACHINE
    if work_of(ticket).open and not by_machine:
        return []
    return [Event(did=Did.REOPENED, at=now, by=GRIDLINE, queue=ticket.queue, reason=reason)]
