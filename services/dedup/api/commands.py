"""Dispatchers' commands: merge, split, move, confirm, relate, place, undo.

Decided here: that a command is based on a known revision (``If-Match``), and the response. A command goes into the
area's topic like everything that can change an incident; the endpoint waits a moment for its result. Never here:
whether it can be carried out.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.ids import derive
from services.contracts.messages import OutageCommanded
from services.contracts.topics import OUTAGE_INPUT
from services.contracts.values import CommandAction, Name, Text
from services.dedup.api.pages import After, cut, read_cursor
from services.dedup.keys import Scope
from services.dedup.store import people, views
from services.runtime import clock
from services.runtime.handling import Publication
from services.runtime.http import FieldProblem, Problem
from services.runtime.keys import Holder, let_in
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from services.runtime.keys import KeyRing
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Connection, Pool

_LOOKS_SECONDS: Final = (0.01, 0.02, 0.03, 0.05, 0.1)
_CLOSED: Final = frozenset({"restored", "cancelled"})
_SAID_AS: Final = {"merge": {"target_id": "into"}, "move": {"target_id": "to"}, "relate": {"target_id": "to"}}
"""What a field of the topic's command is called in the request of an action."""
IfMatch = Annotated[str | None, Header(alias="If-Match", description='The ETag you saw, "12"; * for whatever it is')]
Trace = Annotated[str | None, Header()]
Wait = Annotated[float, Query(ge=0, le=30, description="Seconds to wait for what comes of it; then 202")]


class Said(BaseModel):
    """What every command says."""

    model_config = ConfigDict(extra="forbid")

    command_id: Name = Field(
        description="Your own id of this command, a UUID or any text: the same again changes nothing"
    )
    reason: Text = Field(min_length=1, description="Why, for the ledger")
    by: Name | None = Field(default=None, description="The person, where the key is of a whole desk")


class Merge(Said):
    """All reports go to another incident."""

    into: UUID


class Split(Said):
    """Some reports become an incident of their own."""

    reports: list[UUID] = Field(min_length=1, max_length=5000)
    device: Name | None = Field(default=None, description="Where it is; the lowest device above the reports if absent")


class Move(Said):
    """Some reports go to another incident."""

    reports: list[UUID] = Field(min_length=1, max_length=5000)
    to: UUID


class Confirm(Said):
    """It is there, and stays there."""

    device: Name | None = Field(default=None, description="Where it is, if elsewhere than predicted")


class Relate(Said):
    """It has to do with another incident."""

    to: UUID


class AboutPlan(Said):
    """It is the work of a planned outage, or is not."""

    planned_id: UUID = Field(description="As the incident's `proposed_plan` says")


class PlaceReport(Said):
    """Where a report that waits belongs."""

    device: Name


class CommandView(BaseModel):
    """A command and what came of it."""

    command_id: UUID
    area: str
    action: CommandAction
    subject: UUID = Field(description="Incident, report, planned outage or command it is about")
    author: str
    reason: str
    accepted_at: datetime
    outcome: str | None = Field(description="done or refused; absent until decided")
    wrong: list[FieldProblem] = Field(description="Why it was refused")
    decided_at: datetime | None
    undoable: bool
    undone_by: UUID | None


class CommandPage(BaseModel):
    """Commands, newest first."""

    commands: list[CommandView]
    next: str | None = Field(description="Give it as `after` for the next page; null on the last")


