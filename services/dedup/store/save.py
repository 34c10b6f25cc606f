"""Saving what a batch changed: one statement and few more, however many messages the batch had."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import orjson

from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.clock import due_of
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.planning import plans_of_a_part
from services.dedup.store import columns
from services.dedup.store.acts import ActRows
from services.dedup.store.storms import calm_at, pace_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from services.dedup.domain.changes import Changes, Touched
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState
    from services.runtime.postgres import Connection
    from services.runtime.rows import Table

_MANY: Final = 200
"""From so many reports on, ``COPY`` costs less than it takes in round trips."""
_TABLES: Final = (
    (columns.AREA, "area"),
    (columns.INCIDENT, "incident_id"),
    (columns.ORDER_VERSION, None),
    (columns.TIMER, "timer_id"),
    (columns.REPORT, None),
    (columns.MEMBERSHIP, None),
)
"""What nearly every batch writes, and by what a row is known that may be there already."""


def _saving() -> str:
    """Return the statement that writes it, in one round trip: each table's columns, and the timers that are given up.

    Its parts know nothing of each other, so none may touch another's rows.
    """
    parts, first = [], 1
    for table, key in _TABLES:
        parts.append(table.adding(first) if key is None else table.keeping(first, key))
        first += len(table.kinds)
    parts.append(f"DELETE FROM timer WHERE timer_id = ANY(${first}::uuid[])")  # noqa: S608 - a number
    return f"WITH {', '.join(f'part{n} AS ({part})' for n, part in enumerate(parts))} SELECT 1"


_SAVE: Final = _saving()
_MOVE: Final = """
UPDATE report AS r SET incident_id = v.incident_id, seq = v.seq
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS v (report_id, incident_id, seq)
WHERE r.report_id = v.report_id
"""
# Told again after another outage there ended, a step may be noted again: the later note is the one in memory.
_PART: Final = (
    f"{columns.PART.adding(1)} ON CONFLICT (area, device_id, restored_at, incident_id)"
    " DO UPDATE SET seq = EXCLUDED.seq, since = EXCLUDED.since, upstream = EXCLUDED.upstream,"
    " customers = EXCLUDED.customers"
)
_PROGRESS: Final = columns.PROGRESS.adding(1)
_CLEAR_REPORTS: Final = "DELETE FROM report WHERE report_id = ANY($1::uuid[])"

Row = tuple[Any, ...]


async def save(tx: Connection, changes: Changes, now: datetime) -> None:
    """Keep what a batch changed. Call it after the batch's messages were made, which counts up the revisions."""
    rows, acts = _Rows(now), ActRows(now)
    for area, event in changes.events:
        rows.take(area, changes, event)
        acts.take(area, event, changes.areas[area])
    if rows.placed:
        await tx.execute(_CLEAR_REPORTS, list(rows.placed))
    reports: Collection[Row] = rows.reports.values()
    memberships: Collection[Row] = rows.memberships
    if len(reports) + len(memberships) > _MANY:
        await _copy(tx, columns.REPORT, reports)
        await _copy(tx, columns.MEMBERSHIP, memberships)
        reports = memberships = ()
    if rows.moved:
        where = list(rows.moved.values())
        await tx.execute(_MOVE, list(rows.moved), [one[0] for one in where], [one[1] for one in where])
    written: tuple[Iterable[Row], ...] = (
        (_area(changes.areas[name]) for name in sorted(changes.areas)),
        (_incident(changes.areas[one.area], one, now) for one in changes.changed()),
        rows.orders,
        rows.timers.values(),
        reports,
        memberships,
    )
    arguments = [table.arguments(some) for (table, _), some in zip(_TABLES, written, strict=True)]
    await tx.execute(_SAVE, *chain.from_iterable(arguments), rows.given_up)
    if rows.progress:
        await tx.execute(_PROGRESS, *columns.PROGRESS.arguments(rows.progress))
    if rows.parts:
        await tx.execute(_PART, *columns.PART.arguments(rows.parts.values()))
    await acts.save(tx)


async def _copy(tx: Connection, table: Table, rows: Iterable[Row]) -> None:
    await tx.copy_records_to_table(table.name, columns=table.columns, records=rows)


