"""The vocabulary of notices: stages, templates, reasons for silence, and the notice itself.

Decided here: what a notice carries, whose it is, and what is said about a report without an incident. Never here: I/O,
the clock, wording.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from services.contracts import ids
from services.contracts.values import TELEPHONE, Channel, CustomerClass
from services.grid.phone import phone_key

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import ReportSettled
    from services.contracts.values import Recipient


class Turn(IntEnum):
    """Whose turn it is to be told, where more is waiting than can be sent at once: the lower number first."""

    AT_RISK = 0
    """Life support, or danger where they reported."""
    IMPORTANT = 1
    """An important customer; or someone who asks, and waits for the answer."""
    OTHERS = 2


def turn_of(customer_class: CustomerClass | None, *, danger: bool) -> Turn:
    """Return whose turn a report's customer is. A VIP's own person tells them."""
    if danger or customer_class is CustomerClass.LIFE_SUPPORT:
        return Turn.AT_RISK
    return Turn.IMPORTANT if customer_class is CustomerClass.IMPORTANT else Turn.OTHERS


class Stage(StrEnum):
    """What a notice is about."""

    RECEIVED = "received"
    """The report is in an incident of which nothing more is known yet."""
    JOINED_KNOWN = "joined_known"
    """The report joined an incident that a crew or an ETR had already spoken of."""
    ETR_SET = "etr_set"
    ETR_CHANGED = "etr_changed"
    ETR_PASSED = "etr_passed"
    """The time they were told has passed, and nobody has said that power is back."""
    RESTORED = "restored"
    ANSWERED = "answered"
    """No incident: arrears, already restored, or another known answer."""
    WITH_PERSON = "with_person"
    """No incident: a person looks into it."""
    CLOSED = "closed"
    """No incident: people closed it. Nobody is told unasked."""
    ASKED = "asked"
    """What is true of the customer's last report now, since they asked."""


class Template(StrEnum):
    """Which text a notice is rendered with: a stage, or a stage in one of its circumstances."""

    RECEIVED = "received"
    RECEIVED_STORM = "received_storm"
    """The same while the area is in a storm."""
    JOINED_KNOWN = "joined_known"
    JOINED_KNOWN_ETR = "joined_known_etr"
    ETR_SET = "etr_set"
    ETR_CHANGED = "etr_changed"
    ETR_PASSED = "etr_passed"
    RESTORED = "restored"
    DANGER_KNOWN = "danger_known"
    """Of a danger, which says nothing of power: it is known, and what to keep away from."""
    DANGER_ETR = "danger_etr"
    """And when the crew expects to be done with it."""
    DANGER_OVER = "danger_over"
    """And that the crew is done with it."""
    ANSWERED = "answered"
    ANSWERED_ARREARS = "answered_arrears"
    ANSWERED_ALREADY_RESTORED = "answered_already_restored"
    ANSWERED_PLANNED = "answered_planned"
    """It is planned work, and until when."""
    WITH_PERSON = "with_person"
    CLOSED = "closed"


_OF_DANGER: Final = {
    Template.RECEIVED: Template.DANGER_KNOWN,
    Template.RECEIVED_STORM: Template.DANGER_KNOWN,
    Template.JOINED_KNOWN: Template.DANGER_KNOWN,
    Template.JOINED_KNOWN_ETR: Template.DANGER_ETR,
    Template.ETR_SET: Template.DANGER_ETR,
    Template.ETR_CHANGED: Template.DANGER_ETR,
    Template.ETR_PASSED: Template.DANGER_KNOWN,
    Template.RESTORED: Template.DANGER_OVER,
}
_WITHOUT_ETR: Final = {
    Template.JOINED_KNOWN_ETR: Template.JOINED_KNOWN,
    Template.ANSWERED_PLANNED: Template.ANSWERED,
}


def of_danger(template: Template) -> Template:
    """Return the text that says of a danger what another says of an outage: power may be on at that home, or out."""
    return _OF_DANGER[template]


def without_etr(stage: Stage, template: Template, *, first_word: bool) -> Template | None:
    """Return the text that is left of a notice whose estimate has passed; None where the estimate was all it had.

    Args:
        stage: What it is about.
        template: The text with the estimate.
        first_word: Whether its customer was sent nothing yet of the incident: they hear that it is known.
    """
    if template in _WITHOUT_ETR:
        return _WITHOUT_ETR[template]
    known = Template.DANGER_KNOWN if template is Template.DANGER_ETR else Template.JOINED_KNOWN
    return known if first_word or stage in {Stage.ASKED, Stage.JOINED_KNOWN} else None


