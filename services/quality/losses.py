"""Where a storm's merging loses: each lost pair of reports, spare order and hidden fault, by cause. Pure.

Decided here: what counts as the cause of a loss. The sums are exact: the causes of lost pairs add up to what B-cubed
recall and precision lack, those of orders and faults to the spare orders a fault and the share without an own order.
Never here: the definitions of those figures (``judge``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from services.contracts.values import CustomerStatus
from services.quality.judge import owners
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from services.dedup.replay_reports import Prepared
    from services.quality.judge import Outcome
    from services.quality.storms import StormFiles

_RIGHT = None


class Cause(StrEnum):
    """Why reports of one fault are apart, or those of several together. Of two causes the earlier here counts."""

    NOTHING_SAID = "says nothing of its place"
    WAITS = "says a place, and waits for people"
    ANSWERED = "answered as cut off for arrears"
    MISPLACED = "placed elsewhere"
    PIECES = "right place, several incidents"
    LATER = "right place, with another fault of it"
    BESIDE = "right place, with a fault beside it"
    FOUND_LATE = "right place, known apart only when power was back"
    NO_FAULT = "of no fault"
    WORDS = "of no person: words of meters and breakers that mean no outage"


_ORDER = {cause: place for place, cause in enumerate(Cause)}


class Losses(NamedTuple):
    """Each cause's part of what is lost: of recall, of precision, spare orders a fault, share of hidden faults."""

    recall: Mapping[Cause, float]
    precision: Mapping[Cause, float]
    spare: Mapping[Cause, float]
    hidden: Mapping[Cause, float]


def losses(
    storm: StormFiles, prepared: Iterable[Prepared], outcome: Outcome, says_where: Callable[[str], bool]
) -> Losses:
    """Return where an outcome lost.

    Args:
        storm: The storm with its truth.
        prepared: Its events with the places that were resolved for them.
        outcome: What was done.
        says_where: Whether an event says anything of its place that somebody has.
    """
    return _Losses(storm, prepared, outcome, says_where).found()


class _Losses:
    """The causes of one outcome."""

    def __init__(
        self, storm: StormFiles, prepared: Iterable[Prepared], outcome: Outcome, says_where: Callable[[str], bool]
    ) -> None:
        self._tree, self._faults, self._outcome = storm.served.tree, storm.faults, outcome
        truth = storm.truth
        self._truth, self._told = truth, storm.told
        self._fault = {event: one.fault for event, one in truth.items() if one.fault and one.kind is not Kind.HAZARD}
        self._place = {one.event_id: one.message.place for one in prepared if one.message is not None}
        self._status = {event: self._status_of(event, says_where) for event in self._fault}

    def _status_of(self, event: str, says_where: Callable[[str], bool]) -> Cause | None:
        """Return what went wrong with one report by itself; None where it is in an incident from the right place."""
        place = self._place.get(event)
        if event not in self._outcome.clusters:
            if place is not None and place.customer_status is CustomerStatus.SUSPENDED:
                return Cause.ANSWERED
            return Cause.WAITS if says_where(event) else Cause.NOTHING_SAID
        if place is None or place.transformer_id is None:
            return Cause.WAITS
        right = self._is_under(place.transformer_id, self._faults[self._fault[event]].device)
        return _RIGHT if right else Cause.MISPLACED

    def _is_under(self, device: str, other: str) -> bool:
        tree = self._tree
        return device == other or (device in tree and other in tree and tree.is_under(device, other))

    def found(self) -> Losses:
        clusters = self._outcome.clusters
        by_fault: dict[str, Counter[tuple[str, Cause | None]]] = defaultdict(Counter)
        by_cluster: dict[str, Counter[tuple[str, Cause | None]]] = defaultdict(Counter)
        for event, fault in self._fault.items():
            cluster = clusters.get(event, f"alone {event}")
            by_fault[fault][cluster, self._status[event]] += 1
            by_cluster[cluster][fault, self._status[event]] += 1
        recall = self._pairs(by_fault, lambda _one, _other: Cause.PIECES)
        precision = self._pairs(by_cluster, self._together)
        return Losses(recall, precision, *self._orders())

    def _pairs(
        self, groups: Mapping[str, Counter[tuple[str, Cause | None]]], otherwise: Callable[[str, str], Cause]
    ) -> dict[Cause, float]:
        """Return what the pairs of one group that are apart in the other clustering cost, by cause."""
        lost: dict[Cause, float] = defaultdict(float)
        for members in groups.values():
            size = sum(members.values())
            for (one, status), count in members.items():
                for (other, other_status), others in members.items():
                    if one != other:
                        known = [cause for cause in (status, other_status) if cause is not None]
                        cause = min(known, key=_ORDER.__getitem__) if known else otherwise(one, other)
                        lost[cause] += count * others / size / len(self._fault)
        return dict(lost)

    def _together(self, one: str, other: str) -> Cause:
        first, second = self._faults[one].device, self._faults[other].device
        return Cause.LATER if self._is_under(first, second) or self._is_under(second, first) else Cause.BESIDE

    def _orders(self) -> tuple[dict[Cause, float], dict[Cause, float]]:
        """Return the spare orders and the hidden faults by cause, each as a share of the faults."""
        outcome, names = self._outcome, set(self._fault.values())
        orders, owned = owners(outcome, self._truth, self._told)
        spare: Counter[Cause] = Counter()
        own: dict[str, list[str]] = defaultdict(list)
        for order, events in orders.items():
            if order in owned.owner:
                own[str(owned.owner[order])].append(order)
            else:
                of_fault = [self._status[event] for event in events if event in self._status]
                none = Cause.WORDS if events and events <= self._told.keys() else Cause.NO_FAULT
                spare[next((cause for cause in of_fault if cause is not None), none)] += 1
        for several in own.values():
            causes = [self._cause_of(orders[order]) for order in sorted(several, key=self._when)]
            causes.remove(Cause.PIECES if Cause.PIECES in causes else causes[0])  # the one that is needed
            spare.update(causes)
        hidden = Counter(self._hidden(fault) for fault in names - own.keys())
        total = len(names) or 1
        return (
            {cause: count / total for cause, count in spare.items()},
            {cause: count / total for cause, count in hidden.items()},
        )

    def _when(self, order: str) -> tuple[str, str]:
        return self._outcome.orders[order].issued_at.isoformat(), order

    def _cause_of(self, events: Iterable[str]) -> Cause:
        statuses = Counter(self._status[event] for event in events if event in self._status)
        most = statuses.most_common(1)[0][0] if statuses else _RIGHT
        return Cause.PIECES if most is _RIGHT else most

    def _hidden(self, fault: str) -> Cause:
        events = [event for event, of in self._fault.items() if of == fault]
        placed = [event for event in events if self._status[event] is _RIGHT]
        if not placed:
            return min((cause for event in events if (cause := self._status[event])), key=_ORDER.__getitem__)
        clusters = {self._outcome.clusters[event] for event in placed}
        said = (*self._fault.items(), *self._told.items())
        others = Counter(
            other for event, other in said if other not in {fault, ""} and self._outcome.clusters.get(event) in clusters
        )
        return self._together(fault, others.most_common(1)[0][0]) if others else Cause.FOUND_LATE
