"""The places that each piece of a report's evidence speaks for, and how strongly.

Decided here: what one source alone says: an account its customer, a position the service points around it, an address
the houses it may mean. Never here: which source to believe (``place``), I/O.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from services.contracts.values import Basis
from services.grid.address import Address, building_number, parse
from services.grid.alike import BY_SHORT_NAME, SAID_SHORT, Alike, How, is_road
from services.grid.evidence import Clue, Point, distance_m
from services.grid.found import MOST_PHONES, Around, Customer, House, Named, Search, Spot
from services.grid.parts import apart, names_a_part
from services.grid.steps import ANYWHERE, HOUSE_STEPS, NEIGHBOUR_STEPS, STREET_STEPS
from services.grid.streets import is_elsewhere, same_house, street_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.grid.evidence import PlaceRules, Question

_SIGMAS_OF_95: Final = 2.45  # 95 % of a circular normal error lies within so many standard deviations
_OUTLIER: Final = math.exp(-4.5)  # the density at three standard deviations: beyond it, chance explains as much
_NEARBY: Final = 4.0  # standard deviations within which a position agrees with a customer's own point
_OTHER_BUILDING: Final = 0.03
_PART_UNSAID: Final = 0.8  # a part of an estate was said, and the file names none
_NUMBERS_APART: Final = 6.0  # house numbers over which the weight of a neighbour falls to a third
_SAID_LESS: Final = 0.9
_ALONE: Final = 0.3  # another street's name is a character away, and no district says that it is this one
_STEP_TRUST: Final = (1.0, 0.9, 0.9, 1.0, 0.8, 0.8)
_ELSEWHERE: Final = 0.6  # a district was said, and only another one has the house


@dataclass(slots=True)
class Source:
    """What one piece of evidence says: how far it can be trusted, and the share each transformer has of it."""

    basis: Basis
    trust: float
    support: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Heard:
    """All sources of a report, the spots they speak of, and what was noticed on the way."""

    sources: list[Source] = field(default_factory=list)
    spots: dict[str, Spot] = field(default_factory=dict)
    customers: list[Customer] = field(default_factory=list)
    clues: list[Clue] = field(default_factory=list)
    account: Customer | None = None

    def add(self, basis: Basis, trust: float, weights: Iterable[tuple[Spot, float]]) -> None:
        """Add a source. The weights of one transformer add up; together they are at most 1."""
        source = Source(basis, trust)
        for spot, weight in weights:
            self.spots.setdefault(spot.transformer_id, spot)
            source.support[spot.transformer_id] = source.support.get(spot.transformer_id, 0.0) + weight
        self.sources.append(source)


def search(question: Question, named: Named, rules: PlaceRules) -> Search:
    """Return what is still to be searched for: the position and the address, unless a named customer explains them."""
    known = _named_customers(named)
    point, address = question.point, question.address
    if point is not None and any(_stands_at(question, one.point, rules) for one in known):
        point = None
    if address is not None and any(_is_home(address.each, one) for one in known):
        address = None
    return Search(point, address, question.account_key if named.account is None else None)


def _named_customers(named: Named) -> tuple[Customer, ...]:
    own = () if named.account is None else (named.account,)
    return own + (named.phones if len(named.phones) <= MOST_PHONES else ())


def _spread_m(question: Question, rules: PlaceRules) -> float:
    return math.hypot(question.accuracy_m / _SIGMAS_OF_95, rules.stray_m)


def _stands_at(question: Question, home: Point, rules: PlaceRules) -> bool:
    point = question.point
    return point is not None and distance_m(point, home) <= _NEARBY * _spread_m(question, rules)


def hear(question: Question, named: Named, around: Around, rules: PlaceRules) -> Heard:
    """Return what every source says."""
    heard = Heard(clues=list(question.clues), account=named.account)
    known = _named_customers(named)
    if named.account is not None:
        heard.customers.append(named.account)
        heard.add(Basis.ACCOUNT, rules.account_trust, [(_spot(named.account), 1.0)])
    elif question.account_id is not None:
        heard.clues.append(Clue.ACCOUNT_UNKNOWN)
        if around.slips:
            heard.clues.append(Clue.ACCOUNT_SLIP)
            heard.customers += around.slips
            meant = [(_spot(one), 1.0 / len(around.slips)) for one in around.slips]
            heard.add(Basis.ACCOUNT, rules.slip_trust, meant)
    _hear_phone(heard, question, named, around.houses, rules)
    if question.address is not None:
        _hear_address(heard, question.address, known, around, rules)
    if question.point is not None:
        _hear_position(heard, question, question.point, known, around.points, rules)
    if named.devices:
        _hear_devices(heard, named.devices, rules)
    return heard


def _hear_devices(heard: Heard, devices: Sequence[Spot], rules: PlaceRules) -> None:
    """Let each named device speak for the places under it that anything else names, else for itself.

    Who names a line or a switch is somewhere under it: of the many places there, each has a small share.
    """
    others = list(heard.spots.values())
    leaves = [one for one in devices if not any(one.feeds(other) for other in (*others, *devices))]
    weights: list[tuple[Spot, float]] = []
    for device in devices:
        share, itself = 1.0 / len(devices), device.transformer_id
        under = {spot.transformer_id: spot for spot in (*leaves, *others) if device.feeds(spot)}
        if under:
            under |= {itself: heard.spots[itself]} if itself in heard.spots else {}
            size = device.span[1] - device.span[0]
            weights += [(spot, share / size) for spot in under.values()]
        else:
            weights.append((device, share))
    heard.add(Basis.DEVICE, rules.device_trust, weights)


def _hear_phone(heard: Heard, question: Question, named: Named, houses: Sequence[House], rules: PlaceRules) -> None:
    phones = named.phones
    if not phones:
        if question.phone is not None:
            heard.clues.append(Clue.PHONE_UNKNOWN)
        return
    if len(phones) > 1:
        heard.clues.append(Clue.PHONE_SHARED)
    if len(phones) <= MOST_PHONES:
        heard.customers += phones
        is_elsewhere = question.address is not None and _is_elsewhere(question.address, phones, houses, rules)
        trust = rules.phone_elsewhere_trust if is_elsewhere else rules.phone_trust
        heard.add(Basis.PHONE, trust, [(_spot(one), 1.0 / len(phones)) for one in phones])


def _is_elsewhere(said: Address, homes: Sequence[Customer], houses: Sequence[House], rules: PlaceRules) -> bool:
    """Tell whether an address is elsewhere than all these homes: in another street or estate, or out of their reach.

    A file may have one home by its road, and another in the same estate by that.
    """
    at = {one.spot.transformer_id for one in houses}
    if not houses or any(one.transformer_id in at for one in homes):
        return False
    for home in homes:
        by_name = is_elsewhere(said, parse(home.address))
        if by_name is None or (by_name and said.near):
            by_name = all(distance_m(home.point, one.spot.point) > rules.reach_m for one in houses)
        if not by_name:
            return False
    return True


def _hear_address(heard: Heard, said: Address, known: Sequence[Customer], around: Around, rules: PlaceRules) -> None:
    meant = said.each if around.alike is None else _in_streets(said, around.alike)
    homes = [one for one in known if _is_home(meant, one)]
    if around.alike is not None and (homes or around.houses):
        is_short = bool(around.houses) and around.alike.how(around.houses[0].street) in SAID_SHORT
        heard.clues.append(Clue.ADDRESS_SHORT if is_short else Clue.ADDRESS_MISSPELT)
    if homes:
        spots = {one.transformer_id: _spot(one) for one in homes}
        trust = rules.address_trust * (1.0 if around.alike is None else _trust_of(How.SOUND, rules))
        heard.add(Basis.ADDRESS, trust, [(spot, 1.0 / len(spots)) for spot in spots.values()])
        return
    if any(all(same_house(one, parse(other.address)) is False for one in meant) for other in known):
        heard.clues.append(Clue.ADDRESS_OTHER_HOUSE)
    if not around.houses:
        if around.crowded or not said.is_bare:  # of which nobody knows that it is an address
            heard.clues.append(Clue.ADDRESS_IN_MANY_PLACES if around.crowded else Clue.ADDRESS_UNKNOWN)
        return
    rooms = [one for one in around.rooms if _is_home(meant, one)]
    weighed, trust = _weigh_houses(said, around.houses, around.alike, rules)
    if around.alike is not None and said.room and not (rooms or said.district):
        trust = min(trust, rules.unlikely_trust)
    step = around.houses[0].step
    if step in STREET_STEPS:
        heard.clues.append(Clue.ADDRESS_STREET_ONLY)
    elif step in NEIGHBOUR_STEPS:
        heard.clues.append(Clue.ADDRESS_NEIGHBOURS)
    if rooms and not said.near:
        at = {one.transformer_id for one in rooms}
        weighed = [
            (spot, weight if spot.transformer_id in at else _OTHER_BUILDING * weight) for spot, weight in weighed
        ]
        heard.customers += rooms
    total = sum(weight for _, weight in weighed)
    heard.add(Basis.ADDRESS, trust, [(spot, weight / total) for spot, weight in weighed])


def _in_streets(said: Address, alike: Alike) -> tuple[Address, ...]:
    """Return an address as it is in each of the streets it may mean."""
    return tuple(
        replace(said, road=street) if is_road(street) else replace(said, estate=street) for street in alike.streets
    )


def _is_home(meant: Sequence[Address], customer: Customer) -> bool:
    home = parse(customer.address)
    return any(same_house(one, home) for one in meant)


def _trust_of(how: How, rules: PlaceRules) -> float:
    """Return how far to trust that a street is meant that is like the one that was said."""
    if how in SAID_SHORT:
        return rules.short_trust
    if how is How.SOUND:
        return rules.sound_trust
    return rules.accent_trust if how is How.ACCENT else rules.misspelt_trust


def _ranks(said: Address, alike: Alike | None) -> dict[str, int]:
    """Return which of the streets that may be meant goes before which."""
    if alike is not None:  # the houses are of one way to be like what was said
        return dict.fromkeys(alike.streets, 0)
    names = [street_names(site.street) for site in said.sites]
    if said.is_village:  # its group before itself
        names = [tuple(name for group in names for name in group)]
    return {name: rank for each in names for rank, name in enumerate(each)}


def _weigh_houses(
    said: Address, houses: Sequence[House], alike: Alike | None, rules: PlaceRules
) -> tuple[list[tuple[Spot, float]], float]:
    """Return the weight of each house, and how far to trust that one of them is meant."""
    ranks = _ranks(said, alike)
    best = min(ranks.get(house.street, len(ranks)) for house in houses)
    is_read = bool(said.readings) and houses[0].step in HOUSE_STEPS
    building = "" if is_read else said.part + said.building  # what is read has its building
    estates = street_names(said.estate) if alike is None else alike.streets
    numbers = {name: site.number for site in said.sites for name in street_names(site.street)}
    sizes = _sizes(houses) if alike is not None and alike.how(houses[0].street) in BY_SHORT_NAME else {}
    weighed = []
    fit = 0.0
    for house in houses:
        if ranks.get(house.street, len(ranks)) != best:
            continue
        weight = 1.0
        if apart(building if house.number else said.part, house.building):
            weight = _OTHER_BUILDING
        elif said.part and house.street in estates and not names_a_part(house.building):
            weight = _PART_UNSAID
        number = numbers.get(house.street) or _number_in(said, house.street)
        if number and house.number:
            weight *= math.exp(-abs(number - house.number) / _NUMBERS_APART)
        fit = max(fit, weight)
        weighed.append((house.spot, weight * house.customers / sizes.get(house.street, 1)))
    step = houses[0].step
    trust = rules.house_trust if _is_one_house(said, step, weighed) else rules.address_trust
    trust *= _STEP_TRUST[step] * (rules.together_trust if is_read else 1.0)
    if alike is not None:
        how = alike.how(houses[0].street)
        trust *= _trust_of(how, rules) * (_ALONE if how is How.CHARACTER and not said.district else 1.0)
    if said.district and step >= ANYWHERE:
        trust *= _ELSEWHERE
    if fit < _SAID_LESS and not said.is_village:  # whose numbers tell nothing of how far two homes are apart
        trust *= 0.5 + 0.5 * fit
    return weighed, trust


def _number_in(said: Address, street: str) -> int:
    """Return the number that was said in a street which is like the one that was said."""
    if is_road(street) or not said.estate:
        return said.number
    return building_number(said.building)


def _sizes(houses: Sequence[House]) -> dict[str, int]:
    """Return the customers of each street: of estates with one short name, the larger is no likelier meant."""
    sizes: dict[str, int] = {}
    for house in houses:
        sizes[house.street] = sizes.get(house.street, 0) + house.customers
    return sizes


def _is_one_house(said: Address, step: int, weighed: Sequence[tuple[Spot, float]]) -> bool:
    """Tell whether an address names its house in full, and one transformer alone has such a house."""
    if step in STREET_STEPS | NEIGHBOUR_STEPS or said.near:
        return False
    total = math.fsum(weight for _, weight in weighed)
    by_spot: dict[str, float] = {}
    for spot, weight in weighed:
        by_spot[spot.transformer_id] = by_spot.get(spot.transformer_id, 0.0) + weight
    return max(by_spot.values()) > (1.0 - _OTHER_BUILDING) * total


def _hear_position(
    heard: Heard,
    question: Question,
    point: Point,
    known: Sequence[Customer],
    points: Sequence[Spot],
    rules: PlaceRules,
) -> None:
    homes = {one.transformer_id: _spot(one) for one in known if _stands_at(question, one.point, rules)}
    if homes:
        heard.add(Basis.POSITION, rules.position_trust, [(spot, 1.0 / len(homes)) for spot in homes.values()])
        return
    spread = _spread_m(question, rules)
    away = [distance_m(point, spot.point) for spot in points]
    densities = [math.exp(-0.5 * (distance / spread) ** 2) for distance in away]
    total = sum(densities)
    if not points or total + _OUTLIER <= 0:
        return
    nearest = min(away)
    if nearest > rules.reach_m:
        return
    if total < _OUTLIER:
        # Out in the open: the nearest is still the likeliest, the less so the further off it is.
        spread = max(spread, nearest / 3)
        densities = [math.exp(-0.5 * (distance / spread) ** 2) for distance in away]
        total = sum(densities)
    shares = [(spot, one / (total + _OUTLIER)) for spot, one in zip(points, densities, strict=True)]
    heard.add(Basis.POSITION, rules.position_trust, shares)


def _spot(customer: Customer) -> Spot:
    return Spot(customer.transformer_id, customer.feeder, customer.area, customer.point, customer.span)
