"""What a contact, a settlement or people make of a ticket.

Decided here: which queue and state a ticket has, and when it makes its one outage report. Never here: I/O, whether
reports are one outage.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID  # noqa: TC003

from services.contracts.frozen import frozen
from services.contracts.ids import ticket_ref as ref_of
from services.contracts.values import Basis, CustomerClass, Place, TicketState
from services.router.domain.attributes import attributes, standing_of
from services.router.domain.classify import Classification, LanguageRule, classify, priority_of
from services.router.domain.facts import Facts, happened_at, speaks
from services.router.domain.repeats import Relation
from services.router.domain.routes import Taken, take
from services.router.domain.targets import step_at
from services.router.domain.ticket import Located, Need, ReportState, Rules, Ticket, need_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.contracts.messages import ContactReceived
    from services.router.domain.facts import Bounds
    from services.router.domain.reading import Keywords
    from services.router.domain.work import Work

FOLLOW_UP: Final = "follow_up"
"""Why a person must look: the customer spoke again after their report was answered, or long after it went out."""
_READ_WELL: Final = frozenset({"zh", "en"})
"""Languages whose words are listed widely: what no list knows there is an address, or small talk."""


@frozen()
class Opened:
    """How a ticket is opened otherwise than by the first contact of its thread.

    Attributes:
        ticket_id: Its id.
        repeat_of: The ticket in which the reporter told of the same before.
        before: Contacts that decided nothing by themselves, and when they happened: it is opened with them at once.
    """

    ticket_id: UUID
    repeat_of: Ticket | None = None
    before: tuple[tuple[UUID, datetime], ...] = ()


@frozen()
class Joined:
    """How a contact came to a ticket that is not of its own thread.

    Attributes:
        relation: What it is to the ticket.
        thread: Id of the ticket it would have had.
        young: That ticket, where earlier contacts had opened it: it becomes part of this one.
    """

    relation: Relation
    thread: UUID
    young: Ticket | None = None


@dataclass(slots=True, kw_only=True)
class _Case:
    """A ticket before it is decided on; it never leaves the function that made it."""

    ticket_id: UUID
    ticket_ref: str
    version: int
    contacts: frozenset[UUID]
    facts: Facts
    located: Located
    report: ReportState = ReportState.NONE
    reported_at: datetime | None = None
    needs_person: str | None = None
    carried_needs: tuple[Need, ...] | None = None
    work: Work | None = None
    last_at: datetime
    also: frozenset[UUID] = frozenset()
    repeats: int = 0
    told_before: int = 0
    urges: int = 0
    urged_at: datetime | None = None
    repeat_of: UUID | None = None
    was: Ticket | None = None

    @property
    def need(self) -> str | None:
        return self.needs_person or need_of(self.carried_needs)


_SAME: Final = tuple(one.name for one in fields(_Case) if one.name in {each.name for each in fields(Ticket)})
"""What a case and its ticket both have, under one name."""
_values_of: Final = attrgetter(*_SAME)


def _same(one: _Case | Ticket) -> dict[str, Any]:
    return dict(zip(_SAME, _values_of(one), strict=True))


def receive(
    before: Ticket | None,
    contact: ContactReceived,
    facts: Facts,
    located: Located,
    rules: Rules,
    bounds: Bounds,
    now: datetime,
    entry: Opened | Joined | None = None,
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
        entry: How it came here, if not as one more contact of the ticket's own thread.
    """
    at = happened_at(contact, bounds)
    if before is None:
        opened = entry if isinstance(entry, Opened) else Opened(contact.ticket_id)
        repeat_of = opened.repeat_of
        told_before = 0 if repeat_of is None else repeat_of.repeats + 1
        case = _Case(
            ticket_id=opened.ticket_id,
            ticket_ref=contact.ticket_ref if opened.ticket_id == contact.ticket_id else ref_of(opened.ticket_id),
            version=1 + len(opened.before),
            contacts=frozenset((contact.contact_id, *(contact_id for contact_id, _ in opened.before))),
            facts=facts,
            located=located,
            last_at=max((at, *(earlier for _, earlier in opened.before))),
            repeats=told_before,
            told_before=told_before,
            repeat_of=None if repeat_of is None else repeat_of.ticket_id,
        )
    elif contact.contact_id in before.contacts:
        return before
    else:
        case = _case(before)
        case.version += 1
        case.contacts |= {contact.contact_id}
        case.facts, case.located = facts, by_person(case.work, located)
        case.needs_person = before.needs_person or _follow_up(before, contact, at, bounds)
        case.last_at = max(before.last_at, at)
        if isinstance(entry, Joined):
            _add_thread(case, entry, at, bounds)
    told_at = min(facts.outage_at or facts.opened_at, contact.received_at)
    return _decide(case, rules, now, outage_at=max(told_at, contact.received_at - bounds.event_lag))


