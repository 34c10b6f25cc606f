"""A ticket: what was decided on its facts.

Decided here: which queue and state a ticket has, and when it makes its one outage report. Never here: I/O, whether
reports are one outage.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import Field

from services.contracts.ids import report_id
from services.contracts.messages import Due, OutageReported, RouteReason, TicketRouted
from services.contracts.values import (
    Basis,
    Channel,
    CustomerClass,
    Language,
    Name,
    Place,
    Priority,
    TicketState,
    Timestamp,
    Value,
    Word,
)
from services.router.domain.classify import Classification, PriorityRule, classify, priority_of
from services.router.domain.facts import Facts, bounded
from services.router.domain.routes import Taken, take
from services.router.domain.work import UNTOUCHED, Phase, Work, fold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.contracts.messages import ContactReceived
    from services.router.domain.classify import Keywords
    from services.router.domain.facts import Bounds
    from services.router.domain.log import Event
    from services.router.domain.routes import Attributes, RouteTree

FOLLOW_UP: Final = "follow_up"
"""Why a person must look: the customer spoke again after their report was answered, or long after it went out."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The operators' data in force: words, tree, and the hash that goes into every decision."""

    keywords: Keywords
    tree: RouteTree
    hash: str


@dataclass(frozen=True, slots=True)
class Located:
    """Where the facts put a ticket, and the language in the customer's file, if they name a customer."""

    place: Place
    language: str | None = None


class ReportState(StrEnum):
    """Where the ticket's one outage report is."""

    NONE = "none"
    SENT = "sent"
    ANSWERED = "answered"
    """Dedup answered it without an incident: arrears, already restored."""
    RETURNED = "returned"
    """Dedup gave it back: a person must look."""


class Ticket(Value):
    """A case: the facts, and what was decided on them last.

    Attributes:
        version: Counts changes, one a contact or settlement; the highest holds.
        contacts: Ids of the contacts folded in.
        customer_language: Language in the customer's file.
        reported_at: Time of the outage as reported, once it was.
        needs_person: Why dedup or a follow-up asks for a person, if one does.
        state: As the router decided; people come on top of it: ``standing``.
        work: What people did with it, if anything.
        change: What made this version, if it was not the router.
        routed_at: When this was decided.
    """

    ticket_id: UUID
    ticket_ref: Name
    version: int = Field(ge=1)
    contacts: frozenset[UUID]
    facts: Facts
    place: Place
    customer_language: Language | None = None
    classification: Classification
    priority_rule: PriorityRule
    taken: Taken
    tree_hash: Name
    state: TicketState
    report: ReportState = ReportState.NONE
    reported_at: Timestamp | None = None
    needs_person: Word | None = None
    work: Work | None = None
    change: Word | None = None
    routed_at: Timestamp

    @property
    def queue(self) -> str:
        """The one queue it sits in: the tree's, unless a person moved it."""
        moved = None if self.work is None else self.work.queue
        return moved or self.taken.queue

    @property
    def priority(self) -> Priority:
        """How urgent it is, the tree's raises included; a supervisor may say otherwise, but not of a danger."""
        said = None if self.work is None or self.classification.hazards else self.work.priority
        return said or self.taken.priority

    @property
    def standing(self) -> TicketState:
        """Where it stands, people included."""
        return self.state if self.work is None else self.work.stands(self.state)

    @property
    def counted_with_dedup(self) -> bool:
        """Whether the conservation count has its contacts under its report rather than with people."""
        return self.report in {ReportState.SENT, ReportState.ANSWERED}

    @property
    def counted_closed(self) -> bool:
        """Whether its contacts left the queues by people's hands: completed, or carried by another ticket."""
        done = self.work is not None and self.work.phase in {Phase.CLOSED, Phase.MERGED}
        return done and not self.counted_with_dedup


@dataclass(frozen=True, slots=True)
class _Case:
    """A ticket before it is decided on."""

    ticket_id: UUID
    ticket_ref: str
    version: int
    contacts: frozenset[UUID]
    facts: Facts
    located: Located
    report: ReportState
    reported_at: datetime | None
    needs_person: str | None
    work: Work | None


