"""Where a report is: the decision, from what was said and what the network model knows of it.

Decided here: which evidence wins, what the rest of it says about that, how sure the place is. Never here: the
looking up (``lookup`` asks Postgres, ``book`` asks files); a guess where nothing speaks for a place: that is for
people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import h3

from services.contracts import values
from services.contracts.values import Basis, Crs, CustomerClass, CustomerStatus
from services.grid.datum import to_wgs84
from services.grid.phone import phone_key

_AREA_RESOLUTION: Final = 5  # cells of about 250 km²
_PLACE_RESOLUTION: Final = 9  # cells of about 0.1 km²
_NORTHMOST: Final = 85.0  # the Mercator plane of the service points ends here
_LONGEST_ACCOUNT: Final = 200
_SHIFTED: Final = frozenset({Crs.GCJ02, Crs.BD09})


class Clue(StrEnum):
    """What the evidence said, one word each, for logs, messages and people."""

    ACCOUNT = "account"
    ACCOUNT_UNKNOWN = "account_unknown"
    PHONE = "phone"
    PHONE_UNKNOWN = "phone_unknown"
    PHONE_SHARED = "phone_shared"
    """Several customers have this number, so it says nothing of one."""
    PHONE_AGREES = "phone_agrees"
    PHONE_CONFLICTS_ACCOUNT = "phone_conflicts_account"
    POSITION = "position"
    POSITION_AGREES = "position_agrees"
    POSITION_CONFLICTS = "position_conflicts"
    """The position is far from the customer that account or phone found."""
    POSITION_INVALID = "position_invalid"
    POSITION_TOO_COARSE = "position_too_coarse"
    POSITION_AMBIGUOUS = "position_ambiguous"
    """Another transformer is about as near."""
    POSITION_DISTANT = "position_distant"
    """The nearest service point is further off than the accuracy explains."""
    POSITION_OUT_OF_REACH = "position_out_of_reach"
    """The nearest service point tells the area, but is too far off to tell the transformer."""
    ACCURACY_UNKNOWN = "accuracy_unknown"
    DATUM_CONVERTED = "datum_converted"
    NO_NETWORK = "no_network"


@dataclass(frozen=True, slots=True)
class PlaceEvidence:
    """What a report says of its place, as received.

    Attributes:
        lat: Degrees north in ``crs``.
        lon: Degrees east in ``crs``.
        crs: ``wgs84`` (or absent), ``gcj02`` or ``bd09``.
        accuracy_m: Radius in metres at 95 %.
        address: Carried; not used yet.
        text: Carried; not used yet.
    """

    account_id: str | None = None
    phone: str | None = None
    lat: float | None = None
    lon: float | None = None
    crs: str | None = None
    accuracy_m: float | None = None
    address: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceRules:
    """Thresholds, in metres unless said otherwise.

    Attributes:
        coarsest_m: A position with a worse accuracy places nothing.
        assumed_accuracy_m: Accuracy of a position that states none.
        reach_m: A service point further off does not tell the transformer.
        coverage_m: With no service point this near, no network model covers the place.
        ambiguous_ratio: A second transformer nearer than this times the first makes the choice ambiguous.
        distant_m: How far beside a service point people stand who report it.
    """

    coarsest_m: float = 200.0
    assumed_accuracy_m: float = 50.0
    reach_m: float = 500.0
    coverage_m: float = 2000.0
    ambiguous_ratio: float = 1.5
    distant_m: float = 100.0


class Point(NamedTuple):
    """A WGS-84 position in degrees."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Question:
    """What to look up for one report: the evidence in the forms the network model uses.

    Attributes:
        account_id: Account to find.
        phone: Phone to find, as ``phone_key`` gives it.
        point: Position good enough to search around.
        accuracy_m: Accuracy of ``point``.
        shown: Any position that was given, for a person to see.
        clues: What was noticed so far.
    """

    account_id: str | None
    phone: str | None
    point: Point | None
    accuracy_m: float
    shown: Point | None
    clues: tuple[Clue, ...]


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer that was found, with the place in the network; ``phone`` as ``phone_key`` gives it."""

    account_id: str
    transformer_id: str
    feeder: str
    area: str
    phone: str | None
    status: CustomerStatus
    priority: CustomerClass
    language: str | None
    point: Point


@dataclass(frozen=True, slots=True)
class Near:
    """A transformer, by its service point nearest to a position."""

    transformer_id: str
    feeder: str
    area: str
    point: Point


@dataclass(frozen=True, slots=True)
class Found:
    """What the network model knows about a question.

    Attributes:
        account: The customer with this account.
        phones: Customers with this phone; two stand for any number above one.
        near: The two nearest transformers, nearest first; asked only if account and phone named nobody.
    """

    account: Customer | None = None
    phones: tuple[Customer, ...] = ()
    near: tuple[Near, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolvedPlace:
    """Where a report is, as far as the evidence goes.

    Attributes:
        account_id: The customer, where one was found.
        transformer_id: The transformer, or ``cell:<H3 resolution 9>`` where no network model covers the place.
        area: Substation, or ``cell:<H3 resolution 5>``; None where nothing placed the report.
        priority: Class of the customer: normal, important or life_support.
        language: Language the customer chose (BCP 47).
        lat: WGS-84 degrees north of the customer, else of the position.
        lon: WGS-84 degrees east, likewise.
        confidence: 0 to 1; an order of trust, not a measured probability.
        basis: Which evidence decided.
        evidence: All that the evidence said.
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
            customer_class=self.priority,
            customer_status=self.status,
        )


