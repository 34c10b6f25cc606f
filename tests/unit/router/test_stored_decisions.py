"""What the router decides on a recorded stream stays what it was, to the last byte of every message.

``stored/contacts.jsonl`` is the first hour of a storm on the shipped IEEE 123-node feeder as the intake accepted it;
``CONVERSATIONS`` adds what no storm says. ``stored/decisions.txt`` has a line for each thing decided. Where a change
means to decide otherwise, ``python -m tests.unit.router.test_stored_decisions`` writes the file anew, and the diff
shows what moved.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from services.contracts.messages import ContactReceived
from services.contracts.values import Channel, Position, Recipient
from services.grid.book import CustomerBook
from services.grid.candidates import search
from services.grid.evidence import DEFAULT_RULES, ask
from services.grid.lately import Chain, Lately
from services.grid.network_file import open_network
from services.grid.place import weigh
from services.grid.tree import Tree
from services.router.domain.batch import Book, UnforeseenError, gathered, read
from services.router.domain.deciding import settle
from services.router.domain.desk import following, turn_of
from services.router.domain.places import Places, evidence_of
from services.router.domain.serving import in_words
from services.router.domain.telling import outage_reported, routed
from services.router.domain.ticket import ReportState, Ticket
from services.router.domain.versions import with_events
from tests.unit.router.making import BOUNDS, DEPLOY, SHIPPED, SHIPPED_DESK, contact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from services.contracts.messages.message import Message
    from services.grid.place import Weighed
    from services.router.domain.batch import Said
    from services.router.domain.places import Clues
    from services.router.domain.repeats import Reporter

_HERE: Final = Path(__file__).parent / "stored"
_CONTACTS: Final = _HERE / "contacts.jsonl"
_DECISIONS: Final = _HERE / "decisions.txt"
_BATCH: Final = 30
_RULES: Final = replace(SHIPPED, hash="stored")  # a comment in the rules moves their hash and no decision
_TICKET: Final = TypeAdapter(Ticket)


def conversation(name: str, *said: dict[str, Any], channel: Channel = Channel.WECHAT) -> list[ContactReceived]:
    """One person's contacts, ten minutes apart and of one thread unless they say otherwise."""
    to = Recipient(channel=channel, address=f"{channel}-{name}")
    return [
        contact(f"{name}-{n}", **{"thread": name, "channel": channel, "reply_to": to, "minutes": 10 * n, **told})
        for n, told in enumerate(said)
    ]


CONVERSATIONS: Final = [
    *conversation(
        "fire", {"text": "停电了", "account_id": "A0900001"}, {"text": "电表箱着火了！"}, {"text": "没有着火了"}
    ),
    *conversation("hurry", {"text": "1区 黄河中路154号 停电"}, {"text": "快点来人，催一下", "thread": "hurry again"}),
    *conversation(
        "urge", {"text": "家里没电", "account_id": "A0900002"}, {"text": "快点来人", "thread": "u2", "minutes": 45}
    ),
    *conversation("bill", {"text": "电费太高，我要投诉"}, {"text": "户号 A0900003"}, {"text": "谢谢你们"}),
    *conversation("both", {"text": "没有停电，问一下电价"}, {"text": "停电了", "thread": "both later", "minutes": 20}),
    *conversation("twice", {"text": "停电", "account_id": "A0900004"}, {"text": "停电", "thread": "t2", "minutes": 5}),
    *conversation(
        "late", {"text": "停电", "account_id": "A0900005"}, {"text": "又停电了", "thread": "l2", "minutes": 90}
    ),
    *conversation("where", {"text": "停电了"}, {"position": Position(lat=31.189545, lon=118.361710, accuracy_m=20)}),
    *conversation("tibetan", {"text": "གློག་ཆད་སོང་།"}, {"account_id": "A0900006"}, channel=Channel.APP),
    *conversation("uyghur", {"text": "توك توختاپ قالدى"}, channel=Channel.APP),
    *conversation("english", {"text": "Power is out and there are sparks on the pole", "account_id": "A0900007"}),
    *conversation("device", {"text": "T-0412 变压器冒烟"}, channel=Channel.WEB),
    *conversation("nobody", {"text": "???"}, {"text": "", "hazard": True}, channel=Channel.SMS),
    *conversation(
        "called",
        {"final": False, "phone": "10058216203"},
        {"final": False, "business_type": "fault_report", "minutes": 0.2},
        {"final": False, "account_id": "A0900008", "minutes": 0.4},
        {"final": False, "text": "喂，变压器爆炸了", "facts": {"transcript_final": False}, "minutes": 0.6},
        {"final": False, "text": "喂，没电了，有老人用呼吸机", "facts": {"transcript_final": True}, "minutes": 0.8},
        {"final": True, "minutes": 1},
        channel=Channel.PHONE,
    ),
    *conversation(
        "gave up",
        {"final": False, "phone": "10073457715"},
        {"final": True, "unconfirmed": True, "business_type": "fault_report", "minutes": 1},
        {"final": True, "text": "停电了", "thread": "called back", "minutes": 6},
        channel=Channel.PHONE,
    ),
]


