"""What to tell who was told until when planned work lasts: that its end has moved. Pure.

Decided here: which change matters. It is the rule of an incident's estimate (``comparison``): by more than so much
since the customer was told one, and not to a time that has passed. And in which order the words of planned work and of
an incident count, which come on different topics: nobody is told what was so before what they have been told. Never
here: that a plan answers a report, or no longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from services.notify.domain.notice import (
    Quiet,
    Reporter,
    Stage,
    Tell,
    Template,
    Unsaid,
    make_notice,
    once_for,
    recipient_id,
    settled_tell,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from services.contracts.messages import ReportSettled
    from services.notify.domain.notice import Notice


@dataclass(frozen=True, slots=True)
class Promise:
    """The end of a planned outage that a customer was last told, and when what was told became so.

    Attributes:
        until: None where all words of it failed: they know neither that it is planned nor until when.
    """

    until: datetime | None
    caused_at: datetime


Promises = dict[tuple[UUID, UUID], Promise]
"""By customer and planned outage."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An incident that a settled report was in.

    Attributes:
        alone: Whether no other report of the customer is in it.
        latest: What is told by its newest word to the customer became so then; None where it said nothing.
    """

    incident_id: UUID
    alone: bool
    latest: datetime | None


def unsaid(message: ReportSettled) -> Unsaid | None:
    """Return what is not to be said any more of a report that an incident has again: until when planned work lasts."""
    to, planned, incident = message.recipient, message.planned_id, message.incident_id
    if message.outcome != "in_incident" or to is None or planned is None or incident is None:
        return None
    return Unsaid(recipient_id(to), planned, incident)


def is_overtaken(message: ReportSettled, spoken: Iterable[Spoken]) -> bool:
    """Tell whether an incident that the report is or was in has told its customer what became so later.

    Of a report that an incident has again nothing is told beside the incident's own word of that moment.
    """
    if message.outcome == "in_incident":
        return any(one.latest is not None and one.latest >= message.settled_at for one in spoken)
    return any(one.alone and one.latest is not None and one.latest > message.settled_at for one in spoken)


def instead_of(notice: Notice, message: ReportSettled, spoken: Iterable[Spoken]) -> Notice:
    """Let it take the place of what an incident that has the report no more has not sent yet, unless it has another."""
    if message.outcome == "in_incident":
        return notice
    return replace(notice, replaces=(*notice.replaces, *(one.incident_id for one in spoken if one.alone)))


def promise(promises: Promises, notice: Notice) -> None:
    """Note what a notice says of a planned outage's end, unless something newer is known."""
    if notice.planned_id is None or notice.etr is None:
        return
    key = notice.recipient_id, notice.planned_id
    if key not in promises or promises[key].caused_at <= notice.caused_at:
        promises[key] = Promise(notice.etr, notice.caused_at)


def is_moved_end(message: ReportSettled) -> bool:
    """Tell whether a settlement only says that the end of the planned outage is another."""
    return message.planned_id is not None and message.expected_before is not None


def tell_moved_end(
    message: ReportSettled, told: Promise | None, *, moved_by: timedelta, now: datetime
) -> Notice | Quiet:
    """Tell a customer the end that their planned outage has now, if the change matters.

    However many of their reports it answers, they are told once.

    Args:
        message: The settlement.
        told: What the customer was last told of this planned outage; None where that is not known.
        moved_by: Its end must have moved by more than this.
        now: An end that is not after this is not told.
    """
    to, until, before = message.recipient, message.expected_at, message.expected_before
    if to is None:
        return Quiet.NO_RECIPIENT
    if until is None or before is None:
        return Quiet.NOTHING_TO_TELL
    if told is not None and message.settled_at < told.caused_at:
        return Quiet.STALE_REVISION
    known = before if told is None else told.until
    if until == known:
        return Quiet.ALREADY_TOLD
    if until <= now:
        return Quiet.ETR_PAST
    if known is not None and abs(until - known) <= moved_by:
        return Quiet.ETR_MOVED_LITTLE
    reporter = Reporter(message.report_id, message.ticket_id, message.ticket_ref, message.language, to)
    changed = Tell(Stage.ETR_CHANGED, 1, Template.ETR_CHANGED, until)
    tell = changed if known is not None else settled_tell(message.outcome, message.reason, until)
    notice = make_notice(reporter, tell, incident_id=None, caused_at=message.settled_at)
    return once_for(message.command_id or message.report_id, replace(notice, planned_id=message.planned_id), to)
