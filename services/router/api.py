"""The router's HTTP doors: a ticket, the queues, and a dry run of the route tree.

Decided here: how tickets and queues are shown. Never here: a change; a ticket is claimed through doors of their own.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.ids import parse_ticket_ref
from services.contracts.messages import RouteReason
from services.contracts.values import (
    Channel,
    CustomerClass,
    CustomerStatus,
    Language,
    Name,
    Place,
    Priority,
    TicketState,
    Word,
)
from services.router import metrics, store
from services.router.domain.classify import (
    OUTAGE,
    URGENCY,
    Classification,
    LanguageRule,
    PriorityRule,
    TypeRule,
    priority_of,
)
from services.router.domain.routes import Tried, take
from services.router.domain.ticket import ReportState, Ticket, routed
from services.router.domain.ticket import attributes as attributes_of
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.http import Problem
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.router.domain.routes import Attributes, Queue
    from services.router.domain.ticket import Rules
    from services.router.store import Depth
    from services.router.tree.book import RuleBook
    from services.runtime.postgres import Pool

_MOST: Final = 500
_log = structlog.get_logger()


class TicketView(BaseModel):
    """A ticket as it stands."""

    ticket_id: UUID
    ticket_ref: Name
    version: int
    queue: Word
    state: TicketState
    priority: Priority
    priority_rule: PriorityRule
    business_type: Word
    fault: Word | None
    hazards: tuple[Word, ...]
    language: Language
    channel: Channel
    customer_class: CustomerClass
    place: Place
    text: str | None
    phone: Name | None
    address: str | None
    tags: tuple[Word, ...]
    contacts: int = Field(description="Contacts in this ticket so far")
    final: bool = Field(description="False while more of it is expected: the call goes on")
    report: ReportState = Field(description="Where its outage report is, if it made one")
    reported_at: datetime | None
    needs_person: Word | None = Field(description="Why dedup or the customer's further words ask for a person")
    reason: RouteReason
    opened_at: datetime
    routed_at: datetime


class TicketsView(BaseModel):
    """Tickets, each as it stands."""

    tickets: list[TicketView]


class QueueView(BaseModel):
    """A skill queue and what waits in it."""

    name: Word
    title: str
    description: str
    declared: bool = Field(description="False: the tree in force lacks it, yet tickets wait in it")
    waiting: int
    oldest_seconds: float = Field(description="Age of the ticket that waits longest; 0 if none")
    by_priority: dict[Priority, int]


class QueuesView(BaseModel):
    """Every queue of the tree in force."""

    queues: list[QueueView]
    tree_hash: str


class QueueTicketsView(BaseModel):
    """The head of a queue, in the order it is to be worked: most urgent first, then the oldest."""

    queue: QueueView
    tickets: list[TicketView]


class Explain(BaseModel):
    """A ticket's attributes; what is left out is as in a plain, placed, finished ticket."""

    model_config = ConfigDict(extra="forbid")

    business_type: Word = Field(description="One of classify.yaml", examples=["fault_report"])
    classified_by: TypeRule = TypeRule.CHANNEL_CHOICE
    fault: Word | None = Field(default=None, description="Kind of fault; outage for a fault_report that says none")
    hazards: tuple[Word, ...] = ()
    single_premise: bool = False
    language: Language | None = Field(default=None, description="The default of classify.yaml if absent")
    channel: Channel = Channel.PHONE
    priority: Priority | None = Field(default=None, description="Follows from the others if absent")
    customer_class: CustomerClass = CustomerClass.NORMAL
    customer_status: CustomerStatus = CustomerStatus.ACTIVE
    placed: bool = True
    area: Name | None = None
    feeder: Name | None = None
    final: bool = True
    unconfirmed: bool = False
    needs_person: Word | None = None


class TriedView(BaseModel):
    """A route that was looked at."""

    route: str
    line: int = Field(description="Line in routes.yaml")
    held: bool
    why: str


class Explained(BaseModel):
    """Where the tree in force puts such a ticket, and every route that was looked at, in order."""

    queue: Word
    route: Name
    matched: tuple[Name, ...]
    priority: Priority
    tags: tuple[Word, ...]
    tree_hash: str
    attributes: dict[str, tuple[str, ...]]
    tried: list[TriedView]


def make_router(pool: Pool, book: RuleBook) -> APIRouter:
    """Make the doors."""
    router = APIRouter(prefix="/v1")

    @router.get("/tickets/{key}", tags=["tickets"], summary="A ticket by its id or its reference")
    async def get_ticket(key: str) -> TicketsView:
        """Answer a list: two of ten million tickets share a reference with a chance of some 4 %."""
        ticket_id, ticket_ref = _key(key)
        with translated():
            async with pool.acquire() as connection:
                if ticket_id is not None:
                    found = await store.by_id(connection, ticket_id)
                else:
                    found = await store.by_ref(connection, ticket_ref)
        if not found:
            raise Problem(404, "no ticket has this id or reference")
        return TicketsView(tickets=[_view(ticket) for ticket in found])

    @router.get("/queues", tags=["queues"], summary="Every queue, with what waits in it")
    async def get_queues() -> QueuesView:
        rules = book.rules
        with translated():
            async with pool.acquire() as connection:
                depths = await store.depths(connection)
        names = [*rules.tree.queues, *sorted({depth.queue for depth in depths} - set(rules.tree.queues))]
        now = clock.now()
        views = [_queue_view(name, rules.tree.queues, depths, now) for name in names]
        return QueuesView(queues=views, tree_hash=rules.hash)

    @router.get("/queues/{name}", tags=["queues"], summary="The head of a queue")
    async def get_queue(name: str, limit: Annotated[int, Query(ge=1, le=_MOST)] = 50) -> QueueTicketsView:
        rules = book.rules
        with translated():
            async with pool.acquire() as connection:
                depths = await store.depths(connection, name)
                tickets = await store.waiting(connection, name, limit)
        if name not in rules.tree.queues and not depths:
            raise Problem(404, f"no such queue; there are {', '.join(rules.tree.queues)}")
        view = _queue_view(name, rules.tree.queues, depths, clock.now())
        return QueueTicketsView(queue=view, tickets=[_view(ticket) for ticket in tickets])

    @router.post("/routes/explain", tags=["routes"], summary="What the route tree does with a ticket, and why")
    async def explain(asked: Explain) -> Explained:
        rules = book.rules
        tried: list[Tried] = []
        attributes = _attributes(asked, rules)
        taken = take(rules.tree, attributes, tried)
        return Explained(
            queue=taken.queue,
            route=taken.path,
            matched=taken.matched,
            priority=taken.priority,
            tags=taken.tags,
            tree_hash=rules.hash,
            attributes=attributes,
            tried=[TriedView(route=each.path, line=each.line, held=each.held, why=each.why) for each in tried],
        )

    return router


