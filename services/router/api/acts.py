"""Endpoints for what people do with a ticket, one path per action.

Decided here: what each action must say. Never here: whether it is allowed now.
"""
# No `from __future__ import annotations`: the doors are made in a loop, and FastAPI reads the types of each.

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.contracts.values import Basis, Language, Name, Place, Position, Priority, Text, Word
from services.grid.lookup import resolve_places
from services.router import roster
from services.router.acting import Desk
from services.router.api.answers import REFUSALS, SeenVersion, author, problem
from services.router.api.tickets import TicketView, key_of, one_ticket, view
from services.router.domain.log import Did, Event, ReturnReason
from services.router.domain.places import Clues, evidence_of
from services.router.domain.ticket import Ticket
from services.router.merging import merge, unmerge
from services.router.roster import Presence
from services.router.tree.keys import Scope
from services.runtime import clock
from services.runtime.etags import CHANGED, TAGGED, etag
from services.runtime.keys import Holder, KeyRing, let_in
from services.runtime.postgres import connected
from services.runtime.problems import Problem, wrong_field


class Said(BaseModel):
    """What every act may say."""

    model_config = ConfigDict(extra="forbid")

    note: Text | None = None


class ByAgent(Said):
    """An act of the agent who has the ticket."""

    agent_id: Name


class Declined(ByAgent):
    """Why an agent does not take what is offered."""

    reason: Word | None = Field(default=None, examples=["busy"])


class Completed(ByAgent):
    """What came of it."""

    outcome: Word = Field(examples=["solved", "passed_on", "no_fault_found", "not_reached"])


class Contacted(ByAgent):
    """Whether the customer was reached."""

    outcome: Literal["reached", "not_reached"]


class Transferred(ByAgent):
    """Whereto: a queue, an agent (kept for them a while), or both."""

    to_queue: Word | None = None
    to_agent: Name | None = None
    reason: Word | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> "Transferred":
        if self.to_queue is None and self.to_agent is None:
            raise ValueError("needs to_queue, to_agent or both")
        return self


class Returned(ByAgent):
    """Why it is given back; with what it is instead, the tree routes it again, else those who take everything do."""

    reason: ReturnReason
    business_type: Word | None = Field(default=None, description="What it is instead")
    language: Language | None = Field(default=None, description="What the customer speaks instead")


class Reopened(ByAgent):
    """Why it is open again; kept for that agent for a moment."""

    reason: Word = Field(examples=["not_solved"])


class Noted(Said):
    """A note."""

    note: Text
    agent_id: Name | None = None


_WHERE: Final = ("account_id", "device", "address", "position")
"""What ``Placed`` may name a place by, the surest first."""


class Placed(Said):
    """Where it is, by one or more of these; what the customer said of it counts no more."""

    agent_id: Name | None = None
    account_id: Name | None = None
    address: Annotated[Text, StringConstraints(max_length=500)] | None = Field(
        default=None, description="As people say it"
    )
    device: Name | None = Field(default=None, description="Name or id of a transformer, pole, line or switch")
    position: Position | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> "Placed":
        if not any(getattr(self, name) for name in _WHERE):
            raise ValueError("needs account_id, address, device or position")
        return self


class Reason(Said):
    """Why."""

    reason: Word
    agent_id: Name | None = None


class Reprioritised(Said):
    """How urgent it is instead."""

    priority: Priority
    reason: Word


class Requeued(Said):
    """Back to its queue, or to another."""

    to_queue: Word | None = None
    reason: Word


class Merged(Said):
    """Which ticket stands for it."""

    into: Name = Field(description="Id or reference")
    reason: Word
    across_customers: bool = Field(default=False, description="They are of two customers, and one matter all the same")


_ACTS: Final[tuple[tuple[str, str, Did, type[Said], Scope, str], ...]] = (
    ("accept", "accept_ticket", Did.ACCEPTED, ByAgent, Scope.AGENT, "Accept the offer"),
    ("decline", "decline_ticket", Did.DECLINED, Declined, Scope.AGENT, "Decline the offer"),
    ("contact", "record_contact", Did.CONTACTED, Contacted, Scope.AGENT, "Record a call to the customer"),
    ("wrap-up", "wrap_up_ticket", Did.WRAPPED_UP, ByAgent, Scope.AGENT, "Begin the wrap-up"),
    ("complete", "complete_ticket", Did.COMPLETED, Completed, Scope.AGENT, "Complete the ticket"),
    ("transfer", "transfer_ticket", Did.TRANSFERRED, Transferred, Scope.AGENT, "Transfer it to a queue or an agent"),
    ("return", "return_ticket", Did.RETURNED, Returned, Scope.AGENT, "Return it (退单): it is routed again"),
    (
        "place",
        "place_ticket",
        Did.PLACED,
        Placed,
        Scope.AGENT,
        "Place an outage that could not be placed: it is reported now",
    ),
    ("reopen", "reopen_ticket", Did.REOPENED, Reopened, Scope.AGENT, "Reopen it: it waits again"),
    ("notes", "add_note", Did.NOTED, Noted, Scope.AGENT, "Add a note"),
    ("pause", "pause_clock", Did.PAUSED, Reason, Scope.AGENT, "Pause its clock while the customer must act"),
    ("resume", "resume_clock", Did.RESUMED, Reason, Scope.AGENT, "Resume its clock"),
    ("urge", "urge_ticket", Did.URGED, Reason, Scope.AGENT, "Urge it, as the customer (催办) or a supervisor (督办)"),
    (
        "withdraw",
        "withdraw_ticket",
        Did.WITHDRAWN,
        Reason,
        Scope.AGENT,
        "Withdraw it: the customer gave up before an agent had it",
    ),
    ("reprioritise", "reprioritise_ticket", Did.REPRIORITISED, Reprioritised, Scope.SUPERVISOR, "Set its priority"),
    ("requeue", "requeue_ticket", Did.REQUEUED, Requeued, Scope.SUPERVISOR, "Take it from its agent, back to a queue"),
    ("merge", "merge_ticket", Did.MERGED, Merged, Scope.SUPERVISOR, "Merge it into another ticket"),
    ("unmerge", "unmerge_ticket", Did.UNMERGED, Reason, Scope.SUPERVISOR, "Undo its merge"),
)

