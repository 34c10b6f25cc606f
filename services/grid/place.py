"""Where a report is: the decision, from what each piece of evidence says.

Decided here: which evidence to believe, what the rest of it says about that, how sure the place is, and below which
confidence nobody should act on it. Never here: the looking up (``lookup`` asks Postgres, ``book`` asks files); what one
source alone says (``candidates``); a guess where nothing speaks for a place: that is for people.

How: each source names the right place with its measured reliability, and otherwise any place in the network. So a place
weighs, over all sources, the product of (reliability x the share the source gives it) + (1 - reliability) / N; what is
left over is the weight of "none of these". Sources that agree are then all but certain, sources that conflict are
decided by how often each is wrong, and no order of precedence is needed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import h3

from services.contracts import values
from services.contracts.frozen import frozen
from services.contracts.values import Basis, CustomerClass, CustomerStatus
from services.grid.candidates import Heard, hear
from services.grid.evidence import DEFAULT_RULES, Clue, PlaceRules, Point, Question, distance_m
from services.grid.found import Around, Customer, Named, Spot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_AREA_RESOLUTION: Final = 5  # cells of about 250 km²
_PLACE_RESOLUTION: Final = 9  # cells of about 0.1 km²
_HAYSTACK: Final = 10_000.0
"""Places a wrong piece of evidence may name: a city's transformers. Only the order of magnitude matters."""

_SHOWN: Final = 5  # candidates in a place
_WORTH_SHOWING: Final = 0.01
_DIGITS: Final = 9  # to which two weights are told apart
_CELL_TRUST: Final = 0.3
_AGREES: Final = 0.25  # of the largest share a source gives
_SPEAKS: Final = 0.3  # a source that gives no place more than this contradicts nothing, if it is no address elsewhere
_AMBIGUOUS: Final = 0.5  # of the weight of the first
_SURE_OF_ARREARS: Final = 0.8
_CLASSES: Final = (CustomerClass.NORMAL, CustomerClass.VIP, CustomerClass.IMPORTANT, CustomerClass.LIFE_SUPPORT)

_WORDS: Final = {
    Basis.ACCOUNT: (Clue.ACCOUNT, Clue.ACCOUNT_AGREES, Clue.ACCOUNT_CONFLICTS),
    Basis.PHONE: (Clue.PHONE, Clue.PHONE_AGREES, Clue.PHONE_CONFLICTS),
    Basis.POSITION: (Clue.POSITION, Clue.POSITION_AGREES, Clue.POSITION_CONFLICTS),
    Basis.ADDRESS: (Clue.ADDRESS, Clue.ADDRESS_AGREES, Clue.ADDRESS_CONFLICTS),
    Basis.DEVICE: (Clue.DEVICE, Clue.DEVICE_AGREES, Clue.DEVICE_CONFLICTS),
}


@frozen()
class Candidate:
    """One of the places a report may be at; ``weight`` is its probability by the evidence alone."""

    spot: Spot
    account_id: str | None
    weight: float

    def as_value(self) -> values.PlaceCandidate:
        """Return it as messages carry it."""
        return values.PlaceCandidate(
            area=self.spot.area,
            feeder=self.spot.feeder,
            transformer_id=self.spot.transformer_id,
            account_id=self.account_id,
            lat=self.spot.point.lat,
            lon=self.spot.point.lon,
            weight=self.weight,
        )


@frozen()
class ResolvedPlace:
    """Where a report is, as far as the evidence goes.

    Attributes:
        account_id: The customer, where one was found.
        transformer_id: The transformer, or ``cell:<H3 resolution 9>`` where no network model covers the place; None
            where the evidence leaves it too open.
        area: Substation, or ``cell:<H3 resolution 5>``; None where nothing placed the report.
        priority: Class of the customer: normal, vip, important or life_support. Of all customers that were named, the
            one in most need counts, wherever the report was placed.
        language: Language the customer chose (BCP 47).
        lat: WGS-84 degrees north of the customer, else of the position.
        lon: WGS-84 degrees east, likewise.
        confidence: Probability by the evidence, 0 to 1, as far as the trusts are right.
        basis: Which evidence spoke loudest.
        evidence: All that the evidence said.
        voltage_kv: Nominal voltage of the customer's supply, as their file has it.
        candidates: The places that come into question, heaviest first; empty where nothing is left open.
    """

    account_id: str | None
    transformer_id: str | None
    feeder: str | None
    area: str | None
    status: CustomerStatus
    priority: CustomerClass
    language: str | None
    lat: float | None
    lon: float | None
    confidence: float
    basis: Basis
    evidence: tuple[Clue, ...]
    candidates: tuple[Candidate, ...] = ()
    voltage_kv: float | None = None

    def as_value(self) -> values.Place:
        """Return the place as messages carry it."""
        return values.Place(
            area=self.area,
            feeder=self.feeder,
            transformer_id=self.transformer_id,
            account_id=self.account_id,
            lat=self.lat,
            lon=self.lon,
            confidence=self.confidence,
            basis=self.basis,
            evidence=self.evidence,
            candidates=tuple(one.as_value() for one in self.candidates) or None,
            customer_class=self.priority,
            customer_status=self.status,
            voltage_kv=self.voltage_kv,
        )


