"""The status of a report for a customer who asks, over HTTP or by a message that is answered with a notice.

Pure. Never here: what customers are told unasked (``decide``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from services.contracts import ids
from services.notify.domain.comparison import present
from services.notify.domain.incident import Settled
from services.notify.domain.notice import Stage, Tell, Template, Turn, make_notice, one_spelling, settled_tell

if TYPE_CHECKING:
    from datetime import datetime

    from services.contracts.messages import RecipientHeard
    from services.notify.domain.incident import Standing
    from services.notify.domain.notice import Notice, Reporter


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a report that somebody asks about.

    Attributes:
        closed_at: When people closed its ticket.
    """

    language: str
    settled: Settled | None
    joined_revision: int = 0
    joined_at: datetime | None = None
    standing: Standing | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What to tell, and since when it is so."""

    tell: Tell
    restored_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def closed_at(self) -> datetime | None:
        """When people closed the ticket, where that is told."""
        return self.updated_at if self.tell.stage is Stage.CLOSED else None


def of_ticket(language: str, closed_at: datetime | None) -> Asked:
    """Return what is known of a ticket without a report: people have it, or closed it."""
    return Asked(language, Settled("needs_person", "no_report", None), closed_at=closed_at)


def of_another(asked: Asked, language: str | None) -> Asked:
    """Return what may be said of a report to whoever asks by a ticket that it stands for: it may be another customer's.

    Nothing of their account; and in the language of the ticket that is asked about, where that is known.
    """
    settled = asked.settled
    if settled is not None and settled.reason == "arrears":
        settled = replace(settled, reason="of_another")
    return replace(asked, language=language or asked.language, settled=settled)


def truth(asked: Asked, now: datetime) -> Truth:
    """Say what is true of a report: its incident, unless it was settled after it had joined that."""
    standing, settled = asked.standing, asked.settled
    if standing is not None and not (settled and asked.joined_at and settled.is_after(asked.joined_at)):
        tell = present(standing, joined_revision=asked.joined_revision, now=now)
        return Truth(tell, standing.restored_at, standing.changed_at)
    if settled is not None:
        until = settled.expected_at if settled.expected_at is not None and settled.expected_at > now else None
        tell = settled_tell(settled.outcome, settled.reason, until)
        if tell.stage is Stage.WITH_PERSON and asked.closed_at is not None:
            return Truth(Tell(Stage.CLOSED, 1, Template.CLOSED), None, asked.closed_at)
        return Truth(tell, None, settled.at)
    return Truth(Tell(Stage.RECEIVED, 1, Template.RECEIVED))  # on its way between two incidents


def answer(asking: RecipientHeard, reporter: Reporter, asked: Asked, *, now: datetime) -> Notice:
    """Make the notice that answers a customer's question: one a question, however often that is delivered."""
    found = truth(asked, now)
    notice = make_notice(
        reporter,
        replace(found.tell, stage=Stage.ASKED, revision=1),
        incident_id=None,
        language=asking.language,
        caused_at=asking.received_at,
        turn=min(reporter.turn, Turn.IMPORTANT),
    )
    to = asking.recipient
    return replace(
        notice,
        notice_id=ids.notice_id(to.channel, one_spelling(to), asking.event_id, Stage.ASKED, 1),
        restored_at=found.restored_at if found.tell.stage is Stage.RESTORED else None,
        closed_at=found.closed_at,
        replaces=(reporter.report_id,),
    )
