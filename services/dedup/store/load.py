"""Loading areas from Postgres, equal to what was in memory when they were saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.messages import OrderVersion
from services.contracts.values import (
    Channel,
    CommandAction,
    CustomerClass,
    DeviceRef,
    IncidentState,
    ProgressStage,
    Recipient,
)
from services.dedup.domain.acts import NetworkChange
from services.dedup.domain.events import Kind
from services.dedup.domain.incident import Hold, Incident, Relook
from services.dedup.domain.indexing import install, remember
from services.dedup.domain.learning import Learned
from services.dedup.domain.report import Report, made_at
from services.dedup.domain.state import AreaState, Restored
from services.dedup.store.acts import load_acts
from services.dedup.store.columns import etr_of
from services.dedup.store.storms import pace_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import timedelta
    from uuid import UUID

    import asyncpg

    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree
    from services.runtime.postgres import Connection

_READ_AT_ONCE: Final = 500
"""So many reports, some 10 ms, before Postgres hears of us and whatever else waits in this process has its turn."""
_AREAS: Final = """
SELECT area, latest, next_seq, lag, learned, pace, (SELECT coalesce(max(floor), 0) FROM version_floor) AS floor
FROM unnest($1::text[]) AS asked (area) LEFT JOIN area USING (area)
"""
_OPEN: Final = """
SELECT * FROM incident
WHERE area = ANY($1::text[]) AND state IN ('predicted', 'confirmed')
ORDER BY area, since_seq, opened_seq
"""
_REPORTS_OF: Final = """
SELECT r.* FROM incident AS i JOIN report AS r USING (incident_id)
WHERE i.area = ANY($1::text[]) AND i.state IN ('predicted', 'confirmed') AND r.outcome = 'in_incident'{which}
ORDER BY r.area, r.seq
"""
_REPORTS: Final = _REPORTS_OF.format(which="")
_ONE_REPORT: Final = _REPORTS_OF.format(which=" AND r.report_id = $2")
_WAITING: Final = """
SELECT * FROM report
WHERE area = ANY($1::text[]) AND outcome = 'needs_person' AND erased_at IS NULL ORDER BY report_id
"""
_ORDERS: Final = """
SELECT DISTINCT ON (v.order_id) v.incident_id, i.area, v.body
FROM incident AS i JOIN order_version AS v USING (order_id)
WHERE i.area = ANY($1::text[]) AND i.state IN ('predicted', 'confirmed')
ORDER BY v.order_id, v.version DESC
"""
_RESTORED: Final = """
SELECT i.area, i.incident_id, i.kind, i.device_id, i.premises, i.restored_at, i.restored_seq, i.also,
       coalesce(i.out_since, i.opened_at) AS since
FROM incident AS i JOIN area AS a USING (area)
WHERE i.area = ANY($1::text[]) AND i.state = 'restored'
  AND (a.latest IS NULL OR i.restored_at >= a.latest - $2::interval)