class Quiet(StrEnum):
    """Why there is no notice. The word is in the metric and the log."""

    NO_RECIPIENT = "no_recipient"
    """The report came without a way to tell its customer."""
    ALREADY_TOLD = "already_told"
    """Nothing differs from what the customer was last told."""
    SAME_CUSTOMER = "same_customer"
    """Another report of the same customer in the same incident is told."""
    ETR_MOVED_LITTLE = "etr_moved_little"
    ETR_PAST = "etr_past"
    """The estimate had passed before anyone could be told."""
    ETR_NOT_PASSED = "etr_not_passed"
    """The estimate has passed, but not yet the later one that the customer was told."""
    ETR_WITHDRAWN = "etr_withdrawn"
    """There is no estimate any more; no stage says so, the next estimate or the restoration will."""
    NOTHING_TO_TELL = "nothing_to_tell"
    """The incident changed in a way customers are not told of."""
    STALE_REVISION = "stale_revision"
    """A newer snapshot was here before; only who joined and left still counts."""
    LEFT = "left"
    """The report went to another incident, which tells its customer from now on."""
    INCIDENT_CANCELLED = "incident_cancelled"
    UNLINKED = "unlinked"
    """The customer asked not to be told, or left."""
    QUIET_HOURS = "quiet_hours"
    """It is night: what there is to tell is decided again when the quiet hours end."""


class Held(StrEnum):
    """Whether the last time held that a customer was told, once their power is back."""

    HELD = "held"
    MISSED = "missed"
    NONE = "none"
    """They were told none."""


_ANSWER_TAKEN_BACK: Final = frozenset({"plan_withdrawn", "undone_by_person"})
"""Why a report that was answered by planned work is in an incident again, of which its customer was told before that.

One that was in none is told of by the incident that it joins (``not_planned_after_all``).
"""


@dataclass(frozen=True, slots=True)
class Reporter:
    """A report, as far as telling its customer needs."""

    report_id: UUID
    ticket_id: UUID
    ticket_ref: str
    language: str
    recipient: Recipient | None
    turn: Turn = Turn.OTHERS
    stored_as: UUID | None = None
    """Their id where they are stored: of before numbers had one spelling, it may be another."""
    contacted_at: datetime | None = None
    """When it reached us; None where that is not told."""

    @property
    def recipient_id(self) -> UUID | None:
        """Whom to tell; the same for every report of one customer on one channel."""
        return (self.stored_as or recipient_id(self.recipient)) if self.recipient else None


class Reach(StrEnum):
    """How far a notice has come."""

    OUT = "out"
    """It has left us: it was sent, is on its way, or nobody knows what became of it."""
    DOUBTED = "doubted"
    """It waits, or another took its place; an attempt before that may have been taken all the same."""
    LEAVING = "leaving"
    """It waits for who sends, and nothing holds it: soon it is known what became of it."""
    KEPT = "kept"
    """It waits for the end of the quiet hours: nobody has it."""
    GIVEN_UP = "given_up"
    """It was tried too often; an attempt may have been taken all the same."""
    LOST = "lost"
    """It was refused, given up, or did not arrive: nobody has it."""


FAILED: Final = frozenset({Reach.GIVEN_UP, Reach.LOST})
"""Of what nobody tries again."""


@dataclass(frozen=True, slots=True)
class Told:
    """A notice already made.

    Attributes:
        stage: What it is about; a word unknown here where a newer release, which is being rolled out, made it.
    """

    incident_id: UUID
    report_id: UUID
    stage: str
    revision: int
    etr: datetime | None
    reach: Reach = Reach.OUT


@dataclass(frozen=True, slots=True)
class Tell:
    """A stage that a customer must be told."""

    stage: Stage
    revision: int
    template: Template
    etr: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell one customer.

    Attributes:
        incident_id: None for a report that was settled without an incident.
        caused_at: When the change happened that is told.
        turn: Who is told first.
        planned_id: The planned outage that answers the report, or answered it.
        closed_at: When people closed its ticket, where that is told.
        replaces: Incidents of which earlier notices to this customer, if still unsent, are out of date now; the planned
            outage of which earlier words are; and the reports of which those without an incident are.
    """

    notice_id: UUID
    recipient_id: UUID
    channel: Channel
    incident_id: UUID | None
    report_id: UUID
    ticket_ref: str
    language: str
    stage: Stage
    revision: int
    template: Template
    etr: datetime | None
    restored_at: datetime | None
    caused_at: datetime
    turn: Turn = Turn.OTHERS
    planned_id: UUID | None = None
    closed_at: datetime | None = None
    replaces: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Nothing is told; what was to be said before, if still unsent, is out of date.

    Attributes:
        subject: The planned outage or the incident that it is about.
        incident_id: Whose word, or silence, takes its place.
    """

    recipient_id: UUID
    subject: UUID
    incident_id: UUID


