"""What a source had kept while it was cut off, and posts late, as a timeline that a dispatcher can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.values import ProgressStage
from services.dedup.domain import waves
from tests.unit.dedup.timeline import Timeline, minute

if TYPE_CHECKING:
    from uuid import UUID

SWITCH = "A0SW00012"


def goes_dark(storm: Timeline, at: float) -> UUID:
    """Everybody under a switch calls within minutes, by a channel that is well; returns the last report."""
    tree = storm.state.tree
    assert tree is not None
    for n, device in enumerate(tree.transformers_under(SWITCH)):
        report = storm.at(at + n / 4).report(device, account=f"heard {at} {n}")
    assert storm.order_of(report).device.id == SWITCH
    return report


def posted(storm: Timeline, at: float, made: list[float], *, kept_back: bool = True) -> list[UUID]:
    """Calls of homes under the switch, made at these minutes, come within seconds."""
    tree = storm.state.tree
    assert tree is not None
    devices = tree.transformers_under(SWITCH)
    return [
        storm.at(at + n / 60).report(
            devices[n % len(devices)], account=f"kept {at} {n}", made=when, kept_back=kept_back or None
        )
        for n, when in enumerate(made)
    ]


def test_what_was_kept_of_an_outage_that_is_over_is_answered_as_restored(storm: Timeline) -> None:
    first = goes_dark(storm, 0)
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    orders = len(storm.orders)
    posted(storm, 120, [2, 4, 7, 15, 30, 50])

    assert storm.answers() == [("answered", "already_restored")] * 6
    assert len(storm.orders) == orders


def test_by_wrong_clocks_the_same_is_another_outage(storm: Timeline) -> None:
    """The control: nothing says that they were kept."""
    first = goes_dark(storm, 0)
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    posted(storm, 125, [2, 4, 7, 15, 30, 50], kept_back=False)

    assert storm.answers() == []
    assert len(storm.live_orders()) == 1


@pytest.mark.parametrize("many", [False, True])
def test_what_was_kept_of_an_outage_that_goes_on_is_of_it_and_no_second_wave(
    storm: Timeline, monkeypatch: pytest.MonkeyPatch, *, many: bool
) -> None:
    if many:
        monkeypatch.setattr(waves, "_MANY", 0)
    first = goes_dark(storm, 0)
    order = storm.order_of(first).order_id
    kept = posted(storm, 120, [100 + n / 4 for n in range(60)])

    assert {storm.incident_of(report).order_id for report in kept} == {order}
    assert storm.live_orders().keys() == {SWITCH}


def test_an_outage_began_when_the_first_call_of_it_was_made_though_that_was_kept(storm: Timeline) -> None:
    first = goes_dark(storm, 40)
    posted(storm, 120, [10])

    assert storm.incident_of(first).opened_at == minute(10)
    assert storm.incident_of(first).began_at == minute(10)
    assert storm.live_orders().keys() == {SWITCH}


def test_what_nobody_else_told_is_an_outage_since_it_was_said(storm: Timeline) -> None:
    (kept,) = posted(storm, 120, [10])
    order = storm.order_of(kept)
    assert order.first_reported_at == minute(10)
    assert order.issued_at == minute(120)


def test_who_called_after_power_was_back_is_still_out_though_their_call_was_kept(storm: Timeline) -> None:
    first = goes_dark(storm, 0)
    over = storm.order_of(first).order_id
    storm.at(60).crew(over, ProgressStage.RESTORED)
    (kept,) = posted(storm, 120, [75])

    assert storm.incident_of(kept).order_id != over
    assert storm.order_of(kept).reason == "still_out"


def test_what_was_kept_of_two_outages_at_one_place_is_told_of_the_later_that_is_over(storm: Timeline) -> None:
    """Of each device the last word is known; both are over, and nobody need go there."""
    for at in (0, 200):
        order = storm.order_of(goes_dark(storm, at)).order_id
        storm.at(at + 60).crew(order, ProgressStage.RESTORED)
    posted(storm, 320, [5, 10, 205, 210])

    assert storm.answers() == [("answered", "already_restored")] * 4
    assert not storm.live_orders()


def test_what_is_dangerous_has_an_order_at_once_however_long_it_was_kept(storm: Timeline) -> None:
    first = goes_dark(storm, 0)
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    danger = storm.at(120).report("A0TR00023", made=30, kept_back=True, hazards=("fire",))
    assert storm.order_of(danger).issued_at == minute(120)
