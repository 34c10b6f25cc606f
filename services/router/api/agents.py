"""Endpoints for agents and their profiles.

Never here: a ticket for one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.contracts.values import Name, Word
from services.router import next_ticket, roster
from services.router.acting import Desk, NoSuchAgentError
from services.router.api.answers import known_queue, problem
from services.router.api.tickets import TicketView, view
from services.router.attendance import remove
from services.router.domain.routes import skills_asked
from services.router.domain.serving import ANY, Agent
from services.router.roster import Presence
from services.router.tree.keys import Scope
from services.runtime import clock
from services.runtime.keys import Holder, let_in
from services.runtime.postgres import connected
from services.runtime.problems import wrong_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.runtime.keys import KeyRing


_MOST: Final = 5000
_TOGETHER: Final = 100
"""Read and shown in one go, in which the process does nothing else: some milliseconds; half a second with 4,700."""
_Queue = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9][a-z0-9_.:-]{0,63})$")]
_Range = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)$", max_length=35)]


class Profile(BaseModel):
    """What an agent can."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    queues: list[_Queue] = Field(
        min_length=1, max_length=100, description="Queues they serve; * for every queue", examples=[["repair"]]
    )
    languages: list[_Range] = Field(
        default=["zh"], min_length=1, max_length=50, description="Language ranges (RFC 4647); * for every language"
    )
    skills: list[Name] = Field(
        default=[],
        max_length=100,
        description="Words, attribute:value, attribute:*",
        examples=[["area:S1"]],
    )
    capacity: int = Field(
        default=1, ge=0, le=50, strict=True, description="Most tickets at a time, offers and wrap-up included"
    )


class AgentView(Profile):
    """An agent, and what they are at."""

    agent_id: Name
    presence: Presence
    since: datetime
    seen_at: datetime


class AgentPut(AgentView):
    """An agent as stored, and what of it is of no use yet."""

    unasked: tuple[Name, ...] = Field(
        description="Skills that no target of the tree in force asks for: misspelt, or for a tree to come"
    )


class AgentsView(BaseModel):
    """Agents by id."""

    agents: list[AgentView]


class AgentDesk(BaseModel):
    """An agent with the tickets they have: on offer, in hand, in wrap-up."""

    agent: AgentView
    tickets: list[TicketView]


def agent_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors of agents."""
    router = APIRouter(tags=["agents"])
    reads = Depends(let_in(keys, Scope.READ))
    leads = Depends(let_in(keys, Scope.SUPERVISOR))

    @router.get("/agents", summary="Agents by id", dependencies=[reads], response_model=AgentsView)
    async def list_agents(
        presence: Annotated[Presence | None, Query(description="Any if absent")] = None,
        queue: Annotated[Word | None, Query(description="Who serves it; any if absent")] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = _MOST,
        after: Annotated[Name | None, Query(description="Id of the last agent of the page before")] = None,
    ) -> Response:
        written = await _written(desk, after or "", presence, queue, limit)
        if not written:
            known_queue(queue, desk.book.declared)
        return Response(f'{{"agents":[{",".join(written)}]}}', media_type="application/json")

    @router.get("/agents/{agent_id}", summary="An agent and their tickets", dependencies=[reads])
    async def get_agent(agent_id: Name) -> AgentDesk:
        async with connected(desk.pool) as connection:
            row = await roster.one(connection, agent_id)
            tickets = await next_ticket.in_hand(connection, agent_id)
        if row is None:
            raise problem(NoSuchAgentError())
        return AgentDesk(agent=shown(row), tickets=[view(ticket, desk.rules()) for ticket in tickets])

    @router.put("/agents/{agent_id}", summary="Set an agent's profile", dependencies=[leads])
    async def set_agent(agent_id: Name, profile: Profile) -> AgentPut:
        """Make an agent, offline at first, or change what they can; their presence stays."""
        known = desk.book.declared
        if unknown := sorted(set(profile.queues) - {ANY, *known}):
            reason = f"{', '.join(unknown)}: no queue of the tree in force: {', '.join(known)}"
            raise wrong_field("queues", reason)
        agent = Agent.model_validate({"agent_id": agent_id, **profile.model_dump(exclude_none=True)})
        async with desk.transaction() as tx:
            await roster.put(tx, agent, clock.now())
            row = await roster.one(tx, agent_id)
        if row is None:
            raise AssertionError("it was stored in the same transaction")
        desk.bell.changed({agent_id}, {agent_id})  # who waits, waits for what they can from now on
        asked = set(skills_asked(desk.book.rules.tree.root))
        unasked = [skill for skill in agent.skills if skill not in asked and f"{skill.partition(':')[0]}:" not in asked]
        return AgentPut(**shown(row).model_dump(), unasked=tuple(unasked))

    @router.delete("/agents/{agent_id}", summary="Remove an agent", status_code=204)
    async def remove_agent(agent_id: Name, holder: Holder[Scope] = leads) -> Response:
        """Give what they have back to its place. What they did stays, under their id, which may be made anew."""
        try:
            await remove(desk, agent_id, holder.name)
        except NoSuchAgentError as error:
            raise problem(error) from None
        return Response(status_code=204)

    return router


async def _written(desk: Desk, after: str, presence: Presence | None, queue: str | None, limit: int) -> list[str]:
    """Return agents as they are shown; between one part and the next the process does other things."""
    written: list[str] = []
    async with connected(desk.looking) as connection:
        while len(written) < limit:
            some = min(_TOGETHER, limit - len(written))
            found = await roster.page(connection, after, presence, queue, some)
            written += [shown(row).model_dump_json() for row in found]
            if len(found) < some:
                break
            after = found[-1].agent.agent_id
    return written


def shown(row: roster.Row) -> AgentView:
    """Show an agent."""
    about = row.agent.model_dump()
    return AgentView(**about, presence=row.presence, since=row.since, seen_at=row.seen_at)