def _key(key: str) -> tuple[UUID, str] | tuple[None, str]:
    try:
        return UUID(key), ""
    except ValueError:
        pass
    try:
        return None, parse_ticket_ref(key)
    except ValueError as error:
        raise Problem(400, f"neither a ticket id (UUID) nor a reference: {error}") from None


def _view(ticket: Ticket) -> TicketView:
    told, facts = routed(ticket), ticket.facts
    return TicketView(
        ticket_id=ticket.ticket_id,
        ticket_ref=ticket.ticket_ref,
        version=ticket.version,
        queue=ticket.queue,
        state=ticket.state,
        priority=ticket.priority,
        priority_rule=ticket.priority_rule,
        business_type=ticket.classification.business_type,
        fault=ticket.classification.fault,
        hazards=ticket.classification.hazards,
        language=ticket.classification.language,
        channel=told.channel,
        customer_class=told.customer_class,
        place=ticket.place,
        text=told.text,
        phone=told.phone,
        address=facts.address.value if facts.address else None,
        tags=ticket.taken.tags,
        contacts=told.contacts,
        final=facts.final,
        report=ticket.report,
        reported_at=ticket.reported_at,
        needs_person=ticket.needs_person,
        reason=told.reason,
        opened_at=facts.opened_at,
        routed_at=ticket.routed_at,
    )


def _queue_view(name: str, queues: Mapping[str, Queue], depths: Sequence[Depth], now: datetime) -> QueueView:
    mine = [depth for depth in depths if depth.queue == name]
    declared = queues.get(name)
    return QueueView(
        name=name,
        title=declared.title if declared else name,
        description=declared.description if declared else "",
        declared=declared is not None,
        waiting=sum(depth.waiting for depth in mine),
        oldest_seconds=_age(mine, now),
        by_priority={depth.priority: depth.waiting for depth in mine},
    )


def _age(depths: Sequence[Depth], now: datetime) -> float:
    return max((max(0.0, (now - depth.oldest_at).total_seconds()) for depth in depths), default=0.0)


def _attributes(asked: Explain, rules: Rules) -> Attributes:
    keywords = rules.keywords
    wrong: list[dict[str, str]] = []
    if asked.business_type not in keywords.business_types:
        allowed = ", ".join(keywords.business_types)
        wrong.append({"field": "business_type", "reason": f"is none of classify.yaml: {allowed}"})
    if unknown := set(asked.hazards) - keywords.hazard_words:
        allowed = ", ".join(sorted(keywords.hazard_words))
        wrong.append({"field": "hazards", "reason": f"{', '.join(sorted(unknown))}: none of classify.yaml: {allowed}"})
    if wrong:
        raise Problem(422, "some attributes do not fit the rules in force", errors=wrong)
    fault = asked.fault or (OUTAGE if asked.business_type == keywords.fault_type else None)
    about = Classification(
        business_type=asked.business_type,
        type_rule=asked.classified_by,
        fault=fault,
        hazards=tuple(sorted(set(asked.hazards))),
        language=asked.language or keywords.default_language,
        language_rule=LanguageRule.CHANNEL_CHOICE if asked.language else LanguageRule.DEFAULT,
        single_premise=asked.single_premise,
    )
    return attributes_of(
        about,
        Place(
            area=asked.area or ("any" if asked.placed else None),
            feeder=asked.feeder,
            customer_class=asked.customer_class,
            customer_status=asked.customer_status,
        ),
        channel=asked.channel,
        final=asked.final,
        unconfirmed=asked.unconfirmed,
        priority=asked.priority or priority_of(about, asked.customer_class)[0],
        needs_person=asked.needs_person,
    )


async def measure_queues(pool: Pool, book: RuleBook, every_s: float) -> None:
    """Keep the gauges of waiting tickets, for the life of the service."""
    while True:
        try:
            with translated():
                async with pool.acquire() as connection:
                    depths = await store.depths(connection)
        except UnavailableError as error:
            _log.warning("queues_not_measured", reason=str(error)[:200])
        else:
            _measure(depths, book.rules)
        await asyncio.sleep(every_s)


def _measure(depths: Sequence[Depth], rules: Rules) -> None:
    now = clock.now()
    metrics.WAITING.clear()
    metrics.OLDEST.clear()
    for name in {*rules.tree.queues, *(depth.queue for depth in depths)}:
        mine = [depth for depth in depths if depth.queue == name]
        counts = {depth.priority: depth.waiting for depth in mine}
        for priority in URGENCY:
            metrics.WAITING.labels(name, priority.value).set(counts.get(priority, 0))
        metrics.OLDEST.labels(name).set(_age(mine, now))
