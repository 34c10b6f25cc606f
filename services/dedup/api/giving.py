"""How a dispatcher gives a command: based on what they saw, once, and told what came of it.

Decided here: that a command is based on a known revision (``If-Match``), and the response. A command goes into the
area's topic like everything that can change an incident; the endpoint waits a moment for its result. Never here:
whether it can be carried out.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from uuid import UUID

from fastapi import Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.ids import derive
from services.contracts.messages import OutageCommanded
from services.contracts.publication import Publication
from services.contracts.values import CommandAction, Name, Text
from services.dedup.keys import Scope
from services.dedup.store import commands
from services.runtime import clock
from services.runtime.etags import CHANGED, Answers, etag
from services.runtime.keys import Holder, let_in
from services.runtime.postgres import connected
from services.runtime.problems import FieldProblem, Problem, ProblemDetails

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from services.runtime.keys import KeyRing
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Connection, Pool

_LOOKS_SECONDS: Final = (0.01, 0.02, 0.03, 0.05, 0.1)
_SAID_AS: Final = {"merge": {"target_id": "into"}, "move": {"target_id": "to"}, "relate": {"target_id": "to"}}
"""What a field of the topic's command is called in the request of an action."""
IfMatch = Annotated[str | None, Header(alias="If-Match", description='The ETag you saw, "12"; * for whatever it is')]
Trace = Annotated[str | None, Header()]
Wait = Annotated[float, Query(ge=0, le=30, description="Seconds to wait for what comes of it; then 202")]


class Command(BaseModel):
    """What every command says."""

    model_config = ConfigDict(extra="forbid")

    command_id: Name = Field(
        description="Your own id of this command, a UUID or any text: the same again changes nothing"
    )
    reason: Text = Field(min_length=1, description="Why, for the ledger")
    by: Name | None = Field(default=None, description="The person, where the key is of a whole desk")


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


_WHERE: Final = {"Location": {"description": "Where its result is asked for", "schema": {"type": "string"}}}
GIVEN: Final[Answers] = {
    200: {"description": "Decided", "headers": _WHERE},
    202: {"model": CommandView, "description": "Given, and not decided within `wait`: ask again", "headers": _WHERE},
    409: {
        "model": ProblemDetails,
        "description": "Refused: it changed nothing",
        "headers": {"Location": {"description": "What it was merged into, if it was", "schema": {"type": "string"}}},
    },
    **CHANGED,
}
"""What becomes of a command."""


class Seen:
    """An incident as a person saw it, by its ETag."""

    _ROW: ClassVar = "SELECT revision FROM incident WHERE incident_id = $1"

    def __init__(self, key: UUID, if_match: str | None) -> None:
        if if_match is None:
            raise Problem(428, "If-Match is required: the ETag of the GET, or * for any revision")
        self._key = key
        self._tag = if_match.strip()

    async def check(self, connection: Connection) -> asyncpg.Record | None:
        """Refuse a command on something that changed since it was seen; return its row, if there is one.

        Raises:
            Problem: it was changed.
        """
        row = await connection.fetchrow(self._ROW, self._key)
        revision = None if row is None else row["revision"]
        if self._tag not in {"*", f'"{revision}"'}:
            now = {} if revision is None else {"ETag": etag(revision)}
            raise Problem(412, f"it was changed since you looked: it is at revision {revision}", headers=now)
        return row


class SeenPlan(Seen):
    """A planned outage as a person saw it."""

    _ROW: ClassVar = "SELECT revision, cancelled FROM planned_outage WHERE planned_id = $1"

    async def check(self, connection: Connection) -> asyncpg.Record | None:
        """Refuse a command on one that was cancelled, too: its area does, but forgets it some time after its end.

        Raises:
            Problem: it was changed or cancelled.
        """
        row = await super().check(connection)
        if row is not None and row["cancelled"]:
            wrong = {"field": "planned_id", "reason": f"planned outage {self._key} was cancelled: make a new one"}
            raise Problem(409, "the command was refused and changed nothing", errors=[wrong])
        return row


@dataclass(frozen=True, slots=True)
class Hand:
    """Who gives a command, and how they hear what came of it: what every door of a dispatcher takes."""

    pool: Pool
    outbox: Outbox
    holder: Holder[Scope]
    response: Response
    trace: str | None
    wait: float

    async def give(
        self, said: Command, area: str, action: CommandAction, seen: Seen | None = None, **told: Any
    ) -> CommandView:
        """Publish a command of this dispatcher about ``area`` once, and tell what came of it.

        Raises:
            Problem: 409 it was refused, 412 the thing was changed meanwhile, 422 the id was used for another command.
        """
        command = OutageCommanded(
            area=area,
            command_id=command_id(said.command_id),
            action=action,
            author=author(self.holder, said),
            reason=said.reason,
            accepted_at=clock.now(),
            **told,
        )
        async with connected(self.pool) as connection, connection.transaction():
            known = await commands.command_of(connection, command.command_id)
            if known is None:
                if seen is not None:
                    await seen.check(connection)
                if await commands.give(connection, command):
                    publication = Publication(command, self.trace)
                    await self.outbox.publish(connection, [publication], command.accepted_at)
                else:
                    known = await commands.command_of(connection, command.command_id)
                    if known is None:
                        raise Problem(412, "another command about it is being decided: look again, then act")
        if known is not None:
            _same(known, command)
        self.outbox.wake()
        return await self._outcome(command.command_id)

    async def _outcome(self, key: UUID) -> CommandView:
        until, looks = clock.monotonic() + self.wait, 0
        while True:
            async with connected(self.pool) as connection:
                row = await commands.command_of(connection, key)
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
        self.response.status_code = 200 if shown.outcome else 202
        self.response.headers["Location"] = f"/v1/commands/{key}"
        return shown


def hand_of(pool: Pool, outbox: Outbox, keys: Callable[[], KeyRing[Scope]]) -> Any:
    """Return the dependency of a dispatcher's door."""
    dispatcher = Depends(let_in(keys, Scope.DISPATCHER))

    async def hand(
        response: Response, holder: Holder[Scope] = dispatcher, traceparent: Trace = None, wait: Wait = 5
    ) -> Hand:
        return Hand(pool, outbox, holder, response, traceparent, wait)

    return Depends(hand)


def author(holder: Holder[Scope], said: Command) -> str:
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
    own = {"accepted_at", "planned_revision"}  # ours, when it was said first
    said, before = json.loads(command.model_dump_json(exclude_none=True)), json.loads(known["body"])
    if {k: v for k, v in said.items() if k not in own} != {k: v for k, v in before.items() if k not in own}:
        errors = [{"field": "command_id", "reason": "was used for another command"}]
        raise Problem(422, "some fields do not fit", errors=errors)