def by_person(work: Work | None, located: Located) -> Located:
    """Return where a ticket is: where a person says, if one does."""
    return located if work is None or work.place is None else replace(located, place=work.place)


def _case(ticket: Ticket) -> _Case:
    located = by_person(ticket.work, Located(ticket.place, ticket.customer_language))
    return _Case(located=located, was=ticket, **_same(ticket))


def _add_thread(case: _Case, joined: Joined, at: datetime, bounds: Bounds) -> None:
    """Note another thread of the same matter. Every one is counted; of urges, one an interval has an effect."""
    case.also |= {joined.thread}
    if joined.young is not None:
        case.also |= joined.young.also
        case.contacts |= joined.young.contacts
    if joined.relation is Relation.REMARK and case.report is not ReportState.NONE:
        case.needs_person = case.needs_person or FOLLOW_UP  # words nobody understood are not closed by a machine
    case.repeats += joined.relation in {Relation.REPEAT, Relation.URGE}
    since = case.urged_at or case.facts.opened_at
    if joined.relation is Relation.URGE and at - since >= bounds.urge_every:
        case.urges += 1
        case.urged_at = at


def is_ready(classification: Classification, facts: Facts, place: Place) -> bool:
    """Tell whether the outage report can go out.

    While a call goes on, the caller's number alone does not place it: the account they are about to enter may be
    another house.
    """
    if not classification.is_outage or place.area is None:
        return False
    return facts.final or place.basis in {Basis.ACCOUNT, Basis.POSITION, Basis.CELL, Basis.MANUAL}


def may_be_ready(facts: Facts) -> bool:
    """Tell whether the outage report could go out, whatever the words mean and wherever the place is."""
    return facts.final or facts.account_id is not None or facts.position is not None


def _follow_up(before: Ticket, contact: ContactReceived, at: datetime, bounds: Bounds) -> str | None:
    if not speaks(contact):
        return None
    if before.report is ReportState.ANSWERED:
        return FOLLOW_UP
    if before.report is ReportState.SENT and before.reported_at is not None:
        return FOLLOW_UP if at - before.reported_at >= bounds.follow_up else None
    return None


def settle(before: Ticket, *, answered: bool, reason: str, rules: Rules, now: datetime) -> Ticket:
    """Take back what dedup settled without an incident.

    A report that was given to a person stays with them: being answered afterwards changes nothing, nor does the same
    settlement twice, nor one for a ticket that sent no report, or whose contents were erased.
    """
    if before.report not in ({ReportState.SENT} if answered else {ReportState.SENT, ReportState.ANSWERED}):
        return before
    if before.erased_at is not None:
        return before
    case = _case(before)
    case.version += 1
    case.report = ReportState.ANSWERED if answered else ReportState.RETURNED
    case.needs_person = before.needs_person if answered else reason
    return _decide(case, rules, now)


def placed(before: Ticket, *, answered: bool, rules: Rules, bounds: Bounds, now: datetime) -> Ticket:
    """Take in what a person made of a report: it is in an incident, or answered.

    Of one that dedup had given back nobody has to ask the customer any more, and who asks already has the ticket as
    before. A customer who spoke long after they reported it is still to be heard. One in an incident is answered when a
    planned outage is accepted for that, and an incident's again when it is withdrawn.
    """
    if before.report not in {ReportState.RETURNED, ReportState.SENT if answered else ReportState.ANSWERED}:
        return before
    if before.erased_at is not None:
        return before
    case = _case(before)
    case.version += 1
    case.report = ReportState.ANSWERED if answered else ReportState.SENT
    if before.report is ReportState.RETURNED:
        since = before.reported_at or before.facts.opened_at
        case.needs_person = FOLLOW_UP if before.last_at - since >= bounds.follow_up else None
    return _decide(case, rules, now)


