"""When the supervisor starts a thing again, and when it gives up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.native.errors import StackError
from deploy.native.parts import Kept
from deploy.native.settings import read_settings


@dataclass
class Ended:
    """A part whose every run has ended at once."""

    returncode: int
    pid: None = None
    launches: int = 0

    def launch(self):
        self.launches += 1


def test_the_delay_doubles_to_ten_seconds_and_eight_quick_ends_are_enough():
    kept = Kept("notify", Ended(1), "", Path("notify.log"))
    delays, now = [], 0.0
    kept.launch(now)
    while True:
        line = kept.ended(now)
        if kept.gave_up:
            break
        delays.append(kept.restart_at - now)
        now = kept.restart_at
        kept.launch(now)
    assert delays == [0.5, 1, 2, 4, 8, 10, 10]
    assert line == "notify is given up: it ended 8 times within 30 s of its start; see notify.log"
    assert (kept.restarts, kept.part.launches) == (7, 8)


def test_what_ends_for_want_of_room_is_started_again_however_often():
    kept, delays, now = Kept("kafka", Ended(1), "", Path("kafka.log")), [], 0.0
    for _ in range(50):
        kept.launch(now)
        kept.ended(now, full=True)
        assert not kept.gave_up
        delays.append(kept.restart_at - now)
        now = kept.restart_at
    assert delays == [0.5, 1, 2, *[4] * 47]
    kept.launch(now)
    kept.ended(now)
    assert not kept.gave_up, "the first time there is room it may end for another reason"


def test_a_long_run_makes_the_next_delay_short_again():
    kept = Kept("notify", Ended(1), "", Path("notify.log"))
    for started, ended in ((0.0, 1.0), (2.0, 3.0), (10.0, 41.0)):
        kept.launch(started)
        kept.ended(ended)
    assert kept.restart_at == 41.5


@pytest.mark.parametrize("status", [78, 65])
def test_an_end_that_another_start_will_not_change_is_final(status):
    kept = Kept("router", Ended(status), "", Path("router.log"))
    kept.launch(0.0)
    kept.ended(100.0)
    assert kept.gave_up
    assert kept.restart_at is None


def test_wrong_settings_are_listed_all_at_once(monkeypatch):
    monkeypatch.setenv("GRIDLINE_STACK_KAFKA_PORT", "many")
    monkeypatch.setenv("GRIDLINE_STACK_STOP_SECONDS", "0")
    with pytest.raises(StackError) as refused:
        read_settings()
    assert "GRIDLINE_STACK_KAFKA_PORT: " in str(refused.value)
    assert "GRIDLINE_STACK_STOP_SECONDS: " in str(refused.value)


def test_two_things_on_one_port_are_refused_by_name(monkeypatch):
    # Whoever runs the tests may have a stack of their own on other ports.
    for name in [name for name in os.environ if name.startswith("GRIDLINE_STACK_")]:
        monkeypatch.delenv(name)
    with pytest.raises(StackError, match="GRIDLINE_STACK_INTAKE_PORT and GRIDLINE_STACK_ROUTER_PORT are both 8002"):
        read_settings(intake_port=8002)


def test_what_is_told_to_stop_is_killed_when_its_time_is_up_and_begins_anew():
    @dataclass
    class Stubborn(Ended):
        pid: int | None = 7
        asked: int = 0
        killed: int = 0

        def request_stop(self):
            self.asked += 1

        def stop(self, timeout):
            assert timeout == 0.0
            self.killed, self.pid = self.killed + 1, None

    kept = Kept("dedup", Stubborn(0), "", Path("dedup.log"), quick_failures=7, gave_up="ended 8 times")
    kept.stop(100.0, 20.0)
    assert (kept.part.asked, kept.gave_up, kept.stopped) == (1, "", True)
    kept.end_if_late(119.9)
    assert kept.part.killed == 0
    kept.end_if_late(120.0)
    kept.end_if_late(121.0)
    assert kept.part.killed == 1
    kept.resume(130.0)
    assert (kept.stopped, kept.restart_at, kept.quick_failures) == (False, 130.0, 0)
    kept.launch(130.0)
    assert (kept.restarts, kept.part.launches) == (0, 1)