def one_spelling(recipient: Recipient) -> str:
    """Return the address in the one spelling that customers are known by: a telephone number has several."""
    if recipient.channel in TELEPHONE:
        return phone_key(recipient.address) or recipient.address
    return recipient.address


def recipient_id(recipient: Recipient) -> UUID:
    """Identity of a customer's address on a channel, however it is spelled."""
    return ids.recipient_id(recipient.channel, one_spelling(recipient))


def link_id(recipient: Recipient) -> UUID:
    """Identity of what is written to: of one telephone number however spelled, for calls and text messages alike."""
    if recipient.channel in TELEPHONE:
        return ids.derive("link", "telephone", one_spelling(recipient))
    return ids.derive("link", recipient.channel, recipient.address)


def is_told(message: ReportSettled) -> bool:
    """Tell whether the settlement is to be told, and not the incident that the report is in now."""
    return message.outcome != "in_incident" or message.reason in _ANSWER_TAKEN_BACK


def settle(message: ReportSettled) -> Notice | Quiet:
    """Make the notice of a report that was answered without an incident, handed to a person, or is no longer answered.

    What a person decides may be decided otherwise and once more, and is told each time: the command stands in the
    incident's place in the notice's id. So a customer with several reports is told once.
    """
    if message.recipient is None:
        return Quiet.NO_RECIPIENT
    reporter = Reporter(message.report_id, message.ticket_id, message.ticket_ref, message.language, message.recipient)
    tell = settled_tell(message.outcome, message.reason, message.expected_at)
    notice = make_notice(reporter, tell, incident_id=None, caused_at=message.settled_at)
    notice = replace(notice, planned_id=message.planned_id, replaces=(message.report_id,))
    if message.command_id is not None:
        return once_for(message.command_id, notice, message.recipient)
    if message.planned_id is not None and message.reason == "already_restored":  # what it answered until now is over
        return once_for(message.planned_id, replace(notice, stage=Stage.RESTORED), message.recipient)
    return notice


def once_for(subject: UUID, notice: Notice, to: Recipient) -> Notice:
    """Return the one notice by which a customer is told what became of their reports, however many.

    Args:
        subject: The command of the person who did something about them, or the planned outage that is over.
        notice: What is told.
        to: The customer.
    """
    key = ids.notice_id(to.channel, one_spelling(to), subject, notice.stage, notice.revision)
    planned = () if notice.planned_id is None else (notice.planned_id,)
    return replace(notice, notice_id=key, replaces=(*planned, notice.report_id))


def settled_tell(outcome: str, reason: str, expected_at: datetime | None) -> Tell:
    """Return what to tell of a settlement; a reason without a text of its own gets the general answer."""
    if outcome == "in_incident":
        return Tell(Stage.RECEIVED, 1, Template.RECEIVED)
    if outcome != "answered":
        return Tell(Stage.WITH_PERSON, 1, Template.WITH_PERSON)
    if reason == "planned_outage" and expected_at is not None:
        return Tell(Stage.ANSWERED, 1, Template.ANSWERED_PLANNED, expected_at)
    own = {"arrears": Template.ANSWERED_ARREARS, "already_restored": Template.ANSWERED_ALREADY_RESTORED}
    return Tell(Stage.ANSWERED, 1, own.get(reason, Template.ANSWERED))


def make_notice(
    reporter: Reporter,
    tell: Tell,
    *,
    incident_id: UUID | None,
    caused_at: datetime,
    language: str | None = None,
    restored_at: datetime | None = None,
    turn: Turn | None = None,
    replaces: tuple[UUID, ...] = (),
) -> Notice:
    """Address what is to be told to the customer of ``reporter``, who must have a recipient.

    A report that was settled without an incident stands in the incident's place in the notice's id.
    """
    to, who = reporter.recipient, reporter.recipient_id
    if to is None or who is None:
        raise AssertionError("a notice has a recipient")
    subject = incident_id or reporter.report_id
    return Notice(
        notice_id=ids.notice_id(to.channel, one_spelling(to), subject, tell.stage, tell.revision),
        recipient_id=who,
        channel=to.channel,
        incident_id=incident_id,
        report_id=reporter.report_id,
        ticket_ref=reporter.ticket_ref,
        language=language or reporter.language,
        stage=tell.stage,
        revision=tell.revision,
        template=tell.template,
        etr=tell.etr,
        restored_at=restored_at,
        caused_at=caused_at,
        turn=reporter.turn if turn is None else turn,
        replaces=replaces,
    )
