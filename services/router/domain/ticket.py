"""A ticket: its facts, and the latest decisions on them.

Decided here: nothing; only what a ticket knows about itself. ``deciding`` makes it, ``telling`` publishes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - stored tickets are read by these annotations, here and below
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID  # noqa: TC003

from services.contracts.frozen import frozen
from services.contracts.values import Place, Priority, TicketState
from services.router.domain.classify import Classification, PriorityRule  # noqa: TC001
from services.router.domain.facts import Facts  # noqa: TC001
from services.router.domain.routes import Taken  # noqa: TC001
from services.router.domain.targets import UNKNOWN, Duty
from services.router.domain.work import Work  # noqa: TC001

if TYPE_CHECKING:
    from services.router.domain.reading import Keywords
    from services.router.domain.routes import RouteTree


@dataclass(frozen=True, slots=True)
class Rules:
    """The operators' data in force: words, tree, the hash that goes into every decision; and who is there, as known."""

    keywords: Keywords
    tree: RouteTree
    hash: str
    duty: Duty = UNKNOWN


@frozen()
class Located:
    """Where the facts put a ticket, and the language in the customer's file, if they name a customer."""

    place: Place
    language: str | None = None


class ReportState(StrEnum):
    """Where the ticket's one outage report is."""

    NONE = "none"
    SENT = "sent"
    ANSWERED = "answered"
    """Dedup answered it without an incident: arrears, already restored."""
    RETURNED = "returned"
    """Dedup gave it back: a person must look."""


@frozen()
class Need:
    """Why dedup asks for a person for a ticket that another stands for."""

    ticket: UUID
    reason: str


@frozen(kw_only=True)
class Ticket:
    """A case: the facts, and what was decided on them last.

    Attributes:
        version: Counts changes, one a contact or settlement; the highest holds.
        contacts: Ids of the contacts folded in.
        customer_language: Language in the customer's file.
        reported_at: Time of the outage as reported, once it was.
        needs_person: Why dedup or a follow-up asks for a person, if one does.
        carried_needs: The same of tickets that it stands for, as far as dedup asks.
        state: As the router decided; people come on top of it: ``standing``.
        work: What people did with it, if anything.
        change: What made this version, if it was not the router.
        routed_at: When this was decided.
        last_at: Time of the latest contact.
        also: Ids of tickets that are this one now.
        repeats: Times the reporter told of it again, by a contact of its own; those of the tickets it repeats included.
        told_before: Times they told of it in those tickets.
        urges: Times they asked to hurry, those within the interval not counted.
        urged_at: When the last counted one was.
        repeat_of: The earlier ticket of the same reporter and matter, where this one could not join it.
        merged_into: The ticket its contacts are in now; this one is closed.
        planned_at: When it began to wait for whom the tree says; a change of route begins anew.
        step: Which step of that plan it is in.
        erased_at: When its customer's data was erased (``erased``): nothing is decided on it any more.
    """

    ticket_id: UUID
    ticket_ref: str
    version: int
    contacts: frozenset[UUID]
    facts: Facts
    place: Place
    customer_language: str | None = None
    classification: Classification
    priority_rule: PriorityRule
    taken: Taken
    tree_hash: str
    state: TicketState
    report: ReportState = ReportState.NONE
    reported_at: datetime | None = None
    needs_person: str | None = None
    carried_needs: tuple[Need, ...] | None = None
    work: Work | None = None
    change: str | None = None
    routed_at: datetime
    last_at: datetime
    also: frozenset[UUID] = frozenset()
    repeats: int = 0
    told_before: int = 0
    urges: int = 0
    urged_at: datetime | None = None
    repeat_of: UUID | None = None
    merged_into: UUID | None = None
    planned_at: datetime | None = None
    step: int = 0
    erased_at: datetime | None = None

    @property
    def queue(self) -> str:
        """The one queue it sits in: the tree's, unless a person moved it."""
        moved = None if self.work is None else self.work.queue
        return moved or (self.taken.plan[self.step].queue if self.taken.plan else self.taken.queue)

    @property
    def skills(self) -> tuple[str, ...]:
        """What an agent needs to have it now: ``attribute:value``, or a plain word."""
        return self.taken.plan[self.step].skills if self.taken.plan else ()

    @property
    def priority(self) -> Priority:
        """How urgent it is, the tree's raises included; a supervisor may say otherwise, but not of a danger."""
        said = None if self.work is None or self.classification.hazards else self.work.priority
        return said or self.taken.priority

    @property
    def need(self) -> str | None:
        """Why a person is asked for, for itself or for a ticket that it stands for."""
        return self.needs_person or need_of(self.carried_needs)

    @property
    def standing(self) -> TicketState:
        """Where it stands, people included."""
        return self.state if self.work is None else self.work.stands(self.state)

    @property
    def counted(self) -> int:
        """Contacts the conservation count has in this ticket: those of a merged one are in another."""
        return 0 if self.merged_into is not None else len(self.contacts)

    @property
    def tellings(self) -> range:
        """Which tellings of its matter it holds, the first being 1: none where its contacts are in another ticket."""
        return range(0) if self.merged_into is not None else range(self.told_before + 1, self.repeats + 2)

    @property
    def is_young(self) -> bool:
        """Whether it can still turn out to be another ticket's matter: nothing went out for it, nobody has it."""
        waits = self.report is ReportState.NONE and self.state is TicketState.QUEUED
        return waits and self.need is None and (self.work is None or self.work.untouched)


def need_of(carried: tuple[Need, ...] | None) -> str | None:
    """Return the first of the reasons for which tickets need a person that another stands for."""
    return carried[0].reason if carried else None
