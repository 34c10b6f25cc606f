"""What fails, when, and when power is back: sizes and durations as in published records, the rest assumed."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from tests.heldout.chance import log_uniform, minutes

if TYPE_CHECKING:
    from random import Random

    from tests.heldout.customers import Customers
    from tests.heldout.network import Network

LOCAL: Final = timezone(timedelta(hours=8))
BEGINS: Final = datetime(2026, 7, 12, 14, tzinfo=LOCAL)
GUST, GUST_AT, GUST_WIDTH = 0.6, 5.0, 1.4
"""Share of the faults in the worst of the storm, when that is (hours), and its standard deviation."""
HOURS: Final = 24.0
"""Over which the other faults are spread."""
CUSTOMERS_A_FAULT: Final = 90.0
FAULTS_VARY: Final = (0.6, 1.2)
FEWEST_FAULTS: Final = 40
"""How many faults a storm has: this share of one for each so many customers, and never fewer than these."""
SIZES: Final = ((0.59, 1, 1), (0.75, 2, 13), (0.90, 13, 104), (1.0, 104, 1998))
"""Cumulated share of the faults, and how many customers they darken: from, to."""
SERVICE: Final = 0.8
"""Of faults of one customer: on the home's own line; the others are the smallest device there is."""
MEDIAN_HOURS, HOURS_SPREAD = 3.2, 0.98
HOURS_RANGE: Final = (0.4, 60.0)
"""Until a fault is repaired: log-normal, within these."""
DEVICES: Final = ("breaker", "recloser", "sectionalizer", "switch", "fuse", "transformer")
CHOICES: Final = 60
"""Of this many devices, the one nearest to the size that was drawn fails."""
SUBSTATIONS: Final = (0, 1, 1)
"""Whole substations that fail, one of these."""
LARGE, LARGER = 15, 30
"""Customers from which a fault may have a sibling, and from which it may have nested faults and steps."""
SIBLING: Final = 0.25
"""Of large faults: another device of the same feeder fails within ``SIBLING_MINUTES``."""
SIBLING_MINUTES, SIBLING_SIZE = 8.0, (5, 400)
NESTED: Final = 0.35
"""Of larger faults: another below it, seen only when the larger one is repaired."""
NESTED_DEVICE: Final = 0.7
"""Of nested faults, where there is a device small enough; the others are a home's own line."""
NESTED_SIZE: Final = 1 / 3
"""A nested fault darkens at most this share of the larger one."""
NESTED_LASTS: Final = timedelta(hours=2)
"""For so long it does after the larger one is repaired."""
IN_STEPS: Final = 0.4
"""Of larger faults: a part gets power back before the rest."""
STEP_SIZE, STEP_AT = (0.15, 0.8), (0.3, 0.8)
"""Share of the customers in that part, and of the duration."""
APART: Final = timedelta(hours=1)
"""Between faults of which one is below the other, unless nested."""
TRIES: Final = 100
"""A storm in a network too small for its faults ends with fewer, after this many draws for each."""


@dataclass(slots=True)
class Fault:
    """One true fault; ``shows`` is when its customers can first tell it from a larger one that it is ``under``."""

    id: str
    device: str
    service: bool
    customers: list[str]
    start: datetime
    end: datetime
    shows: datetime
    under: str = ""
    steps: list[tuple[datetime, str]] = field(default_factory=list)


class Faults:
    """The faults of a storm, and what of them is felt at a home."""

    def __init__(self, network: Network, customers: Customers) -> None:
        self.all: list[Fault] = []
        self._network = network
        self._customers = customers
        self._of: dict[str, list[Fault]] = defaultdict(list)

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        self.all.append(fault)
        for account in fault.customers:
            self._of[account].append(fault)

    def back(self, fault: Fault, account: str) -> datetime:
        """Return when a fault's repair, or a step of it, gives power back at a home."""
        chain = self._network.chain(self._customers.homes[account].transformer)
        return min([fault.end, *(at for at, device in fault.steps if device in chain)])

    def felt(self, account: str, at: datetime) -> Fault | None:
        """Return the fault that a home tells of at a time: the earliest, where there are several."""
        found = [one for one in self._of.get(account, ()) if one.shows <= at < self.back(one, account)]
        return min(found, key=lambda one: one.shows, default=None)


def moment(rng: Random) -> datetime:
    """Return when something happens in a storm."""
    hours = rng.gauss(GUST_AT, GUST_WIDTH) if rng.random() < GUST else rng.uniform(0, HOURS)
    return BEGINS + timedelta(hours=hours)


def draw_faults(network: Network, customers: Customers, rng: Random, wanted: int | None = None) -> Faults:
    """Draw the faults of a storm: as many as fit the number of customers, or as are wanted."""
    return _Drawing(network, customers, rng).draw(wanted)


