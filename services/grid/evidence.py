"""What a report says of its place, and what to look up because of it.

Decided here: which of it can be used, and in what form the network model knows it. Never here: looking up (``lookup``,
``book``), or which of it to believe (``place``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

import h3

from services.contracts.frozen import frozen
from services.contracts.values import Crs
from services.grid.accounts import account_key, account_spellings, numbers_in, said_account
from services.grid.address import (
    Address,
    names_a_house,
    names_a_street_in_a_district,
    names_an_estate,
    parse,
)
from services.grid.alike import is_road
from services.grid.away import at_home
from services.grid.datum import to_wgs84
from services.grid.device_names import id_keys_in, words_in
from services.grid.phone import is_mobile, phone_key
from services.grid.short_names import bare_in
from services.grid.spelling import normalise

_NORTHMOST: Final = 85.0  # the Mercator plane of the service points ends here
_ARCTIC: Final = 73.0  # degrees; China's west end is 73.5° E
_CHINA_SOUTH: Final = 18.0
_CHINA_NORTH: Final = 54.0
_SHIFTED: Final = frozenset({Crs.GCJ02, Crs.BD09})
_DATUMS: Final = {
    **{datum.value: datum for datum in Crs},
    # China's own datum, which its maps of pipes and wires are in, is WGS-84 to a few centimetres (GB 22021-2008).
    **dict.fromkeys(("epsg4326", "crs84", "cgcs2000", "epsg4490"), Crs.WGS84),
    **dict.fromkeys(("gcj", "gcj02ll"), Crs.GCJ02),  # with ll as Baidu's programs name them
    **dict.fromkeys(("bd", "bd09ll"), Crs.BD09),
}
_MOST_NAMES: Final = 60
_MOST_IDS: Final = 8
_ONE_NUMBER: Final = re.compile(r"[0-9A-Za-z _./-]*")
"""Said in an account's place, it is one, however it is written; what has more in it is words with one in them."""
_NO_ADDRESS: Final = Address()
_MOST_NUMBERS: Final = 4
_GATES: Final = (names_a_house, names_an_estate, names_a_street_in_a_district)
"""Most texts pass none of them, and need not be read for their parts."""


class Clue(StrEnum):
    """What the evidence said, one word each, for logs, messages and people.

    A source's own word says that it spoke loudest for the place, ``…_agrees`` that it speaks for it as well,
    ``…_conflicts`` that it speaks for another one.
    """

    ACCOUNT = "account"
    ACCOUNT_AGREES = "account_agrees"
    ACCOUNT_CONFLICTS = "account_conflicts"
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNT_SLIP = "account_slip"
    """Nobody has the account; somebody has one that is a slip of the finger away."""
    PHONE = "phone"
    PHONE_AGREES = "phone_agrees"
    PHONE_CONFLICTS = "phone_conflicts"
    PHONE_UNKNOWN = "phone_unknown"
    PHONE_SHARED = "phone_shared"
    """Several customers have this number."""
    POSITION = "position"
    POSITION_AGREES = "position_agrees"
    POSITION_CONFLICTS = "position_conflicts"
    POSITION_INVALID = "position_invalid"
    POSITION_SWAPPED = "position_swapped"
    """Latitude and longitude stood in each other's place: only so it is a position."""
    POSITION_TOO_COARSE = "position_too_coarse"
    POSITION_OUT_OF_REACH = "position_out_of_reach"
    """The nearest service point tells the area, but is too far off to tell the transformer."""
    ACCURACY_UNKNOWN = "accuracy_unknown"
    DATUM_CONVERTED = "datum_converted"
    ADDRESS = "address"
    ADDRESS_AGREES = "address_agrees"
    ADDRESS_CONFLICTS = "address_conflicts"
    ADDRESS_UNKNOWN = "address_unknown"
    """It names no street that the network has."""
    ADDRESS_IN_MANY_PLACES = "address_in_many_places"
    ADDRESS_MISSPELT = "address_misspelt"
    """The network has no such street; it has one that sounds alike or is a slip of the finger away."""
    ADDRESS_SHORT = "address_short"
    """It names an estate by what people call it, without what estates are called: 丽景 for 丽景花园."""
    ADDRESS_STREET_ONLY = "address_street_only"
    ADDRESS_NEIGHBOURS = "address_neighbours"
    """The house is not in the customer file; its neighbours are."""
    ADDRESS_OTHER_HOUSE = "address_other_house"
    """It is another house than that of the customer whom the account or phone names."""
    DEVICE = "device"
    DEVICE_AGREES = "device_agrees"
    DEVICE_CONFLICTS = "device_conflicts"
    RECENT_REPORTS = "recent_reports"
    """What was reported lately told between the places that the evidence leaves open."""
    AMBIGUOUS = "ambiguous"
    """Another transformer is about as likely."""
    UNSURE = "unsure"
    """Below the confidence at which a report is placed."""
    NO_NETWORK = "no_network"


