"""Bounds: what somebody reaches who knows more than the engine does.

Decided here: what each oracle knows. They show where the engine loses: at the places, at the inference, or for want of
what only came later. Never here: a figure.

- ``true places, true faults``: who called, from where and when, and every fault with its device, start and end.
- ``resolved places, true faults``: the same faults, the places as the grid resolves them: what the places cost.
- ``places that were said, true faults``: the first of these, but nowhere if a report says nothing of its place.
- ``all reports at once``: the engine's own last word (its incidents, their devices and ends) applied to every report
  from the start, orders given once: what deciding online costs.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.quality.baselines import HALF_AN_HOUR, Books

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.dedup.replay import Replayed
    from services.grid.tree import Tree
    from services.quality.judge import Outcome
    from services.quality.placed import Placed
    from services.quality.storms import StormFiles

_SLACK: Final = timedelta(minutes=5)  # clocks of phones and crews
_NEVER: Final = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Known:
    """A fault an oracle knows: a device dark from ``start`` to ``end``; of one ``account`` alone, if that is set."""

    name: str
    device: str
    start: datetime
    end: datetime
    account: str | None = None


def by_known_faults(reports: Iterable[Placed], known: Iterable[Known], tree: Tree) -> Outcome:
    """Give each report to the fault that darkens its place at its time, the earliest of several.

    What no fault explains (arrears, a wrong place) is grouped by transformer and half an hour.
    """
    books = Books()
    at_device: dict[str, list[Known]] = defaultdict(list)
    for fault in sorted(known, key=lambda fault: (fault.start, fault.name)):
        at_device[fault.device].append(fault)
    incidents: dict[str, str] = {}
    for report in reports:
        leaf = report.transformer
        if leaf is None:
            continue
        if report.danger:
            books.open(report, leaf)
            continue
        found = _explains(report, leaf, at_device, tree)
        if found is None:
            books.gather(report, leaf, HALF_AN_HOUR)
        elif found.name in incidents:
            books.join(report.event, incidents[found.name])
        else:
            incidents[found.name] = books.open(report, found.device)
    return books.outcome


def _explains(report: Placed, leaf: str, at_device: dict[str, list[Known]], tree: Tree) -> Known | None:
    covers = [
        fault
        for device in (leaf, *tree.ancestors(leaf))
        for fault in at_device.get(device, ())
        if fault.start - _SLACK <= report.said_at <= fault.end + _SLACK
        and (fault.account is None or report.account is None or fault.account == report.account)
    ]
    found = [fault for fault in covers if fault.start <= report.said_at <= fault.end] or covers
    own = [fault for fault in found if fault.account is not None and fault.account == report.account]
    wide = [fault for fault in found if fault.account is None]
    return min(own or wide or found, key=lambda fault: (fault.start, fault.name), default=None)


def true_faults(storm: StormFiles) -> list[Known]:
    """Return the faults as they were, but for a home's own that nobody reported: it explains no report."""
    home = {truth.fault: truth.account for truth in storm.truth.values() if truth.fault}
    return [
        Known(name, one.device, one.shows_at, one.ended_at or _NEVER, home.get(name) if one.service else None)
        for name, one in storm.faults.items()
        if name in home or not one.service
    ]


def last_word(replayed: Replayed, reports: Iterable[Placed], tree: Tree) -> list[Known]:
    """Return the faults the engine believed in at the end: orders nothing superseded, their last device, their end."""
    ends = {step.order_id: step.at for step in replayed.steps if step.device is None}
    said = {report.event: report for report in reports}
    first: dict[str, datetime] = {}
    accounts: dict[str, set[str | None]] = defaultdict(set)
    for one in replayed.assignments:
        report = said.get(one.event_id)
        if one.incident_id is None or report is None or report.danger:
            continue
        incident = str(one.incident_id)
        first[incident] = min(report.said_at, first.get(incident, report.said_at))
        accounts[incident].add(report.account)
    found = []
    for order in replayed.orders:
        incident = str(order.incident_id)
        if order.superseded_by is None and incident in first and order.device in tree:
            only = next(iter(accounts[incident])) if len(accounts[incident]) == 1 else None
            alone = only if tree.customers_under(order.device) > 1 else None
            found.append(Known(incident, order.device, first[incident], ends.get(order.order_id, _NEVER), alone))
    return found
