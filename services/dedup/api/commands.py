"""Dispatchers' commands: merge, split, move, confirm, relate, place, undo.

Decided here: what each says, and what it may be about. Never here: how it is given (``giving``), and whether it can be
carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.contracts.values import CommandAction, Name
from services.dedup.api.giving import GIVEN, Command, CommandView, Hand, IfMatch, Seen, command_id, hand_of, view
from services.dedup.api.pages import After, cut, read_cursor
from services.dedup.keys import Scope
from services.dedup.store import commands, network, views
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.postgres import connected
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from services.runtime.keys import KeyRing
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

_CLOSED: Final = frozenset({"restored", "cancelled"})


class Merge(Command):
    """All reports go to another incident."""

    into: UUID


class Split(Command):
    """Some reports become an incident of their own."""

    reports: list[UUID] = Field(min_length=1, max_length=5000)
    device: Name | None = Field(default=None, description="Where it is; the lowest device above the reports if absent")


class Move(Command):
    """Some reports go to another incident."""

    reports: list[UUID] = Field(min_length=1, max_length=5000)
    to: UUID


class Confirm(Command):
    """It is there, and stays there."""

    device: Name | None = Field(default=None, description="Where it is, if elsewhere than predicted")


class Relate(Command):
    """It has to do with another incident."""

    to: UUID


class AboutPlan(Command):
    """It is the work of a planned outage, or is not."""

    planned_id: UUID = Field(description="As the incident's `proposed_plan` says")


class PlaceReport(Command):
    """Where a report that waits belongs."""

    device: Name


class CommandPage(BaseModel):
    """Commands, newest first."""

    commands: list[CommandView]
    next: str | None = Field(description="Give it as `after` for the next page; null on the last")


async def _open_incident(pool: Pool, key: UUID) -> asyncpg.Record:
    """Return an open incident.

    Raises:
        Problem: 404 there is none, 409 it is closed, with where its reports are now.
    """
    async with connected(pool) as connection:
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


async def _check_other(pool: Pool, area: str, field: str, key: UUID, *, anywhere: bool) -> None:
    """Refuse an incident to go to that is not open, or is in another area and not to be ``anywhere``.

    Raises:
        Problem: 409, with the field of the request that names it.
    """
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
    dispatcher = hand_of(pool, outbox, keys)
    may_read = Depends(let_in(keys, Scope.READ))

    async def about(key: UUID, said: Command, *others: tuple[str, UUID], anywhere: bool = False) -> str:
        """Return the area of an incident to act on; of a command given again, that of the first time.

        ``others`` are checked with it: open incidents by the field of the request, in that area or ``anywhere``.
        """
        async with connected(pool) as connection:
            known = await commands.command_of(connection, command_id(said.command_id))
        if known is not None:
            return str(known["area"])
        area = str((await _open_incident(pool, key))["area"])
        for field, other in others:
            await _check_other(pool, area, field, other, anywhere=anywhere)
        return area

    @router.post("/incidents/{incident_id}/merge", summary="Merge it into another incident", responses=GIVEN)
    async def merge_incident(
        incident_id: UUID, said: Merge, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        seen = Seen(incident_id, if_match)
        area = await about(incident_id, said, ("into", said.into))
        return await by.give(said, area, CommandAction.MERGE, seen, incident_id=incident_id, target_id=said.into)

    @router.post("/incidents/{incident_id}/split", summary="Split reports off it into a new incident", responses=GIVEN)
    async def split_incident(
        incident_id: UUID, said: Split, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        seen = Seen(incident_id, if_match)
        area = await about(incident_id, said)
        told = {"incident_id": incident_id, "reports": tuple(said.reports), "device": said.device}
        return await by.give(said, area, CommandAction.SPLIT, seen, **told)

    @router.post("/incidents/{incident_id}/move", summary="Move reports of it to another incident", responses=GIVEN)
    async def move_reports(
        incident_id: UUID, said: Move, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        seen = Seen(incident_id, if_match)
        area = await about(incident_id, said, ("to", said.to))
        told = {"incident_id": incident_id, "target_id": said.to, "reports": tuple(said.reports)}
        return await by.give(said, area, CommandAction.MOVE, seen, **told)

    @router.post("/incidents/{incident_id}/confirm", summary="Confirm its device, or set another", responses=GIVEN)
    async def confirm_device(
        incident_id: UUID,
        said: Confirm,
        by: Hand = dispatcher,
        if_match: IfMatch = None,
    ) -> CommandView:
        seen = Seen(incident_id, if_match)
        area = await about(incident_id, said)
        return await by.give(said, area, CommandAction.CONFIRM, seen, incident_id=incident_id, device=said.device)

    @router.post("/incidents/{incident_id}/relate", summary="Relate it to another, without merging", responses=GIVEN)
    async def relate_incidents(
        incident_id: UUID, said: Relate, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        seen = Seen(incident_id, if_match)
        area = await about(incident_id, said, ("to", said.to), anywhere=True)
        return await by.give(said, area, CommandAction.RELATE, seen, incident_id=incident_id, target_id=said.to)

    @router.post(
        "/incidents/{incident_id}/accept-plan", summary="Let a planned outage answer its reports", responses=GIVEN
    )
    async def accept_plan(
        incident_id: UUID, said: AboutPlan, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        return await about_plan(incident_id, said, by, if_match, CommandAction.ACCEPT_PLAN)

    @router.post(
        "/incidents/{incident_id}/decline-plan", summary="Say that it is not that planned outage", responses=GIVEN
    )
    async def decline_plan(
        incident_id: UUID, said: AboutPlan, by: Hand = dispatcher, if_match: IfMatch = None
    ) -> CommandView:
        return await about_plan(incident_id, said, by, if_match, CommandAction.DECLINE_PLAN)

    async def about_plan(
        incident_id: UUID, said: AboutPlan, by: Hand, if_match: str | None, action: CommandAction
    ) -> CommandView:
        seen = Seen(incident_id, if_match)
        area = await about(incident_id, said)
        return await by.give(said, area, action, seen, incident_id=incident_id, planned_id=said.planned_id)

    @router.post("/reports/{report_id}/place", summary="Place a waiting report at a device", responses=GIVEN)
    async def place_report(report_id: UUID, said: PlaceReport, by: Hand = dispatcher) -> CommandView:
        async with connected(pool) as connection:
            report = await views.report_of(connection, report_id)
            area = await network.area_of_device(connection, said.device)
        if report is None:
            raise Problem(404, f"no report {report_id} has come to dedup")
        if report["erased_at"] is not None:
            errors = [{"field": "report_id", "reason": "erased"}]
            raise Problem(409, "its ticket was closed long ago, and its customer's data erased", errors=errors)
        if area is not None and area != report["area"]:
            reason = f"device {said.device!r} is in area {area}, the report waits in {report['area']}"
            raise Problem(409, "the command was refused", errors=[{"field": "device", "reason": reason}])
        return await by.give(said, report["area"], CommandAction.PLACE, reports=(report_id,), device=said.device)

    @router.post("/commands/{undone}/undo", summary="Undo a command", responses=GIVEN)
    async def undo_command(undone: UUID, said: Command, by: Hand = dispatcher) -> CommandView:
        async with connected(pool) as connection:
            known = await commands.command_of(connection, undone)
        if known is None:
            raise Problem(404, f"no command {undone} was ever given here")
        return await by.give(said, known["area"], CommandAction.UNDO, undoes=undone)

    @router.get("/commands/{key}", dependencies=[may_read], summary="A command and its result")
    async def get_command(key: UUID) -> CommandView:
        async with connected(pool) as connection:
            row = await commands.command_of(connection, key)
        if row is None:
            raise Problem(404, f"no command {key} was ever given here")
        return view(row)

    @router.get("/commands", dependencies=[may_read], summary="Commands, newest first")
    async def list_commands(
        about: Annotated[UUID | None, Query(description="Only about this incident, report or planned outage")] = None,
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> CommandPage:
        since = read_cursor(after)
        async with connected(pool) as connection:
            rows = await commands.commands_about(connection, about, since, limit + 1)
        page, following = cut(rows, limit, "accepted_at", "command_id")
        return CommandPage(commands=[view(row) for row in page], next=following)

    return router
