"""Some random stories of every run of what customers are told, and that a fault in it is found."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from services.notify import morning, notices, timers
from services.notify.delivery import Lane
from services.notify.domain import comparison
from services.notify.domain.comparison import Calm
from services.notify.domain.notice import Quiet, Stage, Tell, Template
from tests.integration.notify.town import Heard
from tests.stories.customers.laws import each_letter_is_news
from tests.stories.notify import over, story
from tests.stories.telling import Step, broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.notify.pending import Claimed
    from services.notify.senders import Letter
    from tests.stories.telling import Live, Story

pytestmark = pytest.mark.integration


@pytest.fixture
def live(database_dsn: str) -> Iterator[Live]:
    with over(database_dsn) as live:
        yield live


def test_everybody_has_the_last_word_once_at_its_hour_in_random_stories(live: Live) -> None:
    assert not {seed: how for seed in (*range(6), *KNOWN) if (how := broken(live, story(seed)))}


KNOWN = 500_272, 500_427, 700_112
"""Who was answered as they asked; who was told a time of one report, and then that another is in the outage again;
whose report was answered by planned work, and of which an older record of its outage came after that."""
NIGHT = Step(0, "the_settings_change", {"night": ("20:10", "07:00"), "passed": 15, "usual": 20})
CALL = Step(0, "somebody_reports", {"device": "A0TR00023", "account": None, "made": 0, "flavour": ""})
COMES = [Step(0, "some_of_it_comes", {"number": n}) for n in range(6)]
TIME = Step(200, "a_crew_gives_a_time", {"number": 0, "hours": 1})
LATE = Step(0, "it_grows_late", {"hours": 6})
AN_HOUR = Step(0, "it_grows_late", {"hours": 1})
A_NIGHT = [CALL, *COMES, NIGHT, TIME, *COMES, LATE]


@pytest.mark.parametrize(
    ("where", "name", "instead", "what"),
    [
        (Lane, "_held", lambda *_: {}, "woken by etr_set"),
        (morning, "_DUE", morning._DUE.replace("LIMIT $3", "LIMIT 0 * $3"), "what waits for ever"),
        (timers, "_PASSED", timers._PASSED.replace("etr <= $1", "etr <= $1 AND false"), "that their time has"),
    ],
    ids=["nothing waits at night", "the morning does not come", "nobody looks at what has passed"],
)
def test_control_a_fault_is_found(
    live: Live, monkeypatch: pytest.MonkeyPatch, where: object, name: str, instead: object, what: str
) -> None:
    steps = A_NIGHT if "woken" in what or "waits" in what else [CALL, *COMES, TIME, *COMES]
    assert broken(live, steps) is None
    monkeypatch.setattr(where, name, instead)
    how = broken(live, steps)
    assert how is not None
    assert how[-1].startswith(what)


AT_ONCE = [CALL, *COMES, Step(0, "the_receiver_fails", {"fails": 0, "takes": 3})]


def test_a_time_that_passes_while_it_is_told_counts_as_told(live: Live) -> None:
    """Its word had gone out; what came of it was written down a moment after that time."""
    passes = Step(0, "a_crew_gives_a_time", {"number": 0, "hours": 2 / 3600})
    assert broken(live, [*AT_ONCE, passes, *COMES]) is None


REFUSED = Step(0, "the_receiver_fails", {"fails": 0, "takes": 0, "refuses": 1})


@pytest.mark.parametrize(
    ("then", "without"),
    [
        ([LATE], "an apology for a time that nobody told"),
        ([Step(0, "a_crew_gives_a_time", {"number": 0, "hours": 6.1}), *COMES, AN_HOUR], "the time that holds nobody"),
    ],
    ids=["it passes", "it moves a little"],
)
def test_a_time_whose_word_was_refused_counts_as_told_to_nobody(
    live: Live, monkeypatch: pytest.MonkeyPatch, then: Story, without: str
) -> None:
    steps = [CALL, *COMES, REFUSED, Step(0, "a_crew_gives_a_time", {"number": 0, "hours": 6}), *COMES, *then]
    assert broken(live, steps) is None
    monkeypatch.setattr(notices, "_TOLD", notices._TOLD.replace("'lost'", "'out'"))
    how = broken(live, steps)
    assert how is not None
    assert how[-1].startswith(without)


def wrong(name: str, instead: Any) -> Callable[..., Letter]:
    honest = Lane._write

    def write(lane: Lane, one: Claimed) -> Letter:
        return replace(honest(lane, one), **{name: instead(one) if callable(instead) else instead})

    return write


DAY = [CALL, *COMES, Step(0, "a_crew_gives_a_time", {"number": 0, "hours": 6}), *COMES]
MOVES = [*DAY, Step(0, "a_crew_gives_a_time", {"number": 0, "hours": 6.1}), *COMES]
TOO_LATE = [CALL, *COMES, Step(0, "a_crew_gives_a_time", {"number": 0, "hours": 0.1}), LATE, *COMES]


@pytest.mark.parametrize(
    ("steps", "where", "name", "instead", "what"),
    [
        (DAY, Lane, "_write", wrong("ticket_ref", "7K3M-9QPX-2HR"), "told of another's report"),
        (DAY, Lane, "_write", wrong("incident_id", UUID(int=1)), "told of an outage that their report was never in"),
        (DAY, Lane, "_write", wrong("language", "bo"), "told in another language"),
        (DAY, Lane, "_write", wrong("etr", lambda one: one.etr and one.etr + timedelta(minutes=9)), "told a time that"),
        (DAY, Lane, "_write", wrong("stage", "restored"), "told that power is back while it is out"),
        (MOVES, Calm, "of", lambda *_: timedelta(0), "told the same time again"),
        (TOO_LATE, comparison, "_has_passed", lambda *_: Tell(Stage.ETR_PASSED, 9, Template.ETR_PASSED), "an apology"),
        ([*DAY, AN_HOUR], comparison, "_next_word", lambda *_: Quiet.ALREADY_TOLD, "the time that holds nobody told"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_control_what_customers_complain_of_is_found(
    live: Live, monkeypatch: pytest.MonkeyPatch, steps: Story, where: object, name: str, instead: object, what: str
) -> None:
    assert broken(live, steps) is None
    monkeypatch.setattr(where, name, instead)
    how = broken(live, steps)
    assert how is not None
    assert how[-1].startswith(what)


@pytest.mark.parametrize("stage", ["received", "etr_passed"])
@pytest.mark.parametrize(
    ("between", "ref", "found"),
    [(1, "A", True), (2, "A", False), (2, "B", True)],
    ids=["nothing", "another outage's word of the report", "another report's"],
)
def test_control_the_same_twice_is_found_if_it_was_known_that_the_first_was_taken(
    stage: str, between: int, ref: str, found: bool
) -> None:
    """Whose report was in another outage meanwhile, and read of that, hears it again."""
    letters = [
        SimpleNamespace(notice_id=n, incident_id=incident, stage=stage, etr=None, ticket_ref=said_of, revision=n)
        for n, incident, said_of in [(1, 1, "A"), (2, between, ref), (3, 1, "A")]
        if (incident, n) != (1, 2)
    ]

    def lived(answered: set[int]) -> None:
        each_letter_is_news({"who": [Heard(one, 0.0, None) for one in letters]}, answered, lambda *_: True)

    lived({2, 3})
    with pytest.raises(AssertionError, match=f"twice {stage}") if found else nullcontext():
        lived({1, 2, 3})


def test_who_would_have_heard_in_the_night_that_a_time_has_passed_hears_it_also_if_that_is_told_later_now(
    live: Live,
) -> None:
    """It was taken for told, and in the morning it was too early to say: nobody looked at it again."""
    at_night, later = (
        Step(0, "the_settings_change", {"night": ("23:00", "07:00"), "passed": passed, "usual": 20})
        for passed in (15, 240)
    )
    until_six = Step(130, "a_crew_gives_a_time", {"number": 0, "hours": 7.9})
    half_an_hour_later = Step(500, "some_of_it_comes", {"number": 0})
    assert broken(live, [CALL, *COMES, at_night, until_six, *COMES, half_an_hour_later, later]) is None
