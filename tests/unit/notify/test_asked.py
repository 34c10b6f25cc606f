"""What is said to whoever asks: of what became of a report last, whatever became of it before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.contracts.values import IncidentState
from services.notify.domain.asked import Asked, Settled, of_another, of_ticket, truth
from services.notify.domain.notice import Stage
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


@pytest.mark.parametrize("settled", [None, BY_PERSON, OWING, replace(OWING, reason="planned_outage")])
def test_of_another_customer_all_is_told_but_of_their_account(settled):
    asked = Asked("en", settled, 1, EARLIER, None)
    told = of_another(asked, "bo")
    assert (told.language, of_another(asked, None).language) == ("bo", "en")
    theirs, ours = truth(asked, NOW), truth(told, NOW)
    assert (theirs.tell.stage, theirs.updated_at) == (ours.tell.stage, ours.updated_at)
    assert (theirs.tell.template == ours.tell.template) is (settled is not OWING)
