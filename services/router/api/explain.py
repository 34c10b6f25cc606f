"""A dry run of the route tree: for a hypothetical ticket, by anybody; for a real one, by whoever may read it.

Never here: a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.values import (
    Channel,
    CustomerClass,
    CustomerStatus,
    Language,
    Name,
    Place,
    Priority,
    Word,
)
from services.router.api.tickets import ticket_of
from services.router.domain.attributes import Standing, as_seen
from services.router.domain.attributes import attributes as attributes_of
from services.router.domain.classify import Classification, LanguageRule, TypeRule, priority_of
from services.router.domain.reading import OUTAGE
from services.router.domain.routes import Tried, take
from services.router.tree.keys import Scope
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.periods import Instant
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.router.domain.routes import Attributes
    from services.router.domain.ticket import Rules
    from services.router.tree.book import RuleBook
    from services.runtime.keys import KeyRing
    from services.runtime.postgres import Pool


class Explain(BaseModel):
    """A ticket's attributes; what is left out is as in a plain, placed, finished ticket."""

    model_config = ConfigDict(extra="forbid")

    business_type: Word = Field(description="One of classify.yaml", examples=["fault_report"])
    classified_by: TypeRule = TypeRule.CHANNEL_CHOICE
    fault: Word | None = Field(
        default=None, description="Kind of fault; outage where there is a danger, and for a fault_report that says none"
    )
    hazards: tuple[Word, ...] = ()
    suspected: bool = Field(default=False, description="It sounds like danger though no hazard is named")
    single_premise: bool = False
    language: Language | None = Field(default=None, description="The default of classify.yaml if absent")
    channel: Channel = Channel.PHONE
    priority: Priority | None = Field(default=None, description="Follows from the others if absent")
    customer_class: CustomerClass = CustomerClass.NORMAL
    voltage_kv: float | None = Field(default=None, gt=0, le=1500, description="Of the customer's supply, kV")
    customer_status: CustomerStatus = CustomerStatus.ACTIVE
    placed: bool = True
    area: Name | None = None
    feeder: Name | None = None
    final: bool = True
    unconfirmed: bool = False
    needs_person: Word | None = None
    at: Instant | None = Field(default=None, description="When: calendars are asked about it; now if absent")
    repeats: int = Field(default=0, ge=0, description="Times the reporter told of it again")
    urges: int = Field(default=0, ge=0, description="Times they asked to hurry")


class TriedView(BaseModel):
    """A route that was looked at."""

    route: str
    line: int = Field(description="Line in routes.yaml")
    held: bool
    why: str


class StepView(BaseModel):
    """From so many seconds on, it waits in this queue for an agent with these skills."""

    after_s: int
    queue: Word
    skills: tuple[str, ...]


class Explained(BaseModel):
    """Where the tree in force puts such a ticket, and every route that was looked at, in order."""

    queue: Word
    route: Name
    matched: tuple[Name, ...]
    priority: Priority
    tags: tuple[Word, ...]
    plan: list[StepView] = Field(description="Who it waits for as time passes")
    tree_hash: str
    decided_by: str | None = Field(default=None, description="Of a ticket: hash of the tree that decided")
    attributes: dict[str, tuple[str, ...]]
    tried: list[TriedView]


def explain_doors(pool: Pool, book: RuleBook, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors of the dry run."""
    router = APIRouter(tags=["routes"])

    @router.post("/routes/explain", summary="What the route tree does with a ticket, and why")
    async def explain_route(asked: Explain) -> Explained:
        rules = book.rules
        return _explained(rules, _attributes(asked, rules), asked.at or clock.now())

    @router.get(
        "/tickets/{key}/explain",
        summary="What the current route tree does with this ticket, and why",
        dependencies=[Depends(let_in(keys, Scope.READ))],
    )
    async def explain_ticket(key: str) -> Explained:
        """As if it were routed anew at the time it was; ``decided_by`` is the tree that did."""
        ticket = await ticket_of(pool, key)
        found = _explained(book.rules, as_seen(ticket), ticket.planned_at or ticket.routed_at)
        return found.model_copy(update={"decided_by": ticket.tree_hash})

    return router


def _explained(rules: Rules, attributes: Attributes, at: datetime) -> Explained:
    tried: list[Tried] = []
    taken = take(rules.tree, attributes, at, rules.duty, tried)
    return Explained(
        queue=taken.queue,
        route=taken.path,
        matched=taken.matched,
        priority=taken.priority,
        tags=taken.tags,
        plan=[StepView(after_s=each.after_s, queue=each.queue, skills=each.skills) for each in taken.plan],
        tree_hash=rules.hash,
        attributes=attributes,
        tried=[TriedView(route=each.path, line=each.line, held=each.held, why=each.why) for each in tried],
    )


def _attributes(asked: Explain, rules: Rules) -> Attributes:
    keywords = rules.keywords
    wrong: list[dict[str, str]] = []
    if asked.business_type not in keywords.business_types:
        allowed = ", ".join(keywords.business_types)
        wrong.append({"field": "business_type", "reason": f"is none of classify.yaml: {allowed}"})
    if unknown := set(asked.hazards) - keywords.hazard_words:
        allowed = ", ".join(sorted(keywords.hazard_words))
        wrong.append({"field": "hazards", "reason": f"{', '.join(sorted(unknown))}: none of classify.yaml: {allowed}"})
    faults = [kind for kind, _ in keywords.faults]
    if asked.fault is not None and asked.fault not in faults:
        wrong.append({"field": "fault", "reason": f"is none of classify.yaml: {', '.join(faults)}"})
    elif asked.fault is not None and not (asked.hazards or asked.business_type == keywords.fault_type):
        wrong.append({"field": "fault", "reason": f"only a {keywords.fault_type} has one, or what names a danger"})
    if wrong:
        raise Problem(422, "some attributes do not fit the rules in force", errors=wrong)
    is_fault = asked.business_type == keywords.fault_type
    fault = OUTAGE if asked.hazards else asked.fault or (OUTAGE if is_fault else None)
    about = Classification(
        business_type=asked.business_type,
        type_rule=asked.classified_by,
        fault=fault,
        hazards=tuple(sorted(set(asked.hazards))),
        suspected=() if asked.suspected and not asked.hazards else None,
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
            voltage_kv=asked.voltage_kv,
        ),
        Standing(
            channel=asked.channel,
            priority=asked.priority or priority_of(about, asked.customer_class)[0],
            final=asked.final,
            unconfirmed=asked.unconfirmed,
            needs_person=asked.needs_person,
            repeats=asked.repeats,
            urges=asked.urges,
        ),
    )
