"""Since when a receiver takes nothing, and how often that is said."""

from __future__ import annotations

from services.notify.pace import Trouble


def test_it_lasts_from_the_first_attempt_that_failed_until_an_answer():
    trouble = Trouble()
    assert trouble.lasts(5.0) == 0.0
    trouble.failed("timeout", 10.0)
    trouble.failed("http_500", 100.0)
    assert trouble.lasts(110.0) == 100.0
    trouble.answered(111.0)
    assert trouble.lasts(112.0) == 0.0


def test_it_is_said_at_once_and_then_once_a_minute_with_what_has_come_since():
    trouble = Trouble()
    assert trouble.failed("timeout", 0.0) == {"timeout": 1}
    assert trouble.failed("timeout", 1.0) is None
    assert trouble.failed("http_500", 59.0) is None
    assert trouble.failed("timeout", 60.0) == {"timeout": 2, "http_500": 1}


def test_a_receiver_that_fails_now_and_then_is_not_said_each_time():
    trouble = Trouble()
    said = []
    for second in range(0, 60, 2):
        said.append(trouble.failed("http_500", float(second)))
        assert trouble.answered(second + 1.0) is None, "nobody was told that it failed for long"
    assert said == [{"http_500": 1}] + [None] * 29


def test_that_it_answers_again_is_said_after_a_minute_of_trouble():
    trouble = Trouble()
    trouble.failed("timeout", 0.0)
    assert trouble.answered(60.0) == 60.0
    assert trouble.answered(61.0) is None
