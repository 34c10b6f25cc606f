"""What contacts' words are taken for, on utterances that a person labelled: shares that a worse list falls below."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from services.router.domain.likeness import Likeness
from services.router.domain.words import WordList
from tests.hearing.labelled import DANGER, FILES, half_of, read_said
from tests.hearing.learn import PLACED, learn
from tests.hearing.measure import Figures, Found, measure, share
from tests.unit.router.making import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.router.domain.reading import Keywords
    from tests.hearing.labelled import Said

SAID = {author: read_said(file.read_text(encoding="utf-8")) for author, file in FILES.items()}
# Half B is measured, never looked into: see tests/hearing.
FLOORS = {
    ("one", "A"): {"danger": (0.99, 0.96), "outage": (0.98, 0.96), "alone": (0.95, 0.86), "type": 0.985, "kind": 0.98},
    ("one", "B"): {"danger": (0.955, 0.92), "outage": (0.97, 0.9), "alone": (0.85, 0.95), "type": 0.945, "kind": 0.97},
    ("two", "A"): {"danger": (0.975, 0.98), "outage": (0.98, 0.98), "alone": (0.95, 0.95), "type": 0.985, "kind": 0.97},
    ("two", "B"): {"danger": (0.905, 0.9), "outage": (0.935, 0.89), "alone": (0.9, 0.82), "type": 0.95, "kind": 0.92},
    ("three", "A"): {
        "danger": (0.985, 0.97),
        "outage": (0.985, 0.97),
        "alone": (0.95, 0.95),
        "type": 0.97,
        "kind": 0.975,
    },
    ("three", "B"): {
        "danger": (0.85, 0.935),
        "outage": (0.945, 0.895),
        "alone": (0.9, 0.95),
        "type": 0.83,
        "kind": 0.89,
    },
    ("four", "A"): {"danger": (0.81, 0.86), "outage": (0.97, 0.88), "alone": (0.83, 0.95), "type": 0.88, "kind": 0.915},
    ("four", "B"): {
        "danger": (0.74, 0.865),
        "outage": (0.93, 0.84),
        "alone": (0.58, 0.95),
        "type": 0.87,
        "kind": 0.85,
    },
    ("five", "A"): {
        "danger": (0.91, 0.775),
        "outage": (0.97, 0.795),
        "alone": (0.87, 0.95),
        "type": 0.86,
        "kind": 0.95,
    },
    ("five", "B"): {
        "danger": (0.75, 0.72),
        "outage": (0.935, 0.685),
        "alone": (0.43, 0.95),
        "type": 0.71,
        "kind": 0.84,
    },
    ("six", "A"): {
        "danger": (0.985, 0.98),
        "outage": (0.97, 0.915),
        "alone": (0.65, 0.95),
        "type": 0.87,
        "kind": 0.935,
    },
    ("six", "B"): {
        "danger": (0.74, 0.93),
        "outage": (0.955, 0.87),
        "alone": (0.48, 0.95),
        "type": 0.685,
        "kind": 0.87,
    },
}


# Dangers named or suspected, at least; others that are suspected, at most.
SUSPECTED = {
    ("one", "A"): (0.99, 0.01),
    ("one", "B"): (0.975, 0.025),
    ("two", "A"): (0.985, 0.005),
    ("two", "B"): (0.97, 0.03),
    ("three", "A"): (0.985, 0.02),
    ("three", "B"): (0.965, 0.03),
    ("four", "A"): (0.98, 0.01),
    ("four", "B"): (0.9, 0.035),
    ("five", "A"): (0.985, 0.005),
    ("five", "B"): (0.875, 0.02),
    ("six", "A"): (0.985, 0.005),
    ("six", "B"): (0.89, 0.01),
}
# The same where no list names any danger, of an author from whom nothing was learnt.
STRANGERS = {
    "one": (0.57, 0.02),
    "two": (0.72, 0.02),
    "three": (0.8, 0.03),
    "four": (0.785, 0.05),
    "five": (0.73, 0.055),
    "six": (0.755, 0.01),
}
# Where no list says what is wanted: outages found and right, business types right.
LIKE = {
    "one": (0.73, 0.905, 0.87),
    "two": (0.77, 0.92, 0.935),
    "three": (0.84, 0.92, 0.82),
    "four": (0.905, 0.865, 0.84),
    "five": (0.885, 0.735, 0.72),
    "six": (0.915, 0.895, 0.67),
}


def below(keywords: Keywords, author: str, half: str) -> set[str]:
    """What of one half is read worse than its floor."""
    figures = measure(keywords, (one for one in SAID[author] if one.half == half))
    floors: dict[str, Any] = FLOORS[author, half]
    found = {name: getattr(figures, name) for name in ("danger", "outage", "alone")}
    worse = {f"{name} missed" for name, one in found.items() if one.recall < floors[name][0]}
    worse |= {f"{name} false" for name, one in found.items() if one.precision < floors[name][1]}
    worse |= {"type"} if share(figures.types) < floors["type"] else set()
    return worse | ({"kind"} if share(figures.kinds) < floors["kind"] else set())


@pytest.mark.parametrize(("author", "half"), FLOORS)
def test_what_people_say_is_read_as_well_as_ever(author: str, half: str) -> None:
    assert below(SHIPPED.keywords, author, half) == set()


@pytest.mark.parametrize(("author", "half"), FLOORS)
def test_lists_that_miss_or_find_too_much_fall_below_the_floors(author: str, half: str) -> None:
    words = SHIPPED.keywords
    fewer = replace(words, hazards=tuple(one for one in words.hazards if one[0] != "smoke"))
    assert "danger missed" in below(fewer, author, half)
    more = replace(words, hazards=(*words.hazards, ("bill", WordList(["电费"]))))
    assert "danger false" in below(more, author, half)
    lit = replace(words, likeness={}, faults=tuple(one for one in words.faults if one[0] != "outage"))
    assert {"outage missed", "kind"} <= below(lit, author, half)
    assert "type" in below(replace(words, rules=(), likeness={}), author, half)
    assert "alone missed" in below(replace(words, only_mine=WordList(["就我家"])), author, half)


def missed(keywords: Keywords, said: Iterable[Said], floor: tuple[float, float]) -> set[str]:
    """What of some utterances is suspected worse than it was."""
    found = measure(keywords, said)
    worse = {"dangers"} if found.noticed.recall < floor[0] else set()
    return worse | ({"others"} if found.suspected > floor[1] else set())


@pytest.mark.parametrize(("author", "half"), SUSPECTED)
def test_dangers_that_no_list_names_are_suspected_as_well_as_ever(author: str, half: str) -> None:
    said, floor = [one for one in SAID[author] if one.half == half], SUSPECTED[author, half]
    words, heard = SHIPPED.keywords, SHIPPED.keywords.suspicion
    assert missed(words, said, floor) == set()
    assert missed(replace(words, suspicion=replace(heard, bar=-300)), said, floor) == {"others"}
    if half == "B":  # the lists were mended by half A, and name nearly all of it
        assert missed(replace(words, suspicion=Likeness()), said, floor) == {"dangers"}


def mixed(likeness: Likeness) -> Likeness:
    """The same weights on other pieces."""
    return replace(likeness, weights=dict(zip(likeness.weights, reversed(likeness.weights.values()), strict=True)))


@pytest.fixture(scope="module", params=STRANGERS)
def taught(request: pytest.FixtureRequest) -> tuple[str, dict[str, Likeness]]:
    """An author, and what halves A of the others teach."""
    others = [one for author in FILES if author != request.param for one in SAID[author] if one.half == "A"]
    return request.param, learn([*PLACED, *others])


def test_dangers_of_a_stranger_are_suspected_by_what_others_taught(taught: tuple[str, dict[str, Likeness]]) -> None:
    author, learnt = taught
    unnamed, floor = replace(SHIPPED.keywords, hazards=()), STRANGERS[author]
    assert missed(replace(unnamed, suspicion=learnt[DANGER]), SAID[author], floor) == set()
    assert "dangers" in missed(replace(unnamed, suspicion=mixed(learnt[DANGER])), SAID[author], floor)


def test_what_a_stranger_wants_is_heard_by_what_others_taught(taught: tuple[str, dict[str, Likeness]]) -> None:
    author, learnt = taught
    likeness = {meaning: one for meaning, one in learnt.items() if meaning != DANGER}
    wordless = replace(
        SHIPPED.keywords, rules=(), faults=tuple((kind, WordList(())) for kind, _ in SHIPPED.keywords.faults)
    )

    def worse(heard: dict[str, Likeness]) -> set[str]:
        found = measure(replace(wordless, likeness=heard), SAID[author])
        shares = {"outages": found.outage.recall, "right": found.outage.precision, "types": share(found.types)}
        return {name for (name, one), floor in zip(shares.items(), LIKE[author], strict=True) if one < floor}

    assert worse(likeness) == set()
    assert worse({meaning: mixed(one) for meaning, one in likeness.items()}) == {"outages", "right", "types"}


def test_ordinary_calls_that_name_equipment_are_suspected_of_nothing() -> None:
    suspected = [one.text for one in PLACED if SHIPPED.keywords.read(one.text).suspected is not None]
    assert suspected == []


@pytest.mark.parametrize(("author", "half"), FLOORS)
def test_the_halves_are_alike_and_told_by_the_text_alone(author: str, half: str) -> None:
    some = [one for one in SAID[author] if one.half == half]
    fewest, dangers = (400, 55) if author == "six" else (500, 130)  # who wrote fewer
    assert len(some) > fewest
    assert all(one.half == half_of(one.text) for one in SAID[author])
    assert sum(one.what == "danger" for one in some) >= dangers


def test_no_author_repeats_another() -> None:
    texts = [one.text for said in SAID.values() for one in said]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("author", FILES)
def test_only_of_half_a_is_told_what_was_misread(author: str) -> None:
    figures = measure(replace(SHIPPED.keywords, hazards=()), SAID[author])
    told = {text for text, _ in figures.misread}
    assert told
    assert {one.half for one in SAID[author] if one.text in told} == {"A"}


@pytest.mark.parametrize(
    ("text", "what"),
    [("@ zh fault_report darkness\n没电", "no label"), ("@ zh fault_report outage\n没电\n没电", "twice")],
)
def test_a_label_that_is_none_and_an_utterance_told_twice_are_refused(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_said(text)


def test_long_talk_has_the_matter_in_its_middle() -> None:
    (one,) = read_said("@ zh fault_report danger long=2000\n电线断了")
    assert 2000 <= len(one.text) < 2200
    assert 900 < one.text.index("电线断了") < 1200


def test_shares_are_of_what_is_there_and_of_what_is_found() -> None:
    found = Found()
    for is_so, read in ((True, True), (True, False), (True, True), (False, True), (False, False)):
        found.count(is_so, read)
    assert (found.recall, found.precision) == (2 / 3, 2 / 3)
    assert (Found().recall, Found().precision) == (1.0, 1.0)
    assert Figures().said == 0
