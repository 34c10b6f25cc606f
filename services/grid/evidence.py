"""What a report says of its place, and what to look up because of it.

Decided here: which of it can be used, and in what form the network model knows it. Never here: looking up (``lookup``,
``book``), or which of it to believe (``place``).
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import h3

from services.contracts.frozen import frozen
from services.contracts.values import Crs
from services.grid.address import Address, arabic, names_a_house, parse
from services.grid.datum import to_wgs84
from services.grid.phone import phone_key

if TYPE_CHECKING:
    from collections.abc import Iterator

_NORTHMOST: Final = 85.0  # the Mercator plane of the service points ends here
_LONGEST_ACCOUNT: Final = 200
_SHIFTED: Final = frozenset({Crs.GCJ02, Crs.BD09})
_DATUMS: Final = {**{datum.value: datum for datum in Crs}, "epsg4326": Crs.WGS84, "gcj": Crs.GCJ02, "bd": Crs.BD09}
_LONGEST_TEXT: Final = 300
_MOST_NAMES: Final = 60
_LONGEST_NAME: Final = 16
_SHORTEST_NAME: Final = 3
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{3,60}")
_NAMED: Final = re.compile(r"变压器|台变|公变|专变|箱变|配变|变|环网柜|开关|刀闸|杆|线|站")
_ACCOUNT_WORDS: Final = re.compile(
    r"^(?:用电|客户|用户|我的|缴费)*(?:户号|编号|账号|帐号|号码)?[是为:#\s]*(?=[0-9A-Za-z])"
)
_NUMBERED: Final = re.compile(r"#(\d+)|(\d+)#")
_SPACED_ID: Final = re.compile(r"(?<![A-Za-z0-9])([A-Z]{1,6})[ -](\d{3,12})(?![\d-])")
_COUNTED: Final = re.compile(r"([零一二三四五六七八九十百两]+)(?=[号组#线杆回区社队]|台变)")
_ROMAN: Final = re.compile(r"(?<![a-z])(i{1,3}|iv)(?=[线回段])")
_ROMAN_DIGITS: Final = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
_KILOVOLTS: Final = re.compile(r"\d+(?:\.\d+)?(?:kv|千伏)")
_WHOSE: Final = re.compile(r"(公|专)用变压器")
_ANY_KIND: Final = re.compile(r"(?:(?:箱式|柱上|杆上|配电)?变压器|[台公专箱配杆]?变)$")
_NO_KIND: Final = re.compile(r"(?:(?:箱式|柱上|杆上|配电)?变压器|[台箱配杆]?变)$")
_LINE_NUMBER: Final = re.compile(r"^\d{3,}(?=[\u4e00-\u9fff]{2})")


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
    position_trust: float = 0.95
    address_trust: float = 0.96
    house_trust: float = 0.985
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
        devices: Texts that may be ids or names of devices (names as ``name_key`` gives them).
        clues: What was noticed so far.
    """

    spellings: tuple[str, ...]
    phone: str | None
    point: Point | None
    accuracy_m: float
    shown: Point | None
    address: Address | None
    devices: tuple[str, ...]
    clues: tuple[Clue, ...]

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
    spellings = account_spellings(evidence.account_id) if evidence.account_id else ()
    clues: list[Clue] = []
    shown: Point | None = None
    accuracy = evidence.accuracy_m
    lat, lon = evidence.lat, evidence.lon
    if lat is not None and lon is not None:
        if abs(lat) > 90 and abs(lat) <= 180 and abs(lon) <= _NORTHMOST:  # noqa: PLR2004  the globe
            lat, lon = lon, lat
            clues.append(Clue.POSITION_SWAPPED)
        if accuracy is None or math.isnan(accuracy):
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
        devices=tuple(dict.fromkeys([*_devices(evidence.text), *_devices(evidence.address)]))[:_MOST_NAMES],
        clues=tuple(clues),
    )


def account_spellings(said: str) -> tuple[str, ...]:
    """Return under which spellings an account may be found: as said, then without signs, in capitals, without zeros.

    Nearly all are in capitals and digits as they are. What a chat copies along and nobody sees is left out.
    """
    account = unicodedata.normalize("NFKC", said).strip()
    if not account.isprintable():
        account = "".join(char for char in account if unicodedata.category(char) != "Cf").strip()
    # What cannot be printed (NUL, half a surrogate pair) is no account, and the database would refuse the batch.
    if not account or not account.isprintable() or len(account) > _LONGEST_ACCOUNT:
        return ()
    plain = _ACCOUNT_WORDS.sub("", account)
    dense = "".join(plain.split())
    bare = "".join(filter(str.isalnum, plain))
    forms = (account, plain, dense, dense.upper(), bare, bare.upper(), bare.upper().lstrip("0"))
    return tuple(dict.fromkeys(filter(None, forms)))


