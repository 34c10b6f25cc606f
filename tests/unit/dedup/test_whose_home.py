"""Whose home a report from a transformer is of: one that has called before, another, or none alone."""

from __future__ import annotations

import pytest

from services.contracts.values import ProgressStage
from tests.unit.dedup.timeline import Timeline, an_estate, rules_of_tests

A1, A2, NOBODY = {"account": "A1"}, {"account": "A2"}, {}
HOUSE_3, HOUSE_4 = {"address": "人民路12号3栋"}, {"address": "人民路12号4栋"}


@pytest.fixture
def estate() -> Timeline:
    """Three transformers of sixty homes, each under a fuse of its own."""
    return Timeline("S", an_estate(), rules_of_tests())


@pytest.mark.parametrize(
    ("first", "later", "crew", "another"),
    [
        (A1, A2, False, True),
        (A1, A1, False, False),
        (A1, NOBODY, False, True),
        (NOBODY, A2, False, True),
        (A1 | HOUSE_3, HOUSE_4, False, True),
        (A1 | HOUSE_3, HOUSE_3, False, False),
        (A1, A2, True, False),
    ],
    ids=[
        "another",
        "the same",
        "one of sixty that it may be",
        "one of sixty that it may have been",
        "of another house",
        "of their house",
        "whatever the crew at the transformer finds",
    ],
)
def test_who_calls_ten_hours_after_a_home_of_sixty(
    estate: Timeline, first: dict[str, str], later: dict[str, str], crew: bool, another: bool
) -> None:
    """Were all sixty dark, more had called."""
    one = estate.at(0).report("T1", **first)
    if crew:
        estate.at(5).crew(estate.order_of(one).order_id, ProgressStage.ARRIVED)
    other = estate.at(600).report("T1", **later, confidence=1.0)
    assert (estate.incident_of(other) is not estate.incident_of(one)) is another


@pytest.mark.parametrize(("first", "later"), [(A1, NOBODY), (NOBODY, A2)])
@pytest.mark.parametrize(("minutes", "another"), [(30, False), (180, True)])
def test_who_does_not_say_who_they_are_is_one_of_sixty(
    estate: Timeline, first: dict[str, str], later: dict[str, str], minutes: int, another: bool
) -> None:
    """One in ten calls again, and soon: that this is the one of the sixty is less likely than another home."""
    one = estate.at(0).report("T1", **first)
    other = estate.at(minutes).report("T1", **later)
    assert (estate.incident_of(other) is not estate.incident_of(one)) is another


def test_ten_hours_after_a_fuse_a_home_under_it_is_of_the_fuse(estate: Timeline) -> None:
    above = [estate.at(n / 2).report(("T2", "T3")[n % 2], account=f"B{n}") for n in range(3)]
    assert estate.order_of(above[0]).device.id == "B"
    late = estate.at(600).report("T1", account="A2", confidence=1.0)
    assert estate.incident_of(late) is estate.incident_of(above[0])


@pytest.mark.parametrize("dark", [("T1",), ("T2", "T3")], ids=["the transformer", "what is above it"])
def test_who_gives_no_name_tells_of_what_many_have_and_not_of_a_home_alone(
    estate: Timeline, dark: tuple[str, ...]
) -> None:
    own = estate.at(0).report("T1", account="A1", only_mine=True)
    for n in range(6):
        many = estate.at(20 + n / 2).report(dark[n % len(dark)], account=f"B{n}")
    unnamed = estate.at(30).report("T1")
    assert estate.incident_of(unnamed) is estate.incident_of(many)
    assert estate.incident_of(unnamed) is not estate.incident_of(own)


def test_of_two_homes_alone_it_is_the_one_that_called_last(estate: Timeline) -> None:
    estate.at(0).report("T1", account="A1", only_mine=True)
    last = estate.at(50).report("T1", account="A2", only_mine=True)
    unnamed = estate.at(55).report("T1")
    assert estate.incident_of(unnamed) is estate.incident_of(last)