@dataclass(slots=True)
class _Rows:
    """The rows of a batch's events."""

    now: datetime
    reports: dict[UUID, Row] = field(default_factory=dict)
    memberships: list[Row] = field(default_factory=list)
    placed: set[UUID] = field(default_factory=set)
    moved: dict[UUID, tuple[UUID, int]] = field(default_factory=dict)
    orders: list[Row] = field(default_factory=list)
    progress: list[Row] = field(default_factory=list)
    parts: dict[Row, Row] = field(default_factory=dict)
    timers: dict[UUID, Row] = field(default_factory=dict)
    cleared: set[UUID] = field(default_factory=set)

    def take(self, area: str, changes: Changes, event: e.Event) -> None:
        """Turn one event into rows."""
        rules_hash = changes.areas[area].rules.hash
        if isinstance(event, e.ReportJoined):
            report = event.report
            self.reports[report.report_id] = (
                *_report(area, report),
                *("in_incident", event.rule, event.incident_id, event.seq),
            )
            self._ledger(area, rules_hash, event.seq, report.report_id, event.incident_id, "joined", event)
        elif isinstance(event, e.ReportMoved):
            self._ledger(area, rules_hash, event.seq, event.report_id, event.source, "left", event)
            self._ledger(area, rules_hash, event.seq + 1, event.report_id, event.target, "joined", event)
            new = self.reports.get(event.report_id)
            if new is None:
                self.moved[event.report_id] = (event.target, event.seq + 1)
            else:  # it came with this batch, and is written where it went
                self.reports[event.report_id] = (*new[:-2], event.target, event.seq + 1)
        elif isinstance(event, e.ReportAnswered):
            place = ("answered", event.rule.value, event.incident_id, None)
            self.reports[event.report.report_id] = (*_report(area, event.report), *place)
        elif isinstance(event, e.ReportNeedsPerson):
            nowhere = ("needs_person", event.rule.value, None, None)
            self.reports[event.report.report_id] = (*_report(area, event.report), *nowhere)
        elif isinstance(event, a.ReportPlaced):
            self.placed.add(event.report_id)
        elif isinstance(event, (a.ReportUnplaced, pa.ReportCovered, pa.ReportUncovered)):
            self._left_or_back(area, rules_hash, event)
        else:
            self._take_other(changes.areas[area], event)

    def _left_or_back(
        self, area: str, rules_hash: str, event: a.ReportUnplaced | pa.ReportCovered | pa.ReportUncovered
    ) -> None:
        """A report is in its incident no more, or once more: its row is written anew."""
        key, back = event.report.report_id, isinstance(event, pa.ReportUncovered)
        place: Row = ("needs_person", event.rule.value, None, None)
        if back:
            place = ("in_incident", event.rule, event.incident_id, event.seq)
        elif isinstance(event, pa.ReportCovered):
            place = ("answered", Rule.PLANNED.value, event.incident_id, None)
        self.placed.add(key)
        self.moved.pop(key, None)
        self.reports[key] = (*_report(area, event.report), *place)
        self._ledger(area, rules_hash, event.seq, key, event.incident_id, "joined" if back else "left", event)

    def _take_other(self, state: AreaState, event: e.Event) -> None:
        if isinstance(event, e.OrderEvent):
            self.orders.append(_order(event))
        elif isinstance(event, (e.ProgressNoted, e.IncidentRestored)):
            self._crew(event.incident_id, event, "noted")
        elif isinstance(event, e.PartRestored):
            self._part(state, event)
        elif isinstance(event, e.ProgressIgnored):
            self._crew(event.incident_id, event, event.rule.value)
        elif isinstance(event, (e.TimerSet, e.TimerCleared)):
            self._timer(state.area, event)

    def _part(self, state: AreaState, event: e.PartRestored) -> None:
        device = event.device
        self.parts[state.area, device, event.restored_at, event.incident_id] = (
            state.area,
            event.seq,
            device,
            event.incident_id,
            event.restored_at,
            event.since,
            state.upstream(device),
            state.customers_under(device),
        )

    def _timer(self, area: str, event: e.TimerSet | e.TimerCleared) -> None:
        if isinstance(event, e.TimerSet):
            self.timers[event.timer_id] = (event.timer_id, area, event.kind, event.incident_id, event.due_at)
        elif self.timers.pop(event.timer_id, None) is None:
            self.cleared.add(event.timer_id)

    @property
    def given_up(self) -> list[UUID]:
        """The moments that are no longer waited for; of one that is again there is a row."""
        return list(self.cleared - self.timers.keys())

    def _ledger(
        self,
        area: str,
        rules_hash: str,
        seq: int,
        report_id: UUID,
        incident_id: UUID,
        action: str,
        event: e.ReportJoined | e.ReportMoved | a.ReportUnplaced | pa.ReportCovered | pa.ReportUncovered,
    ) -> None:
        evidence = "{}" if isinstance(event, a.ReportUnplaced) else orjson.dumps(event.evidence).decode()
        self.memberships.append(
            (area, seq, report_id, incident_id, action, event.rule, evidence, rules_hash, event.author, self.now)
        )

    def _crew(
        self, incident_id: UUID, event: e.ProgressNoted | e.IncidentRestored | e.ProgressIgnored, outcome: str
    ) -> None:
        said = event.progress
        if said is None:
            return  # power was back, and nobody said it of this order
        self.progress.append(
            (
                said.progress_id,
                incident_id,
                said.order_id,
                said.stage.value,
                said.at,
                said.crew,
                said.cause,
                said.note,
                outcome,
                self.now,
            )
        )


