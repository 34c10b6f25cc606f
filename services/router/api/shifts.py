"""Endpoints of an agent's shift: presence, and the next ticket.

Decided here: how long a waiting request is held. Never here: which ticket is next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.values import Name
from services.router.acting import Desk, FullError, NoSuchAgentError, NotThereError
from services.router.api.agents import AgentView, shown
from services.router.api.answers import REFUSALS, author, problem
from services.router.api.tickets import TicketView, one_ticket, view
from services.router.attendance import note_beat, note_presence
from services.router.bell import spread
from services.router.domain.log import Did
from services.router.glances import next_offer
from services.router.lanes import RECENT_SECONDS
from services.router.roster import Presence
from services.router.taking import take
from services.router.tree.keys import Scope
from services.runtime import clock
from services.runtime.etags import TAGGED, etag
from services.runtime.keys import Holder, let_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.router.domain.ticket import Ticket
    from services.runtime.keys import KeyRing

_LONGEST_WAIT: Final = 30.0
_NOTHING: Final = {"description": "Nothing waits for this agent"}


class SetPresence(BaseModel):
    """Whether an agent can be given tickets."""

    model_config = ConfigDict(extra="forbid")

    presence: Presence = Field(description="offline gives back what they have")


class Claim(BaseModel):
    """What an agent claims."""

    model_config = ConfigDict(extra="forbid")

    ticket: Name | None = Field(default=None, description="Id or reference; the first in order if absent")


def shift_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors of a shift."""
    router = APIRouter(tags=["agents"])
    works = Depends(let_in(keys, Scope.AGENT))

    @router.put("/agents/{agent_id}/presence", summary="Set presence: available, away or offline", dependencies=[works])
    async def set_presence(agent_id: Name, said: SetPresence) -> AgentView:
        try:
            return shown(await note_presence(desk, agent_id, said.presence))
        except NoSuchAgentError as error:
            raise problem(error) from None

    @router.post("/agents/{agent_id}/heartbeat", summary="Heartbeat", status_code=204, dependencies=[works])
    async def send_heartbeat(agent_id: Name) -> Response:
        """Ask for an offer, or send this, more often than `presence` of desk.yaml; else the tickets go back."""
        try:
            await note_beat(desk, agent_id)
        except NoSuchAgentError as error:
            raise problem(error) from None
        return Response(status_code=204)

    @router.post(
        "/agents/{agent_id}/offers",
        summary="Wait for the next ticket",
        response_model=TicketView,
        responses={**TAGGED, 204: dict(_NOTHING)},
    )
    async def wait_for_offer(
        agent_id: Name,
        request: Request,
        response: Response,
        wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT, description="Seconds at most")] = 0.0,
        holder: Holder[Scope] = works,
    ) -> TicketView | Response:
        """Keep the next ticket for the agent until `until`: accept or decline it. 204 if none came while waiting.

        Ask again when the answer was lost: an open offer is given again.
        """
        ticket = await _awaited(desk, agent_id, author(holder, agent_id), wait, request)
        return _nothing() if ticket is None else _answer(ticket, response, desk)

    @router.post(
        "/agents/{agent_id}/claims",
        summary="Take the next ticket",
        response_model=TicketView,
        responses={**TAGGED, 204: dict(_NOTHING)},
    )
    async def claim_ticket(
        agent_id: Name, response: Response, claimed: Claim | None = None, holder: Holder[Scope] = works
    ) -> TicketView | Response:
        """Offer and accept in one: the ticket is the agent's. 204 if nothing waits for them."""
        ticket_id = None
        if claimed is not None and claimed.ticket is not None:
            ticket_id = (await one_ticket(desk.pool, claimed.ticket, "ticket")).ticket_id
        try:
            ticket = await take(desk, agent_id, Did.CLAIMED, author(holder, agent_id), ticket_id)
        except REFUSALS as error:
            raise problem(error) from None
        return _nothing() if ticket is None else _answer(ticket, response, desk)

    return router


def _answer(ticket: Ticket, response: Response, desk: Desk) -> TicketView:
    response.headers["ETag"] = etag(ticket.version)
    return view(ticket, desk.rules())


async def _awaited(desk: Desk, agent_id: str, by: str, wait: float, request: Request) -> Ticket | None:
    """Return the next ticket for an agent, as soon as there is one; nothing is kept for a desktop that has hung up."""
    ends, rung = clock.monotonic() + spread(wait, agent_id), False
    # Who waits for less than the bell takes to look what waits looks themselves.
    if wait < RECENT_SECONDS and ((ticket := await _at_once(desk, agent_id, by)) is not None or not wait):
        return ticket
    while not await request.is_disconnected():
        since = desk.bell.changes_of(agent_id)
        desk.signs[agent_id] = clock.now()
        try:
            ticket, seen = await next_offer(desk, agent_id, by, rung=rung, asked=True)
            if ticket is not None or seen is None:
                return ticket
            if seen.row.presence is not Presence.AVAILABLE:
                raise NotThereError(f"the agent is {seen.row.presence}")
        except REFUSALS as error:
            raise problem(error) from None
        left = ends - clock.monotonic()
        if not await desk.bell.wait(seen.row.agent, left, found_nothing=rung, busy=seen.busy, since=since):
            return None
        rung = not seen.busy
    desk.bell.looked(agent_id)
    return None


async def _at_once(desk: Desk, agent_id: str, by: str) -> Ticket | None:
    try:
        return await take(desk, agent_id, Did.OFFERED, by)
    except FullError:
        return None
    except REFUSALS as error:
        raise problem(error) from None


def _nothing() -> Response:
    return Response(status_code=204)