def receive(
    before: Ticket | None,
    contact: ContactReceived,
    facts: Facts,
    located: Located,
    rules: Rules,
    bounds: Bounds,
    now: datetime,
) -> Ticket:
    """Add a contact to its ticket, or open one; the same contact again changes nothing.

    Args:
        before: The ticket so far.
        contact: What came in.
        facts: The ticket's facts with the contact folded in.
        located: Where those facts put the ticket.
        rules: The operators' data in force.
        bounds: How far to trust and wait.
        now: The time of the decision.
    """
    if before is not None and contact.contact_id in before.contacts:
        return before
    report, reported_at, needs_person = ReportState.NONE, None, None
    contacts = frozenset({contact.contact_id})
    if before is not None:
        report, reported_at = before.report, before.reported_at
        needs_person = before.needs_person or _follow_up(before, contact, bounds)
        contacts |= before.contacts
    work = None if before is None else before.work
    classification = _classification(facts, located, rules.keywords, work)
    if report is ReportState.NONE and _ready(classification, facts, located.place):
        report = ReportState.SENT
        reported_at = bounded(facts.outage_at or facts.opened_at, contact.received_at, bounds.event_lag)
    case = _Case(
        ticket_id=contact.ticket_id if before is None else before.ticket_id,
        ticket_ref=contact.ticket_ref if before is None else before.ticket_ref,
        version=1 if before is None else before.version + 1,
        contacts=contacts,
        facts=facts,
        located=located,
        report=report,
        reported_at=reported_at,
        needs_person=needs_person,
        work=work,
    )
    return _decide(case, classification, rules, now)


def _ready(classification: Classification, facts: Facts, place: Place) -> bool:
    """Tell whether the outage report can go out.

    While a call goes on, the caller's number alone does not place it: the account they are about to enter may be
    another house.
    """
    if not classification.is_outage or place.area is None:
        return False
    return facts.final or place.basis in {Basis.ACCOUNT, Basis.POSITION, Basis.CELL}


def _follow_up(before: Ticket, contact: ContactReceived, bounds: Bounds) -> str | None:
    sent = any(attachment.kind != "recording" for attachment in contact.attachments)
    if not (contact.text or contact.hazard or sent):
        return None
    if before.report is ReportState.ANSWERED:
        return FOLLOW_UP
    if before.report is ReportState.SENT and before.reported_at is not None:
        at = bounded(contact.occurred_at, contact.received_at, bounds.event_lag)
        if at - before.reported_at >= bounds.follow_up:
            return FOLLOW_UP
    return None


def settle(before: Ticket, *, answered: bool, reason: str, rules: Rules, now: datetime) -> Ticket:
    """Take back what dedup settled without an incident.

    A report that was given to a person stays with them: being answered afterwards changes nothing, nor does the same
    settlement twice, nor one for a ticket that sent no report.
    """
    if before.report not in ({ReportState.SENT} if answered else {ReportState.SENT, ReportState.ANSWERED}):
        return before
    located = Located(before.place, before.customer_language)
    case = _Case(
        ticket_id=before.ticket_id,
        ticket_ref=before.ticket_ref,
        version=before.version + 1,
        contacts=before.contacts,
        facts=before.facts,
        located=located,
        report=ReportState.ANSWERED if answered else ReportState.RETURNED,
        reported_at=before.reported_at,
        needs_person=before.needs_person if answered else reason,
        work=before.work,
    )
    return _decide(case, _classification(before.facts, located, rules.keywords, before.work), rules, now)


def worked(before: Ticket, events: Sequence[Event], now: datetime) -> Ticket:
    """Return a ticket after what people did; as it was if they did nothing."""
    if not events:
        return before
    work = fold(events, before.work or UNTOUCHED)
    change = {"work": work, "version": before.version + 1, "change": events[-1].did.value, "routed_at": now}
    return before.model_copy(update=change)


def route_again(before: Ticket, rules: Rules, now: datetime) -> Ticket:
    """Return a ticket decided on anew by the rules in force, in the same version: a person corrected what it is."""
    located = Located(before.place, before.customer_language)
    case = _Case(
        ticket_id=before.ticket_id,
        ticket_ref=before.ticket_ref,
        version=before.version,
        contacts=before.contacts,
        facts=before.facts,
        located=located,
        report=before.report,
        reported_at=before.reported_at,
        needs_person=before.needs_person,
        work=before.work,
    )
    decided = _decide(case, _classification(before.facts, located, rules.keywords, before.work), rules, now)
    return decided.model_copy(update={"change": before.change})


def _classification(facts: Facts, located: Located, keywords: Keywords, work: Work | None) -> Classification:
    """Say what the facts mean; what a person corrected counts before what the customer chose."""
    choice = facts.business_type.value if facts.business_type else None
    language = facts.language.value if facts.language else None
    return classify(
        keywords,
        choice=(work and work.corrected_type) or choice,
        language=(work and work.corrected_language) or language,
        customer_language=located.language,
        text=facts.text or "",
        hazards=facts.hazards,
        single_premise=facts.single_premise,
    )


