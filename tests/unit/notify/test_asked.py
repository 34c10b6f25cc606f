"""What is said to whoever asks: of what became of a report last, whatever became of it before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.contracts.messages import RecipientHeard
from services.contracts.values import Channel, IncidentState, Recipient
from services.notify.domain.asked import Asked, answer, of_another, of_ticket, truth
from services.notify.domain.incident import Settled
from services.notify.domain.notice import Reporter, Stage, Turn, recipient_id
from tests.unit.notify.snapshots import NOW
from tests.unit.notify.test_needs_notice import standing

EARLIER, LATER = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
OUTAGE = replace(standing(IncidentState.RESTORED, state_since=3), restored_at=LATER, changed_at=LATER)
BY_PERSON = Settled("needs_person", "no_place", EARLIER)
OWING = Settled("answered", "arrears", LATER)


@pytest.mark.parametrize(
    ("asked", "stage", "since"),
    [
        (Asked("en", None, 1, EARLIER, OUTAGE), Stage.RESTORED, LATER),
        (Asked("en", BY_PERSON, 1, LATER, OUTAGE), Stage.RESTORED, LATER),  # people found the place
        (Asked("en", replace(BY_PERSON, at=LATER), 1, EARLIER, OUTAGE), Stage.WITH_PERSON, LATER),  # it left the outage
        (Asked("en", OWING, 1, EARLIER, OUTAGE), Stage.ANSWERED, LATER),
        (Asked("en", BY_PERSON), Stage.WITH_PERSON, EARLIER),
        (Asked("en", BY_PERSON, closed_at=LATER), Stage.CLOSED, LATER),
        (Asked("en", OWING, closed_at=LATER), Stage.ANSWERED, LATER),  # the answer says more
        (Asked("en", None, 1, EARLIER, OUTAGE, closed_at=NOW), Stage.RESTORED, LATER),
        (Asked("en", None), Stage.RECEIVED, None),  # between two outages
        (of_ticket("en", None), Stage.WITH_PERSON, None),
        (of_ticket("en", LATER), Stage.CLOSED, LATER),
    ],
)
def test_what_became_of_it_last_is_told(asked, stage, since):
    found = truth(asked, NOW)
    assert (found.tell.stage, found.updated_at) == (stage, since)
    assert found.restored_at == (LATER if stage is Stage.RESTORED else None)
    assert found.closed_at == (LATER if stage is Stage.CLOSED else None)


PLANNED = replace(OWING, reason="planned_outage", expected_at=NOW + timedelta(hours=1))


@pytest.mark.parametrize("settled", [None, BY_PERSON, OWING, PLANNED, replace(OWING, reason="already_restored")])
def test_of_another_customer_all_is_told_but_of_their_account(settled):
    asked = Asked("en", settled, 1, EARLIER, None)
    told = of_another(asked, "bo")
    assert (told.language, of_another(asked, None).language) == ("bo", "en")
    theirs, ours = truth(asked, NOW), truth(told, NOW)
    assert (theirs.tell.stage, theirs.updated_at) == (ours.tell.stage, ours.updated_at)
    assert (theirs.tell.template == ours.tell.template) is (settled is not OWING)


def asks(number: int, **values) -> RecipientHeard:
    to = Recipient(channel=Channel.SMS, address="13800000001")
    return RecipientHeard(
        event_id=UUID(int=number),
        source="gateway",
        source_event_id=str(number),
        recipient_id=recipient_id(to),
        recipient=to,
        heard="asks_status",
        occurred_at=NOW,
        received_at=NOW,
        raw_sha256="0" * 64,
        **values,
    )


@pytest.mark.parametrize(
    ("asked", "template", "restored_at", "closed_at"),
    [
        (Asked("en", None, 1, EARLIER, OUTAGE), "restored", LATER, None),
        (Asked("en", None, 1, EARLIER, replace(OUTAGE, state=IncidentState.CONFIRMED)), "joined_known", None, None),
        (of_ticket("en", LATER), "closed", None, LATER),
    ],
)
def test_a_question_by_message_is_answered_once_with_what_is_true(asked, template, restored_at, closed_at):
    report = UUID(int=7)
    reporter = Reporter(report, report, "REF-7", "en", asks(1).recipient)
    notice = answer(asks(1), reporter, asked, now=NOW)
    assert (notice.stage, notice.template, notice.language) == (Stage.ASKED, template, "en")
    assert (notice.restored_at, notice.closed_at) == (restored_at, closed_at)
    assert (notice.turn, notice.replaces, notice.caused_at) == (Turn.IMPORTANT, (report,), NOW), "they wait for it"
    assert answer(asks(1, language="bo"), reporter, asked, now=LATER).notice_id == notice.notice_id, "delivered again"
    assert answer(asks(2), reporter, asked, now=NOW).notice_id != notice.notice_id
    at_risk = replace(reporter, turn=Turn.AT_RISK)
    told = answer(asks(1, language="bo"), at_risk, asked, now=NOW)
    assert (told.language, told.turn) == ("bo", Turn.AT_RISK)
