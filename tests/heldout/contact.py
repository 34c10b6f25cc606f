"""One contact as a channel sends it: which number, account, address, position and words it carries, and how wrong.

``said`` records what a contact says of its place, as the one who drew it knows: no parser is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.heldout import phrases
from tests.heldout.chance import log_uniform, minutes, pick
from tests.heldout.datum import bd09, gcj02, near
from tests.heldout.faults import LOCAL
from tests.heldout.saying import say

if TYPE_CHECKING:
    from random import Random

    from tests.heldout.customers import Customers
    from tests.heldout.home import Home

CHANNELS: Final = {"phone": 48, "app": 17, "wechat": 15, "sms": 11, "web": 9}
"""Percent of the contacts."""
GIVES_ACCOUNT: Final = {"phone": 0.28, "app": 0.9, "wechat": 0.35, "sms": 0.12, "web": 0.55}
GIVES_ADDRESS: Final = {"phone": 0.62, "app": 0.3, "wechat": 0.6, "sms": 0.75, "web": 0.75}
GIVES_POSITION: Final = {"phone": 0.03, "app": 0.7, "wechat": 0.5, "sms": 0.0, "web": 0.3}
"""By channel: share of the contacts that carry each of these."""
IN_ENGLISH: Final = 0.02
"""Whose words, but for the address, are English."""

OWN_NUMBER: Final = 0.62
"""Contact us by the number in the customer file, if it has one."""
UNKNOWN_NUMBER: Final = 0.85
"""Cumulated with those by a number that nobody has."""
ANOTHERS_NUMBER: Final = 0.89
"""Cumulated with those by another customer's; the rest withhold it."""
NO_NUMBER_ONLINE: Final = 0.5
"""Of contacts by app and web: do not carry a number. WeChat never does."""
PLAIN_NUMBER: Final = 0.9
"""The others have a country code, a zero or blanks."""

RIGHT_ACCOUNT, TYPED_WRONG, ANOTHERS_ACCOUNT = 0.90, 0.95, 0.985
"""Cumulated shares of the accounts given; the rest are no account of anybody."""
SWAPPED: Final = 0.6
"""Of typing errors: two digits swapped; the others have one wrong digit."""
ACCOUNT_TOLD: Final = 0.25
"""By phone and SMS: among the words, not in its field."""
ADDRESS_IN_FIELD: Final = 0.35
"""By phone, SMS and WeChat; by app and web always."""

ACCURACY: Final = (10, 120)
"""Metres that a phone gives for a position by satellite; it is off by half of that, normal."""
BY_CELL, CELL_ACCURACY, CELL_OFF = 0.07, (500, 2500), (0.2, 0.9)
"""By radio cell: metres given, and the share of them it is off."""
ELSEWHERE: Final = 0.09
"""Position of where they are: with somebody else in town."""
DATUM_APP: Final = ("wgs84", "gcj02")
DATUM_OTHER: Final = ("gcj02", "gcj02", "wgs84", "wgs84", "bd09")
NAMES_WGS84, NAMES_ACCURACY, CELL_NAMES_ACCURACY = 0.5, 0.75, 0.95
"""Positions that say so though it is the default; that give their accuracy; the same by radio cell."""

NO_WORDS_APP, NO_WORDS_PHONE = 0.3, 0.12
"""A form sent without text; a call of which nobody wrote down a word. Never where danger was seen."""
SLOW, LAG, SLOW_LAG = 0.03, (0.2, 20.0), (2.0, 90.0)
"""Arrive late; seconds to arrive; minutes if late."""
CLOCK_WRONG, CLOCK_OFF = 0.1, 0.6
"""Senders whose clock is wrong; of these, by minutes (normal); the others by hours."""
CLOCK_SECONDS, CLOCK_HOURS = 240.0, (-8, 8, -1, 1, -5, 12, -24)
"""Of the moment a sender says: a wrong time zone, a day off."""
ZONES: Final = {LOCAL: 8, UTC: 1, timezone(timedelta(hours=9)): 0.3}
"""Weights of the zones in which senders write it; the moment is the same."""


