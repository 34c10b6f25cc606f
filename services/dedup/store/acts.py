"""Commands with their undo data, planned outages and last readings, in Postgres."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import TypeAdapter

from services.contracts.values import CommandAction, Reading
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.done import Done
from services.dedup.domain.planned import Planned
from services.dedup.domain.telemetry import Known, subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from services.contracts.messages import OutageCommanded
    from services.dedup.domain.state import AreaState
    from services.runtime.postgres import Connection

_DONE: Final[TypeAdapter[Done]] = TypeAdapter(Done)

_LATER: Final = {CommandAction.ACCEPT_PLAN, CommandAction.DECLINE_PLAN}
"""Actions that the release before does not know."""
_UNDOABLE: Final = (
    "SELECT area, undo FROM command WHERE area = ANY($1::text[]) AND (undoable OR undoable_plan) ORDER BY area, seq"
)
_ASIDE: Final = """
SELECT i.*, (
    SELECT v.body FROM order_version AS v WHERE v.order_id = i.order_id ORDER BY v.version DESC LIMIT 1
) AS body
FROM incident AS i WHERE i.incident_id = ANY($1::uuid[]) AND i.state = 'cancelled'
"""
_PLANNED: Final = """
SELECT p.* FROM planned_outage AS p LEFT JOIN area AS a USING (area)
WHERE p.area = ANY($1::text[]) AND (a.latest IS NULL OR p.ends_at >= a.latest - $2::interval)
ORDER BY p.planned_id
"""
# An older release took a clock's year 1 for a time, which Postgres keeps as infinitely long ago.
_READINGS: Final = "SELECT * FROM telemetry WHERE area = ANY($1::text[]) AND isfinite(at) AND isfinite(since)"

_ELSEWHERE: Final = "SELECT * FROM outage_elsewhere WHERE area = ANY($1::text[])"
_NOTE_ELSEWHERE: Final = """
INSERT INTO outage_elsewhere (area, device_id, incident_id, home, since) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (area, device_id) DO UPDATE
SET incident_id = excluded.incident_id, home = excluded.home, since = excluded.since
"""
_FORGET_ELSEWHERE: Final = "DELETE FROM outage_elsewhere WHERE area = $1 AND incident_id = $2"

_COMMANDS: Final = """
INSERT INTO command
    (command_id, area, action, subject, body, author, accepted_at, outcome, wrong, decided_at, seq)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::jsonb[], $6::text[], $7::timestamptz[], $8::text[], $9::jsonb[],
    $10::timestamptz[], $11::bigint[]
)
ON CONFLICT (command_id) DO UPDATE SET
    outcome = excluded.outcome, wrong = excluded.wrong, decided_at = excluded.decided_at, seq = excluded.seq
"""
_KEEP_UNDO: Final = """
UPDATE command SET incidents = $2::uuid[], undo = $3::jsonb, undoable = NOT $4, undoable_plan = $4
WHERE command_id = $1
"""
_UNDONE: Final = "UPDATE command SET undoable = false, undoable_plan = false, undone_by = $2 WHERE command_id = $1"
# Not those of which ``Done.outlives_its_incident`` is true.
_GONE: Final = """
UPDATE command SET undoable = false, undoable_plan = false
WHERE (undoable OR undoable_plan) AND area = ANY($1::text[]) AND incidents && $2::uuid[]
  AND NOT (action = 'accept_plan' AND undo -> 'closed' = '[]'::jsonb)
"""
_SET_PLANNED: Final = """
INSERT INTO planned_outage
    (planned_id, area, device_id, starts_at, ends_at, author, reason, revision, cancelled, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (planned_id) DO UPDATE SET
    device_id = excluded.device_id, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    author = excluded.author, reason = excluded.reason, revision = excluded.revision,
    cancelled = excluded.cancelled, changed_at = excluded.changed_at
"""
_ANSWER: Final = "INSERT INTO plan_answer (planned_id, report_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_ANSWERS_NOBODY: Final = "DELETE FROM plan_answer WHERE planned_id = ANY($1::uuid[])"
_ANSWERS_NO_LONGER: Final = "DELETE FROM plan_answer WHERE planned_id = $1 AND report_id = $2"
_NOTE: Final = """
INSERT INTO telemetry (area, subject, device_id, reading, at, since, source)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[]
)
ON CONFLICT (area, subject) DO UPDATE SET
    device_id = excluded.device_id, reading = excluded.reading, at = excluded.at, since = excluded.since,
    source = excluded.source
