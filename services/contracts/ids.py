"""Every id in Gridline, derived from its cause.

An id is a uuid5 of what it names, never random and never from a clock: the same event sent again by anyone
gives the same id, and a replay after a restored database gives the ids it gave the first time.
"""

from __future__ import annotations

from hashlib import sha1
from itertools import product
from typing import TYPE_CHECKING, Final
from unicodedata import category, normalize
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

NAMESPACE: Final = UUID("6f1e8c52-95b9-5980-9e00-0095598c0de5")
"""Root of all Gridline ids. Changing it renames everything ever accepted."""

_ROOT: Final = sha1(NAMESPACE.bytes, usedforsecurity=False)  # what uuid5 begins with, made once: ids are many

_VERSION_5: Final = 5 << 76 | 2 << 62
_BUT_VERSION: Final = (1 << 128) - 1 & ~(0xF << 76 | 3 << 62)
"""The bits of a UUID that say nothing of its version and variant. Source: RFC 9562, 5.5."""

_SEPARATOR = "\x1f"  # ASCII unit separator: cannot be typed into a field, so parts cannot run into each other


def derive(kind: str, *parts: object) -> UUID:
    """Return the uuid5 of ``kind`` and ``parts``."""
    named = _ROOT.copy()
    named.update(_SEPARATOR.join([kind, *map(str, parts)]).encode())
    # Cheaper than UUID(bytes=..., version=5), which takes the bits apart and puts them together again.
    return UUID(int=int.from_bytes(named.digest()[:16], "big") & _BUT_VERSION | _VERSION_5)


def contact_id(source: str, source_event_id: str) -> UUID:
    """Id of a contact: one event of one source."""
    return derive("contact", source, source_event_id)


def ticket_id(source: str, thread: str | None, contact: UUID) -> UUID:
    """Id of the ticket a contact belongs to.

    Contacts of one thread (the events of one call) share a ticket; a contact without a thread opens its own,
    whose id is the contact's.
    """
    return contact if thread is None else derive("ticket", source, thread)


def report_id(ticket: UUID) -> UUID:
    """Id of the outage report a ticket makes. One ticket claims one outage."""
    return derive("report", ticket)


def incident_id(area: str, opening_report: UUID) -> UUID:
    """Id of the incident that ``opening_report`` opened in ``area``."""
    return derive("incident", area, opening_report)


def order_id(area: str, opening_report: UUID) -> UUID:
    """Id of the one dispatch order of that incident."""
    return derive("order", area, opening_report)


def split_incident_id(area: str, opening_report: UUID, seq: int) -> UUID:
    """Id of an incident that came out of another: its first report may have opened one before.

    ``seq`` is its place in the ledger of ``area``, which is used once.
    """
    return derive("incident", area, opening_report, seq)


def split_order_id(area: str, opening_report: UUID, seq: int) -> UUID:
    """Id of the one dispatch order of that incident."""
    return derive("order", area, opening_report, seq)


def timer_id(area: str, kind: str, subject: UUID, due_at: datetime) -> UUID:
    """Id of the firing of one timer."""
    return derive("timer", area, kind, subject, due_at.isoformat())


def recipient_id(channel: str, address: str) -> UUID:
    """Identity of a customer's address on a channel."""
    return derive("recipient", channel, address)


def notice_id(recipient_channel: str, recipient_address: str, incident: UUID, stage: str, revision: int) -> UUID:
    """Id of the one notice a customer gets of one stage and revision of one incident."""
    return derive("notice", recipient_channel, recipient_address, incident, stage, revision)


_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: no I, L, O, U
_REF_CHARS: Final = 10
_SPOKEN: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "\u2212": None})
_BETWEEN: Final = frozenset({"Pd", "Zs", "Cc", "Cf"})
"""Dashes, spaces and what cannot be seen: keyboards put them between the characters, and chats around them."""


def _weight(body: str) -> int:
    """Luhn's sum mod 32, every second character from the last on doubled."""
    total = 0
    for place, char in enumerate(reversed(body)):
        doubled = _ALPHABET.index(char) * (2 if place % 2 == 0 else 1)
        total += doubled // 32 + doubled % 32
    return total


def _check_char(weight: int) -> str:
    """Luhn mod 32 check character: catches every single wrong character and nearly every swap of neighbours."""
    return _ALPHABET[-weight % 32]


_PAIRS: Final = tuple((pair, _weight(pair)) for pair in map("".join, product(_ALPHABET, repeat=2)))
"""Ten bits as two characters and their weight: an even number of characters further left weighs the same."""


def ticket_ref(ticket: UUID) -> str:
    """Short reference a person can read out: ``7K3M-9QPX-2HR``, the last character a check.

    50 bits of the ticket id; two of ten million tickets share one with a chance of some 4 %, so a look-up by
    reference answers a list.
    """
    number = ticket.int >> (128 - 5 * _REF_CHARS)
    weight = 0
    pairs: list[str] = []
    for place in (40, 30, 20, 10, 0):
        pair, heavy = _PAIRS[number >> place & 1023]
        pairs.append(pair)
        weight += heavy
    first, second, third, fourth, last = pairs
    return f"{first}{second}-{third}{fourth}-{last}{_check_char(weight)}"


def parse_ticket_ref(spoken: str) -> str:
    """Return the canonical form of a reference as people say or type it.

    Raises:
        ValueError: it has the wrong length, a character that is never used, or a wrong check character.
    """
    narrow = normalize("NFKC", spoken)  # a Chinese keyboard's are wide
    text = "".join(char for char in narrow if category(char) not in _BETWEEN).upper().translate(_SPOKEN)
    if len(text) != _REF_CHARS + 1:
        raise ValueError(f"a ticket reference has {_REF_CHARS + 1} characters, this has {len(text)}")
    if not set(text) <= set(_ALPHABET):
        raise ValueError("a ticket reference has only digits and letters, without I, L, O and U")
    if _check_char(_weight(text[:-1])) != text[-1]:
        raise ValueError("the check character does not fit: please read the reference again")
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"
