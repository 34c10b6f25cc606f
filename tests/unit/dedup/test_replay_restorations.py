"""What the lines of a restorations file say, each by itself and together."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.dedup.replay_files import Restoration
from services.dedup.replay_reports import Served, load_served
from services.dedup.replay_restorations import power_back
from tests.unit.dedup.timeline import NETWORKS, minute

FOLDER = NETWORKS / "ieee123"


@pytest.fixture(scope="module")
def served() -> Served:
    return load_served(FOLDER / "network.csv", FOLDER / "customers.csv")


def accounts(served: Served, device: str) -> list[str]:
    return [account for account, home in served.homes.items() if served.tree.is_under(home, device) or home == device]


def back(served: Served, *said: str) -> list[tuple[str, str | None]]:
    told, unknown = power_back([Restoration(minute(1), one) for one in said], served)
    assert not unknown
    return [(one.device, one.account_id) for one in told]


def test_every_customer_of_a_device_told_at_one_moment_is_the_device(served: Served) -> None:
    everybody = accounts(served, "A0SW00015")
    assert len(everybody) > 15

    assert back(served, *everybody) == [("A0SW00015", None)]
    assert back(served, *everybody[1:]) == [("A0SW00015", None)], "one has moved in since, or is cut off"
    assert back(served, *everybody, "A0SW00015") == [("A0SW00015", None)], "the device is told as well"


def test_every_transformer_of_a_device_is_the_device_and_one_alone_is_itself(served: Served) -> None:
    below = sorted(set(map(served.homes.__getitem__, accounts(served, "A0FU00016"))))
    assert len(below) == 3

    assert back(served, *below) == [("A0FU00016", None)]
    assert back(served, below[0]) == [(below[0], None)]
    assert back(served, *accounts(served, below[0])) == [(below[0], None)]


def test_who_is_told_alone_or_with_a_few_others_is_meant_alone(served: Served) -> None:
    everybody = accounts(served, "A0SW00015")
    some = everybody[::4]

    assert back(served, everybody[0]) == [(served.homes[everybody[0]], everybody[0])]
    assert back(served, *some) == [(served.homes[account], account) for account in some]


def test_of_an_outage_that_is_told_with_another_home_each_stays_what_it_is(served: Served) -> None:
    own = accounts(served, "A0TR00104")[0]

    assert back(served, own, *accounts(served, "A0FU00016")) == [("A0TR00104", own), ("A0FU00016", None)]


def test_what_is_told_at_different_moments_is_not_taken_together(served: Served) -> None:
    everybody = accounts(served, "A0FU00016")
    said = [Restoration(minute(1) + timedelta(seconds=n), account) for n, account in enumerate(everybody)]
    told, _ = power_back(reversed(said), served)

    assert [one.account_id for one in told] == everybody, "by time, and each as it was told"
    assert all(one.device == served.homes[one.account_id or ""] for one in told)