_READ_FIRST: Final = frozenset({Did.REOPENED, Did.MERGED})
"""Acts for which a ticket is read before it is locked; for others once is enough."""


def act_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make a door for each act."""
    router = APIRouter(tags=["work"])
    for path, name, did, body, scope, summary in _ACTS:
        router.add_api_route(
            f"/tickets/{{key}}/{path}",
            _door(desk, did, body, let_in(keys, scope)),
            methods=["POST"],
            summary=summary,
            name=name,
            response_model=TicketView,
            responses={**TAGGED, **CHANGED},
        )
    return router


def _door(desk: Desk, did: Did, body: type[Said], check: Callable[..., Awaitable[Holder[Scope]]]) -> Callable[..., Any]:
    async def act(
        key: str,
        said: body,  # type: ignore[valid-type]
        version: SeenVersion,
        holder: Annotated[Holder[Scope], Depends(check)],
        response: Response,
    ) -> TicketView:
        try:
            done = await _do(desk, key, did, said, version, holder)
        except REFUSALS as error:
            raise problem(error) from None
        response.headers["ETag"] = etag(done.version)
        return view(done, desk.rules())

    return act


async def _do(desk: Desk, key: str, did: Did, said: Said, version: int | None, holder: Holder[Scope]) -> Ticket:
    (ticket_id, _), danger = key_of(key), False
    if ticket_id is None or did in _READ_FIRST:
        ticket = await one_ticket(desk.pool, key)
        ticket_id, danger = ticket.ticket_id, bool(ticket.classification.hazards)
    told = said.model_dump(exclude_none=True, exclude=set(_WHERE) if isinstance(said, Placed) else None)
    now, timings = clock.now(), desk.rules().timings
    agent = told.pop("agent_id", None)
    if agent is not None:
        told["agent"] = agent
        desk.signs[agent] = now  # whoever does something is there, also where it is refused
    _check(desk, told)
    if isinstance(said, Placed):
        told["place"] = await _found(desk, said)
    if did is Did.DECLINED:
        told["until"] = now + timings.passed
    if did is Did.REOPENED:
        await _can_receive(desk, agent, "agent_id")
        told |= {} if danger else {"to_agent": agent, "until": now + timings.hold}
    elif told.get("to_agent"):
        if told["to_agent"] == agent:
            raise wrong_field("to_agent", "is whose ticket it is: name another agent, or return the ticket")
        await _can_receive(desk, told["to_agent"], "to_agent")
        told["until"] = now + timings.hold
    into, across = told.pop("into", None), told.pop("across_customers", False)
    by = holder.name if agent is None else author(holder, agent)
    asked = Event.model_validate({"did": did, "at": now, "by": by, **told})
    if isinstance(said, Merged):
        live = await one_ticket(desk.pool, str(into), "into")
        return await merge(desk, ticket_id, live.ticket_id, asked, version, across=bool(across))
    if did is Did.UNMERGED:
        return await unmerge(desk, ticket_id, asked, version)
    return await desk.act(ticket_id, asked, version)


async def _found(desk: Desk, said: Placed) -> Place:
    """Return the place a person named, looked up as a customer's would be.

    Raises:
        Problem: nothing of the network is found by it, or several places are.
    """
    evidence = evidence_of(Clues(said.account_id, None, said.position, said.address, said.device))
    async with connected(desk.pool) as connection:
        [found] = await resolve_places(connection, [evidence])
    place = found.as_value()
    field = next(name for name in _WHERE if getattr(said, name))
    if place.area is None:
        raise wrong_field(field, f"no place is found by this: {', '.join(place.evidence) or 'not known'}")
    if place.transformer_id is None:
        places = ", ".join(each.transformer_id for each in place.candidates or ())
        raise wrong_field(field, f"several places fit: {places}; say it more closely")
    return place if place.basis is Basis.CELL else place.model_copy(update={"basis": Basis.MANUAL})


async def _can_receive(desk: Desk, agent_id: str, field: str) -> None:
    """Refuse to keep a ticket for somebody who does not exist or is not there: its customer would only wait."""
    async with connected(desk.pool) as connection:
        found = await roster.one(connection, agent_id)
    if found is None:
        raise wrong_field(field, f"{agent_id}: no agent has this id")
    if found.presence is Presence.OFFLINE:
        raise Problem(409, "that agent is offline", errors=[{"field": field, "reason": "not_available"}])


def _check(desk: Desk, told: dict[str, Any]) -> None:
    """Refuse words that the operators' data does not have."""
    rules = desk.book.rules
    known = {"to_queue": desk.book.declared, "business_type": tuple(rules.keywords.business_types)}
    wrong = [
        {"field": field, "reason": f"{told[field]} is none of: {', '.join(words)}"}
        for field, words in known.items()
        if field in told and told[field] not in words
    ]
    if wrong:
        raise Problem(422, "some fields do not fit the rules in force", errors=wrong)
