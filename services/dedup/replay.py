"""The engine over files, by arrival time, without Kafka or Postgres.

Decided here: only how a file stands for a person: the restoration of a device or an account is a crew's report for the
incidents there. Online: a decision uses only what had arrived before. Never here: a rule of merging.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.ids import derive
from services.contracts.messages import PowerRestored, TelemetryReceived, TimerFired
from services.dedup.domain import AreaState, decide, evolve
from services.dedup.domain import events as e
from services.dedup.replay_files import (
    SHOWN,
    Assignment,
    IssuedOrder,
    ReplayFileError,
    read_reports,
    read_restorations,
    write_assignments,
    write_orders,
)
from services.dedup.replay_readings import read_readings, telemetry
from services.dedup.replay_reports import TELL_EVERY, load_served, prepare, without_garbage_collection
from services.dedup.replay_restorations import power_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from services.contracts.messages import OutageInput
    from services.dedup.domain.rules import Rules
    from services.dedup.replay_files import Restoration
    from services.dedup.replay_readings import ReadingLine
    from services.dedup.replay_reports import Heard, Prepared, Progress, Served
    from services.dedup.replay_restorations import PowerBack

_ENDINGS: Final = (e.OrderCancelled, e.OrderClosed)
_ORDERS: Final = (e.OrderIssued, e.OrderUpdated, *_ENDINGS)


class OrderStep(NamedTuple):
    """A moment of an order's life: where it sent a crew from then on; nowhere any more where ``device`` is None."""

    order_id: UUID
    at: datetime
    device: str | None


@dataclass(slots=True)
class Replayed:
    """What came of a replay. Reports are counted once an event; ``steps`` are the orders' lives, by time.

    ``of_readings`` are the readings that are in an incident, as a report is.
    """

    assignments: list[Assignment] = field(default_factory=list)
    of_readings: list[Assignment] = field(default_factory=list)
    orders: list[IssuedOrder] = field(default_factory=list)
    steps: list[OrderStep] = field(default_factory=list)
    refused: list[ReplayFileError] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    lines: int = 0
    repeated: int = 0
    in_incidents: int = 0
    answered: int = 0
    need_person: int = 0
    incidents: int = 0
    restorations_unknown: int = 0
    unknown_places: list[str] = field(default_factory=list)
    readings: int = 0
    readings_unknown: list[str] = field(default_factory=list)


def replay_files(  # noqa: PLR0913  each names a file or what is done with it
    *,
    network: Path,
    customers: Path,
    reports: Path,
    restorations: Path | None,
    out: Path,
    rules: Rules,
    hear: Callable[[str], Heard] | None = None,
    progress: Progress | None = None,
    readings: Path | None = None,
) -> Replayed:
    """Replay files and write ``assignments.csv`` and ``orders.csv`` into the folder ``out``.

    A line of the reports, restorations or readings that cannot be used is left out and named in ``refused``: one broken
    sender must not cost the others their crew. Where most reports are, it is the file that is wrong, and nothing is
    written.

    Args:
        network: network.csv.
        customers: customers.csv.
        reports: reports.jsonl.
        restorations: restorations.csv, if there is one.
        out: An existing folder.
        rules: Thresholds to decide by.
        hear: Tells what a report's text says; without it texts only name places.
        progress: Told how far it is.
        readings: readings.jsonl of meters and breakers, if there is one.

    Raises:
        NetworkFileError: the network or the customers cannot be used.
        ReplayFileError: the reports, restorations or readings cannot be read, or most lines of the reports cannot
            be used.
    """
    tell = progress or (lambda _stage, _done, _total: None)
    tell("network", 0, 1)
    served = load_served(network, customers)
    tell("network", 1, 1)
    refused: list[ReplayFileError] = []
    lines = read_reports(reports, refused)
    if refused and len(refused[0].problems) > len(lines):
        raise refused[0]
    restored = read_restorations(restorations, refused) if restorations else []
    said = read_readings(readings, refused) if readings else []
    prepared = prepare(served.book, lines, hear, tell)
    replayed = Replay(served, rules).decide_all(prepared, restored, tell, said)
    replayed.lines = len(lines)
    replayed.repeated = len(lines) - len(prepared)
    replayed.refused = refused
    replayed.warnings = served.warnings
    write_assignments(out / "assignments.csv", (*replayed.assignments, *replayed.of_readings))
    write_orders(out / "orders.csv", replayed.orders)
    return replayed


