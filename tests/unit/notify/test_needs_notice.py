"""What a customer is told, by what is true and what they were told before: the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.contracts.values import IncidentState
from services.notify.domain.asked import Asked, truth
from services.notify.domain.comparison import needs_notice, present
from services.notify.domain.incident import Settled, Standing
from services.notify.domain.notice import Quiet, Reach, Stage, Tell, Template, Told, without_etr

A, B = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
TWO, THREE = NOW + timedelta(hours=2), NOW + timedelta(hours=3)
MOVED_BY = timedelta(minutes=20)


def standing(
    state: IncidentState = IncidentState.PREDICTED,
    *,
    etr: datetime | None = None,
    etr_since: int = 0,
    state_since: int = 0,
    known_since: int | None = None,
) -> Standing:
    return Standing(
        incident_id=A,
        revision=9,
        state=state,
        etr=etr,
        etr_since=etr_since or (4 if etr else 0),
        restored_at=NOW if state is IncidentState.RESTORED else None,
        state_since=state_since,
        known_since=known_since,
        changed_at=NOW,
    )


def told(stage: Stage, etr: datetime | None = None, incident: UUID = A) -> Told:
    return Told(incident, UUID(int=1), stage, 1, etr)


RESTORED = IncidentState.RESTORED
PAST = NOW - timedelta(minutes=1)

TABLE = [
    # A customer who was told nothing yet.
    ("opened it", standing(), None, (1, 1), Tell(Stage.RECEIVED, 1, Template.RECEIVED)),
    ("joined before the crew spoke", standing(known_since=5), None, (3, 3), Tell(Stage.RECEIVED, 3, Template.RECEIVED)),
    (
        "joined as the crew spoke",
        standing(known_since=5),
        None,
        (5, 5),
        Tell(Stage.JOINED_KNOWN, 5, Template.JOINED_KNOWN),
    ),
    (
        "joined after the ETR",
        standing(etr=TWO, known_since=4),
        None,
        (6, 6),
        Tell(Stage.JOINED_KNOWN, 6, Template.JOINED_KNOWN_ETR, TWO),
    ),
    (
        "joined before the ETR and hears of both at once",
        standing(etr=TWO, known_since=4),
        None,
        (1, 1),
        Tell(Stage.ETR_SET, 4, Template.ETR_SET, TWO),
    ),
    (
        "an ETR that has passed is not told",
        standing(etr=PAST, known_since=4),
        None,
        (6, 6),
        Tell(Stage.JOINED_KNOWN, 6, Template.JOINED_KNOWN),
    ),
    (
        "restored before anything was told",
        standing(RESTORED, etr=TWO, state_since=7),
        None,
        (1, 1),
        Tell(Stage.RESTORED, 7, Template.RESTORED),
    ),
    ("cancelled", standing(IncidentState.CANCELLED), None, (1, 1), Quiet.INCIDENT_CANCELLED),
    # A customer who knows of the outage.
    ("nothing new", standing(known_since=5), told(Stage.RECEIVED), (1, 1), Quiet.ALREADY_TOLD),
    ("first ETR", standing(etr=TWO), told(Stage.RECEIVED), (1, 1), Tell(Stage.ETR_SET, 4, Template.ETR_SET, TWO)),
    ("first ETR has passed", standing(etr=PAST), told(Stage.RECEIVED), (1, 1), Quiet.ETR_PAST),
    ("same ETR", standing(etr=TWO), told(Stage.ETR_SET, TWO), (1, 1), Quiet.ALREADY_TOLD),
    (
        "ETR later by the threshold exactly",
        standing(etr=TWO + MOVED_BY),
        told(Stage.ETR_SET, TWO),
        (1, 1),
        Quiet.ETR_MOVED_LITTLE,
    ),
    ("ETR sooner by little", standing(etr=TWO - MOVED_BY), told(Stage.ETR_SET, TWO), (1, 1), Quiet.ETR_MOVED_LITTLE),
    (
        "ETR later by more",
        standing(etr=TWO + MOVED_BY + timedelta(seconds=1)),
        told(Stage.ETR_SET, TWO),
        (1, 1),
        Tell(Stage.ETR_CHANGED, 4, Template.ETR_CHANGED, TWO + MOVED_BY + timedelta(seconds=1)),
    ),
    (
        "ETR sooner by more",
        standing(etr=TWO),
        told(Stage.JOINED_KNOWN, THREE),
        (1, 1),
        Tell(Stage.ETR_CHANGED, 4, Template.ETR_CHANGED, TWO),
    ),
    ("ETR withdrawn", standing(), told(Stage.ETR_SET, TWO), (1, 1), Quiet.ETR_WITHDRAWN),
    ("the ETR they were told has passed", standing(etr=PAST), told(Stage.ETR_SET, PAST), (1, 1), Quiet.ALREADY_TOLD),
    ("another ETR has passed", standing(etr=PAST), told(Stage.ETR_SET, TWO), (1, 1), Quiet.ETR_PAST),
    (
        "restored",
        standing(RESTORED, state_since=7),
        told(Stage.ETR_SET, TWO),
        (1, 1),
        Tell(Stage.RESTORED, 7, Template.RESTORED),
    ),
    ("restored and told so", standing(RESTORED, state_since=7), told(Stage.RESTORED), (1, 1), Quiet.ALREADY_TOLD),
    # Restoration that did not hold.
    (
        "reopened",
        standing(state_since=8, known_since=2),
        told(Stage.RESTORED),
        (1, 1),
        Tell(Stage.JOINED_KNOWN, 8, Template.JOINED_KNOWN),
    ),
    (
        "reopened with an ETR",
        standing(etr=TWO, etr_since=9, state_since=8, known_since=2),
        told(Stage.RESTORED),
        (1, 1),
        Tell(Stage.JOINED_KNOWN, 9, Template.JOINED_KNOWN_ETR, TWO),
    ),
    # A report that came from incident B.
    ("no second received", standing(), told(Stage.RECEIVED, incident=B), (3, 3), Quiet.ALREADY_TOLD),
    ("same ETR in both", standing(etr=TWO), told(Stage.ETR_SET, TWO, incident=B), (6, 6), Quiet.ALREADY_TOLD),
    (
        "another ETR here",
        standing(etr=THREE),
        told(Stage.ETR_SET, TWO, incident=B),
        (6, 6),
        Tell(Stage.ETR_CHANGED, 6, Template.ETR_CHANGED, THREE),
    ),
    (
        "only here an ETR",
        standing(etr=THREE),
        told(Stage.RECEIVED, incident=B),
        (6, 6),
        Tell(Stage.ETR_SET, 6, Template.ETR_SET, THREE),
    ),
    (
        "restored here, not there",
        standing(RESTORED, state_since=7),
        told(Stage.RECEIVED, incident=B),
        (3, 3),
        Tell(Stage.RESTORED, 7, Template.RESTORED),
    ),
    (
        "restored there, not here",
        standing(),
        told(Stage.RESTORED, incident=B),
        (3, 3),
        Tell(Stage.JOINED_KNOWN, 3, Template.JOINED_KNOWN),
    ),
    # A customer with two reports.
    ("the later report decides the revision", standing(), None, (1, 6), Tell(Stage.RECEIVED, 6, Template.RECEIVED)),
]


PASSED = timedelta(minutes=15)
LAPSED = NOW - PASSED


AFTER_IT_HAS_PASSED = [
    (
        "who was told it",
        standing(etr=LAPSED),
        told(Stage.ETR_SET, LAPSED),
        Tell(Stage.ETR_PASSED, 4, Template.ETR_PASSED),
    ),
    (
        "who was told one a little earlier",
        standing(etr=LAPSED),
        told(Stage.ETR_CHANGED, LAPSED - MOVED_BY),
        Tell(Stage.ETR_PASSED, 4, Template.ETR_PASSED),
    ),
    ("who was told a later one", standing(etr=LAPSED), told(Stage.ETR_SET, PAST), Quiet.ETR_NOT_PASSED),
    ("not yet long enough", standing(etr=PAST), told(Stage.ETR_SET, PAST), Quiet.ETR_NOT_PASSED),
    ("who was told none", standing(etr=LAPSED), told(Stage.RECEIVED), Quiet.ALREADY_TOLD),
    ("who knows", standing(etr=LAPSED), told(Stage.ETR_PASSED), Quiet.ALREADY_TOLD),
    ("power is back", standing(RESTORED, etr=LAPSED), told(Stage.RESTORED), Quiet.ALREADY_TOLD),
    ("it is still to come", standing(etr=TWO), told(Stage.ETR_SET, TWO), Quiet.ALREADY_TOLD),
    ("none stands any more", standing(), told(Stage.ETR_SET, LAPSED), Quiet.ETR_WITHDRAWN),
]


@pytest.mark.parametrize(("what", "truth", "before", "expected"), AFTER_IT_HAS_PASSED)
def test_who_was_told_a_time_hears_that_it_has_passed(what, truth, before, expected):
    said = needs_notice(truth, before, joined=(1, 1), etr_moved_by=MOVED_BY, now=NOW, passed=PASSED)
    assert said == expected, what
    if isinstance(said, Tell):
        usually = needs_notice(truth, before, joined=(1, 1), etr_moved_by=MOVED_BY, now=NOW)
        assert isinstance(usually, Quiet), "a batch of news does not look at it"


def test_a_time_that_was_never_sent_is_not_said_to_have_passed():
    unsent = Told(A, UUID(int=1), Stage.ETR_SET, 1, LAPSED, Reach.KEPT)
    said = needs_notice(standing(etr=LAPSED), unsent, joined=(1, 1), etr_moved_by=MOVED_BY, now=NOW, passed=PASSED)
    assert said is Quiet.ALREADY_TOLD
    leaving = replace(unsent, reach=Reach.LEAVING)  # it may be given up: then what they were told before holds
    said = needs_notice(standing(etr=LAPSED), leaving, joined=(1, 1), etr_moved_by=MOVED_BY, now=NOW, passed=PASSED)
    assert said is Quiet.ETR_NOT_PASSED


def test_that_a_time_has_passed_is_no_older_news_than_the_word_that_told_it():
    """Told to who joined when the crew had spoken, the time is news of that, and what follows comes after it."""
    before = replace(told(Stage.JOINED_KNOWN, LAPSED), revision=7)
    said = needs_notice(standing(etr=LAPSED), before, joined=(1, 1), etr_moved_by=MOVED_BY, now=NOW, passed=PASSED)
    assert said == Tell(Stage.ETR_PASSED, 7, Template.ETR_PASSED)


def test_the_revision_of_the_incident_that_a_report_came_from_is_none_of_the_one_that_it_is_in() -> None:
    """Above those of its own incident, every later word of that would be older news than it."""
    before = replace(told(Stage.ETR_SET, etr=LAPSED, incident=B), revision=13)
    said = needs_notice(standing(etr=LAPSED), before, joined=(1, 1), etr_moved_by=MOVED_BY, now=NOW, passed=PASSED)
    assert said == Tell(Stage.ETR_PASSED, 4, Template.ETR_PASSED)


def test_after_it_has_passed_another_time_is_told_as_a_first_one():
    said = needs_notice(standing(etr=TWO), told(Stage.ETR_PASSED), joined=(1, 1), etr_moved_by=MOVED_BY, now=NOW)
    assert said == Tell(Stage.ETR_SET, 4, Template.ETR_SET, TWO)


@pytest.mark.parametrize(("what", "truth", "before", "joined", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_a_customer_is_told_what_differs_and_silence_has_a_reason(what, truth, before, joined, expected):
    assert needs_notice(truth, before, joined=joined, etr_moved_by=MOVED_BY, now=NOW) == expected


def test_every_reason_of_the_comparison_is_in_the_table():
    compared = {
        Quiet.ALREADY_TOLD,
        Quiet.ETR_MOVED_LITTLE,
        Quiet.ETR_PAST,
        Quiet.ETR_NOT_PASSED,
        Quiet.ETR_WITHDRAWN,
        Quiet.INCIDENT_CANCELLED,
    }
    expected = [row[-1] for row in TABLE + AFTER_IT_HAS_PASSED]
    assert {one for one in expected if isinstance(one, Quiet)} == compared
    incident_stages = set(Stage) - {Stage.ANSWERED, Stage.WITH_PERSON, Stage.CLOSED, Stage.ASKED}
    assert {one.stage for one in expected if isinstance(one, Tell)} == incident_stages


def test_who_asks_hears_what_is_true_even_if_they_were_told():
    assert present(standing(), joined_revision=1, now=NOW).stage is Stage.RECEIVED
    for joined in (4, 6):
        assert present(standing(known_since=4), joined_revision=joined, now=NOW).stage is Stage.JOINED_KNOWN
    assert present(standing(etr=TWO), joined_revision=1, now=NOW).etr == TWO
    assert present(standing(etr=PAST, known_since=4), joined_revision=1, now=NOW).stage is Stage.RECEIVED
    assert present(standing(RESTORED, state_since=7), joined_revision=1, now=NOW).stage is Stage.RESTORED


@pytest.mark.parametrize(("until", "template"), [(TWO, Template.ANSWERED_PLANNED), (PAST, Template.ANSWERED)])
def test_who_asks_about_planned_work_hears_no_end_that_has_passed(until, template):
    asked = Asked("en", Settled("answered", "planned_outage", PAST, until), 0, None, None)

    assert truth(asked, NOW).tell.template is template


@pytest.mark.parametrize(
    ("stage", "template", "first_word", "left"),
    [
        (Stage.JOINED_KNOWN, Template.JOINED_KNOWN_ETR, True, Template.JOINED_KNOWN),
        (Stage.ANSWERED, Template.ANSWERED_PLANNED, False, Template.ANSWERED),
        (Stage.JOINED_KNOWN, Template.DANGER_ETR, False, Template.DANGER_KNOWN),
        (Stage.ETR_SET, Template.DANGER_ETR, True, Template.DANGER_KNOWN),
        (Stage.ETR_CHANGED, Template.DANGER_ETR, False, None),
        (Stage.ETR_SET, Template.ETR_SET, True, Template.JOINED_KNOWN),
        (Stage.ETR_SET, Template.ETR_SET, False, None),
        (Stage.ETR_CHANGED, Template.ETR_CHANGED, False, None),
        (Stage.ASKED, Template.ETR_SET, False, Template.JOINED_KNOWN),
    ],
)
def test_of_a_notice_whose_estimate_has_passed_the_rest_is_said_to_whoever_knows_nothing_or_asked(
    stage, template, first_word, left
):
    assert without_etr(stage, template, first_word=first_word) is left
