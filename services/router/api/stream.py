"""An agent's offers as server-sent events: the same reservations as by long poll, pushed.

Decided here: what is an event, and that an open stream does not prove presence: after a pulled cable it looks open for
minutes. Never here: which ticket is next; how events are sent (``runtime.event_stream``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads the type
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Header
from fastapi.sse import format_sse_event
from pydantic import BaseModel, Field

from services.contracts.values import Name, TicketState
from services.router import store
from services.router.acting import Desk, NoSuchAgentError, NotThereError
from services.router.api.answers import author, problem
from services.router.api.tickets import view
from services.router.attendance import note_presence
from services.router.bell import spread
from services.router.domain.desk import work_of
from services.router.domain.work import Phase
from services.router.glances import next_offer
from services.router.roster import Presence
from services.router.tree.keys import Scope
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.event_stream import DESCRIBED, EventStream
from services.runtime.http import refuse_head
from services.runtime.keys import Holder, let_in
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.runtime.keys import KeyRing


_COME_AGAIN_MS: Final = 2000
"""When a desktop opens a broken stream again; well within the time after which its offer goes to the next agent."""
_OFFER_SECONDS: Final = 2.0
"""Between two looks at an open offer, although nothing was heard."""
_DATABASE_SECONDS: Final = 1.0
_log = structlog.get_logger()


class OfferEnded(BaseModel):
    """An offer of this stream that is open no more."""

    ticket_id: UUID
    ticket_ref: Name
    state: TicketState
    yours: bool = Field(description="The agent has it: they accepted it")


def stream_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door."""
    router = APIRouter(tags=["agents"])
    works = Depends(let_in(keys, Scope.AGENT))
    open_streams: Counter[str] = Counter()

    async def opened(agent_id: Name, _caller: Holder[Scope] = works) -> AsyncIterator[str]:
        """Take the opening as a sign of the agent, once the key is good; the end of their last stream as none."""
        try:
            row = await note_presence(desk, agent_id, None)
        except NoSuchAgentError as error:
            raise problem(error) from None
        if row.presence is Presence.OFFLINE:
            raise problem(NotThereError("the agent is offline"))
        open_streams[agent_id] += 1
        try:
            yield agent_id
        finally:
            open_streams[agent_id] -= 1
            if not open_streams[agent_id]:
                del open_streams[agent_id]
                desk.hung_up[agent_id] = clock.now()

    streams = Depends(opened)

    @router.get(
        "/agents/{agent_id}/offers",
        summary="Offers as server-sent events",
        response_class=EventStream,
        status_code=200,
        responses={200: DESCRIBED},
        dependencies=[Depends(refuse_head)],
    )
    async def stream_offers(
        agent_id: str = streams,
        holder: Holder[Scope] = works,
        last_event_id: Annotated[str | None, Header(description="Of the last `offer`: it is not sent again")] = None,
    ) -> EventStream:
        """Event `offer`: a ticket, kept for the agent until `until`: accept or decline it. `offer_ended`: no longer.

        Send a heartbeat as well, the stream is no sign of life. It ends when the agent goes offline.
        """
        return EventStream(_offers(desk, agent_id, author(holder, agent_id), last_event_id))

    return router


async def _offers(desk: Desk, agent_id: str, by: str, last_event_id: str | None) -> AsyncIterator[bytes]:
    yield format_sse_event(comment="offers", retry=_COME_AGAIN_MS)
    shown, woken, rung = last_event_id or "", False, False
    while not desk.bell.closed:
        try:
            since = desk.bell.changes_of(agent_id)
            ticket, seen = await next_offer(desk, agent_id, by, rung=rung, asked=False, in_case=not woken)
            if ticket is not None:
                since = desk.bell.changes_of(agent_id)  # the offer was one
        except NoSuchAgentError:
            return
        except UnavailableError as error:
            _log.warning("waiting_for", what="postgres", reason=str(error)[:200])
            await asyncio.sleep(_DATABASE_SECONDS)
            continue
        if ticket is None and (seen is None or seen.row.presence is Presence.OFFLINE):
            return
        event_id = "" if ticket is None else f"{ticket.ticket_id}.{ticket.version}"
        goes_on = ticket is not None and _ticket_of(shown) == ticket.ticket_id  # changed meanwhile: it is sent anew
        if not goes_on and (ended := await _ended(desk, agent_id, shown)) is not None:
            yield format_sse_event(event="offer_ended", data_str=ended.model_dump_json(), id="")
        if ticket is not None and shown != event_id:
            said = view(ticket, desk.rules()).model_dump_json()
            yield format_sse_event(event="offer", data_str=said, id=event_id)
        shown = event_id
        if seen is not None:
            agent = seen.row.agent
        if ticket is None and seen is not None:
            woken = await desk.bell.wait(agent, None, found_nothing=rung, busy=seen.busy, since=since, has=seen.has)
            rung = woken and not seen.busy
        else:
            woken = await desk.bell.wait(agent, spread(_OFFER_SECONDS, agent_id), busy=True, since=since)
            rung = False


def _ticket_of(event_id: str) -> UUID | None:
    """Return the ticket of an event; None if it has no id, or one that never was of this stream."""
    try:
        return UUID(event_id.rpartition(".")[0])
    except ValueError:
        return None


async def _ended(desk: Desk, agent_id: str, event_id: str) -> OfferEnded | None:
    if (ticket_id := _ticket_of(event_id)) is None:
        return None
    async with connected(desk.pool) as connection:
        found = await store.by_id(connection, ticket_id)
    if not found:
        return None
    [ticket] = found
    work = work_of(ticket)
    yours = work.phase in {Phase.ASSIGNED, Phase.WRAP_UP} and work.agent == agent_id
    return OfferEnded(ticket_id=ticket_id, ticket_ref=ticket.ticket_ref, state=ticket.standing, yours=yours)
