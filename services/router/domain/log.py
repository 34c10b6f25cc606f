"""The log of a ticket: what was done with it, by whom and when; one line per action.

Decided here: the vocabulary. Never here: what an action changes (``effects``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

from services.contracts.values import Language, Name, Place, Priority, Text, Timestamp, Value, Word


class Did(StrEnum):
    """What was done: the word in the log, the message and the metric."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    CLAIMED = "claimed"
    """Offered and accepted in one."""
    DECLINED = "declined"
    LAPSED = "lapsed"
    """The time to accept an offer was over."""
    KEPT = "kept"
    """For a while nobody else has it: its agent spoke with the customer lately."""
    HOLD_ENDED = "hold_ended"
    """The agent it was kept for did not take it in time."""
    PASS_ENDED = "pass_ended"  # noqa: S105 - a declined offer, not a word to enter
    """Those who declined may be offered it again."""
    WRAPPED_UP = "wrapped_up"
    LIMITED = "limited"
    """Writing up has a limit from now on: none was in force as it began."""
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    """The customer gave up before a person had it."""
    NOTED = "noted"
    CONTACTED = "contacted"
    """The agent spoke with the customer (or tried: the outcome says)."""
    TRANSFERRED = "transferred"
    RETURNED = "returned"
    """退单: given back with a reason, to be routed again."""
    PAUSED = "paused"
    RESUMED = "resumed"
    URGED = "urged"
    """催办 of a customer, 督办 of a supervisor."""
    REPRIORITISED = "reprioritised"
    REQUEUED = "requeued"
    MERGED = "merged"
    UNMERGED = "unmerged"
    CARRIED = "carried"
    """Another ticket was merged into this one."""
    RELEASED = "released"
    """A ticket merged into this one stands for itself again."""
    LOST = "lost"
    """Its agent was not heard of any more."""
    RECALLED = "recalled"
    """A danger became known: it goes to those for danger at once, whoever has it."""
    REROUTED = "rerouted"
    """No tree has the queue it waited in any more: the tree in force decided again."""
    REOPENED = "reopened"
    """The customer spoke again after it was closed, or after a machine had taken care of it."""
    PLACED = "placed"
    """A person said where it is."""
    ABANDONED = "abandoned"
    """A call was given up before a person answered; the ticket stays, to call back."""
    ESCALATED = "escalated"
    """A warning of its clock."""


class ReturnReason(StrEnum):
    """Why an agent gives a ticket back (退单)."""

    WRONG_QUEUE = "wrong_queue"
    WRONG_TYPE = "wrong_type"
    WRONG_LANGUAGE = "wrong_language"
    NOT_OUR_AREA = "not_our_area"
    MISSING_INFORMATION = "missing_information"
    OTHER = "other"


class Why(StrEnum):
    """Why an act is refused."""

    NOT_WAITING = "not_waiting"
    NOT_OFFERED = "not_offered"
    OFFER_LAPSED = "offer_lapsed"
    NOT_YOURS = "not_yours"
    NOT_IN_HAND = "not_in_hand"
    CLOSED = "closed"
    MERGED = "merged"
    NOT_MERGED = "not_merged"
    KEPT_FOR_ANOTHER = "kept_for_another"
    ALREADY_PAUSED = "already_paused"
    NOT_PAUSED = "not_paused"
    DANGER = "danger"
    KEY_CUSTOMER = "key_customer"
    INTO_ITSELF = "into_itself"
    OTHER_CUSTOMER = "other_customer"
    TOO_MANY_MERGED = "too_many_merged"
    NOT_CLOSED = "not_closed"
    REPORTED = "reported"
    OTHER_AREA = "other_area"
    STANDS_FOR_OTHERS = "stands_for_others"
    ERASED = "erased"


class NotAllowedError(Exception):
    """The act does not fit the state of the work; ``why`` names the reason."""

    def __init__(self, why: Why, detail: str) -> None:
        self.why = why
        super().__init__(detail)


GRIDLINE: Final = "gridline"
"""Who did what no person did."""
NOT_REACHED: Final = "not_reached"
"""The outcome of a call on which the agent spoke with nobody."""


class Event(Value):
    """One thing done, by whom, when: a line of the log.

    Attributes:
        by: Key and agent, or ``gridline``.
        agent: Who has the ticket by it, or had it.
        queue: Where it was when it happened.
        to_queue: Where a person moved it.
        to_agent: Whom it is kept for, until ``until``.
        seconds: How long what it ends took: waiting, handling or wrapping up.
        rang: Of an offer's end: how long it was open, seconds.
        ended: The phase with an agent that it ends.
        first: Of ``completed``: one person, one contact, nothing before. Of ``urged``: it counts, the last is long ago.
        in_time: Of ``completed``: the clock's last stage was kept.
        urged: Of ``completed``: its customer or a supervisor had urged it.
        over: Of what ends writing up: the time for it was over.
        place: Of ``placed``: where it is.
    """

    did: Did
    at: Timestamp
    by: Name
    agent: Name | None = None
    queue: Word | None = None
    to_queue: Word | None = None
    to_agent: Name | None = None
    until: Timestamp | None = None
    reason: Word | None = None
    priority: Priority | None = None
    language: Language | None = None
    business_type: Word | None = None
    outcome: Word | None = None
    note: Text | None = None
    ticket: UUID | None = None
    opened_at: Timestamp | None = None
    stage: Word | None = None
    level: int | None = None
    seconds: float | None = None
    rang: float | None = None
    ended: Word | None = None
    first: bool | None = None
    in_time: bool | None = None
    urged: bool | None = None
    over: bool | None = None
    place: Place | None = None

    @property
    def is_attempt(self) -> bool:
        """Whether the customer was called and not reached."""
        return self.did is Did.CONTACTED and self.outcome == NOT_REACHED