def stream() -> list[ContactReceived]:
    """Every contact in the order of arrival, the conversations in the midst of the storm."""
    lines = _CONTACTS.read_text(encoding="utf-8").splitlines()
    storm = [ContactReceived.model_validate_json(f'{{"raw_sha256":"{"0" * 64}",{line[1:]}') for line in lines]
    later = storm[len(storm) // 3].received_at - CONVERSATIONS[0].received_at
    moved = [
        each.model_copy(update={"occurred_at": each.occurred_at + later, "received_at": each.received_at + later})
        for each in CONVERSATIONS
    ]
    return sorted([*storm, *moved], key=lambda each: (each.received_at, each.contact_id))


@cache
def network() -> tuple[Tree, CustomerBook]:
    folder = DEPLOY / "networks" / "ieee123"
    files = open_network(folder / "network.csv", folder / "customers.csv")
    customers = list(files.read_customers())
    counts: dict[str, int] = {}
    for row in customers:
        counts[row.transformer_id] = counts.get(row.transformer_id, 0) + 1
    tree = Tree(files.devices, counts)
    return tree, CustomerBook(tree, customers)


def weighed(clues: Clues) -> Weighed:
    _, book = network()
    question = ask(evidence_of(clues), DEFAULT_RULES)
    named = book.named(question)
    return weigh(question, named, book.around(search(question, named, DEFAULT_RULES)))


def chain(device: str) -> Chain:
    tree, _ = network()
    if device not in tree:
        return Chain((), ())
    devices = tree.chain(device)
    return Chain(devices, tuple(tree.customers_under(one) for one in devices))


class Stream:
    """The router's memory from batch to batch, as the database and the process keep it."""

    def __init__(self) -> None:
        self.tickets: dict[UUID, str] = {}
        self.open: dict[Reporter, tuple[UUID, ...]] = {}
        self.lately = Lately()

    def batch(self, contacts: Sequence[ContactReceived]) -> Iterator[str]:
        """Decide a batch; yield a line for each report, each thing done and each ticket that changed."""
        now = contacts[-1].received_at
        places = Places(self.lately.draft(), now)
        book = Book(_RULES, BOUNDS, now, places=places)
        each_said = {n: read(each, _RULES, BOUNDS) for n, each in enumerate(contacts)}
        handles = {handle for each in each_said.values() for handle in each.handles}
        book.open.update({handle: self.open.get(handle, ()) for handle in handles})
        book.load(_TICKET.validate_json(body) for body in self.tickets.values())
        said = gathered(each_said, book).values()
        learn(places, book.foresee(said))
        changed: dict[UUID, None] = {}
        for each in said:
            yield from self._contact(book, places, each, now)
            changed |= dict.fromkeys(book.drain())
        places.keep()
        self.open.update(book.open)
        for ticket_id in sorted(changed):  # which of two tickets is told first is no decision
            ticket = book.tickets[ticket_id]
            yield line_of(ticket)
            self.tickets[ticket_id] = _TICKET.dump_json(ticket, exclude_none=True).decode()

    def _contact(self, book: Book, places: Places, said: Said, now: datetime) -> Iterator[str]:
        places.arrived(said.contact.received_at, now)
        was, ticket = taken(book, places, said)
        if events := following(was, ticket, said.contact, SHIPPED_DESK, now):
            ticket = with_events(ticket, events)
            book.put(ticket)
            yield from (
                f"did {event.did} {ticket.ticket_ref} {event.model_dump_json(exclude_none=True)}" for event in events
            )
        if ticket.report is ReportState.SENT and (was is None or was.report is ReportState.NONE):
            report = outage_reported(ticket, said.contact.contact_id, said.contact.received_at)
            places.reported(book.clues_of(ticket.facts))
            yield f"report {report.ticket_ref} {report.area} {report.reported_at:%H:%M:%S} {digest(report)}"

    def settled(self, now: datetime) -> Iterator[str]:
        """Let dedup answer one report of three and give one of three back."""
        for n, ticket_id in enumerate(sorted(self.tickets)):
            ticket = _TICKET.validate_json(self.tickets[ticket_id])
            if ticket.report is ReportState.SENT and n % 3:
                reason = "already_restored" if n % 3 == 1 else "no_such_place"
                after = settle(ticket, answered=n % 3 == 1, reason=reason, rules=_RULES, now=now)
                self.tickets[ticket_id] = _TICKET.dump_json(after, exclude_none=True).decode()
                yield f"settled as {reason}: {line_of(after)}"


def taken(book: Book, places: Places, said: Said) -> tuple[Ticket | None, Ticket]:
    while True:
        try:
            return book.take(said)
        except UnforeseenError as unforeseen:
            learn(places, [unforeseen.clues])


def learn(places: Places, wanted: Iterable[Clues]) -> None:
    found = {clues: weighed(clues) for clues in wanted}
    devices = {one for each in found.values() for one in (each.sure, *each.open) if one is not None}
    places.learn(found, {device: chain(device) for device in devices})


def line_of(ticket: Ticket) -> str:
    """What a person must see of a ticket to tell what moved; the digests are of all of it."""
    turn, about, place = turn_of(ticket, SHIPPED_DESK), ticket.classification, ticket.place
    message = routed(ticket, turn.due)
    body = _TICKET.dump_python(ticket, mode="json")
    body |= {name: sorted(body[name]) for name in ("contacts", "also")}
    parts = (
        f"{ticket.ticket_ref} v{ticket.version} {ticket.standing} in {in_words(turn.lane)} as {ticket.priority}",
        f"by {ticket.taken.path}",
        f"{about.business_type}.{about.fault or '-'} by {about.type_rule}, {about.language} by {about.language_rule}",
        f"hazards {','.join(about.hazards) or '-'}",
        f"at {place.transformer_id or place.area or '-'}/{place.account_id or '-'} {place.basis} {place.confidence}",
        f"report {ticket.report} repeats {ticket.repeats} urges {ticket.urges} for {ticket.needs_person or '-'}",
        f"rank {turn.rank_at:%d %H:%M:%S} wakes {turn.wake_at:%d %H:%M:%S}"
        if turn.wake_at
        else f"rank {turn.rank_at:%d %H:%M:%S}",
        f"message {digest(message)} ticket {_digest(repr(sorted(body.items())).encode())}",
    )
    return " | ".join(parts)


def digest(message: Message) -> str:
    return _digest(message.model_dump_json(exclude_none=True).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def decided(contacts: Sequence[ContactReceived]) -> list[str]:
    """Everything decided on a stream, dedup's answers after two thirds of it included."""
    memory, found = Stream(), []
    for number, place in enumerate(range(0, len(contacts), _BATCH), 1):
        some = contacts[place : place + _BATCH]
        found += [f"{number} {line}" for line in memory.batch(some)]
        if number == 2 * len(contacts) // (3 * _BATCH):
            found += [f"{number} {line}" for line in memory.settled(some[-1].received_at + timedelta(seconds=1))]
    return found


def test_decisions_are_what_they_were() -> None:
    assert decided(stream()) == _DECISIONS.read_text(encoding="utf-8").splitlines()


def test_a_decision_that_moved_would_be_seen() -> None:
    contacts = stream()
    changed = [*contacts[:40], contacts[40].model_copy(update={"text": "着火了"}), *contacts[41:]]
    assert decided(changed) != _DECISIONS.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    _DECISIONS.write_text("\n".join(decided(stream())) + "\n", encoding="utf-8")