"""
_STORM: Final = """
INSERT INTO storm (area, began_at, per_hour, usual_per_hour, reports, rules_hash) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (area, began_at) DO NOTHING
"""
_CALM: Final = "UPDATE storm SET ended_at = $3 WHERE area = $1 AND began_at = $2"


async def load_acts(
    connection: Connection, states: Mapping[str, AreaState], memory: timedelta
) -> list[tuple[str, asyncpg.Record]]:
    """Put into each area what people, meters and breakers did; return the rows of the incidents set aside.

    Args:
        connection: Inside the batch's transaction.
        states: The areas, with their open incidents.
        memory: How long after its end a planned outage can still answer a report.
    """
    names = list(states)
    wanted: dict[UUID, str] = {}
    for row in await connection.fetch(_UNDOABLE, names):
        done = _DONE.validate_json(row["undo"])
        states[row["area"]].commands[done.command_id] = done
        wanted.update((closed.incident_id, row["area"]) for closed in done.closed)
    for row in await connection.fetch(_PLANNED, names, memory):
        said = {name: row[name] for name in ("planned_id", "starts_at", "ends_at", "author", "reason", "revision")}
        states[row["area"]].planned.set(Planned(device=row["device_id"], cancelled=row["cancelled"], **said))
    for row in await connection.fetch(_READINGS, names):
        state = states[row["area"]]
        known = Known(row["at"], Reading(row["reading"]), row["device_id"], row["since"])
        state.telemetry.install(row["subject"], known, state.upstream(row["device_id"]))
    for row in await connection.fetch(_ELSEWHERE, names):
        outage = a.Elsewhere(row["incident_id"], row["home"], row["device_id"], row["since"])
        states[row["area"]].elsewhere[row["device_id"]] = outage
    rows = await connection.fetch(_ASIDE, list(wanted)) if wanted else []
    return [(wanted[row["incident_id"]], row) for row in rows]


_NO_ACT: Final = (e.ReportJoined, e.IncidentOpened, e.OrderIssued, e.OrderUpdated, e.ReportMoved, e.TimerSet)
"""What nearly all events of a batch are: seen first, so that they are not asked what else they could be."""

_ANSWERS: Final = (e.ReportAnswered, pa.CoverMoved, pa.AnswerOver, pa.ReportUncovered)
_ENDS: Final = (e.IncidentRestored, e.IncidentAbsorbed, a.IncidentSetAside, pa.IncidentUncovered, pa.AcceptanceOver)


@dataclass(slots=True)
class ActRows:
    """The rows of a batch's acts."""

    now: datetime
    commands: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    done: dict[UUID, Done] = field(default_factory=dict)
    undone: dict[UUID, UUID | None] = field(default_factory=dict)
    gone: dict[UUID, str] = field(default_factory=dict)
    planned: list[tuple[Any, ...]] = field(default_factory=list)
    anew: list[UUID] = field(default_factory=list)
    answers: dict[tuple[UUID, UUID], bool] = field(default_factory=dict)
    readings: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    storms: list[tuple[Any, ...]] = field(default_factory=list)
    calms: list[tuple[Any, ...]] = field(default_factory=list)
    elsewhere: list[tuple[str, a.ElsewhereNoted | a.ElsewhereOver]] = field(default_factory=list)

    def take(self, area: str, event: e.Event, state: AreaState) -> None:
        """Turn one event into rows."""
        if isinstance(event, _NO_ACT):
            return
        if isinstance(event, a.CommandDone):
            self._command(event, "done", None, event.done.seq)
            if event.done.incidents:
                self.done[event.done.command_id] = event.done
            if event.undoes is not None:
                self.undone[event.undoes] = event.command.command_id
        elif isinstance(event, a.CommandRefused):
            wrong = [{"field": one.field, "reason": one.reason} for one in event.wrong]
            self._command(event, "refused", orjson.dumps(wrong).decode(), None)
        elif isinstance(event, _ENDS):
            self._ended(area, event)
        elif isinstance(event, (a.ElsewhereNoted, a.ElsewhereOver)):
            self.elsewhere.append((area, event))
        else:
            self._noted(area, event, state)

    def _ended(self, area: str, event: e.Event) -> None:
        """Note what is gone for good, so that commands about it cannot be undone any more."""
        gone: UUID | None = None
        if isinstance(event, pa.AcceptanceOver):
            self.undone[event.command_id] = event.by
            gone = event.gone
        elif isinstance(event, a.IncidentSetAside):
            gone = event.incident_id if event.successor is None or not event.returns else None
        elif isinstance(event, pa.IncidentUncovered):
            gone = None if event.into is None else event.incident_id
        elif isinstance(event, (e.IncidentRestored, e.IncidentAbsorbed)):
            gone = event.incident_id
        if gone is not None:
            self.gone[gone] = area

    def _noted(self, area: str, event: e.Event, state: AreaState) -> None:
        if isinstance(event, pa.PlannedSet):
            one = event.planned
            if event.anew:
                self.anew.append(one.planned_id)
                self.answers = {pair: now for pair, now in self.answers.items() if pair[0] != one.planned_id}
            self.planned.append(
                (
                    *(one.planned_id, area, one.device, one.starts_at, one.ends_at, one.author, one.reason),
                    *(one.revision, one.cancelled, self.now),
                )
            )
        elif isinstance(event, pa.AcceptanceNarrowed):
            self.done[event.done.command_id] = event.done
        elif isinstance(event, _ANSWERS):
            self._answered(event)
        elif isinstance(event, a.TelemetryNoted):
            subject = subject_of(event.telemetry)
            known = state.telemetry.known[subject]
            row = (area, subject, known.device, known.reading.value, known.at, known.since, event.telemetry.source)
            self.readings[area, subject] = row
        else:
            self._storm(area, event, state)

    def _answered(self, event: e.ReportAnswered | pa.CoverMoved | pa.AnswerOver | pa.ReportUncovered) -> None:
        """Note which planned outage answers a report, and which does no longer."""
        key = event.report.report_id
        if isinstance(event, (pa.AnswerOver, pa.ReportUncovered)):
            if event.planned_id is not None:
                self.answers[event.planned_id, key] = False
            return
        if isinstance(event, pa.CoverMoved):
            if event.instead_of is None:
                return
            self.answers[event.instead_of, key] = False
        if event.planned is not None:
            self.answers[event.planned.planned_id, key] = True

    def _storm(self, area: str, event: e.Event, state: AreaState) -> None:
        if isinstance(event, a.StormBegan):
            figures = event.per_hour, event.usual_per_hour, event.reports
            self.storms.append((area, event.at, *figures, state.rules.hash))
        elif isinstance(event, a.StormEnded):
            self.calms.append((area, event.began_at, event.at))

    def _command(
        self, event: a.CommandDone | a.CommandRefused, outcome: str, wrong: str | None, seq: int | None
    ) -> None:
        said = event.command
        self.commands[said.command_id] = (
            *(said.command_id, said.area, said.action.value, subject(said), said.model_dump_json(exclude_none=True)),
            *(said.author, said.accepted_at, outcome, wrong, self.now, seq),
        )

    async def save(self, tx: Connection) -> None:
        """Write them: nothing where nobody acted."""
        if self.commands:
            await tx.execute(_COMMANDS, *map(list, zip(*self.commands.values(), strict=True)))
        if self.done:
            kept = [
                (key, list(one.incidents), _DONE.dump_json(one).decode(), one.action in _LATER)
                for key, one in self.done.items()
            ]
            await tx.executemany(_KEEP_UNDO, kept)
        if self.gone:
            await tx.execute(_GONE, list(set(self.gone.values())), list(self.gone))
        if self.undone:
            await tx.executemany(_UNDONE, list(self.undone.items()))
        if self.planned:
            await tx.executemany(_SET_PLANNED, self.planned)
        await self._save_answers(tx)
        await self._save_elsewhere(tx)
        if self.readings:
            await tx.execute(_NOTE, *map(list, zip(*self.readings.values(), strict=True)))
        if self.storms:
            await tx.executemany(_STORM, self.storms)
        if self.calms:
            await tx.executemany(_CALM, self.calms)

    async def _save_answers(self, tx: Connection) -> None:
        """Write which planned outage answers what; hardly ever any."""
        if self.anew:
            await tx.execute(_ANSWERS_NOBODY, self.anew)
        for answers, statement in ((True, _ANSWER), (False, _ANSWERS_NO_LONGER)):
            if pairs := [pair for pair, now in self.answers.items() if now is answers]:
                await tx.executemany(statement, pairs)

    async def _save_elsewhere(self, tx: Connection) -> None:
        """Write what other areas said, in their order; hardly ever any."""
        for area, event in self.elsewhere:
            if isinstance(event, a.ElsewhereOver):
                await tx.execute(_FORGET_ELSEWHERE, area, event.incident_id)
            else:
                one = event.outage
                await tx.execute(_NOTE_ELSEWHERE, area, one.device, one.incident_id, one.home, one.since)


def subject(said: OutageCommanded) -> UUID:
    """Return what a command is about: of one thing, one command at a time is undecided."""
    found = said.incident_id or said.planned_id or said.undoes or (said.reports[0] if said.reports else said.target_id)
    return found or said.command_id