class _Drawing:
    def __init__(self, network: Network, customers: Customers, rng: Random) -> None:
        self._network, self._customers, self._rng = network, customers, rng
        self._faults = Faults(network, customers)
        self._under = {
            one: [account for part in network.below(one) for account in customers.at.get(part, ())]
            for one in network.devices
            if one in network.parent or one in network.children
        }
        types = {one.id for one in network.of_type(*DEVICES)}
        self._may_fail = [one for one, accounts in self._under.items() if accounts and one in types]
        self._set = set(self._may_fail)

    def draw(self, wanted: int | None) -> Faults:
        rng, found = self._rng, self._faults.all
        if wanted is None:
            drawn = len(self._customers.homes) / CUSTOMERS_A_FAULT * rng.uniform(*FAULTS_VARY)
            wanted = max(FEWEST_FAULTS, int(drawn))
        substations = [one.id for one in self._network.of_type("substation")]
        for one in rng.sample(substations, rng.choice(SUBSTATIONS)):
            self._fail(one, moment(rng))
        for _ in range(wanted * TRIES):
            if len(found) >= wanted:
                break
            self._one()
        return self._faults

    def _one(self) -> None:
        """Draw one fault, with those that come with it."""
        rng = self._rng
        size, start = _size(rng), moment(rng)
        if size == 1 and rng.random() < SERVICE:
            self._cut(rng.choice(self._customers.accounts), start)
            return
        device = min(
            rng.sample(self._may_fail, min(CHOICES, len(self._may_fail))),
            key=lambda one: abs(math.log(len(self._under[one]) / size)),
        )
        fault = self._fail(device, start)
        if fault is None:
            return
        if len(fault.customers) > LARGE and rng.random() < SIBLING:
            tile = self._network.devices[device].tile
            low, high = SIBLING_SIZE
            beside = [
                one
                for one in self._may_fail
                if self._network.devices[one].tile == tile and low < len(self._under[one]) < high
            ]
            if beside:
                self._fail(rng.choice(beside), start + minutes(rng, 0, SIBLING_MINUTES))
        if len(fault.customers) > LARGER:
            below = [one for one in self._network.below(device) if one != device and one in self._set]
            if rng.random() < NESTED:
                self._nest(fault, below)
            if rng.random() < IN_STEPS:
                self._step(fault, below)

    def _nest(self, fault: Fault, below: list[str]) -> None:
        rng, start = self._rng, fault.start + timedelta(minutes=1)
        small = [one for one in below if len(self._under[one]) < len(fault.customers) * NESTED_SIZE]
        if small and rng.random() < NESTED_DEVICE:
            self._fail(rng.choice(small), start, under=fault)
        else:
            self._cut(rng.choice(fault.customers), start, under=fault)

    def _step(self, fault: Fault, below: list[str]) -> None:
        low, high = (len(fault.customers) * share for share in STEP_SIZE)
        parts = [
            one
            for one in below
            if self._network.devices[one].type != "transformer" and low < len(self._under[one]) < high
        ]
        if parts:
            at = fault.start + (fault.end - fault.start) * self._rng.uniform(*STEP_AT)
            fault.steps.append((at, self._rng.choice(parts)))

    def _cut(self, account: str, start: datetime, under: Fault | None = None) -> Fault | None:
        """Let a home's own line fail."""
        return self._add(self._customers.homes[account].transformer, start, [account], under, service=True)

    def _fail(self, device: str, start: datetime, under: Fault | None = None) -> Fault | None:
        """Let a device fail."""
        return self._add(device, start, self._under[device], under, service=False)

    def _add(
        self, device: str, start: datetime, accounts: list[str], under: Fault | None, *, service: bool
    ) -> Fault | None:
        """Add a fault, unless nobody would be dark by it or one above or below it is too near in time."""
        accounts = [one for one in accounts if not self._customers.homes[one].suspended]
        fault = Fault(
            id=f"f{len(self._faults.all)}",
            device=device,
            service=service,
            customers=accounts,
            start=start,
            end=start + _duration(self._rng) if under is None else under.end + NESTED_LASTS,
            shows=start if under is None else under.end,
            under="" if under is None else under.id,
        )
        if not accounts or (under is None and any(self._meet(fault, other) for other in self._faults.all)):
            return None
        self._faults.add(fault)
        return fault

    def _meet(self, one: Fault, other: Fault) -> bool:
        if other.end + APART <= one.start or one.end + APART <= other.start:
            return False
        if one.service and other.service and one.customers != other.customers:
            return False
        return other.device in self._network.chain(one.device) or one.device in self._network.chain(other.device)


def _size(rng: Random) -> int:
    share = rng.random()
    low, high = next((low, high) for most, low, high in SIZES if share < most)
    return low if low == high else int(log_uniform(rng, low, high))


def _duration(rng: Random) -> timedelta:
    low, high = HOURS_RANGE
    hours = math.exp(rng.gauss(math.log(MEDIAN_HOURS), HOURS_SPREAD))
    return timedelta(hours=min(high, max(low, hours)))