class Desk:
    """Accepts commands."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def give(
        self, command: OutageCommanded, response: Response, wait: float, trace: str | None, seen: Seen | None = None
    ) -> CommandView:
        """Publish a command once, and tell what came of it.

        Raises:
            Problem: 409 it was refused, 412 the thing was changed meanwhile, 422 the id was used for another command.
        """
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                known = await people.command_of(connection, command.command_id)
                if known is None:
                    if seen is not None:
                        await seen.check(connection)
                    if await people.give(connection, command):
                        publication = Publication(OUTAGE_INPUT, command, trace)
                        await self._outbox.publish(connection, [publication], command.accepted_at)
                    else:
                        known = await people.command_of(connection, command.command_id)
                        if known is None:
                            raise Problem(412, "another command about it is being decided: look again, then act")
        if known is not None:
            _same(known, command)
        self._outbox.wake()
        return await self._outcome(command.command_id, response, wait)

    async def _outcome(self, command_id: UUID, response: Response, wait: float) -> CommandView:
        until, looks = clock.monotonic() + wait, 0
        while True:
            with translated():
                async with self._pool.acquire() as connection:
                    row = await people.command_of(connection, command_id)
            if row is None:
                raise AssertionError("a command that was accepted is kept")
            if row["outcome"] is not None or clock.monotonic() >= until:
                break
            await asyncio.sleep(_LOOKS_SECONDS[min(looks, len(_LOOKS_SECONDS) - 1)])
            looks += 1
        shown = view(row)
        if shown.outcome == "refused":
            raise Problem(
                409, "the command was refused and changed nothing", errors=[one.model_dump() for one in shown.wrong]
            )
        response.status_code = 200 if shown.outcome else 202
        response.headers["Location"] = f"/v1/commands/{command_id}"
        return shown


class Seen:
    """An incident or planned outage as a person saw it, by its ETag."""

    def __init__(self, table: str, key: UUID, if_match: str | None) -> None:
        if if_match is None:
            raise Problem(428, "If-Match is required: the ETag of the GET, or * for any revision")
        self._sql = _REVISION[table]
        self._key = key
        self._tag = if_match.strip()

    async def check(self, connection: Connection) -> None:
        """Refuse a command on something that changed since it was seen.

        Raises:
            Problem: it was changed.
        """
        revision = await connection.fetchval(self._sql, self._key)
        if self._tag not in {"*", f'"{revision}"'}:
            now = {"ETag": f'"{revision}"'}
            raise Problem(412, f"it was changed since you looked: it is at revision {revision}", headers=now)


@dataclass(frozen=True, slots=True)
class Hand:
    """Who gives a command, and how they hear what came of it: what every door of a dispatcher takes."""

    desk: Desk
    holder: Holder[Scope]
    response: Response
    trace: str | None
    wait: float

    async def give(
        self, said: Said, area: str, action: CommandAction, seen: Seen | None = None, **told: Any
    ) -> CommandView:
        """Give a command of this dispatcher about ``area``; see ``Desk.give``."""
        command = OutageCommanded(
            area=area,
            command_id=command_id(said.command_id),
            action=action,
            author=author(self.holder, said),
            reason=said.reason,
            accepted_at=clock.now(),
            **told,
        )
        return await self.desk.give(command, self.response, self.wait, self.trace, seen)


def hand_of(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> Any:
    """Return the dependency of a dispatcher's door."""
    dispatcher = Depends(let_in(keys, Scope.DISPATCHER))

    def hand(response: Response, holder: Holder[Scope] = dispatcher, traceparent: Trace = None, wait: Wait = 5) -> Hand:
        return Hand(desk, holder, response, traceparent, wait)

    return Depends(hand)


_REVISION: Final = {
    "incident": "SELECT revision FROM incident WHERE incident_id = $1",
    "planned": "SELECT revision FROM planned_outage WHERE planned_id = $1",
}


def author(holder: Holder[Scope], said: Said) -> str:
    """Return who acts: the key's holder, and the person where the key is of a desk."""
    return holder.name if said.by is None else f"{holder.name}/{said.by}"[:200]


def command_id(given: str) -> UUID:
    """Return the id of a command: the UUID given, or one of the text."""
    try:
        return UUID(given)
    except ValueError:
        return derive("command", given)


def view(row: asyncpg.Record) -> CommandView:
    """Show a command."""
    body = json.loads(row["body"])
    names = _SAID_AS.get(row["action"], {})
    told = [FieldProblem(**one) for one in json.loads(row["wrong"] or "[]")]
    wrong = [one.model_copy(update={"field": names.get(one.field, one.field)}) for one in told]
    same = {name: row[name] for name in CommandView.model_fields if name not in {"reason", "wrong"}}
    return CommandView(**same, reason=body["reason"], wrong=wrong)