DEFAULT_RULES: Final = PlaceRules()

_ACCOUNT_TRUST: Final = 0.9
_PHONE_TRUST: Final = 0.8
_POSITION_TRUST: Final = 0.7
_AREA_TRUST: Final = 0.3
_AGREES: Final = 1.1
_CONFLICTS: Final = 0.75
_AMBIGUOUS: Final = 0.6
_DISTANT: Final = 0.7


def ask(evidence: PlaceEvidence, rules: PlaceRules = DEFAULT_RULES) -> Question:
    """Return what to look up for ``evidence``."""
    account = (evidence.account_id or "").strip()
    clues: list[Clue] = []
    shown: Point | None = None
    accuracy = evidence.accuracy_m
    if evidence.lat is not None and evidence.lon is not None:
        if accuracy is None or math.isnan(accuracy):
            clues.append(Clue.ACCURACY_UNKNOWN)
            accuracy = rules.assumed_accuracy_m
        if evidence.crs in _SHIFTED:
            clues.append(Clue.DATUM_CONVERTED)
        shown = _wgs84(evidence.lat, evidence.lon, evidence.crs)
        if shown is None:
            clues.append(Clue.POSITION_INVALID)
        elif accuracy > rules.coarsest_m:
            clues.append(Clue.POSITION_TOO_COARSE)
    searchable = shown is not None and accuracy is not None and accuracy <= rules.coarsest_m
    return Question(
        # What cannot be printed (NUL, half a surrogate pair) is no account, and the database would refuse the batch.
        account_id=account if account and account.isprintable() and len(account) <= _LONGEST_ACCOUNT else None,
        phone=phone_key(evidence.phone),
        point=shown if searchable else None,
        accuracy_m=accuracy or 0.0,
        shown=shown,
        clues=tuple(clues),
    )


def _wgs84(lat: float, lon: float, crs: str | None) -> Point | None:
    """Return the position in WGS-84; None for what is no position or is given in an unknown datum."""
    if not (abs(lat) <= _NORTHMOST and abs(lon) <= 180):  # noqa: PLR2004  the globe; NaN fails as well
        return None
    try:
        datum = Crs(crs) if crs else Crs.WGS84
    except ValueError:
        return None
    return Point(*to_wgs84(lat, lon, datum))


def decide(question: Question, found: Found, rules: PlaceRules = DEFAULT_RULES) -> ResolvedPlace:
    """Return the place: a known account wins, else a phone of exactly one customer, else the position."""
    if found.account is not None:
        return _of_account(question, found.account, found.phones, rules)
    clues = list(question.clues)
    if question.account_id is not None:
        clues.append(Clue.ACCOUNT_UNKNOWN)
    if len(found.phones) == 1:
        return _of_phone(question, found.phones[0], clues, rules)
    if question.phone is not None:
        clues.append(Clue.PHONE_SHARED if found.phones else Clue.PHONE_UNKNOWN)
    if question.point is not None:
        return _of_position(question.point, question.accuracy_m, found.near, clues, rules)
    return _without_customer(None, None, question.shown, 0.0, Basis.NONE, clues)


