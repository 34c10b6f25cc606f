"""Who contacts the hotline in a storm, when, how, about what, and what they can say of the place.

Decided here: reporting share and delay, repeats, wrong and missing evidence, other business; all from the shape.
Never here: the bytes that a channel sends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from services.contracts.values import Channel, CustomerStatus
from services.simulator.misspelt import misspelt
from services.simulator.spoken import spoken
from services.simulator.words import (
    AGAIN_TEXTS,
    HAZARD_TEXTS,
    NAMING_TEXTS,
    ONLY_MINE_TEXTS,
    OTHER_MIX,
    OUTAGE_TEXTS,
    TEXTS,
    Kind,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from services.grid.network_file import CustomerRow
    from services.simulator.faults import Fault, Network
    from services.simulator.shape import Shape
    from services.simulator.words import Texts

_METRES_A_DEGREE: Final = 111_320.0  # of latitude
_AWAY: Final = 0.03  # reports "my home is dark" from somewhere else, with that place's position


@dataclass(frozen=True, slots=True)
class Said:
    """What a person gave to be found by. None where it was not given.

    Attributes:
        account: Account number; may be another customer's or nobody's.
        phone: Number the call or form came with.
        lat: Degrees, WGS-84.
        accuracy_m: Radius the phone claims, 95 %.
        home: Address as they say it.
        english: Language of the text.
        only_mine: Says that only their own home is dark.
        clock_error: Seconds the sender's clock is ahead.
    """

    account: str | None = None
    phone: str | None = None
    lat: float | None = None
    lon: float | None = None
    accuracy_m: float | None = None
    home: str | None = None
    text: str = ""
    english: bool = False
    only_mine: bool = False
    clock_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """One matter of one person on one channel: what becomes one ticket.

    Attributes:
        number: Place in the storm, from 1.
        at: Seconds of storm time.
        fault: True fault, None if there is none.
        customer: Number of the customer in the network, None for a passer-by.
        again: The customer has reported this fault before.
        misplaced: What they gave points to another place than theirs.
    """

    number: int
    at: float
    channel: Channel
    kind: Kind
    fault: str | None
    customer: int | None
    said: Said
    again: bool = False
    misplaced: bool = False


def draw_cases(network: Network, faults: Sequence[Fault], shape: Shape, rng: Random) -> tuple[Case, ...]:
    """Draw everything people bring to the hotline during the storm, by time."""
    people = _People(network, shape, rng)
    cases = [case for fault in faults for case in people.report(fault)]
    outages = len(cases)
    cases += [people.street_hazard() for _ in range(round(shape.street_hazards * len(faults)))]
    cases += list(people.in_arrears(round(shape.arrears * len(faults))))
    cases += [people.other_business() for _ in range(round(shape.other * outages))]
    cases.sort(key=lambda case: (case.at, case.customer or 0, case.channel, case.kind))
    return tuple(replace(case, number=number) for number, case in enumerate(cases, 1))


def misspell(cases: Iterable[Case], share: float, rng: Random) -> tuple[Case, ...]:
    """Return cases with the street of a share of the addresses misspelt or misheard; all else stays as it was."""
    return tuple(
        replace(case, said=replace(case.said, home=misspelt(case.said.home, rng)))
        if case.said.home and rng.random() < share
        else case
        for case in cases
    )


class _People:
    """Draws what people do."""

    def __init__(self, network: Network, shape: Shape, rng: Random) -> None:
        self._network = network
        self._shape = shape
        self._rng = rng
        self._channels = [channel for channel, _ in shape.channels]
        self._weights = [weight for _, weight in shape.channels]

    def report(self, fault: Fault) -> Iterator[Case]:
        """Yield the reports of a fault: at least one, as an outage nobody reports is in no record either.

        Who is under a nested fault tells of the larger one until that one's power is back.
        """
        rng, shape = self._rng, self._shape
        share = rng.uniform(*shape.reporting)
        count = max(1, sum(rng.random() < share for _ in fault.customers))
        hazards = 1 if fault.type != "service" and rng.random() < shape.hazards else 0
        reporters = rng.sample(fault.customers, count)
        for order, customer in enumerate(reporters):
            home = self._network.customers[customer].transformer_id
            end = min(shape.seconds, fault.power_back(self._network.tree, home))
            at = fault.shows + self._delay()
            if at >= end:
                if order:
                    continue  # calls when the storm is over, or has power again by then
                at = fault.shows + (end - fault.shows) * rng.random()
            first = self._outage(fault, customer, at, hazard=order < hazards)
            yield first
            if rng.random() < shape.repeats:
                later = at + self._delay()
                if later < end:
                    yield self._again(first, later)

    def street_hazard(self) -> Case:
        """A passer-by sees danger where nobody is without power."""
        customer = self._anyone()
        lat, lon, accuracy = self._position(customer.lat, customer.lon)
        channel = self._rng.choice([Channel.APP, Channel.WECHAT])
        said = replace(self._text(HAZARD_TEXTS), lat=lat, lon=lon, accuracy_m=accuracy)
        return Case(0, self._any_time(), channel, Kind.HAZARD, None, None, said)

    def in_arrears(self, wanted: int) -> Iterator[Case]:
        """Yield calls of customers who were cut off; none where the network has no such customers."""
        off = [n for n, c in enumerate(self._network.customers) if c.status is CustomerStatus.SUSPENDED]
        for customer in self._rng.sample(off, min(wanted, len(off))):
            at = self._any_time()
            channel = self._channel()
            said, misplaced = self._said(customer, channel, TEXTS[Kind.ARREARS])
            yield Case(0, at, channel, Kind.ARREARS, None, customer, said, misplaced=misplaced)

    def other_business(self) -> Case:
        """Something that has nothing to do with an outage."""
        rng = self._rng
        kind = rng.choices([kind for kind, _ in OTHER_MIX], [weight for _, weight in OTHER_MIX])[0]
        customer = rng.randrange(len(self._network.customers))
        channel = self._channel()
        said, misplaced = self._said(customer, channel, TEXTS[kind])
        return Case(0, self._any_time(), channel, kind, None, customer, said, misplaced=misplaced)

    def _outage(self, fault: Fault, customer: int, at: float, *, hazard: bool) -> Case:
        only_mine = fault.type == "service" and self._rng.random() < self._shape.says_only_mine
        texts = HAZARD_TEXTS if hazard else ONLY_MINE_TEXTS if only_mine else OUTAGE_TEXTS
        channel = self._channel()
        said, misplaced = self._said(customer, channel, texts)
        said = replace(said, only_mine=only_mine)
        if texts is OUTAGE_TEXTS and self._rng.random() < self._shape.names_device:
            plate = self._network.customers[customer].transformer_id
            said = replace(said, text=self._rng.choice(NAMING_TEXTS["en" if said.english else "zh"]).format(plate))
        kind = Kind.HAZARD if hazard else Kind.OUTAGE
        return Case(0, at, channel, kind, fault.id, customer, said, misplaced=misplaced)

    def _again(self, first: Case, at: float) -> Case:
        if first.customer is None:
            raise AssertionError("only a customer reports again")
        channel = self._channel()
        said, misplaced = self._said(first.customer, channel, AGAIN_TEXTS)
        return Case(0, at, channel, Kind.OUTAGE, first.fault, first.customer, said, again=True, misplaced=misplaced)

    def _delay(self) -> float:
        return self._rng.lognormvariate(math.log(self._shape.delay_median), self._shape.delay_spread)

    def _any_time(self) -> float:
        return self._shape.seconds * self._rng.random()

    def _channel(self) -> Channel:
        return self._rng.choices(self._channels, self._weights)[0]

    def _anyone(self) -> CustomerRow:
        return self._rng.choice(self._network.customers)

    def _said(self, number: int, channel: Channel, texts: Texts) -> tuple[Said, bool]:
        """Return what a customer says on a channel, and whether it points elsewhere."""
        rng, shape = self._rng, self._shape
        customer = self._network.customers[number]
        said = self._text(texts)
        luck = rng.random()
        if luck < shape.no_place:
            return said, False
        if luck < shape.no_place + shape.address_only:
            return replace(said, home=spoken(customer.address, rng) or None), False
        gives_account, gives_phone, gives_position, gives_home = _GIVES[channel]
        misplaced = False
        if rng.random() < gives_account:
            account, misplaced = self._account(customer)
            said = replace(said, account=account)
        if rng.random() < gives_phone:
            said = replace(said, phone=customer.phone or self._stranger())
        elif channel is Channel.PHONE and rng.random() < _SHOWS_NUMBER:
            said = replace(said, phone=self._stranger())
        if rng.random() < gives_position:
            away = rng.random() < _AWAY
            there = self._anyone() if away else customer
            lat, lon, accuracy = self._position(there.lat, there.lon)
            said = replace(said, lat=lat, lon=lon, accuracy_m=accuracy)
            known = said.account is not None or (said.phone is not None and said.phone == customer.phone)
            misplaced = misplaced or (away and not known)
        if rng.random() < gives_home:
            said = replace(said, home=spoken(customer.address, rng) or None)
        if not _can_be_found(said, customer) and rng.random() < _IS_ASKED:
            said = self._answer(said, customer)
        if channel is not Channel.PHONE and rng.random() < shape.clock_off:
            said = replace(said, clock_error=rng.choice((-1, 1)) * rng.lognormvariate(math.log(1800), 1.5))
        return said, misplaced

    def _account(self, customer: CustomerRow) -> tuple[str, bool]:
        """Return the account a customer gives, and whether it is another's."""
        luck, shape = self._rng.random(), self._shape
        if luck < shape.wrong_account:
            return self._anyone().account_id, True
        if luck < shape.wrong_account + shape.unknown_account:
            return f"{customer.account_id}{self._rng.randrange(10)}", False
        return customer.account_id, False

    def _answer(self, said: Said, customer: CustomerRow) -> Said:
        """Return what is known once an agent or a form has asked who gave nothing to be found by."""
        if self._rng.random() < _KNOWS_ACCOUNT:
            return replace(said, account=customer.account_id)
        return replace(said, home=spoken(customer.address, self._rng) or None)

    def _text(self, texts: Texts) -> Said:
        english = self._rng.random() < self._shape.english
        return Said(text=self._rng.choice(texts["en" if english else "zh"]), english=english)

    def _stranger(self) -> str:
        """A mobile number that is in no customer file: 199 and eight digits."""
        return f"199{self._rng.randrange(10**8):08d}"

    def _position(self, lat: float, lon: float) -> tuple[float, float, float]:
        """Return a measured position and the accuracy the phone claims for it (95 %, metres)."""
        rng = self._rng
        accuracy = min(150.0, rng.lognormvariate(math.log(18.0), 0.7))
        sigma = accuracy / 2.45  # 95 % of a circular normal error lies within 2.45 sigma
        north, east = rng.gauss(0.0, sigma), rng.gauss(0.0, sigma)
        return (
            round(lat + north / _METRES_A_DEGREE, 6),
            round(lon + east / (_METRES_A_DEGREE * math.cos(math.radians(lat))), 6),
            round(accuracy, 1),
        )


def _can_be_found(said: Said, customer: CustomerRow) -> bool:
    known_phone = said.phone is not None and said.phone == customer.phone
    return known_phone or said.account is not None or said.lat is not None or said.home is not None


_IS_ASKED: Final = 0.9  # of those who gave nothing to be found by
_KNOWS_ACCOUNT: Final = 0.5  # of those who are asked; the others say their address
_SHOWS_NUMBER: Final = 0.8  # of those who call from a number the utility does not know
_GIVES: Final = {
    # account, registered phone, position, address
    Channel.PHONE: (0.35, 0.75, 0.0, 0.6),
    Channel.APP: (0.80, 0.5, 0.85, 0.3),
    Channel.WECHAT: (0.50, 0.0, 0.35, 0.4),
    Channel.WEB: (0.75, 0.6, 0.1, 0.8),
}
"""Share of people who give each piece of evidence, by channel. The figures are ours; no utility publishes them."""