def decide(
    question: Question,
    named: Named,
    around: Around,
    rules: PlaceRules = DEFAULT_RULES,
    *,
    rates: Mapping[str, float] | None = None,
) -> ResolvedPlace:
    """Return the place that the evidence speaks for, if it speaks clearly enough.

    Args:
        question: The evidence.
        named: Whom and what it names.
        around: What was searched for because of it.
        rules: Thresholds.
        rates: How many reports a customer makes lately at each place that is open (``Weighed.open``); see ``lately``.
    """
    return _decided(question, named, around, rules, hear(question, named, around, rules), rates)


def _decided(
    question: Question,
    named: Named,
    around: Around,
    rules: PlaceRules,
    heard: Heard,
    rates: Mapping[str, float] | None = None,
) -> ResolvedPlace:
    """Return the place by what was heard, and note there what was noticed on the way."""
    if not heard.spots:
        return _off_the_network(question, around.points, heard, rules)
    weights = _weigh(heard, None)
    if rates and max(weights.values()) < rules.clear_at and len(set(rates.values())) > 1:
        weights = _weigh(heard, rates)
        heard.clues.append(Clue.RECENT_REPORTS)
    # Of equal weights the id decides, and not in which order the rows were found and summed.
    ranked = sorted(weights, key=lambda one: (-round(weights[one], _DIGITS), one))
    best = ranked[0]
    confidence = weights[best]
    areas, feeders = _shares(heard, weights)
    area = min(areas, key=lambda one: (-areas[one], one))
    if confidence < rules.place_at and heard.spots[best].area != area:
        best = next(one for one in ranked if heard.spots[one].area == area)
    spot = heard.spots[best]
    customer = _customer_at(heard, best)
    # Which of a feeder's neighbouring transformers it is matters less than that it is this feeder.
    placed = confidence >= rules.place_at or feeders[spot.feeder] >= rules.feeder_at
    in_area = areas[spot.area] >= rules.area_at
    basis = _say(heard, best, ranked, weights)
    if not placed:
        heard.clues.append(Clue.UNSURE)
    shown = customer.point if customer is not None and placed else question.shown
    if shown is None and placed:
        shown = spot.point
    return ResolvedPlace(
        account_id=customer.account_id if customer is not None and placed else None,
        transformer_id=best if placed else None,
        feeder=spot.feeder if placed else None,
        area=spot.area if placed or in_area else None,
        status=_status(customer, confidence),
        priority=max((one.priority for one in _named(named, customer)), key=_CLASSES.index, default=_CLASSES[0]),
        language=None if customer is None else customer.language,
        lat=None if shown is None else shown.lat,
        lon=None if shown is None else shown.lon,
        confidence=_rounded(weights[best] if placed else areas[spot.area] if in_area else 0.0),
        basis=basis if placed or in_area else Basis.NONE,
        evidence=tuple(dict.fromkeys(heard.clues)),
        candidates=_open(heard, ranked, weights, rules),
        voltage_kv=None if customer is None or not placed else customer.voltage_kv,
    )


@frozen()
class Weighed:
    """A report weighed by its own evidence, that can be weighed again by what was reported lately.

    Attributes:
        place: By the evidence alone.
        sure: The device, where the evidence leaves nothing open.
        open: The devices between which it leaves the report open.
    """

    question: Question
    named: Named
    around: Around
    rules: PlaceRules
    place: ResolvedPlace
    sure: str | None
    open: tuple[str, ...]

    def again(self, rates: Mapping[str, float]) -> ResolvedPlace:
        """Return the place by the evidence and by how many reports a customer makes at each open device."""
        return decide(self.question, self.named, self.around, self.rules, rates=rates)


def weigh(question: Question, named: Named, around: Around, rules: PlaceRules = DEFAULT_RULES) -> Weighed:
    """Weigh a report by its evidence."""
    heard = hear(question, named, around, rules)
    place = _decided(question, named, around, rules, heard)
    if place.confidence >= rules.clear_at and place.transformer_id is not None:
        return Weighed(question, named, around, rules, place, place.transformer_id, ())
    is_open = len(heard.spots) > 1 and max(_weigh(heard, None).values()) < rules.clear_at
    return Weighed(question, named, around, rules, place, None, tuple(heard.spots) if is_open else ())


def _weigh(heard: Heard, rates: Mapping[str, float] | None) -> dict[str, float]:
    """Return the probability of each transformer that any source names."""
    weights = dict.fromkeys(heard.spots, 1.0)
    if rates is not None:
        known = {one: rates.get(one, 0.0) for one in weights}
        mean = math.fsum(known.values()) / len(known) or 1.0
        weights = {one: rate / mean for one, rate in known.items()}
    elsewhere = _HAYSTACK
    for source in heard.sources:
        chance = (1.0 - source.trust) / _HAYSTACK
        elsewhere *= chance
        for one in weights:
            weights[one] *= source.trust * source.support.get(one, 0.0) + chance
    total = math.fsum(weights.values()) + elsewhere
    return {one: weight / total for one, weight in weights.items()}