class Said(StrEnum):
    """What a contact says of its place."""

    ACCOUNT = "account"
    ACCOUNT_TYPED_WRONG = "account_typed_wrong"
    ACCOUNT_OF_ANOTHER = "account_of_another"
    ACCOUNT_OF_NOBODY = "account_of_nobody"
    PHONE = "phone"
    PHONE_OF_ANOTHER = "phone_of_another"
    PHONE_OF_NOBODY = "phone_of_nobody"
    ADDRESS = "address"
    ADDRESS_VAGUE = "address_vague"
    POSITION = "position"
    POSITION_BY_CELL = "position_by_cell"
    POSITION_ELSEWHERE = "position_elsewhere"


NOTHING_PLACEABLE: Final = frozenset({Said.ACCOUNT_OF_NOBODY, Said.PHONE_OF_NOBODY})
"""What no file knows: a contact that says no more than this can only be asked back."""


class Line(NamedTuple):
    """The way somebody contacts the hotline: when they do again, it is the same."""

    channel: str
    number: str


@dataclass(slots=True)
class Contact:
    """One contact: the event as it is sent, and what is true of it."""

    event: dict[str, Any]
    account: str
    transformer: str
    happened: datetime
    line: Line
    arrived: datetime
    kind: str = "outage"
    fault: str = ""
    again: bool = False
    misplaced: bool = False
    said: list[Said] = field(default_factory=list)