def _same(known: asyncpg.Record, command: OutageCommanded) -> None:
    own = {"accepted_at"}
    said, before = json.loads(command.model_dump_json(exclude_none=True)), json.loads(known["body"])
    if {k: v for k, v in said.items() if k not in own} != {k: v for k, v in before.items() if k not in own}:
        errors = [{"field": "command_id", "reason": "was used for another command"}]
        raise Problem(422, "some fields do not fit", errors=errors)


async def _open_incident(pool: Pool, key: UUID) -> asyncpg.Record:
    """Return an open incident.

    Raises:
        Problem: 404 there is none, 409 it is closed, with where its reports are now.
    """
    with translated():
        async with pool.acquire() as connection:
            row = await views.incident_of(connection, key, clock.now())
            live = None if row is None else await views.successor_of(connection, key)
    if row is None:
        raise Problem(404, f"no incident {key}")
    if row["state"] in _CLOSED:
        where = f"was merged into {live}" if row["merged_into"] else f"is {row['state']}"
        if row["covered_by"]:
            where = f"is closed, as planned outage {row['covered_by']} answers its reports"
        headers = {"Location": f"/v1/incidents/{live}"} if row["merged_into"] else {}
        errors = [{"field": "incident_id", "reason": where}]
        raise Problem(409, f"incident {key} {where}", errors=errors, headers=headers)
    return row


async def _other(pool: Pool, area: str, key: UUID, field: str, *, anywhere: bool = False) -> None:
    try:
        row = await _open_incident(pool, key)
    except Problem as problem:
        raise Problem(409, "the command was refused", errors=[{"field": field, "reason": problem.detail}]) from None
    if row["area"] != area and not anywhere:
        reason = f"incident {key} is in area {row['area']}, this one in {area}: relate them instead"
        raise Problem(409, "the command was refused", errors=[{"field": field, "reason": reason}])


