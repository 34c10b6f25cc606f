"""What smart meters and the telemetry of breakers say of a storm, beside the people who report it.

Decided here: who has a meter, what it says, what of that arrives and when; trips that reclose; the small outages that
nobody calls about. Each is drawn from dice of its own, so that a storm with instruments is the same storm, and the
words of 30 % of the homes are among those of 90 %. Never here: a fault or a report of ``draw_storm``; a file.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.values import Reading
from services.grid.device import DeviceType
from services.simulator.faults import SERVICE, Fault
from services.simulator.files import told_back
from services.simulator.generate import dice
from services.simulator.readings import Why, Word
from services.simulator.shape import HOURS_OUT, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from services.simulator.generate import Storm

_YEAR: Final = 365.25 * 86_400
_POLLED_EVERY: Final = 3600.0
_RECLOSES: Final = frozenset({DeviceType.BREAKER, DeviceType.RECLOSER})
_SMALL: Final = 13  # customers of an outage that nobody calls about, at most


@dataclass(frozen=True, slots=True)
class Instruments:
    """Which instruments a network has, and how well they tell. Shares are 0 to 1, times are seconds.

    Where no source is named the figure is ours, as nobody publishes one.

    Attributes:
        meters: Homes with a smart meter.
        gasps: Lowest and highest share of the last gasps of a fault that arrive: no vendor promises all, as the mesh
            that carries them goes dark with them and they collide.
        waits: A meter gasps once it is dark this long: 30 s (clouglobal.com, The last gasp outage notification), 45 s
            (AEP's use case at sgiclearinghouse.org). A trip that recloses before is not told.
        gasp_delay: Median from the gasp to its arrival.
        gasp_late: Gasps that come up to half an hour late, which is what utilities reckon with where many tell at once
            (GITA 2002, Real-Time Energy Information).
        power_up: Words that power is back that arrive; ``power_up_delay`` is their median: the mesh forms again first.
        false_gasps: Gasps a meter and year that no outage is behind: batteries, works at the meter.
        false_back: Of those, the ones after which it says that it has power.
        asked_after: Once a crew tells that power is back, the head-end asks those meters after this time that had
            gasped and said nothing since, as outage systems do (Hexagon, AMI interface).
        answers: Meters with power that answer, each time they are asked.
        asked_again: Who did not answer is asked once more after this time.
        silent: Small outages that nobody calls about, for each fault that somebody does. There are none without meters.
        telemetry: Breakers and reclosers with telemetry. Their state is known from before the storm on.
        word_late: Words of them that come one to ten minutes late; the others take seconds.
        word_lost: Words that are lost; the state is known from the next hourly poll on.
        stuck: Of those with telemetry, the ones that stand at "closed" whatever they do.
        trips: Faults that the next breaker or recloser above trips for once and recloses.
        momentaries: Trips that reclose without any lasting fault, for each fault.
    """

    meters: float = 0.0
    gasps: tuple[float, float] = (0.60, 0.95)
    waits: tuple[float, float] = (30.0, 45.0)
    gasp_delay: float = 15.0
    gasp_late: float = 0.03
    power_up: float = 0.9
    power_up_delay: float = 90.0
    false_gasps: float = 0.2
    false_back: float = 0.7
    asked_after: float = 300.0
    answers: float = 0.97
    asked_again: float = 600.0
    silent: float = 0.1
    telemetry: float = 0.0
    word_late: float = 0.05
    word_lost: float = 0.02
    stuck: float = 0.01
    trips: float = 0.3
    momentaries: float = 0.1


class _Dark(NamedTuple):
    """A time without power of one home, and what it is of."""

    down: float
    up: float
    fault: str | None


class _Trip(NamedTuple):
    """A breaker or recloser opens and closes again at once."""

    down: float
    up: float
    device: str


def with_instruments(storm: Storm, instruments: Instruments) -> Storm:
    """Return the storm with what instruments say of it, by arrival, and the outages that only they can tell of."""
    trips = _trips(storm, instruments)
    silent = _silent(storm, instruments) if instruments.meters else ()
    storm = replace(storm, faults=(*storm.faults, *silent))
    words = [*_of_meters(storm, instruments, trips), *_of_breakers(storm, instruments, trips)]
    words.sort(key=lambda word: (word.arrived, word.at, word.device or "", word.customer or 0, word.reading))
    return replace(storm, words=tuple(words))


# --- what happens beside the storm ---


def _silent(storm: Storm, instruments: Instruments) -> tuple[Fault, ...]:
    """Return small outages that nobody calls about: nobody is at home, or everybody is asleep."""
    network, shape, rng = storm.network, storm.shape, dice(storm.seed, "instruments/silent")
    taken = _Taken(storm)
    found: list[Fault] = []
    for _ in range(round(instruments.silent * len(storm.faults))):
        start = shape.seconds * rng.betavariate(*shape.peak)
        restored = start + quantile(HOURS_OUT, rng.random()) * 3600 if shape.restores else math.inf
        number, whole = rng.randrange(len(network.customers)), rng.random() < 0.3  # noqa: PLR2004  as recorded ones
        device = network.customers[number].transformer_id
        customers = network.customers_under(device) if whole else (number,)
        if len(customers) <= _SMALL and not taken.beside(device, start, restored):
            kind = network.tree.type_of(device).value if whole else SERVICE
            area = network.tree.area_of(device)
            fault = Fault(f"S{len(found) + 1:04d}", device, kind, area, customers, start, restored, start)
            found.append(fault)
            taken.add(fault)
    return tuple(found)


class _Taken:
    """When what is dark."""

    def __init__(self, storm: Storm) -> None:
        self._tree = storm.network.tree
        self._at: dict[str, list[Fault]] = defaultdict(list)
        for fault in storm.faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        self._at[fault.device].append(fault)

    def beside(self, device: str, start: float, end: float) -> bool:
        """Tell whether something at or above a device is out between two times."""
        chain = (device, *self._tree.ancestors(device))
        return any(fault.start <= end and start <= fault.restored for one in chain for fault in self._at.get(one, ()))


def _trips(storm: Storm, instruments: Instruments) -> list[_Trip]:
    """Return the trips that reclose: for a fault below, and those that cleared what they were for."""
    tree, shape, rng = storm.network.tree, storm.shape, dice(storm.seed, "instruments/trips")
    taken, found = _Taken(storm), []
    for fault in storm.faults:
        luck, lasts = rng.random(), rng.uniform(2.0, 15.0)
        above = next((one for one in tree.ancestors(fault.device) if tree.type_of(one) in _RECLOSES), None)
        if above is not None and fault.under is None and fault.type != SERVICE and luck < instruments.trips:
            found.append(_Trip(fault.start, fault.start + lasts, above))
    recloses = [device for device in tree if tree.type_of(device) in _RECLOSES]
    for _ in range(round(instruments.momentaries * len(storm.faults)) if recloses else 0):
        device, down = rng.choice(recloses), shape.seconds * rng.betavariate(*shape.peak)
        up = down + min(120.0, rng.lognormvariate(math.log(5.0), 1.0))
        if not taken.beside(device, down - 60, up + 60):
            found.append(_Trip(down, up, device))
    return found


# --- meters ---


def _of_meters(storm: Storm, instruments: Instruments, trips: Iterable[_Trip]) -> Iterator[Word]:
    if not instruments.meters:
        return
    network, rng = storm.network, dice(storm.seed, "instruments/meters")
    metered = [rng.random() < instruments.meters for _ in network.customers]
    dark = _dark_times(storm, [trip for trip in trips if trip.up - trip.down >= instruments.waits[0]])
    arrive = {
        fault.id: dice(storm.seed, f"instruments/{fault.id}").uniform(*instruments.gasps) for fault in storm.faults
    }
    heard: dict[int, list[Word]] = defaultdict(list)
    for customer in sorted(dark):
        rng = dice(storm.seed, f"instruments/meter/{customer}")
        for spell in _spells(dark[customer]):
            words = list(_spell(customer, spell, arrive, instruments, rng))
            if metered[customer]:
                heard[customer] += words
    for words in heard.values():
        yield from words
    yield from _answers(storm, instruments, dark, heard)
    yield from _false(storm, instruments, dark, metered)


def _dark_times(storm: Storm, trips: Iterable[_Trip]) -> dict[int, list[_Dark]]:
    """Return when each home was dark, by time; those that never were are not there."""
    network = storm.network
    found: dict[int, list[_Dark]] = defaultdict(list)
    for fault in storm.faults:
        for customer in fault.customers:
            up = fault.power_back(network.tree, network.customers[customer].transformer_id)
            found[customer].append(_Dark(fault.start, up, fault.id))
    for trip in trips:
        for customer in network.customers_under(trip.device):
            found[customer].append(_Dark(trip.down, trip.up, None))
    for times in found.values():
        times.sort(key=lambda time: (time.down, time.up))
    return found


def _spells(times: Sequence[_Dark]) -> Iterator[_Dark]:
    """Yield the times a home was dark without a break; each is of what began it."""
    spell = times[0]
    for time in times[1:]:
        if time.down <= spell.up:
            spell = spell._replace(up=max(spell.up, time.up))
        else:
            yield spell
            spell = time
    yield spell


def _spell(
    customer: int, spell: _Dark, arrive: dict[str, float], instruments: Instruments, rng: Random
) -> Iterator[Word]:
    """Yield what arrives of what a meter says of a time in the dark; as many draws whatever that is."""
    waits, luck, late = rng.uniform(*instruments.waits), rng.random(), rng.random()
    delay, more = rng.lognormvariate(math.log(instruments.gasp_delay), 1.0), rng.uniform(300.0, 1800.0)
    back, after = rng.random(), rng.lognormvariate(math.log(instruments.power_up_delay), 1.0)
    if spell.up - spell.down < waits:
        return
    share = arrive[spell.fault] if spell.fault is not None else sum(instruments.gasps) / 2
    if luck < share:
        arrived = spell.down + waits + delay + (more if late < instruments.gasp_late else 0.0)
        why = Why.MOMENTARY if spell.fault is None else Why.OUTAGE
        yield Word(spell.down, arrived, Reading.LAST_GASP, why, spell.fault, customer=customer)
    if back < instruments.power_up and not math.isinf(spell.up):
        yield Word(spell.up, spell.up + after, Reading.POWER_UP, Why.BACK, customer=customer)


def _answers(
    storm: Storm, instruments: Instruments, dark: dict[int, list[_Dark]], heard: dict[int, list[Word]]
) -> Iterator[Word]:
    """Yield the answers of meters that are asked because a crew told that power is back, and they had not."""
    network, rng = storm.network, dice(storm.seed, "instruments/asked")
    number = {customer.account_id: n for n, customer in enumerate(network.customers)}
    for told, what in sorted(told_back(storm)):
        at = told + instruments.asked_after
        for customer in (number[what],) if what in number else network.customers_under(what):
            luck, took = rng.random(), rng.uniform(2.0, 30.0)
            if not _silent_since_its_gasp(heard.get(customer, ()), at):
                continue
            first = _answer(customer, dark[customer], at, took, answers=luck < instruments.answers)
            yield first
            at_last = at + instruments.asked_again
            if first.reading is Reading.PING_SILENT and _silent_since_its_gasp(heard.get(customer, ()), at_last):
                again = dice(storm.seed, f"instruments/asked again/{customer}/{at}")
                luck, took = again.random(), again.uniform(2.0, 30.0)
                yield _answer(customer, dark[customer], at_last, took, answers=luck < instruments.answers)


def _silent_since_its_gasp(heard: Sequence[Word], at: float) -> bool:
    """Tell whether the last that has arrived of a meter is that it lost its supply."""
    said = [word for word in heard if word.arrived <= at]
    return bool(said) and max(said, key=lambda word: word.at).reading is Reading.LAST_GASP


def _answer(customer: int, dark: Sequence[_Dark], at: float, took: float, *, answers: bool) -> Word:
    """Return what comes of asking a meter; of one in the dark nothing can."""
    if answers and not any(time.down <= at < time.up for time in dark):
        return Word(at, at + took, Reading.PING_OK, Why.ASKED, customer=customer)
    out = next((time.fault for time in reversed(dark) if time.down <= at < time.up), None)
    return Word(at, at + 60, Reading.PING_SILENT, Why.ASKED, out, customer=customer)


def _false(
    storm: Storm, instruments: Instruments, dark: dict[int, list[_Dark]], metered: Sequence[bool]
) -> Iterator[Word]:
    """Yield gasps of meters that have power, at any time."""
    rng, a_second = dice(storm.seed, "instruments/false"), instruments.false_gasps * len(metered) / _YEAR
    at = rng.expovariate(a_second) if a_second else math.inf
    while at < storm.shape.seconds:
        customer, back = rng.randrange(len(metered)), rng.random()
        delay, up = rng.lognormvariate(math.log(instruments.gasp_delay), 1.0), rng.lognormvariate(math.log(60.0), 1.0)
        after = rng.lognormvariate(math.log(instruments.power_up_delay), 1.0)
        lit = not any(time.down - up <= at <= time.up for time in dark.get(customer, ()))
        if metered[customer] and lit:
            yield Word(at, at + delay, Reading.LAST_GASP, Why.FALSE, customer=customer)
            if back < instruments.false_back:
                yield Word(at + up, at + up + after, Reading.POWER_UP, Why.BACK, customer=customer)
        at += rng.expovariate(a_second)


# --- breakers ---


class _Change(NamedTuple):
    """A breaker opens or closes, and because of which fault it opens."""

    at: float
    says: Reading
    fault: str | None = None


def _of_breakers(storm: Storm, instruments: Instruments, trips: Iterable[_Trip]) -> Iterator[Word]:
    if not instruments.telemetry:
        return
    tree, rng = storm.network.tree, dice(storm.seed, "instruments/telemetry")
    changes: dict[str, list[_Change]] = defaultdict(list)
    for trip in trips:
        changes[trip.device] += [_Change(trip.down, Reading.BREAKER_OPEN), _Change(trip.up, Reading.BREAKER_CLOSED)]
    for fault in storm.faults:
        if fault.type in _RECLOSES:
            changes[fault.device] += _locked_out(fault, dice(storm.seed, f"instruments/shots/{fault.id}"))
    for device in tree:
        if tree.type_of(device) not in _RECLOSES:
            continue
        told, stuck = rng.random() < instruments.telemetry, rng.random() < instruments.stuck
        if not told:
            continue
        yield Word(-600.0, -599.0, Reading.BREAKER_CLOSED, Why.STATE, device=device)
        if not stuck:
            made = sorted(changes[device], key=lambda change: change.at)
            yield from _told(device, made, instruments, dice(storm.seed, f"instruments/at/{device}"))


def _locked_out(fault: Fault, rng: Random) -> Iterator[_Change]:
    """Yield what a breaker does for a fault behind it: it recloses up to twice and stays open; then it is closed."""
    at = fault.start
    yield _Change(at, Reading.BREAKER_OPEN, fault.id)
    for _ in range(rng.randint(0, 2)):
        yield _Change(at - 1.0, Reading.BREAKER_CLOSED)
        at -= rng.uniform(3.0, 20.0)
        yield _Change(at, Reading.BREAKER_OPEN, fault.id)
    if not math.isinf(fault.restored):
        yield _Change(fault.restored, Reading.BREAKER_CLOSED)


def _told(device: str, changes: Sequence[_Change], instruments: Instruments, rng: Random) -> Iterator[Word]:
    """Yield what arrives of a breaker's changes: in seconds, late, or with the next poll if they last until then."""
    last = _Change(math.inf, Reading.BREAKER_CLOSED)
    for change, following in pairwise((*changes, last)):
        luck, took, late = rng.random(), rng.lognormvariate(math.log(2.0), 0.6), rng.uniform(60.0, 600.0)
        at, arrived = change.at, change.at + took
        if luck < instruments.word_lost:
            at = math.ceil(change.at / _POLLED_EVERY) * _POLLED_EVERY
            arrived = at + took
            if following.at <= at:
                continue
        elif luck < instruments.word_lost + instruments.word_late:
            arrived += late
        opens = Why.MOMENTARY if change.fault is None else Why.OUTAGE
        why = opens if change.says is Reading.BREAKER_OPEN else Why.BACK
        yield Word(at, arrived, change.says, why, change.fault, device=device)
