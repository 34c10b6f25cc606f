"""However contacts are cut into batches, the same becomes of them as if each came alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.contracts.values import Channel, Recipient
from services.router.domain.batch import Book, UnforeseenError, gathered, read
from tests.unit.router.making import AT_HOME, BOUNDS, BY_PHONE, NOON, NOWHERE, SHIPPED, contact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    import pytest

    from services.contracts.messages import ContactReceived
    from services.router.domain.batch import Said
    from services.router.domain.places import Clues
    from services.router.domain.repeats import Reporter
    from services.router.domain.ticket import Located, Ticket

NOW = NOON + timedelta(hours=2)
TEXTS = (None, "停电了", "没电", "快点来人", "着火了", "户号 0012345678", "电费太高，我要投诉", "没有停电，问一下电价")


class Stored:
    """What batches leave behind, as the database keeps it."""

    def __init__(self) -> None:
        self.tickets: dict[UUID, Ticket] = {}
        self.open: dict[Reporter, tuple[UUID, ...]] = {}

    def take(self, batch: Iterable[ContactReceived]) -> None:
        """Decide a batch as the handler does: places are foreseen, or asked for when one was not."""
        each_said = {n: read(each, SHIPPED, BOUNDS) for n, each in enumerate(batch)}
        places: dict[Clues, Located] = {}
        book = Book(SHIPPED, BOUNDS, NOW, places=places)
        handles = {handle for each in each_said.values() for handle in each.handles}
        book.open.update({handle: self.open.get(handle, ()) for handle in handles})
        book.load(self.tickets.values())
        said = gathered(each_said, book).values()
        places.update({clues: located(clues) for clues in book.foresee(said)})
        for each in said:
            take(book, each, places)
        self.tickets.update(book.tickets)
        self.open.update(book.open)


def take(book: Book, said: Said, places: dict[Clues, Located]) -> None:
    while (clues := unforeseen(book, said)) is not None:
        assert clues not in places  # each place is asked for once, so this ends
        places[clues] = located(clues)


def unforeseen(book: Book, said: Said) -> Clues | None:
    try:
        book.take(said)
    except UnforeseenError as error:
        return error.clues
    return None


def located(clues: Clues) -> Located:
    if clues.account_id:
        return AT_HOME
    return BY_PHONE if clues.phone else NOWHERE


@st.composite
def contacts(draw: st.DrawFn) -> list[ContactReceived]:
    """A few people, each with a few handles, who call, write and repeat themselves."""
    found = []
    for number in range(draw(st.integers(2, 9))):
        who = draw(st.sampled_from("ab"))
        channel = draw(st.sampled_from((Channel.PHONE, Channel.WEB, Channel.WECHAT)))
        told: dict[str, Any] = {
            "channel": channel,
            "reply_to": Recipient(channel=channel, address="13800000001" if channel is Channel.PHONE else f"me-{who}"),
            "text": draw(st.sampled_from(TEXTS)),
            "account_id": draw(st.sampled_from((None, "A1", "A2"))),
            "phone": draw(st.sampled_from((None, "13800000001"))),
            "final": draw(st.booleans()),
            "hazard": draw(st.sampled_from((False, False, False, True))),
            "kept_back": draw(st.sampled_from((None, None, True))),
        }
        thread = draw(st.sampled_from((None, f"talk-{who}")))
        found.append(contact(f"e{number}", thread=thread, minutes=draw(st.integers(0, 90)), **told))
    return found


def cut(contacts: Sequence[ContactReceived], sizes: Iterable[int]) -> Stored:
    stored, place = Stored(), 0
    for size in sizes:
        stored.take(contacts[place : place + size])
        place += size
    stored.take(contacts[place:])
    return stored


@given(contacts(), st.lists(st.integers(1, 4), max_size=4))
@example(
    [
        contact("one", thread="call", final=False),
        contact("two", thread="call", text="停电了", account_id="A1", minutes=1),
        contact("three", thread="call", text="着火了", minutes=2),
    ],
    [],
)
@example(
    [
        contact("rings", thread="call", phone="13800000001", final=False),
        contact("writes", thread="talk", text="停电了"),
        contact("says", thread="call", text="着火了", minutes=1, final=False),
        contact("types", thread="call", account_id="A1", minutes=2, final=False),
        contact("waits", thread="call", text="没电", minutes=3, final=False),
        contact("ends", thread="call", minutes=4),
    ],
    [],
)
@example(
    [
        contact("writes", text="电压低", phone="13800000001"),
        contact("rings", thread="call", phone="13800000001", minutes=1, final=False),
        contact("says", thread="call", text="电压还是低", minutes=2),
    ],
    [1],
)
@settings(max_examples=60, deadline=None)
def test_a_batch_decides_as_its_contacts_one_at_a_time(contacts: list[ContactReceived], sizes: list[int]) -> None:
    alone = cut(contacts, [1] * len(contacts))
    together = cut(contacts, sizes)
    assert together.tickets == alone.tickets
    assert {handle: ids for handle, ids in together.open.items() if ids} == {
        handle: ids for handle, ids in alone.open.items() if ids
    }


def test_a_batch_that_mixed_up_its_joins_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [
        contact("one", thread="call", text="停电了", account_id="A1", final=False),
        contact("two", thread="call", text="我在家", minutes=1, final=False),
        contact("three", thread="call", account_id="A1", minutes=2),
    ]
    alone = cut(calls, [1, 1, 1])
    first = read(calls[0], SHIPPED, BOUNDS).facts
    monkeypatch.setattr(Book, "_together", lambda _book, known, _said: known or first)
    assert cut(calls, []).tickets != alone.tickets


def test_a_batch_that_took_too_much_together_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [
        contact("one", thread="call", text="停电了", account_id="A1", final=False),
        contact("two", thread="call", text="着火了", minutes=1),
    ]
    alone = cut(calls, [1, 1])
    monkeypatch.setattr("services.router.domain.batch.may_be_ready", lambda _facts: False)
    assert cut(calls, []).tickets != alone.tickets


def test_what_decides_nothing_yet_is_taken_with_what_follows() -> None:
    calls = [
        contact("one", thread="call", phone="13800000001", final=False),
        contact("two", thread="call", text="停电了", minutes=1, final=False),
        contact("three", thread="call", account_id="A1", minutes=2, final=False),
        contact("four", thread="call", minutes=3),
    ]
    said = gathered({n: read(each, SHIPPED, BOUNDS) for n, each in enumerate(calls)}, Book(SHIPPED, BOUNDS, NOW))
    assert {n: [each.contact.source_event_id for each in whole.before] for n, whole in said.items()} == {
        2: ["one", "two"],
        3: [],
    }
    other = contact("five", thread="another call", phone="13800000001", final=False)
    both = {n: read(each, SHIPPED, BOUNDS) for n, each in enumerate([*calls, other])}
    assert gathered(both, Book(SHIPPED, BOUNDS, NOW)) == both  # one person in two calls: each contact by itself