def _area(state: AreaState) -> Row:
    return state.area, state.latest, state.next_seq, calm_at(state), state.lag, state.learned, pace_row(state.pace)


def _report(area: str, report: Report) -> Row:
    return (
        report.report_id,
        area,
        report.ticket_id,
        report.ticket_ref,
        report.contact_id,
        report.channel,
        report.device,
        report.feeder,
        report.account_id,
        report.customer_class,
        report.suspended,
        report.hazards,
        report.single_premise,
        report.unconfirmed,
        report.lat,
        report.lon,
        report.address,
        report.language,
        None if report.recipient is None else report.recipient.model_dump_json(exclude_none=True),
        report.reported_at,
        report.received_at,
        report.kept_back,
    )


def _order(event: e.OrderEvent) -> Row:
    order = event.order
    return (
        order.order_id,
        order.version,
        order.incident_id,
        order.status.value,
        order.priority.value,
        order.device.id,
        order.superseded_by,
        order.reason,
        order.issued_at,
        order.model_dump_json(exclude_none=True),
    )


def _incident(state: AreaState, touched: Touched, now: datetime) -> Row:
    incident = touched.incident
    due = due_of(state, incident)
    device = incident.device
    return (
        incident.incident_id,
        incident.order_id,
        touched.area,
        incident.kind.value,
        incident.state.value,
        device.id,
        device.type,
        device.feeder,
        device.lat,
        device.lon,
        incident.customers_served,
        incident.order is not None,
        len(incident.reports),
        incident.standing.hazards,
        incident.opened_seq,
        incident.since_seq,
        incident.opened_at,
        incident.premises,
        incident.related_to,
        incident.merged_into,
        None if incident.stage is None else incident.stage.value,
        incident.stage_at,
        None if incident.etr is None else incident.etr.model_dump_json(),
        incident.cause,
        incident.restored_at,
        incident.restored_seq,
        None if incident.hold is None else incident.hold.timer_id,
        None if incident.hold is None else incident.hold.due_at,
        *((None, None, None, None) if incident.relook is None else incident.relook),
        incident.continues,
        incident.out_since,
        incident.revision,
        now,
        incident.pinned,
        incident.also,
        incident.also_premises,
        incident.arrived_at,
        incident.breached,
        incident.suggested_at,
        incident.proposed_device,
        incident.network_change,
        incident.network,
        incident.told,
        incident.settled_plans,
        incident.covered_by,
        sorted(one.planned_id for one in plans_of_a_part(state, incident)),
        None if due is None else due.arrive_by,
        None if due is None else due.restore_by,
        state.upstream(device.id),
    )
