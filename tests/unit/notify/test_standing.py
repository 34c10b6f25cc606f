"""An incident as notify knows it, after a snapshot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.contracts.values import IncidentState, ProgressStage
from services.notify.domain.incident import evolve
from tests.unit.notify.snapshots import NOW

EARLIER = NOW - timedelta(minutes=30)
RESTORED = IncidentState.RESTORED


@pytest.mark.parametrize(
    ("said", "restored_at"),
    [
        ({}, None),
        ({"restored_at": EARLIER}, None),  # the power that came back is gone again
        ({"state": RESTORED, "restored_at": EARLIER}, EARLIER),
        ({"state": RESTORED}, NOW),
    ],
)
def test_since_when_power_is_back_is_known_only_while_it_is(snapshots, said, restored_at):
    assert evolve(None, snapshots.changed(1, 3, minute=0, **said)).restored_at == restored_at


@pytest.mark.parametrize(
    ("said", "known_since"),
    [({}, None), ({"stage": ProgressStage.ACCEPTED}, 3), ({"etr": NOW + timedelta(hours=1)}, 3)],
)
def test_an_outage_is_known_since_a_crew_spoke_or_an_estimate_stood_whenever_that_is_heard(
    snapshots, said, known_since
):
    spoken = snapshots.changed(1, 3, **said)
    assert evolve(None, spoken).known_since == known_since
    later = snapshots.changed(1, 7, stage=ProgressStage.EN_ROUTE)
    first, last = evolve(evolve(None, spoken), later), evolve(evolve(None, later), spoken)
    assert first.known_since == last.known_since == (known_since or 7)
    assert first.progress == last.progress == ProgressStage.EN_ROUTE


def test_an_outage_of_one_home_may_turn_out_to_be_one_of_all(snapshots):
    single = evolve(None, snapshots.changed(1, 1, kind="single"))
    assert (single.kind, evolve(single, snapshots.changed(1, 2)).kind) == ("single", None)
