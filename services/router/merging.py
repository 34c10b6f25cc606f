"""Tickets that people merge and take apart again: one stands for the other, and for what dedup asks of it.

Decided here: which ticket is the live one by now, and what a person is not allowed to merge. Never here: what the acts
change in the work on a ticket.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from services.contracts.values import CustomerClass
from services.router.acting import Change, check_version
from services.router.domain.deciding import carrying, lent
from services.router.domain.desk import clocks_of, released, work_of
from services.router.domain.log import GRIDLINE, Did, Event, NotAllowedError, Why
from services.router.domain.versions import with_events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from services.router.acting import Desk
    from services.router.domain.ticket import Need, Ticket
    from services.runtime.postgres import Connection

_KEY: Final = (CustomerClass.LIFE_SUPPORT, CustomerClass.IMPORTANT)
"""Who has a person of their own at once (DESIGN §4.5), who depends on the power most first."""


async def merge(desk: Desk, ticket_id: UUID, into: UUID, asked: Event, version: int | None, *, across: bool) -> Ticket:
    """Let another ticket stand for one. ``across`` allows it for tickets of two customers.

    Raises:
        NoSuchTicketError, OtherVersionError, NotAllowedError: as they say.
    """
    async with desk.transaction() as tx:
        tickets = await desk.locked(tx, {ticket_id, into})
        before = tickets[ticket_id]
        check_version(before, version)
        live = (await _chain(desk, tx, tickets[into]))[-1]
        if live.ticket_id == ticket_id:
            raise NotAllowedError(Why.INTO_ITSELF, "that ticket stands for this one, or is this one")
        if _is_danger(before) and not _is_danger(live):
            raise NotAllowedError(Why.DANGER, "a danger was named: only an open ticket with a danger stands for it")
        if _is_key(before) and not (_is_danger(live) or _is_key(live, before.place.customer_class)):
            who = before.place.customer_class
            detail = f"of a customer who is {who}: only an open ticket of such a one, or with a danger, stands for it"
            raise NotAllowedError(Why.KEY_CUSTOMER, detail)
        accounts = {each.place.account_id for each in (before, live)} - {None}
        if len(accounts) > 1 and not across:
            detail = "they are of two customers; ask with across_customers if it is one matter all the same"
            raise NotAllowedError(Why.OTHER_CUSTOMER, detail)
        changes = [desk.change(before, asked.model_copy(update={"ticket": live.ticket_id}))]
        if changes[0].events:
            needs = [*(live.carried_needs or ()), *lent(before)]
            stands_for_it = _carry(desk, _carried(desk, live, before, asked), needs, asked.at)
            if work_of(before).open and (lends := lent(before)) and not work_of(live).open:
                stands_for_it = _opened_again(stands_for_it, lends[0].reason, asked.at)
            changes = [_carry(desk, changes[0], (), asked.at), stands_for_it]
        changes = await desk.keep(tx, changes, asked.at)
    desk.committed(changes)
    return changes[0].after


async def unmerge(desk: Desk, ticket_id: UUID, asked: Event, version: int | None) -> Ticket:
    """Let a merged ticket stand for itself again, with its old place and clock.

    Raises:
        NoSuchTicketError, OtherVersionError, NotAllowedError: as they say.
    """
    async with desk.transaction() as tx:
        before = await desk.load(tx, ticket_id, version)
        changes = [desk.change(before, asked)]
        if stood_for_it := (await _chain(desk, tx, before))[1:]:
            changes += [_released(desk, each, before, asked) for each in stood_for_it]
            changes = await _give_back_needs(desk, tx, changes, asked.at)
        changes = await desk.keep(tx, changes, asked.at)
    desk.committed(changes)
    return changes[0].after


async def _give_back_needs(desk: Desk, tx: Connection, changes: Sequence[Change], now: datetime) -> list[Change]:
    """Let a ticket that stands for itself again carry what those need that it stands for, and its live one no more.

    Args:
        desk: Of the tickets.
        tx: The transaction.
        changes: The ticket's, that of the one it was merged into, and those of the ones that stand for that.
        now: The time of the act.
    """
    [own, *between, live] = changes
    carried = live.after.carried_needs or ()
    theirs = [need for need in carried if await _stands_for(desk, tx, own.before, need.ticket)]
    own = _carry(desk, own, [need for need in theirs if need.ticket != own.before.ticket_id], now)
    live = _carry(desk, live, [need for need in carried if need not in theirs], now)
    return [own, *between, live]


async def _stands_for(desk: Desk, tx: Connection, ticket: Ticket, other: UUID) -> bool:
    """Tell whether a ticket is or stands for another, as stored."""
    first = (await desk.locked(tx, {other}))[other]
    return ticket.ticket_id in {each.ticket_id for each in await _chain(desk, tx, first)}


async def _chain(desk: Desk, tx: Connection, ticket: Ticket) -> list[Ticket]:
    """Return a ticket, what stands for it, what stands for that, and so on, locked."""
    chain = [ticket]
    while (further := work_of(chain[-1]).merged_into) is not None:
        chain.append((await desk.locked(tx, {further}))[further])
    return chain


def _carried(desk: Desk, live: Ticket, before: Ticket, asked: Event) -> Change:
    """Return what a merge makes of the live ticket: it stands for the other, and for all that this stood for."""
    of = {"did": Did.CARRIED, "at": asked.at, "by": asked.by}
    return _each(
        desk,
        live,
        [Event.model_validate({**of, "ticket": one, "opened_at": at}) for one, at in clocks_of(before).items()],
    )


def _released(desk: Desk, stood_for_it: Ticket, before: Ticket, asked: Event) -> Change:
    """Return what undoing a merge makes of a ticket that stood for the other."""
    return _each(desk, stood_for_it, released(stood_for_it, before, asked.at, asked.by))


def _each(desk: Desk, before: Ticket, asked: Sequence[Event]) -> Change:
    """Return what several acts at once make of a ticket: one version."""
    change = Change(before, before, ())
    for one in asked:
        further = desk.change(change.after, one)
        if further.events:
            after = replace(further.after, version=before.version + 1)
            change = Change(before, after, (*change.events, *further.events))
    return change


def _carry(desk: Desk, change: Change, needs: Sequence[Need], now: datetime) -> Change:
    """Return a change with what the ticket is to carry for others."""
    after = carrying(change.after, needs, desk.book.rules, now)
    if after is change.after:
        return change
    version = change.before.version + 1
    return Change(change.before, replace(after, version=version, routed_at=now), change.events)


def _opened_again(change: Change, reason: str, now: datetime) -> Change:
    """Return a change after which people have to do with the ticket again: what it carries, dedup still asks."""
    again = Event(did=Did.REOPENED, at=now, by=GRIDLINE, queue=change.after.queue, reason=reason)
    return Change(change.before, with_events(change.after, [again]), (*change.events, again))


def _is_danger(ticket: Ticket) -> bool:
    """Tell whether a danger was named that people still have to do with."""
    return bool(ticket.classification.hazards) and work_of(ticket).open


def _is_key(ticket: Ticket, at_least: CustomerClass = CustomerClass.IMPORTANT) -> bool:
    """Tell whether people still have to do with a ticket of a customer who depends on the power, at least as much."""
    return ticket.place.customer_class in _KEY[: _KEY.index(at_least) + 1] and work_of(ticket).open