"""
_PARTS: Final = """
SELECT p.area, p.incident_id, p.device_id, p.restored_at, p.seq, p.since
FROM restored_part AS p JOIN area AS a USING (area)
WHERE p.area = ANY($1::text[]) AND (a.latest IS NULL OR p.restored_at >= a.latest - $2::interval)
"""


_COVERED: Final = """
SELECT NULL::uuid AS planned_id, r.* FROM report AS r
WHERE r.report_id = ANY($1::uuid[]) AND r.outcome = 'answered'
"""
_ANSWERED: Final = """
SELECT p.planned_id, r.* FROM plan_answer AS p JOIN report AS r USING (report_id)
WHERE p.planned_id = ANY($1::uuid[]) AND r.outcome = 'answered' AND r.erased_at IS NULL
"""


async def load_areas(
    connection: Connection,
    areas: Collection[str],
    trees: Mapping[str, Tree],
    rules: Rules,
    only: UUID | None = None,
) -> dict[str, AreaState]:
    """Return the state of each area; one nobody reported from yet is empty.

    Args:
        connection: Inside the batch's transaction.
        areas: Which areas.
        trees: The networks of those areas that have one.
        rules: Rules in force.
        only: The one report that the open incidents are to have, to look at it; None for theirs, to decide.
    """
    states = {area: AreaState(area, trees.get(area), rules) for area in areas}
    names = list(states)
    for row in await connection.fetch(_AREAS, names):
        state = states[row["area"]]
        state.floor = row["floor"]
        if row["next_seq"] is None:
            continue  # nobody reported from there yet
        state.next_seq = row["next_seq"]
        state.latest = row["latest"]
        state.learn(Learned(*row["learned"]))
        state.lag = row["lag"]
        state.pace = pace_of(row["pace"])
    for row in await connection.fetch(_OPEN, names):
        install(states[row["area"]], _incident(row))
    await _load_members(connection, states, only)
    for row in await connection.fetch(_ORDERS, names):
        states[row["area"]].incidents[row["incident_id"]].order = OrderVersion.model_validate_json(row["body"])
    for row in await connection.fetch(_RESTORED, names, rules.restored_memory):
        restored = Restored(row["restored_at"], row["restored_seq"], row["incident_id"], row["since"])
        state = states[row["area"]]
        remember(state, Kind(row["kind"]), row["device_id"], row["premises"], restored, row["also"])
    for row in await connection.fetch(_PARTS, names, rules.restored_memory):
        restored = Restored(row["restored_at"], row["seq"], row["incident_id"], row["since"])
        remember(states[row["area"]], Kind.OUTAGE, row["device_id"], None, restored)
    for row in await connection.fetch(_WAITING, names):
        states[row["area"]].waiting[row["report_id"]] = _report(row, rules.trusted_lag)
    for area, aside in await load_acts(connection, states, rules.restored_memory):
        incident = _incident(aside)
        incident.merged_into = aside["merged_into"]
        incident.order = None if aside["body"] is None else OrderVersion.model_validate_json(aside["body"])
        states[area].set_aside[incident.incident_id] = incident
    await _load_plans_answers(connection, states)
    return states


async def _load_members(connection: Connection, states: Mapping[str, AreaState], only: UUID | None) -> None:
    """Put into the open incidents of each area their reports, or the one of them that is looked at.

    Postgres hears of us meanwhile: reading those of an outage that a hundred thousand reported takes longer than it
    lets a session be silent in a transaction, and who starts would never be done with it.
    """
    asked = (_REPORTS, list(states)) if only is None else (_ONE_REPORT, list(states), only)
    for place, row in enumerate(await connection.fetch(*asked), start=1):
        _take_in(states[row["area"]], row)
        if place % _READ_AT_ONCE == 0:
            await connection.execute("SELECT")


async def _load_plans_answers(connection: Connection, states: Mapping[str, AreaState]) -> None:
    """Put into each area the reports that its planned outages answer, by whoever said so; else no query."""
    accepted = [
        report
        for state in states.values()
        for done in state.commands.values()
        if done.action is CommandAction.ACCEPT_PLAN
        for report, _ in done.moves
    ]
    known = [planned for state in states.values() for planned in state.planned.known]
    for query, wanted in ((_COVERED, accepted), (_ANSWERED, known)):
        for row in await connection.fetch(query, wanted) if wanted else ():
            state = states[row["area"]]
            planned = row["planned_id"]
            reports = state.covered if planned is None else state.answered.setdefault(planned, {})
            reports[row["report_id"]] = _report(row, state.rules.trusted_lag)


def _incident(row: asyncpg.Record) -> Incident:
    return Incident(
        incident_id=row["incident_id"],
        order_id=row["order_id"],
        kind=Kind(row["kind"]),
        device=DeviceRef(
            id=row["device_id"], type=row["device_type"], feeder=row["feeder"], lat=row["lat"], lon=row["lon"]
        ),
        customers_served=row["customers_served"],
        opened_seq=row["opened_seq"],
        since_seq=row["since_seq"],
        premises=row["premises"],
        related_to=row["related_to"],
        state=IncidentState(row["state"]),
        continues=row["continues"],
        out_since=row["out_since"],
        relook=None
        if row["relook_timer"] is None
        else Relook(row["relook_timer"], row["relook_due_at"], row["relook_since"], row["relook_step"]),
        hold=None if row["hold_timer"] is None else Hold(row["hold_timer"], row["hold_due_at"]),
        stage=None if row["stage"] is None else ProgressStage(row["stage"]),
        stage_at=row["stage_at"],
        etr=etr_of(row["etr"]),
        cause=row["cause"],
        revision=row["revision"],
        pinned=row["pinned"],
        also=tuple(row["also"]),
        also_premises=tuple(row["also_premises"]),
        arrived_at=row["arrived_at"],
        breached=tuple(row["breached"]),
        suggested_at=row["suggested_at"],
        proposed_device=row["proposed_device"],
        network_change=None if row["network_change"] is None else NetworkChange(row["network_change"]),
        network=row["network"],
        told=tuple(row["told"]),
        settled_plans=tuple(row["settled_plans"]),
        covered_by=row["covered_by"],
        _begun=row["opened_at"],
    )


def _take_in(state: AreaState, row: asyncpg.Record) -> None:
    report = _report(row, state.rules.trusted_lag)
    incident = state.incidents[row["incident_id"]]
    incident.add(report)
    state.members[report.report_id] = incident.incident_id


def _report(row: asyncpg.Record, trusted_lag: timedelta) -> Report:
    return Report(
        report_id=row["report_id"],
        ticket_id=row["ticket_id"],
        ticket_ref=row["ticket_ref"],
        contact_id=row["contact_id"],
        channel=Channel(row["channel"]),
        device=row["device_id"],
        feeder=row["feeder"],
        account_id=row["account_id"],
        customer_class=CustomerClass(row["customer_class"]),
        suspended=row["suspended"],
        hazards=tuple(row["hazards"]),
        single_premise=row["single_premise"],
        unconfirmed=row["unconfirmed"],
        lat=row["lat"],
        lon=row["lon"],
        address=row["address"],
        language=row["language"],
        recipient=None if row["recipient"] is None else Recipient.model_validate_json(row["recipient"]),
        reported_at=row["reported_at"],
        received_at=row["received_at"],
        kept_back=row["kept_back"],
        made_at=made_at(row["reported_at"], row["received_at"], trusted_lag, kept_back=row["kept_back"]),
    )