class Teller:
    """Makes contacts out of who calls and when."""

    def __init__(self, customers: Customers, rng: Random, name: str) -> None:
        self._customers, self._rng, self._name = customers, rng, name
        self._number = 0

    def tell(self, account: str, at: datetime, text: str | None, *, danger: bool, line: Line | None) -> Contact:
        """Return a contact of a customer; ``line`` if they have contacted us before."""
        rng, home = self._rng, self._customers.homes[account]
        self._number += 1
        words = text or rng.choice(phrases.ENGLISH if rng.random() < IN_ENGLISH else phrases.NO_POWER)
        line = line or Line(pick(rng, CHANNELS), self._own_or_other_number(home))
        lag = timedelta(seconds=rng.uniform(*LAG)) if rng.random() >= SLOW else minutes(rng, *SLOW_LAG)
        event = {"event_id": f"{self._name}-{self._number}", "channel": line.channel}
        contact = Contact(event, account, home.transformer, at, line, at + lag)
        self._add_number(contact, home)
        if rng.random() < GIVES_ACCOUNT[line.channel]:
            words = self._add_account(contact, words)
        if rng.random() < GIVES_ADDRESS[line.channel]:
            words = self._add_address(contact, home, words)
        if rng.random() < GIVES_POSITION[line.channel]:
            self._add_position(contact, home)
        self._add_words(contact, words, danger=danger)
        sent = (at + self._clock_error()).astimezone(pick(rng, ZONES))
        event["reported_at"] = sent.isoformat(timespec="seconds")
        event["received_at"] = contact.arrived.astimezone(LOCAL).isoformat(timespec="milliseconds")
        return contact

    def _own_or_other_number(self, home: Home) -> str:
        rng = self._rng
        share = rng.random()
        if share < OWN_NUMBER and home.phone:
            return home.phone
        if share < UNKNOWN_NUMBER:
            return self._customers.new_mobile(rng)
        return self._anybody().phone if share < ANOTHERS_NUMBER else ""

    def _anybody(self) -> Home:
        return self._customers.homes[self._rng.choice(self._customers.accounts)]

    def _add_number(self, contact: Contact, home: Home) -> None:
        rng, (channel, number) = self._rng, contact.line
        if not number or channel == "wechat" or (channel in {"app", "web"} and rng.random() < NO_NUMBER_ONLINE):
            return
        if number == home.phone:
            contact.said.append(Said.PHONE)
        else:
            of_another = number in self._customers.phones
            contact.said.append(Said.PHONE_OF_ANOTHER if of_another else Said.PHONE_OF_NOBODY)
        spaced = f"{number[:3]} {number[3:7]} {number[7:]}"
        plain = rng.random() < PLAIN_NUMBER
        contact.event["phone"] = number if plain else rng.choice((f"+86{number}", f"0{number}", spaced))

    def _add_account(self, contact: Contact, words: str) -> str:
        """Add an account number to its field or to the words, which are returned."""
        rng, own = self._rng, contact.account
        share = rng.random()
        if share < RIGHT_ACCOUNT:
            given = own
        elif share < TYPED_WRONG:
            given = _typed_wrong(rng, own)
        elif share < ANOTHERS_ACCOUNT:
            given = self._anybody().account
        else:
            given = str(rng.randrange(10**9, 10**10))
        if given == own:
            contact.said.append(Said.ACCOUNT)
        elif given in self._customers.homes:
            contact.said.append(Said.ACCOUNT_OF_ANOTHER)
            contact.misplaced = True
        else:
            contact.said.append(Said.ACCOUNT_TYPED_WRONG if share < TYPED_WRONG else Said.ACCOUNT_OF_NOBODY)
        if contact.line.channel in {"phone", "sms"} and rng.random() < ACCOUNT_TOLD:
            parts = f"{given[:4]} {given[4:7]} {given[7:]}"
            return words + rng.choice(phrases.WITH_ACCOUNT).format(whole=given, parts=parts)
        contact.event["account_id"] = given
        return words

    def _add_address(self, contact: Contact, home: Home, words: str) -> str:
        """Add an address to its field or to the words, which are returned."""
        rng, saying = self._rng, say(self._rng, home)
        contact.said.append(Said.ADDRESS_VAGUE if saying.vague else Said.ADDRESS)
        if contact.line.channel in {"app", "web"} or rng.random() < ADDRESS_IN_FIELD:
            contact.event["address"] = saying.text
            return words
        return rng.choice(phrases.WITH_ADDRESS).format(where=saying.text, what=words)

    def _add_position(self, contact: Contact, home: Home) -> None:
        rng, event = self._rng, contact.event
        share, accuracy, said = rng.random(), log_uniform(rng, *ACCURACY), Said.POSITION
        if share < BY_CELL:
            accuracy, said = rng.uniform(*CELL_ACCURACY), Said.POSITION_BY_CELL
            point = near(rng, home.point, rng.uniform(*CELL_OFF) * accuracy)
        elif share < BY_CELL + ELSEWHERE:
            said = Said.POSITION_ELSEWHERE
            point = near(rng, self._anybody().point, rng.uniform(5, 60))
            contact.misplaced |= Said.ACCOUNT not in contact.said
        else:
            point = near(rng, home.point, abs(rng.gauss(0, accuracy / 2)))
        contact.said.append(said)
        datum = rng.choice(DATUM_APP if contact.line.channel == "app" else DATUM_OTHER)
        shown = {"wgs84": point, "gcj02": gcj02(point), "bd09": bd09(point)}[datum]
        event["lat"], event["lon"] = (round(degrees, 6) for degrees in shown)
        if datum != "wgs84" or rng.random() < NAMES_WGS84:
            event["crs"] = datum
        if rng.random() < (CELL_NAMES_ACCURACY if said is Said.POSITION_BY_CELL else NAMES_ACCURACY):
            event["accuracy_m"] = round(accuracy, 1)

    def _add_words(self, contact: Contact, words: str, *, danger: bool) -> None:
        channel, share = contact.line.channel, self._rng.random()
        silent = (channel == "app" and share < NO_WORDS_APP) or (
            channel == "phone" and share < NO_WORDS_PHONE and phrases.ACCOUNT_WORD not in words
        )
        if danger or not silent:
            contact.event["text"] = words
        elif "address" not in contact.event:
            contact.said = [one for one in contact.said if one not in {Said.ADDRESS, Said.ADDRESS_VAGUE}]

    def _clock_error(self) -> timedelta:
        rng = self._rng
        if rng.random() >= CLOCK_WRONG:
            return timedelta(0)
        if rng.random() < CLOCK_OFF:
            return timedelta(seconds=rng.gauss(0, CLOCK_SECONDS))
        return timedelta(hours=rng.choice(CLOCK_HOURS))


def _typed_wrong(rng: Random, account: str) -> str:
    at = rng.randrange(len(account) - 1)
    if rng.random() < SWAPPED:
        return account[:at] + account[at + 1] + account[at] + account[at + 2 :]
    return f"{account[:at]}{rng.randrange(10)}{account[at + 1 :]}"