def account_key(account: str) -> str:
    """Return the form that all spellings of an account share: 0012-345b, 12 345B and 户号：0012345b are 12345B.

    Two accounts that share one are told apart only by who says one of them as the customer file has it.
    """
    if not (account.isascii() and account.isalnum()):  # nearly all are in letters and digits as they are
        plain = _ACCOUNT_WORDS.sub("", unicodedata.normalize("NFKC", account).strip())
        account = "".join(filter(str.isalnum, plain))
    return account.upper().lstrip("0")


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
    """Return the address given, else one that the text names with its house: a street's name alone may be chance."""
    if evidence.address and (given := parse(evidence.address)).sites:
        return given
    if evidence.text and names_a_house(evidence.text):
        found = parse(evidence.text)
        if found.sites and (found.number or found.building):
            return found
    return None


@lru_cache(maxsize=4096)
def place_words(text: str | None) -> str | None:
    """Return a text if it names a house or what may be a device; None for words that say nothing of a place."""
    if text and (_address(PlaceEvidence(text=text)) is not None or _devices(text)):
        return text
    return None


def _devices(text: str | None) -> tuple[str, ...]:
    """Return what may be the id or the name of a device: 937宋北线, 卫星8组1号台变, T-0412."""
    return _devices_in(text[:_LONGEST_TEXT]) if text else ()


@lru_cache(maxsize=4096)  # people say much the same: 停电了
def _devices_in(text: str) -> tuple[str, ...]:
    return tuple(_find_devices(text))


def _find_devices(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKC", text)
    for found in _ID.finditer(plain):
        word = found[0].rstrip("./-_")
        if any(char.isdigit() for char in word) and not word.isdigit():
            yield from (word, name_key(word), word.upper())
    for found in _SPACED_ID.finditer(plain):
        yield f"{found[1]}{found[2]}"
    named = name_key(plain)
    for found in _NAMED.finditer(named):
        for begin in range(max(0, found.end() - _LONGEST_NAME), found.end() - _SHORTEST_NAME + 1):
            if (word := named[begin : found.end()]).isprintable():  # the database would refuse the batch
                yield word
                if found[0].endswith(("变", "变压器")) and (short := _NO_KIND.sub("变", word)) != word:
                    yield short


def name_key(name: str) -> str:
    """Return the form in which the name of a device is stored and looked up."""
    plain = "".join(unicodedata.normalize("NFKC", name).casefold().split())
    plain = _NUMBERED.sub(lambda found: f"{found[1] or found[2]}号", plain)
    if plain.isascii():
        return plain
    plain = _ROMAN.sub(lambda found: _ROMAN_DIGITS[found[1]], _KILOVOLTS.sub("", plain))
    return _WHOSE.sub(r"\1变", _COUNTED.sub(lambda found: arabic(found[1]), plain))


def short_name(key: str) -> str | None:
    """Return what people make of the name of a device (as ``name_key`` gives it); None where that is the name itself.

    They leave out the number of a line (937宋北线) and the kind of a transformer (1号台变: 1号变; 15号杆台变: 15号杆).
    """
    short = _ANY_KIND.sub("变", _LINE_NUMBER.sub("", key))
    short = short.removesuffix("变") if short.endswith("杆变") else short
    return short if short != key and len(short) >= _SHORTEST_NAME else None


def distance_m(one: Point, other: Point) -> float:
    """Return the great-circle distance in metres."""
    return float(h3.great_circle_distance(one, other, unit="m"))


def mercator(lat: float) -> float:
    """Return the Mercator latitude in degrees: with the longitude, a plane true to shape near any place."""
    return math.degrees(math.asinh(math.tan(math.radians(lat))))


def latitude(mercator_lat: float) -> float:
    """Return the latitude in degrees of a Mercator latitude, to 0.1 mm: so it does not matter who computes it."""
    return round(math.degrees(math.atan(math.sinh(math.radians(mercator_lat)))), 9)
