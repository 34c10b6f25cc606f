"""IEEE 1366 figures of nested, stepwise and momentary outages, against counting every single customer's own record."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from services.dedup.domain.figures import Interruption, Step, figures
from tests.unit.dedup.timeline import minute

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

UPSTREAM = {
    "B": ("B",),
    "F": ("F", "B"),
    "G": ("G", "B"),
    "T1": ("T1", "F", "B"),
    "T2": ("T2", "F", "B"),
    "T3": ("T3", "G", "B"),
    "T4": ("T4", "G", "B"),
}
HOMES = {"T1": 3, "T2": 5, "T3": 2, "T4": 7}
CUSTOMERS = {device: sum(n for one, n in HOMES.items() if device in UPSTREAM[one]) for device in UPSTREAM}
MOMENTARY, UNTIL = 5, 400


class Counted(NamedTuple):
    """What the standard sums up."""

    customer_minutes: float
    customers_interrupted: int
    momentary_customers: int


def of_each_customer(found: Iterable[Interruption]) -> Counted:
    """A home's own record: the minutes without power, run together, and what each run of them is."""
    minutes, sustained, brief = 0, 0, 0
    for transformer, homes in HOMES.items():
        dark: set[int] = set()
        for one in found:
            if one.device in UPSTREAM[transformer]:
                steps = [step.ended_at for step in one.steps if step.device in UPSTREAM[transformer]]
                dark |= set(range(_at(one.started_at), _at(min([one.ended_at or minute(UNTIL), *steps]))))
        event = None
        for start, end in _runs(dark):
            goes_on = event is not None and start - event <= MOMENTARY
            if end - start > MOMENTARY:
                minutes += (end - start) * homes
                sustained += homes
                brief -= homes if goes_on else 0
                event = None
            elif not goes_on:
                brief += homes
                event = start
    return Counted(minutes, sustained, brief)


def _at(moment: datetime) -> int:
    return round((moment - minute(0)) / timedelta(minutes=1))


def _runs(dark: set[int]) -> list[tuple[int, int]]:
    starts = sorted(one for one in dark if one - 1 not in dark)
    ends = sorted(one + 1 for one in dark if one + 1 not in dark)
    return list(zip(starts, ends, strict=True))


@st.composite
def outages(draw: st.DrawFn) -> list[Interruption]:
    found: list[Interruption] = []
    for _ in range(draw(st.integers(1, 4))):
        device = draw(st.sampled_from(sorted(UPSTREAM)))
        start = draw(st.sampled_from([0, 2, 4, 10, 20, 30, 60]))
        end = start + draw(st.sampled_from([1, 3, 5, 6, 20, 60, 200]))
        inside = [one for one in UPSTREAM if device in UPSTREAM[one][1:]]
        at = draw(st.lists(st.sampled_from(inside), max_size=2, unique=True)) if inside else []
        steps = tuple(Step(one, UPSTREAM[one], CUSTOMERS[one], minute(draw(st.integers(start, end)))) for one in at)
        ended = draw(st.sampled_from([minute(end)] * 9 + [None]))
        found.append(Interruption("S", device, UPSTREAM[device], CUSTOMERS[device], minute(start), ended, steps))
    return found


@given(outages())
def test_the_indices_are_those_of_counting_every_customer(found: list[Interruption]) -> None:
    indices = figures(found, 17, momentary=timedelta(minutes=MOMENTARY), until=minute(UNTIL))

    assert Counted(indices.customer_minutes, indices.customers_interrupted, indices.momentary_customers) == (
        of_each_customer(found)
    )
