"""The time of a process without a database: its brokers', while they agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import TopicPartition

from services.runtime import clock
from services.runtime.brokers_time import BrokersTime

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)


class Cluster:
    """Three brokers, which lead partitions in turn, and a process beside them; each has a clock, in seconds off."""

    def __init__(self) -> None:
        self.passed, self.host, self.brokers = 0.0, 0.0, [0.0, 0.0, 0.0]
        self.time = BrokersTime()

    def send(self, partition: int, *, takes: float = 0.01) -> None:
        """Send a record, which is stamped half-way."""
        asked, self.passed = self.passed, self.passed + takes
        stamped = NOON.timestamp() + asked + takes / 2 + self.brokers[partition % 3]
        self.time.heard(TopicPartition("contact.received.v1", partition), stamped, asked)

    def off(self) -> float:
        """By how many seconds the process's time is wrong."""
        return (clock.now() - NOON).total_seconds() - self.passed


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(clock, "_held", None)
    monkeypatch.setattr(clock, "of_host", lambda: NOON + timedelta(seconds=made.passed + made.host))
    monkeypatch.setattr(clock, "monotonic", lambda: made.passed)
    return made


@pytest.mark.parametrize("host", [28_800.0, -28_800.0])
def test_a_host_that_is_wrong_is_put_right_by_the_first_record(cluster: Cluster, host: float) -> None:
    cluster.host = host
    assert cluster.off() == pytest.approx(host)
    cluster.send(0)
    for partition in range(24):
        assert abs(cluster.off()) < 1
        cluster.send(partition)


@pytest.mark.parametrize("wrong", [28_800.0, -60.0])
def test_a_broker_whose_clock_is_wrong_moves_nobody_elses(cluster: Cluster, wrong: float) -> None:
    for partition in range(24):
        cluster.send(partition)
    cluster.brokers[1] = wrong
    for partition in [*range(24), 1, 1, 1, 4, 0, 1]:
        cluster.send(partition)
        assert abs(cluster.off()) < 1
    cluster.brokers[1] = 0.0
    cluster.host = 28_800.0
    for partition in range(24):
        cluster.send(partition)
    assert abs(cluster.off()) < 1, "they agree again, and are believed"


def test_the_wrong_broker_is_believed_no_longer_than_until_another_is_heard(cluster: Cluster) -> None:
    cluster.brokers[1] = 28_800.0
    cluster.send(1)
    cluster.send(0)
    assert abs(cluster.off()) < 1
    cluster.send(1)
    assert abs(cluster.off()) < 1


def test_what_is_acknowledged_late_says_nothing(cluster: Cluster) -> None:
    """An overloaded broker's answers would look like a clock that is behind."""
    cluster.send(0)
    cluster.host = 28_800.0
    for takes in (20.0, 0.01, 30.0, 0.01):
        cluster.send(1, takes=takes)
        assert abs(cluster.off()) < 1


def test_the_time_is_counted_on_for_as_long_as_the_brokers_say_the_same(cluster: Cluster) -> None:
    """Most of what they say is no news. It holds for minutes, and they go on saying it."""
    cluster.host = 28_800.0
    for sent in range(3_000):
        cluster.send(sent % 24)
        cluster.passed += 0.25
        assert abs(cluster.off()) < 1, f"after {cluster.passed:.0f} s"


def test_brokers_whose_clocks_are_put_right_are_heard_at_once(cluster: Cluster) -> None:
    cluster.brokers = [60.0, 60.0, 60.0]
    for partition in range(6):
        cluster.send(partition)
    assert cluster.off() == pytest.approx(60, abs=1)
    cluster.brokers = [0.0, 0.0, 0.0]
    for partition in range(6):
        cluster.send(partition)
    assert abs(cluster.off()) < 1