def _shares(heard: Heard, weights: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the weight of each area and of each feeder."""
    areas: dict[str, float] = {}
    feeders: dict[str, float] = {}
    for one, weight in weights.items():
        spot = heard.spots[one]
        areas[spot.area] = areas.get(spot.area, 0.0) + weight
        feeders[spot.feeder] = feeders.get(spot.feeder, 0.0) + weight
    return areas, feeders


def _say(heard: Heard, best: str, ranked: Sequence[str], weights: Mapping[str, float]) -> Basis:
    """Note what each source says of the place; return the one that spoke loudest for it."""
    loudest = max(heard.sources, key=lambda source: source.trust * source.support.get(best, 0.0))
    for source in heard.sources:
        own, agrees, conflicts = _WORDS[source.basis]
        share, most = source.support.get(best, 0.0), max(source.support.values(), default=0.0)
        if source is loudest:
            heard.clues.append(own)
        elif share >= _AGREES * most:
            heard.clues.append(agrees)
        elif most > _SPEAKS or source.basis is Basis.DEVICE or (source.basis is Basis.ADDRESS and not share):
            heard.clues.append(conflicts)
    if len(ranked) > 1 and weights[ranked[1]] > _AMBIGUOUS * weights[ranked[0]]:
        heard.clues.append(Clue.AMBIGUOUS)
    return loudest.basis


def _customer_at(heard: Heard, transformer: str) -> Customer | None:
    """Return the customer whom the best source that names one at this transformer names; None if several do."""
    if heard.account is not None and heard.account.transformer_id == transformer:
        return heard.account
    there = {one.account_id: one for one in heard.customers if one.transformer_id == transformer}
    return next(iter(there.values())) if len(there) == 1 else None


def _named(named: Named, customer: Customer | None) -> list[Customer]:
    found = [] if customer is None else [customer]
    if named.account is not None:
        found.append(named.account)
    if len(named.phones) == 1:
        found += named.phones
    return found


def _status(customer: Customer | None, confidence: float) -> CustomerStatus:
    """Return the customer's status; a report is not answered with arrears unless it is sure whose it is."""
    if customer is None or confidence < _SURE_OF_ARREARS:
        return CustomerStatus.ACTIVE
    return customer.status


def _open(
    heard: Heard, ranked: Sequence[str], weights: Mapping[str, float], rules: PlaceRules
) -> tuple[Candidate, ...]:
    if weights[ranked[0]] >= rules.clear_at:
        return ()
    found = []
    for one in ranked[:_SHOWN]:
        if weights[one] >= _WORTH_SHOWING:
            customer = _customer_at(heard, one)
            account = None if customer is None else customer.account_id
            found.append(Candidate(heard.spots[one], account, _rounded(weights[one])))
    return tuple(found)


def _off_the_network(question: Question, points: Sequence[Spot], heard: Heard, rules: PlaceRules) -> ResolvedPlace:
    """Return a cell for a position that no network covers, an area for one that is far off, else no place."""
    point = question.point
    if point is None:
        return _nowhere(heard, question.shown)
    ranked = sorted((distance_m(point, one.point), one.transformer_id, one) for one in points)
    heard.clues.append(Clue.POSITION)
    if ranked and ranked[0][0] <= rules.coverage_m:
        heard.clues.append(Clue.POSITION_OUT_OF_REACH)
        return _nowhere(heard, point, area=ranked[0][2].area, confidence=_CELL_TRUST, basis=Basis.POSITION)
    heard.clues.append(Clue.NO_NETWORK)
    return _nowhere(
        heard,
        point,
        area=f"cell:{h3.latlng_to_cell(*point, _AREA_RESOLUTION)}",
        transformer_id=f"cell:{h3.latlng_to_cell(*point, _PLACE_RESOLUTION)}",
        confidence=_CELL_TRUST,
        basis=Basis.CELL,
    )


def _nowhere(
    heard: Heard,
    point: Point | None,
    *,
    area: str | None = None,
    transformer_id: str | None = None,
    confidence: float = 0.0,
    basis: Basis = Basis.NONE,
) -> ResolvedPlace:
    return ResolvedPlace(
        account_id=None,
        transformer_id=transformer_id,
        feeder=None,
        area=area,
        status=CustomerStatus.ACTIVE,
        priority=CustomerClass.NORMAL,
        language=None,
        lat=None if point is None else point.lat,
        lon=None if point is None else point.lon,
        confidence=confidence,
        basis=basis,
        evidence=tuple(dict.fromkeys(heard.clues)),
    )


def _rounded(probability: float) -> float:
    return round(min(probability, 1.0), 3)
