"""What was reported a moment ago and is rather one outage, as a timeline that a dispatcher can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import CustomerClass, Priority

if TYPE_CHECKING:
    from tests.unit.dedup.timeline import Timeline


def test_what_is_rather_one_outage_has_one_order_from_its_second_call_on(fresh: Timeline) -> None:
    fresh.at(0).report("A0TR00023")
    fresh.at(1).report("A0TR00024")

    assert [(one.version, one.device.id) for one in fresh.orders] == [(1, "A0TR00023"), (2, "A0FU00016")]


def test_minutes_later_it_has_an_order_of_its_own(fresh: Timeline) -> None:
    fresh.at(0).report("A0TR00023")
    fresh.at(4).report("A0TR00024")

    assert fresh.live_orders().keys() == {"A0TR00023", "A0TR00024"}


def test_what_is_rather_apart_stays_apart_from_the_start(fresh: Timeline) -> None:
    fresh.at(0).report("A0TR00023")
    fresh.at(2).report("A0TR00080")

    assert fresh.live_orders().keys() == {"A0TR00023", "A0TR00080"}


def test_with_one_that_is_long_open_among_them_the_margin_counts(fresh: Timeline) -> None:
    fresh.at(0).report("A0TR00023")
    fresh.at(4).report("A0TR00024")
    fresh.at(5).report("A0TR00080")

    assert fresh.live_orders().keys() == {"A0TR00023", "A0TR00024", "A0TR00080"}


def test_silence_takes_it_apart_within_minutes_with_an_order_each(fresh: Timeline) -> None:
    fresh.at(0).report("A0TR00023")
    fresh.at(1).report("A0TR00080")
    assert fresh.live_orders().keys() == {"A0BR00001"}
    fresh.at(10)

    assert fresh.live_orders().keys() == {"A0TR00023", "A0TR00080"}


def test_who_depends_on_power_makes_the_one_order_urgent_at_once(fresh: Timeline) -> None:
    fresh.at(0).report("A0TR00023")
    second = fresh.at(1).report("A0TR00024", account="A1", customer_class=CustomerClass.LIFE_SUPPORT)

    assert fresh.order_of(second).priority is Priority.URGENT
    assert len(fresh.live_orders()) == 1