def _decide(case: _Case, classification: Classification, rules: Rules, now: datetime) -> Ticket:
    place = case.located.place
    priority, priority_rule = priority_of(classification, place.customer_class)
    seen = attributes(
        classification,
        place,
        channel=case.facts.channel.value,
        priority=priority,
        final=case.facts.final,
        unconfirmed=case.facts.is_unconfirmed,
        needs_person=case.needs_person,
    )
    return Ticket(
        ticket_id=case.ticket_id,
        ticket_ref=case.ticket_ref,
        version=case.version,
        contacts=case.contacts,
        facts=case.facts,
        place=place,
        customer_language=case.located.language,
        classification=classification,
        priority_rule=priority_rule,
        taken=take(rules.tree, seen),
        tree_hash=rules.hash,
        state=_state(case, classification),
        report=case.report,
        reported_at=case.reported_at,
        needs_person=case.needs_person,
        work=case.work,
        routed_at=now,
    )


def _state(case: _Case, classification: Classification) -> TicketState:
    """Return the state: with a person, unless the report alone takes care of the ticket.

    Danger and customers who depend on the power get a person of their own at once, beside the report (DESIGN §4.5).
    """
    attended = bool(classification.hazards) or case.located.place.customer_class is not CustomerClass.NORMAL
    if attended or case.needs_person is not None or not classification.is_outage:
        return TicketState.QUEUED
    if case.report is ReportState.SENT:
        return TicketState.WITH_DEDUP
    return TicketState.ANSWERED if case.report is ReportState.ANSWERED else TicketState.QUEUED


def attributes(
    about: Classification,
    place: Place,
    *,
    channel: Channel,
    priority: Priority,
    final: bool,
    unconfirmed: bool,
    needs_person: str | None,
) -> Attributes:
    """Return a ticket as the route tree sees it."""
    return {
        "business_type": (about.business_type,),
        "classified_by": (about.type_rule.value,),
        "fault": _some(about.fault),
        "is_outage": _yes(about.is_outage),
        "hazards": about.hazards,
        "single_premise": _yes(about.single_premise),
        "language": (about.language,),
        "channel": (channel.value,),
        "priority": (priority.value,),
        "customer_class": (place.customer_class.value,),
        "customer_status": (place.customer_status.value,),
        "placed": _yes(place.area is not None),
        "area": _some(place.area),
        "feeder": _some(place.feeder),
        "final": _yes(final),
        "unconfirmed": _yes(unconfirmed),
        "needs_person": _some(needs_person),
        "tags": (),
    }


def _some(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _yes(value: bool) -> tuple[str, ...]:  # noqa: FBT001 - the value itself, not a switch
    return ("true" if value else "false",)


def routed(ticket: Ticket, due: tuple[Due, ...] = ()) -> TicketRouted:
    """Return the message that says where the ticket stands; ``due`` is its clock."""
    facts, taken, about = ticket.facts, ticket.taken, ticket.classification
    work = ticket.work or UNTOUCHED
    return TicketRouted(
        ticket_id=ticket.ticket_id,
        ticket_ref=ticket.ticket_ref,
        version=ticket.version,
        queue=ticket.queue,
        state=ticket.standing,
        channel=facts.channel.value,
        business_type=about.business_type,
        priority=ticket.priority,
        hazards=about.hazards,
        language=about.language,
        customer_class=ticket.place.customer_class,
        place=ticket.place,
        text=facts.text,
        phone=facts.phone.value if facts.phone else None,
        contacts=len(ticket.contacts),
        reason=RouteReason(
            route=taken.path,
            rule=about.type_rule.value,
            matched=(
                *taken.matched,
                *(f"word:{word}"[:200] for word in about.words),
                f"language:{about.language_rule}",
                f"priority:{ticket.priority_rule}",
                *(f"tag:{tag}" for tag in taken.tags),
            ),
            tree_hash=ticket.tree_hash,
        ),
        opened_at=facts.opened_at,
        routed_at=ticket.routed_at,
        change=ticket.change,
        agent=work.agent,
        until=work.until,
        held_for=work.held_for,
        outcome=work.outcome,
        merged_into=work.merged_into,
        urges=work.urges or None,
        due=due or None,
    )


def outage_reported(ticket: Ticket, contact: ContactReceived) -> OutageReported:
    """Return the report of a ticket that ``contact`` made ready.

    Raises:
        ValueError: the ticket has no place, or its report was not decided to go out.
    """
    facts, place = ticket.facts, ticket.place
    if place.area is None or ticket.reported_at is None:
        raise ValueError("only a placed ticket whose report goes out has one")
    return OutageReported(
        area=place.area,
        report_id=report_id(ticket.ticket_id),
        ticket_id=ticket.ticket_id,
        ticket_ref=ticket.ticket_ref,
        contact_id=contact.contact_id,
        channel=facts.channel.value,
        place=place,
        reported_at=ticket.reported_at,
        received_at=contact.received_at,
        hazards=ticket.classification.hazards,
        single_premise=ticket.classification.single_premise,
        unconfirmed=facts.is_unconfirmed,
        address=facts.address.value if facts.address else None,
        language=ticket.classification.language,
        recipient=facts.reply_to.value if facts.reply_to else None,
    )