@frozen()
class PlaceEvidence:
    """What a report says of its place, as received.

    Attributes:
        lat: Degrees north in ``crs``.
        lon: Degrees east in ``crs``.
        crs: ``wgs84`` (or absent), ``gcj02`` or ``bd09``.
        accuracy_m: Radius in metres at 95 %.
        address: As people say it.
        text: Everything else they said: an address or the name of a device may stand in it.
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
    """Thresholds; distances in metres, the rest 0 to 1.

    The trusts are how often what a source names is the place of the report: measured on simulated reports
    (``tests/bench/places.py``), to be set from audited reports where there are any. ``house_trust`` is that of an
    address whose street, number and building one house alone has: who says it says what is dark, while an account may
    be read from another home's bill. ``slip_trust`` is how often an account that nobody has stands for one that is a
    slip of the finger away: four typing errors of five are (Damerau 1964), and not all such accounts are errors.
    ``sound_trust``, ``accent_trust`` and ``misspelt_trust`` are how often a street that nobody has stands for the one
    that sounds alike, that does so in an accent, and that is a slip away: a street may as well be elsewhere.
    ``short_trust`` is how often the only estate with a short name (丽景) is meant by it: a judgement.
    ``phone_elsewhere_trust`` is how often whoever calls by a customer's number and names a place elsewhere, and no
    account, is at that customer's home all the same: for a relative's home, a shop or a tenant they hardly ever are.
    ``unlikely_trust`` is that of such a street without a district where nobody has the room that was said,
    ``together_trust`` that of a house read out of digits in which no 号 stands between two numbers: judgements.

    Attributes:
        coarsest_m: A position with a worse accuracy places nothing.
        assumed_accuracy_m: Accuracy of a position that states none.
        stray_m: How far beside their own service point people stand who report it, one standard deviation.
        reach_m: A service point further off does not tell the transformer.
        coverage_m: With no service point this near, no network model covers the place.
        place_at: Below this confidence a report is not placed at a transformer.
        feeder_at: From this confidence in one feeder on it is placed at the likeliest transformer there all the same.
        area_at: Below this confidence not in an area either: it goes to people who locate.
        clear_at: From this confidence on, nothing is left open.
    """

    coarsest_m: float = 200.0
    assumed_accuracy_m: float = 25.0
    stray_m: float = 5.0
    reach_m: float = 500.0
    coverage_m: float = 2000.0
    account_trust: float = 0.97
    slip_trust: float = 0.75
    phone_trust: float = 0.95
    phone_elsewhere_trust: float = 0.6
    position_trust: float = 0.95
    address_trust: float = 0.96
    house_trust: float = 0.985
    short_trust: float = 0.8
    sound_trust: float = 0.85
    accent_trust: float = 0.7
    misspelt_trust: float = 0.7
    unlikely_trust: float = 0.15
    together_trust: float = 0.85
    device_trust: float = 0.98
    place_at: float = 0.5
    feeder_at: float = 0.5
    area_at: float = 0.25
    clear_at: float = 0.9


DEFAULT_RULES: Final = PlaceRules()


class Point(NamedTuple):
    """A WGS-84 position in degrees."""

    lat: float
    lon: float


@frozen()
class Question:
    """What to look up for one report: the evidence in the forms the network model uses.

    Attributes:
        spellings: Of the account to find, as they may stand in the customer file; first as it was said.
        phone: Phone to find, as ``phone_key`` gives it.
        point: Position good enough to search around.
        accuracy_m: Accuracy of ``point``.
        shown: Any position that was given, for a person to see.
        address: An address that names a street or an estate.
        devices: Texts that may be ids or names of devices (names as ``device_names.name_key`` gives them).
        clues: What was noticed so far.
        id_keys: Keys of what may be ids of devices (see ``device_names.id_key``).
        numbers: What stands in the words, or in the account's place, and may be somebody's account or phone.
    """

    spellings: tuple[str, ...]
    phone: str | None
    point: Point | None
    accuracy_m: float
    shown: Point | None
    address: Address | None
    devices: tuple[str, ...]
    clues: tuple[Clue, ...]
    numbers: tuple[str, ...] = ()
    id_keys: tuple[str, ...] = ()

    @property
    def account_id(self) -> str | None:
        """Account to find, as it was said."""
        return self.spellings[0] if self.spellings else None

    @property
    def account_key(self) -> str | None:
        """The account in the form that all its spellings share, where it has one."""
        return (account_key(self.spellings[0]) or None) if self.spellings else None


def ask(evidence: PlaceEvidence, rules: PlaceRules = DEFAULT_RULES) -> Question:
    """Return what to look up for ``evidence``."""
    account = said_account(evidence.account_id)
    spellings = account_spellings(account) if account else ()
    clues: list[Clue] = []
    shown: Point | None = None
    accuracy = evidence.accuracy_m
    lat, lon = evidence.lat, evidence.lon
    if lat is not None and lon is not None:
        if stand_swapped(lat, lon):
            lat, lon = lon, lat
            clues.append(Clue.POSITION_SWAPPED)
        if not accuracy or math.isnan(accuracy):  # 0 is what Android says where none is known
            clues.append(Clue.ACCURACY_UNKNOWN)
            accuracy = rules.assumed_accuracy_m
        if _datum(evidence.crs) in _SHIFTED:
            clues.append(Clue.DATUM_CONVERTED)
        shown = _wgs84(lat, lon, evidence.crs)
        if shown is None:
            clues.append(Clue.POSITION_INVALID)
        elif accuracy > rules.coarsest_m:
            clues.append(Clue.POSITION_TOO_COARSE)
    searchable = shown is not None and accuracy is not None and accuracy <= rules.coarsest_m
    address = _address(evidence)
    if evidence.address and address is None:
        clues.append(Clue.ADDRESS_UNKNOWN)
    return Question(
        spellings=spellings,
        phone=phone_key(evidence.phone),
        point=shown if searchable else None,
        accuracy_m=max(accuracy or 0.0, 0.0),
        shown=shown,
        address=address,
        devices=tuple(dict.fromkeys([*words_in(evidence.text), *words_in(evidence.address)]))[:_MOST_NAMES],
        clues=tuple(clues),
        numbers=_numbers(evidence),
        id_keys=tuple(dict.fromkeys([*id_keys_in(evidence.text), *id_keys_in(evidence.address)]))[:_MOST_IDS],
    )


def _numbers(evidence: PlaceEvidence) -> tuple[str, ...]:
    account = evidence.account_id
    if account is None or _ONE_NUMBER.fullmatch(account):
        account = phone_key(account)  # some give their phone for it
        account = account if account is not None and is_mobile(account) else None
    said = (account, evidence.text, evidence.address)  # beside other words, the account is one number in them
    return tuple(dict.fromkeys(number for text in said if text for number in numbers_in(text)))[:_MOST_NUMBERS]


def stand_swapped(lat: float, lon: float) -> bool:
    """Tell whether degrees are a place where people live only as longitude and latitude, not as they stand.

    Off the globe; or in the Arctic Ocean east of Svalbard, which is China west of 90° E with the two swapped.
    """
    if abs(lat) > 90:  # noqa: PLR2004  the globe
        return abs(lat) <= 180 and abs(lon) <= _NORTHMOST  # noqa: PLR2004  likewise
    return lat > _ARCTIC and _CHINA_SOUTH < lon < _CHINA_NORTH


def _wgs84(lat: float, lon: float, crs: str | None) -> Point | None:
    """Return the position in WGS-84; None for what is no position or is given in an unknown datum."""
    if not (abs(lat) <= _NORTHMOST and abs(lon) <= 180):  # noqa: PLR2004  the globe; NaN fails as well
        return None
    if lat == 0 and lon == 0:
        return None  # what a program sends that has no position
    datum = _datum(crs)
    if datum is None:
        return None
    return Point(*to_wgs84(lat, lon, datum))


def _datum(crs: str | None) -> Crs | None:
    """Return the datum that is named, however it is spelled (GCJ-02, EPSG:4326); None for one that is not known."""
    if not crs:
        return Crs.WGS84
    return _DATUMS.get("".join(filter(str.isalnum, crs.casefold())))


def _address(evidence: PlaceEvidence) -> Address | None:
    """Return the address given, else one that the text names with its house, its estate, or its street and district.

    A street's name among other words of a text may be chance. What was given without a house goes before one that the
    text names with it only for the district. Where neither names a place, either may be all name (丽景停电了,
    望江路停电了).
    """
    given = parse(evidence.address) if evidence.address else _NO_ADDRESS
    if given.number or given.building:
        return given if given.sites else None
    text, found = _named_in(evidence.text) if evidence.text else ("", _NO_ADDRESS)
    alone = not given.sites and (found.estate or (found.road and found.district))
    if found.sites and (found.number or found.building or alone):
        return found if found.district or not given.district else replace(found, district=given.district)
    if given.sites:
        return given
    bare = bare_in(evidence.address, is_address=True) if evidence.address else None
    if bare is None and text:
        bare = bare_in(text)
    if bare is None:
        return None
    district, name = bare.district or given.district, normalise(bare.name)
    if is_road(name):
        return Address(district, name, near=bare.near)
    return Address(district, estate=name, part=normalise(bare.part), near=bare.near)


@lru_cache(maxsize=4096)  # whether it says where is asked before where that is
def _named_in(text: str) -> tuple[str, Address]:
    """Return a text without where somebody is who is not at home, and the address it has; an empty one for none."""
    home = at_home(text)
    return home, parse(home) if any(names(home) for names in _GATES) else _NO_ADDRESS


def telling_words(text: str | None) -> str | None:
    """Return a text if ``ask`` finds anything in it to place it by; None for words that say nothing of a place."""
    if text and (numbers_in(text) or place_words(text) or _address(PlaceEvidence(text=text)) is not None):
        return text
    return None


@lru_cache(maxsize=4096)
def place_words(text: str | None) -> str | None:
    """Return a text if it names a house or what may be a device; None for words that say nothing of a place.

    A number says who it is, if anything: who gives the one to call back says nothing of where they see a danger.
    """
    if not text:
        return None
    if words_in(text) or id_keys_in(text):
        return text
    said = _address(PlaceEvidence(text=text))
    return text if said is not None and (said.number or said.building) else None


def distance_m(one: Point, other: Point) -> float:
    """Return the great-circle distance in metres."""
    return float(h3.great_circle_distance(one, other, unit="m"))


def mercator(lat: float) -> float:
    """Return the Mercator latitude in degrees: with the longitude, a plane true to shape near any place."""
    return math.degrees(math.asinh(math.tan(math.radians(lat))))


def latitude(mercator_lat: float) -> float:
    """Return the latitude in degrees of a Mercator latitude, to 0.1 mm: so it does not matter who computes it."""
    return round(math.degrees(math.atan(math.sinh(math.radians(mercator_lat)))), 9)
