"""How well one outage of one device explains the calls that came and those that did not.

Decided here: the density of calls and of silence, in closed forms over a handful of sums. Never here: which devices
are compared (``candidates``, ``relook``), or the figures themselves (deploy/dedup.yaml, ``learning``).

An outage of a device with n customers strikes at the rate of its class. Each customer calls with probability
``share`` after a log-normal delay. Its beginning is not known: the first of n calls tells it, and is integrated out.

    ln L = ln rate + ln((1 - e^(-n share)) / n) + sum over later calls of ln(share f(t - t0))
           - E,  E = -silence_weight * (n - calls) * ln(1 - share F(now - t0))

The silence counts about half: people who do not call are not independent of each other, and part of those who do
cannot be placed. And it may be that fewer call, nobody knows how many: it is night, or the estate is half empty. R
times as many as usual do, and R has density e^-R: of k later calls that makes of e^-E

    integral of R^k e^(-R E) e^-R dR = k! / (1 + E)^(k + 1)

and is less likely than usual by ``few_margin``. So silence costs an outage of thousands some nats a caller, and a small
one what it did. All times are seconds since the epoch; all results are natural logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from services.grid.device import DeviceType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from services.dedup.domain.rules import Inference

T = TypeVar("T")

KEPT: Final = 16
"""Earliest calls of an incident that are weighed one by one; what comes later is as likely under either cause."""

FEW: Final = 3
"""Calls of which one may be a stray: of fewer, the first is when it began."""

_FEEDS_HOMES: Final = DeviceType.TRANSFORMER
_SQRT2: Final = math.sqrt(2.0)
_NORMAL: Final = NormalDist()
_STILL: Final = 0.5  # seconds: no delay is taken for shorter
CERTAIN: Final = -30.0
"""How likely a device of a class that is never predicted is out, as a logarithm."""
_STRAYS: Final = 3  # earliest calls that may have nothing to do with it
_ONE_IN: Final = 20  # of many calls, this share more: clocks are off in every storm
_APART: Final = 300.0  # seconds
_SURELY: Final = 2  # calls of which none is taken for a stray
_ROUNDING: Final = 1e-6
MANY: Final = 1000
"""Calls of which each is weighed by itself, with each beginning that is tried: of more, near ones together."""
_FINE: Final = 1000.0  # seconds in which calls of one second are near; later ones of a thousandth of the time since
_BEGINNINGS: Final = 64  # of many calls, so many are tried at a time: of more, evenly, then around the best of them


class Part(NamedTuple):
    """One incident as it is weighed, by itself and as part of a larger outage.

    Attributes:
        onset: The call with which it began.
        order: Its place in the area's ledger: what it is of, and which of one onset comes first.
        calls: Its earliest calls, ascending.
        callers: How many customers have called in all.
        least: It is at least as likely as this as an outage of its own, however long the others keep silent.
        most: No more is gained by taking it for a part of a larger one.
        by: The densities that say so.
    """

    onset: float
    order: int
    calls: Sequence[float]
    callers: int
    least: float
    most: float
    by: "Likelihood"  # noqa: UP037 - it is below, and a compiled class needs the types of its fields


class Likelihood:
    """The densities for one reporting share and one delay."""

    __slots__ = (
        "_bases",
        "_constant",
        "_few_margin",
        "_firsts",
        "_leads",
        "_never",
        "_never_gains",
        "_own_line",
        "_spread",
        "_weight",
        "_width",
        "home",
        "location",
        "peak",
        "rates",
        "reach",
        "share",
        "stray",
    )

    def __init__(self, inference: Inference, share: float, delay_median: float) -> None:
        """Fix the figures.

        Args:
            inference: Priors and weights in force.
            share: Probability that a customer without power calls at all.
            delay_median: Seconds within which half of those who call have called.
        """
        self.rates: Mapping[DeviceType, float] = inference.rates
        self.share = share
        self.location = math.log(delay_median)
        self._spread = inference.delay_spread
        self._width = -0.5 / (self._spread * self._spread)
        self._constant = math.log(share) - math.log(self._spread * math.sqrt(2.0 * math.pi))
        self.stray = math.log(share) + inference.stray
        self._weight = inference.silence_weight
        self._few_margin = inference.few_margin
        self._never = self._weight * math.log1p(-share)  # the silence of one customer who never calls
        # No call's density is above its mode's: where that is below 1, a sum of logarithms only falls.
        self.peak = max(self.stray, self._constant - self.location + 0.5 * self._spread**2)
        self._never_gains = self.peak <= 0.0
        self.reach = self.until(self.stray + 2 * _ROUNDING)  # seconds after which a call is no more than a stray
        self.home = inference.home
        self._own_line = -math.inf if inference.home is None else inference.home + math.log(share)
        self._firsts: dict[int, float] = {}
        self._leads: dict[int, float] = {}
        self._bases: dict[tuple[DeviceType, int], float] = {}

    def first(self, customers: int) -> float:
        """Return the log density of the first call of ``customers``, whenever the outage began."""
        known = self._firsts.get(customers)
        if known is None:
            n = max(customers, 1)
            known = self._firsts[customers] = math.log(-math.expm1(-n * self.share) / n)
        return known

    def lead(self, customers: int) -> float:
        """Return the seconds from the beginning of an outage to the first of its calls, as a rule."""
        known = self._leads.get(customers)
        if known is None:
            z = _NORMAL.inv_cdf(1.0 / (1.0 + max(1.0, customers * self.share)))
            known = self._leads[customers] = math.exp(self.location + self._spread * z)
        return known

    def call(self, delay: float) -> float:
        """Return the log density of one given customer's call ``delay`` seconds after the beginning."""
        if delay < _STILL:
            return self.stray
        log = math.log(delay)
        off = log - self.location
        found = self._constant - log + self._width * off * off
        return max(self.stray, found)

    def until(self, needed: float) -> float:
        """Return the delay in seconds from which on a call's log density is below ``needed``.

        0 where no call's ever is as high, infinity where every call's is; a little too long rather than too short.
        """
        needed -= _ROUNDING
        if needed <= self.stray:
            return math.inf
        if needed > self.peak:
            return 0.0
        steep = -self._width
        root = math.sqrt(max(0.0, 1.0 + 4.0 * steep * (self._constant - self.location - needed)))
        return math.exp(self.location + (root - 1.0) / (2.0 * steep)) + _STILL

    def calls(self, calls: Sequence[float], begun: float, total: float = 0.0, enough: float = -math.inf) -> float:
        """Return ``total`` and the log densities of ``calls`` of an outage from ``begun`` on; the hot spot of it all.

        Each is what ``call`` returns, written out: calling it costs more than what it does. Once no later call can
        bring the sum above ``enough`` again, the rest is left out.
        """
        log, location, constant, width, stray = math.log, self.location, self._constant, self._width, self.stray
        for at in calls:
            delay = at - begun
            if delay < _STILL:
                total += stray
            else:
                later = log(delay)
                off = later - location
                found = constant - later + width * off * off
                total += found if found > stray else stray  # noqa: FURB136  a call of max() costs more than all the rest
            if total <= enough and self._never_gains:
                break
        return total

    def called_by(self, elapsed: float) -> float:
        """Return the probability that a given customer without power has called by then."""
        if elapsed <= _STILL:
            return 0.0
        return self.share * 0.5 * math.erfc((self.location - math.log(elapsed)) / (self._spread * _SQRT2))

    def silence(self, quiet: int, elapsed: float, callers: int) -> float:
        """Return the weighed log probability that ``quiet`` customers have not called yet, where so many have."""
        return self._unheard(self._expected(quiet, elapsed), callers)

    def are_few(self, customers: int, callers: int, elapsed: float) -> bool:
        """Tell whether so few of the customers called that it is rather one of the outages that fewer report."""
        expected = self._expected(customers - callers, elapsed)
        return self._unheard(expected, callers) > -expected

    def _expected(self, quiet: int, elapsed: float) -> float:
        """Return how many of ``quiet`` customers would usually have called by then, weighed."""
        return -self._weight * quiet * math.log1p(-self.called_by(elapsed)) if quiet > 0 else 0.0

    def _unheard(self, expected: float, callers: int) -> float:
        """Return what silence says where ``expected`` more would usually have called; it falls with both."""
        if expected <= max(callers, self._few_margin):
            return -expected  # as many as usual called, or it is no surprise that they did not
        return max(-expected, math.lgamma(callers) - callers * math.log1p(expected) - self._few_margin)

    def explained(
        self, parts: Iterable[Part], begun: float, of: Mapping[int, T], own: Callable[[T], float]
    ) -> tuple[list[T], float, float, int]:
        """Return what one outage from ``begun`` on explains better than one each: it, both sums, and the callers.

        ``own`` tells how likely what a part is ``of`` is by itself; it is asked only where that may be less likely.
        Most parts are one call: what ``calls`` gives for it is written out, for the same reason as there.
        """
        log, location, constant, width, stray = math.log, self.location, self._constant, self._width, self.stray
        together = apart = 0.0
        callers = 0
        found: list[T] = []
        for onset, order, calls, called, least, _, _ in parts:
            if onset < begun:
                continue  # it was there before
            if len(calls) > 1:
                joint = self.calls(calls, begun, 0.0, least)
            elif (delay := onset - begun) < _STILL:
                joint = stray
            else:
                later = log(delay)
                off = later - location
                joint = constant - later + width * off * off
                if joint < stray:  # noqa: PLR1730  as above
                    joint = stray
            if joint > least and joint > (alone := own(of[order])):
                found.append(of[order])
                together += joint
                apart += alone
                callers += called
        return found, together, apart, callers

    def onset(self, customers: int, calls: Sequence[float]) -> float:
        """Return the call with which an outage began: the first, unless that is better taken for a stray.

        One clock that is half an hour slow would else have it begin half an hour too soon.
        """
        if len(calls) < FEW:
            return calls[0]
        most = _most_strays(len(calls))
        if not any(calls[n + 1] - calls[n] >= _APART for n in range(most)):
            return calls[0]
        lead, best, found = self.lead(customers), -math.inf, calls[0]
        for n in range(most + 1):
            if n and calls[n] - calls[n - 1] < _APART:
                continue
            total = self.calls(calls[n + 1 :], calls[n] - lead, n * self.stray)
            if total > best:
                best, found = total, calls[n]
        return found

    def part(self, kind: DeviceType, customers: int, order: int, calls: Sequence[float], callers: int) -> Part:
        """Return an incident as it is weighed; the arguments are those of ``outage``, ``order`` is that of ``Part``."""
        least = self.least(kind, customers, calls, callers)
        most = self.peak * len(calls) - least
        return Part(self.onset(customers, calls), order, calls, callers, least, most, self)

    def _base(self, kind: DeviceType, customers: int) -> float:
        """Return the log likelihood of an outage of one device and of its first call."""
        found = self._bases.get((kind, customers))
        if found is None:
            found = self._bases[kind, customers] = self.rates.get(kind, CERTAIN) + self.first(customers)
        return found

    def least(self, kind: DeviceType, customers: int, calls: Sequence[float], callers: int) -> float:
        """Return what ``outage`` is never below for the same calls, however long the rest keep silent."""
        never = self._unheard(-self._never * max(0, customers - callers), callers)
        total = self._base(kind, customers) + never - _ROUNDING
        if len(calls) > 1:
            total = self.calls(calls[1:], calls[0] - self.lead(customers), total)
        return max(total, self.homes(kind, callers) - _ROUNDING)

    def homes(self, kind: DeviceType, callers: int) -> float:
        """Return the log likelihood that each caller's own line broke; only at a transformer are there homes."""
        return callers * self._own_line if kind is _FEEDS_HOMES else -math.inf

    def outage(self, kind: DeviceType, customers: int, calls: Sequence[float], callers: int, now: float) -> float:
        """Return the log likelihood of one outage of one device, or of the homes at it that called if that is higher.

        A transformer of many homes that is out and has one of them call is less likely than that one home's own line.
        The arguments are those of ``of_device``.
        """
        return max(self.of_device(kind, customers, calls, callers, now), self.homes(kind, callers))

    def of_device(self, kind: DeviceType, customers: int, calls: Sequence[float], callers: int, now: float) -> float:
        """Return the log likelihood of one outage of one device.

        Args:
            kind: Class of the device.
            customers: Customers under it.
            calls: Times of the earliest calls, ascending, at least one.
            callers: How many customers have called in all.
            now: Until when the rest have kept silent.
        """
        lead = self.lead(customers)
        base = self._base(kind, customers)
        if len(calls) > MANY:
            quiet = customers - callers
            return base + self._of_many(calls, lead, lambda begun: self.silence(quiet, now - begun, callers))
        if len(calls) <= _SURELY:
            begun = calls[0] - lead
            total = base + self.silence(customers - callers, now - begun, callers)
            return total if len(calls) == 1 else self.calls(calls[1:], begun, total)
        best = -math.inf
        strays = 0.0
        for n in range(_most_strays(len(calls)) + 1):
            if n and len(calls) <= KEPT and calls[n] - calls[n - 1] < _APART:
                strays += self.stray
                continue  # close to the one before: if that was no stray, this begins nothing
            begun = calls[n] - lead
            total = base + strays + self.silence(customers - callers, now - begun, callers)
            best = max(best, self.calls(calls[n + 1 :], begun, total))
            strays += self.stray
        return best

    def _of_many(self, calls: Sequence[float], lead: float, silence: Callable[[float], float]) -> float:
        """Return the same but for the base of more than ``MANY`` calls: near ones together, and not every beginning.

        Each beginning would else cost all calls, and there are the more of them the more calls there are: a word that
        power is back in an outage of 100,000 callers took minutes, and what takes that long is never committed.
        """
        near = _near(calls)
        last, most = 0, _most_strays(len(calls))
        while last < len(near) and near[last][2] <= most:
            last += 1

        def total(n: int) -> float:
            at, there, before = near[n]
            begun = at - lead
            found = before * self.stray + silence(begun) + (there - 1) * self.call(lead)
            return found + sum([many * self.call(later - begun) for later, many, _ in near[n + 1 :]])

        starts = range(last)
        while len(starts) > _BEGINNINGS:
            tried = starts[:: -(-len(starts) // _BEGINNINGS)]
            best = max(tried, key=total)
            starts = range(max(0, best - tried.step + 1), min(last, best + tried.step))
        return max(map(total, starts))


def _near(calls: Sequence[float]) -> list[tuple[float, int, int]]:
    """Return calls that are near one another as their mean, how many they are and how many came before them.

    Near is within a second; later, within a thousandth of the time since the first. Where they are parted depends on
    that call alone, so that a few calls more or less change nothing else.
    """
    first = calls[0]
    found: list[tuple[float, int, int]] = []
    begin, place = 0, -1
    for n, at in enumerate(calls):
        since = at - first
        here = int(since) if since < _FINE else int(_FINE * (1.0 + math.log(since / _FINE)))
        if here != place:
            if n:
                found.append((sum(calls[begin:n]) / (n - begin), n - begin, begin))
            begin, place = n, here
    found.append((sum(calls[begin:]) / (len(calls) - begin), len(calls) - begin, begin))
    return found


def _most_strays(calls: int) -> int:
    """Return how many of the earliest of so many calls may be strays."""
    return min(calls // FEW, _STRAYS + calls // _ONE_IN)
