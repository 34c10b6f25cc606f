"""Orders that wait for more evidence, as a timeline that a dispatcher can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.ids import derive
from services.contracts.messages import TimerFired
from services.contracts.values import (
    CustomerClass,
    Priority,
)
from tests.unit.dedup.timeline import minute

if TYPE_CHECKING:
    from tests.unit.dedup.timeline import Timeline


def test_with_a_hold_the_order_waits_and_then_goes_out(held: Timeline) -> None:
    first = held.at(0).report("A0TR00023")
    assert not held.orders
    held.at(4.9)
    assert not held.orders
    held.at(5)

    assert held.order_of(first).reason == "hold_over"
    assert [one.order_id for one in held.changed] == [None, held.order_of(first).order_id], "told once there is one"


def test_evidence_that_comes_during_the_hold_saves_an_order(held: Timeline) -> None:
    held.at(0).report("A0TR00023")
    held.at(2).report("A0TR00026")
    held.at(3).report("A0TR00028")
    held.at(60)

    assert [(o.version, o.device.id) for o in held.orders] == [(1, "A0SW00015")]


def test_a_device_class_without_a_hold_goes_out_as_soon_as_it_is_predicted(held: Timeline) -> None:
    held.at(0).report("A0TR00023")
    held.at(2).report("A0TR00026")
    held.at(3).report("A0TR00028")

    assert held.live_orders().keys() == {"A0SW00015"}


@pytest.mark.parametrize(
    "said", [{"hazards": ("fire",)}, {"customer_class": CustomerClass.LIFE_SUPPORT, "account": "A1"}]
)
def test_danger_and_life_support_are_never_held(held: Timeline, said: dict[str, object]) -> None:
    report = held.at(0).report("A0TR00023", **said)

    assert held.order_of(report).version == 1


def test_a_life_support_customer_who_joins_lets_a_held_order_out(held: Timeline) -> None:
    held.at(0).report("A0TR00023")
    report = held.at(1).report("A0TR00023", account="A1", customer_class=CustomerClass.IMPORTANT)
    assert held.order_of(report).priority is Priority.URGENT
    held.at(30)

    assert len(held.orders) == 1


def test_a_moment_that_nobody_waits_for_any_more_means_nothing(held: Timeline) -> None:
    """It may be told again after a restart, or by the area's last owner."""
    report = held.at(0).report("A0TR00023")
    incident = held.incident_of(report)
    of_another_day = TimerFired(
        area=held.state.area,
        timer_id=derive("test timer", "of another day"),
        kind="hold",
        subject=incident.incident_id,
        due_at=minute(1),
        fired_at=minute(1),
    )
    assert held.at(1).take(of_another_day, minute(1)) == []
    assert not held.orders


def test_power_back_ends_what_a_person_arranged_also_where_its_order_still_waited(held: Timeline) -> None:
    """A crew is on its way to a home in it: that order is called back with one that exists."""
    street = [held.at(n / 3).report(f"A0TR0002{n}") for n in (3, 4, 5)]
    own = held.at(2).report("A0TR00104", only_mine=True)
    arranged = held.incident_of(street[0])
    held.dispatcher("merge", incident_id=held.incident_of(own).incident_id, target_id=arranged.incident_id)
    held.at(3).power_back("A0TR00025")
    urgent = held.at(3.5).report("A0TR00025", customer_class=CustomerClass.LIFE_SUPPORT)
    to_them = held.order_of(urgent).order_id
    assert arranged.order is None
    held.at(4).power_back("A0FU00016")

    assert held.history(arranged.order_id) == [(1, "issued", "A0FU00016"), (2, "closed", "A0FU00016")]
    assert held.history(to_them)[-1] == (2, "cancelled", "A0TR00025")
    assert [o.superseded_by for o in held.orders if o.order_id == to_them] == [None, arranged.order_id]
    assert not held.state.incidents
