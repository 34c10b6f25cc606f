"""Who reports a fault, and when: those who wait and call again, others of the home, and those without an outage."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.heldout import phrases
from tests.heldout.chance import minutes, pick
from tests.heldout.contact import Contact, Line, Teller
from tests.heldout.faults import moment

if TYPE_CHECKING:
    from random import Random

    from tests.heldout.customers import Customers
    from tests.heldout.faults import Fault, Faults

REPORT: Final = (0.08, 0.12)
"""Share of the dark homes that report; each storm has its own between these."""
REPORT_NESTED: Final = 0.15
"""Once the larger fault is repaired and they are still dark."""
DELAY_MEDIAN, DELAY_SPREAD = (4.0, 15.0), (1.0, 1.5)
"""Minutes until they do, log-normal; each storm has its own between these."""
MUCH_LATER, MUCH_LATER_HOURS = 0.04, (1.0, 6.0)
"""Share of them who do so many hours later still."""
ASKS, DANGER, LIFE_SUPPORT = 0.05, 0.025, 0.005
"""Ask only when power is back; see danger; depend on a device."""
DANGER_FROM: Final = 4
"""Customers a fault needs for anybody to see danger; of smaller ones they speak of a device they depend on."""
ONLY_MINE: Final = 0.5
"""Of homes whose own line failed: say that the neighbours have power."""
OTHER_OF_HOME, OTHER_OF_HOME_MINUTES = 0.08, (0.3, 2.0)
"""Somebody else of the home reports as well, so soon after."""
CALLS_AGAIN: Final = {0: 80, 1: 13, 2: 5, 4: 2}
"""How often the same person does, by the same channel and number."""
AGAIN_MINUTES: Final = 45.0
"""Between such calls, in the mean."""
NO_OUTAGE: Final = 0.03
"""For each report of an outage: about voltage, meters or bills."""
ARREARS: Final = 0.15
"""Of customers who are cut off: call as if it were an outage."""
SENT_TWICE, SENT_TWICE_AFTER = 0.012, (1.0, 300.0)
"""Of events: arrive again, so many seconds later."""


@dataclass(slots=True)
class Reports:
    """All events by arrival, what is true of each, and how many tell of each fault."""

    arrivals: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    of_fault: Counter[str] = field(default_factory=Counter)


def draw_reports(customers: Customers, faults: Faults, rng: Random, name: str) -> Reports:
    """Draw what customers report; ``name`` begins the ids of the events."""
    return _Drawing(customers, faults, rng, name).draw()


class _Drawing:
    def __init__(self, customers: Customers, faults: Faults, rng: Random, name: str) -> None:
        self._customers, self._faults, self._rng = customers, faults, rng
        self._teller = Teller(customers, rng, name)
        self._reports = Reports()
        self._share = rng.uniform(*REPORT)
        self._median, self._spread = rng.uniform(*DELAY_MEDIAN), rng.uniform(*DELAY_SPREAD)

    def draw(self) -> Reports:
        rng, homes = self._rng, self._customers.homes
        for fault in self._faults.all:
            share = REPORT_NESTED if fault.under else self._share
            alone = len(fault.customers) == 1
            callers = [one for one in fault.customers if alone or rng.random() < share]
            for account in callers or [rng.choice(fault.customers)]:
                self._report(fault, account)
        for _ in range(int(len(self._reports.arrivals) * NO_OUTAGE)):
            account, at = rng.choice(self._customers.accounts), moment(rng)
            if self._faults.felt(account, at) is None:
                self._tell(None, account, at, rng.choice(phrases.OTHER_FAULTS))
        for account, home in homes.items():
            if home.suspended and rng.random() < ARREARS:
                self._tell(None, account, moment(rng), kind="arrears")
        self._reports.arrivals.sort(key=lambda one: one[0])
        return self._reports

    def _report(self, fault: Fault, account: str) -> None:
        """Let a home report a fault, unless power is back before or it would tell of another fault."""
        rng = self._rng
        at = fault.shows + timedelta(minutes=math.exp(rng.gauss(math.log(self._median), self._spread)))
        if rng.random() < MUCH_LATER:
            at += timedelta(hours=rng.uniform(*MUCH_LATER_HOURS))
        if self._faults.felt(account, at) is not fault:
            return
        text, kind = self._words(fault)
        line = self._tell(fault, account, at, text, kind)
        other = at + minutes(rng, *OTHER_OF_HOME_MINUTES)
        if rng.random() < OTHER_OF_HOME and self._faults.felt(account, other) is fault:
            self._tell(fault, account, other, again=True)
        for _ in range(pick(rng, CALLS_AGAIN)):
            at += timedelta(minutes=rng.expovariate(1 / AGAIN_MINUTES))
            if self._faults.felt(account, at) is fault:
                what = rng.choice((*phrases.WHEN_BACK, *phrases.NO_POWER))
                self._tell(fault, account, at, what, again=True, line=line)

    def _words(self, fault: Fault) -> tuple[str | None, str]:
        """Return what is said instead of "no power", and of what kind that is."""
        rng = self._rng
        share = rng.random()
        text, kind = None, "outage"
        if share < ASKS:
            text = rng.choice(phrases.WHEN_BACK)
        elif share < ASKS + DANGER and len(fault.customers) >= DANGER_FROM:
            text, kind = rng.choice(phrases.DANGER), "hazard"
        elif share < ASKS + DANGER + LIFE_SUPPORT:
            text = rng.choice(phrases.LIFE_SUPPORT)
        if fault.service and rng.random() < ONLY_MINE:
            text = rng.choice(phrases.ONLY_MINE)
        return text, kind

    def _tell(
        self,
        fault: Fault | None,
        account: str,
        at: datetime,
        text: str | None = None,
        kind: str = "outage",
        *,
        again: bool = False,
        line: Line | None = None,
    ) -> Line:
        """Add one contact; return by which channel and number it came."""
        rng = self._rng
        contact = self._teller.tell(account, at, text, danger=kind == "hazard", line=line)
        contact.kind, contact.again = kind, again
        if fault is not None:
            contact.fault = fault.id
            self._reports.of_fault[fault.id] += 1
        self._reports.contacts.append(contact)
        self._reports.arrivals.append((contact.arrived, contact.event))
        if rng.random() < SENT_TWICE:
            after = timedelta(seconds=rng.uniform(*SENT_TWICE_AFTER))
            self._reports.arrivals.append((contact.arrived + after, contact.event))
        return contact.line