def _of_account(
    question: Question, customer: Customer, phones: tuple[Customer, ...], rules: PlaceRules
) -> ResolvedPlace:
    clues = [*question.clues, Clue.ACCOUNT]
    trust = _ACCOUNT_TRUST
    if question.phone is not None and question.phone == customer.phone:
        clues.append(Clue.PHONE_AGREES)
        trust *= _AGREES
    elif len(phones) == 1:
        clues.append(Clue.PHONE_CONFLICTS_ACCOUNT)
        trust *= _CONFLICTS
    elif question.phone is not None:
        clues.append(Clue.PHONE_SHARED if phones else Clue.PHONE_UNKNOWN)
    trust *= _weigh_position(question, customer, clues, rules)
    return _of_customer(customer, trust, Basis.ACCOUNT, clues)


def _of_phone(question: Question, customer: Customer, clues: list[Clue], rules: PlaceRules) -> ResolvedPlace:
    clues.append(Clue.PHONE)
    trust = _PHONE_TRUST * _weigh_position(question, customer, clues, rules)
    return _of_customer(customer, trust, Basis.PHONE, clues)


def _weigh_position(question: Question, customer: Customer, clues: list[Clue], rules: PlaceRules) -> float:
    """Note whether the position fits the customer; return the factor that makes of the trust in it."""
    if question.point is None:
        return 1.0
    if distance_m(question.point, customer.point) <= rules.reach_m + question.accuracy_m:
        clues.append(Clue.POSITION_AGREES)
        return _AGREES
    clues.append(Clue.POSITION_CONFLICTS)
    return _CONFLICTS


def _of_position(
    point: Point, accuracy_m: float, near: tuple[Near, ...], clues: list[Clue], rules: PlaceRules
) -> ResolvedPlace:
    clues.append(Clue.POSITION)
    ranked = sorted((distance_m(point, one.point), one.transformer_id, one) for one in near)
    if not ranked or ranked[0][0] > rules.coverage_m:
        clues.append(Clue.NO_NETWORK)
        area = f"cell:{h3.latlng_to_cell(*point, _AREA_RESOLUTION)}"
        cell = f"cell:{h3.latlng_to_cell(*point, _PLACE_RESOLUTION)}"
        return _without_customer(area, cell, point, _AREA_TRUST, Basis.CELL, clues)
    distance, _, nearest = ranked[0]
    if distance > rules.reach_m:
        clues.append(Clue.POSITION_OUT_OF_REACH)
        return _without_customer(nearest.area, None, point, _AREA_TRUST, Basis.POSITION, clues)
    trust = _POSITION_TRUST
    if len(ranked) > 1 and ranked[1][0] < max(rules.ambiguous_ratio * distance, accuracy_m):
        clues.append(Clue.POSITION_AMBIGUOUS)
        trust *= _AMBIGUOUS
    if distance > max(rules.distant_m, accuracy_m):
        clues.append(Clue.POSITION_DISTANT)
        trust *= _DISTANT
    return _without_customer(
        nearest.area, nearest.transformer_id, point, trust, Basis.POSITION, clues, feeder=nearest.feeder
    )


def _of_customer(customer: Customer, trust: float, basis: Basis, clues: list[Clue]) -> ResolvedPlace:
    return ResolvedPlace(
        account_id=customer.account_id,
        transformer_id=customer.transformer_id,
        feeder=customer.feeder,
        area=customer.area,
        status=customer.status,
        priority=customer.priority,
        language=customer.language,
        lat=customer.point.lat,
        lon=customer.point.lon,
        confidence=_confidence(trust),
        basis=basis,
        evidence=tuple(clues),
    )


def _without_customer(
    area: str | None,
    transformer_id: str | None,
    point: Point | None,
    trust: float,
    basis: Basis,
    clues: list[Clue],
    *,
    feeder: str | None = None,
) -> ResolvedPlace:
    return ResolvedPlace(
        account_id=None,
        transformer_id=transformer_id,
        feeder=feeder,
        area=area,
        status=CustomerStatus.ACTIVE,
        priority=CustomerClass.NORMAL,
        language=None,
        lat=None if point is None else point.lat,
        lon=None if point is None else point.lon,
        confidence=_confidence(trust),
        basis=basis,
        evidence=tuple(clues),
    )


def _confidence(trust: float) -> float:
    return round(min(trust, 1.0), 3)


def distance_m(one: Point, other: Point) -> float:
    """Return the great-circle distance in metres."""
    return float(h3.great_circle_distance(one, other, unit="m"))


def mercator(lat: float) -> float:
    """Return the Mercator latitude in degrees: with the longitude, a plane true to shape near any place."""
    return math.degrees(math.asinh(math.tan(math.radians(lat))))


def latitude(mercator_lat: float) -> float:
    """Return the latitude in degrees of a Mercator latitude in degrees."""
    return math.degrees(math.atan(math.sinh(math.radians(mercator_lat))))
