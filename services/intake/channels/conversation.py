"""A short guided conversation: which ticket a message belongs to, and what to ask its sender next.

A customer who writes 停电了 and then sends a location has one matter, so both messages must be one ticket:

- The ticket id of a first message is derived from its sender and its half hour, so a process without memory (another
  replica, a restarted one) finds the same ticket, in any order of messages.
- A bounded memory of conversations continues one past its half hour, and tells a second matter from more words about
  the first.

Where neither works (a new half hour and nothing remembered), the router joins the two contacts by their ``reply_to``.
No contact is ever lost: a wrong guess costs a second ticket.

Never here: whether a message reports an outage (``deploy/classify.yaml``, in the router); the words here only choose
the next question. Accepting a message needs no memory.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from services.contracts.ids import contact_id, ticket_id
from services.intake.channels.phrases import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from services.intake.channels.phrases import Phrases

SPAN: Final = timedelta(minutes=30)
"""A conversation ends when nothing was said for so long; also the span that a ticket is derived from."""
HINT: Final = timedelta(minutes=10)
"""How long the position reported when a chat was opened may be told to people as a hint."""
_MOST: Final = 20_000
_MOST_EVENTS: Final = 16
_SAME_PLACE_M: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Piece:
    """What one message adds.

    Attributes:
        event_id: The source's id of the event; a retry has the same.
        at: When it was sent.
        business: The matter it names: chosen in a menu, or the fault type where its words say that power is out.
        says: Whether it says anything in words.
        account: The account number it names.
        point: Latitude and longitude it names.
        language: The language its words are in, as far as they tell.
    """

    event_id: str
    at: datetime
    business: str | None = None
    says: bool = False
    account: str | None = None
    point: tuple[float, float] | None = None
    language: str | None = None

    @property
    def placed(self) -> bool:
        """Whether it says where."""
        return self.account is not None or self.point is not None


@dataclass(frozen=True, slots=True)
class Turn:
    """The ticket of a message, and what its sender is told, in which language if any was told."""

    ticket: UUID
    prompt: Prompt
    language: str | None = None


@dataclass(slots=True)
class _Conversation:
    ticket: UUID
    last: datetime
    business: str | None = None
    says: bool = False
    account: str | None = None
    point: tuple[float, float] | None = None
    language: str | None = None
    complete: bool = False
    turns: OrderedDict[str, Turn] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Conversations:
    """The open conversations of one process, the least recently used forgotten first."""

    most: int = _MOST
    _open: OrderedDict[tuple[str, str], _Conversation] = field(default_factory=OrderedDict)
    _hints: OrderedDict[tuple[str, str], tuple[datetime, tuple[float, float]]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._open)

    def turn(self, source: str, who: str, piece: Piece, fault_type: str = "fault_report") -> Turn:
        """Return the ticket of a message and the answer to it; for a retry what was returned before.

        Args:
            source: The source's name.
            who: The sender's address there.
            piece: What the message adds.
            fault_type: The business type of an outage.
        """
        key = (source, who)
        known = self._open.get(key)
        if known is not None:
            self._open.move_to_end(key)
            if (before := known.turns.get(piece.event_id)) is not None:
                return before
        if known is None or abs(piece.at - known.last) > SPAN or self._is_another(known, piece):
            turns, language = (known.turns, known.language) if known is not None else (OrderedDict[str, Turn](), None)
            ticket = _ticket(source, who, piece, known, fault_type)
            known = _Conversation(ticket, piece.at, language=language, turns=turns)
            self._open[key] = known
            self._open.move_to_end(key)
            if len(self._open) > self.most:
                self._open.popitem(last=False)
        known.language = piece.language or known.language
        turn = Turn(known.ticket, self._prompt(known, piece, fault_type), known.language)
        known.turns[piece.event_id] = turn
        if len(known.turns) > _MOST_EVENTS:
            known.turns.popitem(last=False)
        return turn

    def hint(self, source: str, who: str, point: tuple[float, float], at: datetime) -> None:
        """Remember where a chat was opened."""
        self._hints[source, who] = (at, point)
        self._hints.move_to_end((source, who))
        if len(self._hints) > self.most:
            self._hints.popitem(last=False)

    def hinted(self, source: str, who: str, at: datetime) -> tuple[float, float] | None:
        """Return where the chat was opened, if that was only now."""
        found = self._hints.get((source, who))
        return found[1] if found is not None and abs(at - found[0]) <= HINT else None

    def _is_another(self, known: _Conversation, piece: Piece) -> bool:
        """Whether a message is about another matter or another home than the conversation."""
        if piece.business is not None and known.business is not None and piece.business != known.business:
            return True
        if piece.account is not None and known.account is not None and piece.account != known.account:
            return True
        if not known.complete or piece.point is None or known.point is None:
            return False
        return _metres(piece.point, known.point) > _SAME_PLACE_M

    def _prompt(self, known: _Conversation, piece: Piece, fault_type: str) -> Prompt:
        """Add the message to the conversation; return what its sender is told."""
        known.last = max(known.last, piece.at)
        known.business = piece.business or known.business
        known.says = known.says or piece.says
        known.account = piece.account or known.account
        known.point = piece.point or known.point
        placed = known.account is not None or known.point is not None
        if known.business == fault_type:
            if not placed:
                return Prompt.ASK_PLACE
            was, known.complete = known.complete, True
            return Prompt.ADDED if was else Prompt.REPORT_KEPT
        if known.business is None and not known.says:
            return Prompt.ASK_MATTER
        was, known.complete = known.complete, True
        return Prompt.ADDED if was else Prompt.KEPT


@dataclass(frozen=True, slots=True)
class Talk:
    """What answers are made of: the operators' texts, and the conversations that are open."""

    texts: Callable[[], Phrases]
    """Give those in force: they may be exchanged between two messages."""
    conversations: Conversations

    @classmethod
    def fresh(cls, texts: Callable[[], Phrases], most: int = _MOST) -> Self:
        """Return one that remembers nothing yet."""
        return cls(texts, Conversations(most))

    @property
    def phrases(self) -> Phrases:
        """The texts in force."""
        return self.texts()

    def turn(self, source: str, who: str, piece: Piece) -> Turn:
        """Return the ticket of a message and the answer to it."""
        return self.conversations.turn(source, who, piece, self.phrases.fault_type)


def _ticket(source: str, who: str, piece: Piece, known: _Conversation | None, fault_type: str) -> UUID:
    """Return the ticket that a message begins, told by the message alone unless one of its span is remembered."""
    contact = contact_id(source, piece.event_id)
    ordinary = piece.business in {None, fault_type}
    if known is not None and ordinary and abs(piece.at - known.last) <= SPAN:
        return contact  # a second matter of one span must not be the first one's ticket
    span = math.floor(piece.at.timestamp() / SPAN.total_seconds())
    digest = hashlib.sha256(f"{who}\x1f{span}".encode("utf-8", "surrogatepass")).hexdigest()[:40]
    return ticket_id(source, f"talk:{digest}" if ordinary else f"talk:{digest}:{piece.business}", contact)


def _metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Distance on the ground, near enough for a kilometre."""
    north = (one[0] - other[0]) * 111_320.0
    east = (one[1] - other[1]) * 111_320.0 * math.cos(math.radians(one[0]))
    return math.hypot(north, east)