class Replay:
    """One run over one network."""

    def __init__(self, served: Served, rules: Rules) -> None:
        """Start with nothing reported."""
        self._served = served
        self._tree = served.tree
        self._rules = rules
        self._areas: dict[str, AreaState] = {}
        self._timers: list[tuple[datetime, UUID, int, str, e.TimerSet]] = []
        self._timers_set = 0
        self._places: dict[UUID, list[UUID]] = {}  # report to the incidents it was in, first to last
        self._orders: dict[UUID, IssuedOrder] = {}  # by incident
        self._restorations = 0
        self._readings: dict[UUID, str] = {}  # message to its event
        self._result = Replayed()

    @without_garbage_collection()
    def decide_all(
        self,
        prepared: Sequence[Prepared],
        restored: Iterable[Restoration],
        tell: Progress,
        readings: Iterable[ReadingLine] = (),
    ) -> Replayed:
        """Decide about everything in the order it arrived; of what arrived at once, restorations and readings first."""
        ahead = self._ahead(restored, readings)
        for done, report in enumerate(prepared):
            while ahead and ahead[-1][0] <= report.received_at:
                self._take_next(ahead)
            self._fire_until(report.received_at)
            if report.message is None:
                self._result.need_person += 1
            else:
                self._take(report.message, report.received_at)
            if done % TELL_EVERY == 0:
                tell("reports", done, len(prepared))
        while ahead:
            self._take_next(ahead)
        while self._timers:
            self._fire_until(self._timers[0][0])
        tell("reports", len(prepared), len(prepared))
        self._result.orders = list(self._orders.values())
        self._result.assignments = [self._assignment(one.event_id, one.report_id) for one in prepared]
        in_incidents = (one for one in self._readings if one in self._places)
        self._result.of_readings = [self._assignment(self._readings[one], one) for one in in_incidents]
        return self._result

    def _ahead(
        self, restored: Iterable[Restoration], readings: Iterable[ReadingLine]
    ) -> list[tuple[datetime, PowerBack | TelemetryReceived]]:
        """Return restorations and readings with their arrival, the last first; of what came at once, readings."""
        told, unknown = power_back(restored, self._served)
        self._result.restorations_unknown = len(unknown)
        self._result.unknown_places = list(dict.fromkeys(unknown))[:SHOWN]
        messages, self._result.readings_unknown = telemetry(readings, self._served)
        self._readings = {message.message_id: event for event, message in messages}
        self._result.readings = len(self._readings)
        found: list[tuple[datetime, PowerBack | TelemetryReceived]] = [(back.at, back) for back in told]
        found += [(message.received_at, message) for _, message in messages]
        found.sort(key=itemgetter(0))
        return found[::-1]

    def _take_next(self, ahead: list[tuple[datetime, PowerBack | TelemetryReceived]]) -> None:
        at, what = ahead.pop()
        if isinstance(what, TelemetryReceived):
            self._fire_until(at)
            self._take(what, at)
        else:
            self._restore(what)

    def _assignment(self, event_id: str, report: UUID) -> Assignment:
        places = self._places.get(report)
        if places is None:
            return Assignment(event_id, None, ())
        if len(places) == 1:  # as nearly all are: it never moved
            order = self._orders.get(places[0])
            return Assignment(event_id, places[0], () if order is None else (order.order_id,))
        orders = dict.fromkeys(self._orders[place].order_id for place in places if place in self._orders)
        return Assignment(event_id, places[-1], tuple(orders))

    # --- messages ---

    def _area(self, area: str) -> AreaState:
        state = self._areas.get(area)
        if state is None:
            tree = self._tree if area in self._tree else None
            state = self._areas[area] = AreaState(area, tree, self._rules)
        return state

    def _take(self, message: OutageInput, now: datetime) -> None:
        state = self._area(message.area)
        for event in decide(state, message, now):
            evolve(state, event)
            self._note(message.area, event)

    def _note(self, area: str, event: e.Event) -> None:
        result = self._result
        if isinstance(event, e.ReportJoined):
            self._places[event.report.report_id] = [event.incident_id]
            result.in_incidents += event.report.report_id not in self._readings
        elif isinstance(event, _ORDERS):
            order = event.order
            ended = isinstance(event, _ENDINGS)
            result.steps.append(OrderStep(order.order_id, order.issued_at, None if ended else order.device.id))
            known = self._orders.get(order.incident_id)
            issued_at = order.issued_at if known is None else known.issued_at
            self._orders[order.incident_id] = IssuedOrder(
                order.order_id, order.incident_id, issued_at, order.device.id, order.superseded_by
            )
        elif isinstance(event, e.ReportMoved):
            self._places[event.report_id].append(event.target)
        elif isinstance(event, e.ReportAnswered):
            if event.incident_id is not None:
                self._places[event.report.report_id] = [event.incident_id]
            result.answered += event.report.report_id not in self._readings
        elif isinstance(event, e.ReportNeedsPerson):
            result.need_person += event.report.report_id not in self._readings
        elif isinstance(event, e.IncidentOpened):
            result.incidents += 1
        elif isinstance(event, e.TimerSet):
            self._timers_set += 1
            heapq.heappush(self._timers, (event.due_at, event.timer_id, self._timers_set, area, event))

    def _fire_until(self, now: datetime) -> None:
        while self._timers and self._timers[0][0] <= now:
            due_at, timer_id, _, area, timer = heapq.heappop(self._timers)
            fired = TimerFired(
                area=area,
                timer_id=timer_id,
                kind=timer.kind,
                subject=timer.incident_id,
                due_at=due_at,
                fired_at=due_at,
            )
            self._take(fired, due_at)

    # --- restorations ---

    def _restore(self, back: PowerBack) -> None:
        self._fire_until(back.at)
        self._restorations += 1
        message = PowerRestored(
            area=self._tree.area_of(back.device),
            restoration_id=derive("replay restored", self._restorations),
            device=back.device,
            account_id=back.account_id,
            restored_at=back.at,
            received_at=back.at,
        )
        self._take(message, back.at)
