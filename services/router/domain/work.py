"""The work on a ticket: its phase, its agent, and what is kept of past actions.

Decided here: nothing; only what the work knows about itself. ``allowing`` says which action is possible, ``effects``
what it changes, ``timing`` what time alone does. Folding the log gives the work again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import Field

from services.contracts.values import Language, Name, Place, Priority, TicketState, Timestamp, Value, Word
from services.router.domain.log import Did
from services.router.domain.sla import Elapsed


class Phase(StrEnum):
    """How far the work on a ticket is. What waits may wait for dedup rather than for a person."""

    WAITING = "waiting"
    OFFERED = "offered"
    ASSIGNED = "assigned"
    WRAP_UP = "wrap_up"
    CLOSED = "closed"
    MERGED = "merged"


class Carried(Value):
    """A ticket that this one stands for, when its customer first spoke, and since when it is carried."""

    ticket: UUID
    opened_at: Timestamp
    since: Timestamp | None = None


class Finished(Value):
    """How a ticket that was closed before it was merged had ended: by whom, and when. Its outcome stands."""

    agent: Name | None = None
    at: Timestamp | None = None


class Work(Value):
    """The work on a ticket: the fold of its log.

    Attributes:
        since: When the phase began; the ticket's opening if absent.
        waiting_since: When the customer began to wait for a person, offers that came to nothing included; the ticket's
            opening if absent.
        agent: Who has it, or completed it.
        until: When the offer lapses, or the time to write up is over.
        held_for: Who may have it before others, until ``held_until``.
        passed: Who declined it, or let it lapse; not offered again until ``passed_until``.
        queue: Where a person moved it, whatever the route tree says.
        priority: What a supervisor set.
        corrected_type: What a person says the business type is.
        corrected_language: What a person says the language is.
        place: Where a person says it is; it holds whatever the customer's words say.
        known_agent: Who had it last.
        rounds: Times it was taken by an agent.
        reopened: Times it was opened again.
        finished: How it had ended before it was merged, if it had.
        carries: Tickets merged into it.
        elapsed: Its clock.
    """

    phase: Phase = Phase.WAITING
    since: Timestamp | None = None
    waiting_since: Timestamp | None = None
    agent: Name | None = None
    until: Timestamp | None = None
    held_for: Name | None = None
    held_until: Timestamp | None = None
    passed: tuple[Name, ...] = ()
    passed_until: Timestamp | None = None
    queue: Word | None = None
    priority: Priority | None = None
    corrected_type: Word | None = None
    corrected_language: Language | None = None
    place: Place | None = None
    known_agent: Name | None = None
    rounds: int = Field(default=0, ge=0)
    reopened: int = Field(default=0, ge=0)
    urges: int = Field(default=0, ge=0)
    urged_at: Timestamp | None = None
    outcome: Word | None = None
    merged_into: UUID | None = None
    finished: Finished | None = None
    carries: tuple[Carried, ...] = ()
    elapsed: Elapsed = Elapsed()

    @property
    def in_hand(self) -> bool:
        """Whether it takes a place of its agent's capacity."""
        return self.phase in IN_HAND

    @property
    def open(self) -> bool:
        """Whether it is still to be worked on."""
        return self.phase is not Phase.CLOSED and self.phase is not Phase.MERGED

    @property
    def untouched(self) -> bool:
        """Whether no person had to do with it: at most it is kept for one, and warnings of its clock were given."""
        unwarned = self.elapsed.model_copy(update={"told": {}, "told_at": {}})
        return self.model_copy(update={"held_for": None, "held_until": None, "elapsed": unwarned}) == UNTOUCHED

    def stands(self, decided: TicketState) -> TicketState:
        """Return the state of a ticket of which the router ``decided`` that."""
        return decided if self.phase is Phase.WAITING else TicketState(self.phase.value)


UNTOUCHED: Final = Work()
IN_HAND: Final = frozenset({Phase.OFFERED, Phase.ASSIGNED, Phase.WRAP_UP})
WITH_AGENT: Final = frozenset({Phase.ASSIGNED, Phase.WRAP_UP})
OPEN: Final = frozenset({Phase.WAITING, *IN_HAND})
ALL: Final = frozenset(Phase)
BACK: Final = frozenset(
    {
        Did.DECLINED,
        Did.LAPSED,
        Did.TRANSFERRED,
        Did.RETURNED,
        Did.REQUEUED,
        Did.LOST,
        Did.RECALLED,
        Did.REOPENED,
        Did.UNMERGED,
    }
)
"""What puts a ticket back among those that wait."""
