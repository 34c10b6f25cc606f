"""The endpoint that finds tickets without their reference, however long ago they were closed.

Never here: a change. The query is in the body and not in the URL: a telephone number must not be in a proxy's log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.values import Name, TicketState
from services.router import finding
from services.router.api.tickets import TicketView, view
from services.router.domain.repeats import account_of, number_of
from services.router.store import NoSuchPlaceError
from services.router.tree.keys import Scope
from services.runtime.keys import let_in
from services.runtime.periods import Instant
from services.runtime.postgres import connected
from services.runtime.problems import wrong_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.router.acting import Desk
    from services.runtime.keys import KeyRing

_MOST: Final = 100


class Search(BaseModel):
    """What the tickets must be; all of what is given holds of each."""

    model_config = ConfigDict(extra="forbid")

    phone: Name | None = Field(default=None, description="Of the caller or to call back, however it is written")
    account: Name | None = Field(default=None, description="Told by the customer, or found by their number or place")
    area: Name | None = None
    states: list[TicketState] | None = Field(default=None, min_length=1, max_length=8, examples=[["closed"]])
    since: Instant | None = Field(default=None, description="Opened then or later")
    until: Instant | None = Field(default=None, description="Opened before")
    limit: int = Field(default=20, ge=1, le=_MOST, strict=True)
    after: UUID | None = Field(default=None, description="`further` of the page before")


class FoundView(BaseModel):
    """Tickets, the latest opened first."""

    tickets: list[TicketView]
    further: UUID | None = Field(
        description="Ask again with it as `after`, also where a page has few or none; absent at the end"
    )


def finding_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door."""
    router = APIRouter(tags=["tickets"], dependencies=[Depends(let_in(keys, Scope.AGENT))])

    @router.post("/tickets/search", summary="Search tickets by customer, or by place and time")
    async def search_tickets(said: Search) -> FoundView:
        """Find what a caller rang about before. Who has its reference asks for it by that: `GET /tickets/{key}`."""
        asked = _asked(said)
        try:
            async with connected(desk.looking) as connection:
                found = await finding.find(connection, asked, said.limit)
        except NoSuchPlaceError:
            raise wrong_field("after", "no ticket has this id") from None
        return FoundView(tickets=[view(ticket, desk.rules()) for ticket in found.tickets], further=found.further)

    return router


def _asked(said: Search) -> finding.Asked:
    if said.since is not None and said.until is not None and said.since >= said.until:
        raise wrong_field("since", "must be before until")
    number = None if said.phone is None else number_of(said.phone)
    if said.phone is not None and number is None:
        raise wrong_field("phone", "is no telephone number that a customer can have")
    account = None if said.account is None else account_of(said.account)
    if account is not None and not account.value:
        raise wrong_field("account", "has neither letters nor digits")
    return finding.Asked(
        phone=number and number.key,
        account=account and account.key,
        area=said.area,
        states=said.states,
        since=said.since,
        until=said.until,
        after=said.after,
    )