def route_again(
    before: Ticket, rules: Rules, now: datetime, needs_person: str | None = None, *, corrected: bool = False
) -> Ticket:
    """Return a ticket decided on anew by the rules in force, in the same version.

    A person corrected what it is (``corrected``) or said where, or a ticket that it stands for needs a person. What is
    an outage with a place by that is reported, as of when the customer told of it.
    """
    case = _case(before)
    case.needs_person = needs_person or before.needs_person
    by_people = corrected or (before.work is not None and before.work.place is not None)
    outage_at = before.facts.outage_at or before.facts.opened_at
    decided = _decide(case, rules, now, outage_at=outage_at if by_people else None)
    return replace(decided, change=before.change)


def carrying(before: Ticket, needs: Sequence[Need], rules: Rules, now: datetime) -> Ticket:
    """Return a ticket, in the same version, decided on anew with what those need that it stands for."""
    if (carried := tuple(needs) or None) == before.carried_needs:
        return before
    return route_again(replace(before, carried_needs=carried), rules, now)


def lent(ticket: Ticket) -> tuple[Need, ...]:
    """Return what a ticket carries that is to stand for this one: dedup's question, and what it carried so far."""
    carried = ticket.carried_needs or ()
    if ticket.needs_person is None or ticket.report is not ReportState.RETURNED:
        return carried
    return (Need(ticket.ticket_id, ticket.needs_person), *carried)


def classification_of(facts: Facts, located: Located, keywords: Keywords, work: Work | None = None) -> Classification:
    """Return what facts mean; what a person corrected counts before what the customer chose."""
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


def _decide(case: _Case, rules: Rules, now: datetime, *, outage_at: datetime | None = None) -> Ticket:
    """Decide on a ticket; its one outage report goes out, if it can and has not, where it is said as of when."""
    place = case.located.place
    classification = classification_of(case.facts, case.located, rules.keywords, case.work)
    if outage_at is not None and case.report is ReportState.NONE and is_ready(classification, case.facts, place):
        case.report, case.reported_at = ReportState.SENT, outage_at
    priority, priority_rule = priority_of(classification, place.customer_class)
    taken = take(rules.tree, attributes(classification, place, standing_of(case, priority)), now, rules.duty)
    planned_at, step = _waited(case.was, taken, now)
    return Ticket(
        **_same(case),
        place=place,
        customer_language=case.located.language,
        classification=classification,
        priority_rule=priority_rule,
        taken=taken,
        tree_hash=rules.hash,
        state=_state(case, classification),
        routed_at=now,
        planned_at=planned_at,
        step=step,
    )


def _waited(was: Ticket | None, taken: Taken, now: datetime) -> tuple[datetime, int]:
    """Return since when a ticket waits for whom the tree says, and the step: what is said of it again restarts nothing.

    A plan that begins elsewhere by now (an office has closed) restarts nothing either while the route is the same.
    """
    if was is None or was.planned_at is None or was.taken.path != taken.path:
        return now, 0
    return was.planned_at, step_at(taken.plan, (now - was.planned_at).total_seconds())


def _is_unread(facts: Facts, classification: Classification) -> bool:
    """Tell whether somebody wrote in a language that nothing told, or in one of few words here and none was known."""
    if classification.language_rule is LanguageRule.UNSURE:
        return True
    if (classification.words and not classification.is_inferred) or facts.text is None:
        return False
    return classification.language.partition("-")[0].lower() not in _READ_WELL


def _state(case: _Case, classification: Classification) -> TicketState:
    """Return the state: with a person, unless the report alone takes care of the ticket.

    Danger and customers who depend on the power get a person of their own at once, beside the report (DESIGN §4.5);
    so do words that nothing here reads, or that only sound like danger or like an outage: no machine closes what may
    be something else.
    """
    attended = (
        classification.may_be_danger
        or classification.is_inferred
        or case.located.place.customer_class is not CustomerClass.NORMAL
    )
    attended = attended or _is_unread(case.facts, classification)
    if attended or case.need is not None or not classification.is_outage:
        return TicketState.QUEUED
    if case.report is ReportState.SENT:
        return TicketState.WITH_DEDUP
    return TicketState.ANSWERED if case.report is ReportState.ANSWERED else TicketState.QUEUED
