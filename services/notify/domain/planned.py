"""What to tell who was told until when planned work lasts: that its end has moved. Pure.

Decided here: which change matters. It is the rule of an incident's estimate (``decide``): by more than so much since
the customer was told one, and not to a time that has passed. Never here: that a plan answers a report, or no longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from services.notify.domain.notice import Quiet, Reporter, Stage, Tell, Template, make_notice, once_for

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from services.contracts.messages import ReportSettled
    from services.notify.domain.notice import Notice


@dataclass(frozen=True, slots=True)
class Promise:
    """The end of a planned outage that a customer was last told, and when what was told became so."""

    until: datetime
    caused_at: datetime


Promises = dict[tuple[UUID, UUID], Promise]
"""By customer and planned outage."""


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
    if abs(until - known) <= moved_by:
        return Quiet.ETR_MOVED_LITTLE
    reporter = Reporter(message.report_id, message.ticket_id, message.ticket_ref, message.language, to)
    tell = Tell(Stage.ETR_CHANGED, 1, Template.ETR_CHANGED, until)
    notice = make_notice(reporter, tell, incident_id=None, caused_at=message.settled_at)
    return once_for(message.command_id or message.report_id, replace(notice, planned_id=message.planned_id), to)