def command_doors(pool: Pool, outbox: Outbox, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:  # noqa: C901, PLR0915 - one door an action
    """Make the doors."""
    router = APIRouter(tags=["dispatching"])
    dispatcher = hand_of(Desk(pool, outbox), keys)
    may_read = Depends(let_in(keys, Scope.READ))

    async def repeated(said: Said) -> asyncpg.Record | None:
        with translated():
            async with pool.acquire() as connection:
                return await people.command_of(connection, command_id(said.command_id))

    async def about(key: UUID, said: Said) -> str:
        """Return the area of an incident to act on; of a command given again, that of the first time."""
        known = await repeated(said)
        return str(known["area"]) if known is not None else str((await _open_incident(pool, key))["area"])

    @router.post("/incidents/{incident_id}/merge", summary="Merge it into another incident")
    async def merge(incident_id: UUID, said: Merge, by: Hand = dispatcher, if_match: IfMatch = None) -> CommandView:
        seen = Seen("incident", incident_id, if_match)
        area = await about(incident_id, said)
        if await repeated(said) is None:
            await _other(pool, area, said.into, "into")
        return await by.give(said, area, CommandAction.MERGE, seen, incident_id=incident_id, target_id=said.into)

    @router.post("/incidents/{incident_id}/split", summary="Split reports off it into a new incident")
    async def split(incident_id: UUID, said: Split, by: Hand = dispatcher, if_match: IfMatch = None) -> CommandView:
        seen = Seen("incident", incident_id, if_match)
        area = await about(incident_id, said)
        told = {"incident_id": incident_id, "reports": tuple(said.reports), "device": said.device}
        return await by.give(said, area, CommandAction.SPLIT, seen, **told)

    @router.post("/incidents/{incident_id}/move", summary="Move reports of it to another incident")
    async def move(incident_id: UUID, said: Move, by: Hand = dispatcher, if_match: IfMatch = None) -> CommandView:
        seen = Seen("incident", incident_id, if_match)
        area = await about(incident_id, said)
        if await repeated(said) is None:
            await _other(pool, area, said.to, "to")
        told = {"incident_id": incident_id, "target_id": said.to, "reports": tuple(said.reports)}
        return await by.give(said, area, CommandAction.MOVE, seen, **told)

    @router.post("/incidents/{incident_id}/confirm", summary="Confirm its device, or set another")
    async def confirm(
        incident_id: UUID,
        said: Confirm,
        by: Hand = dispatcher,
        if_match: IfMatch = None,
    ) -> CommandView:
        seen = Seen("incident", incident_id, if_match)
        area = await about(incident_id, said)
        return await by.give(said, area, CommandAction.CONFIRM, seen, incident_id=incident_id, device=said.device)

    @router.post("/incidents/{incident_id}/relate", summary="Relate it to another, without merging")
    async def relate(incident_id: UUID, said: Relate, by: Hand = dispatcher, if_match: IfMatch = None) -> CommandView:
        seen = Seen("incident", incident_id, if_match)
        area = await about(incident_id, said)
        if await repeated(said) is None:
            await _other(pool, area, said.to, "to", anywhere=True)
        return await by.give(said, area, CommandAction.RELATE, seen, incident_id=incident_id, target_id=said.to)

    @router.post("/incidents/{incident_id}/accept-plan", summary="Let a planned outage answer its reports")
    async def accept_plan(
        incident_id: UUID, said: AboutPlan, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        return await about_plan(incident_id, said, by, if_match, CommandAction.ACCEPT_PLAN)

    @router.post("/incidents/{incident_id}/decline-plan", summary="Say that it is not that planned outage")
    async def decline_plan(
        incident_id: UUID, said: AboutPlan, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        return await about_plan(incident_id, said, by, if_match, CommandAction.DECLINE_PLAN)

    async def about_plan(
        incident_id: UUID, said: AboutPlan, by: Hand, if_match: str | None, action: CommandAction
    ) -> CommandView:
        seen = Seen("incident", incident_id, if_match)
        area = await about(incident_id, said)
        return await by.give(said, area, action, seen, incident_id=incident_id, planned_id=said.planned_id)

    @router.post("/reports/{report_id}/place", summary="Place a waiting report at a device")
    async def place(report_id: UUID, said: PlaceReport, by: Hand = dispatcher) -> CommandView:
        with translated():
            async with pool.acquire() as connection:
                report = await views.report_of(connection, report_id)
                area = await people.area_of_device(connection, said.device)
        if report is None:
            raise Problem(404, f"no report {report_id} has come to dedup")
        if area is not None and area != report["area"]:
            reason = f"device {said.device!r} is in area {area}, the report waits in {report['area']}"
            raise Problem(409, "the command was refused", errors=[{"field": "device", "reason": reason}])
        return await by.give(said, report["area"], CommandAction.PLACE, reports=(report_id,), device=said.device)

    @router.post("/commands/{undone}/undo", summary="Undo a command")
    async def undo(undone: UUID, said: Said, by: Hand = dispatcher) -> CommandView:
        with translated():
            async with pool.acquire() as connection:
                known = await people.command_of(connection, undone)
        if known is None:
            raise Problem(404, f"no command {undone} was ever given here")
        return await by.give(said, known["area"], CommandAction.UNDO, undoes=undone)

    @router.get("/commands/{key}", dependencies=[may_read], summary="A command and its result")
    async def one(key: UUID) -> CommandView:
        with translated():
            async with pool.acquire() as connection:
                row = await people.command_of(connection, key)
        if row is None:
            raise Problem(404, f"no command {key} was ever given here")
        return view(row)

    @router.get("/commands", dependencies=[may_read], summary="Commands, newest first")
    async def several(
        about: Annotated[UUID | None, Query(description="Only about this incident, report or planned outage")] = None,
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> CommandPage:
        since = read_cursor(after)
        with translated():
            async with pool.acquire() as connection:
                rows = await people.commands_about(connection, about, since, limit + 1)
        page, following = cut(rows, limit, "accepted_at", "command_id")
        return CommandPage(commands=[view(row) for row in page], next=following)

    return router
