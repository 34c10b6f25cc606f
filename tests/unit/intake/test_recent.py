"""An Idempotency-Key in use for another body, or still under way, is told at once; nothing else is refused."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.recent import RecentKeys

ONE, OTHER = UUID(int=1), UUID(int=2)


def use(recent: RecentKeys, key: UUID, body: bytes, failing: Reason | None = None) -> Reason | None:
    try:
        with recent.using(key, body):
            _fail(failing)
    except PayloadRefusedError as refusal:
        return refusal.reason
    return None


def _fail(reason: Reason | None) -> None:
    if reason is not None:
        raise PayloadRefusedError(reason, "")


def test_the_same_body_again_is_accepted_and_another_is_not() -> None:
    recent = RecentKeys(10)
    assert use(recent, ONE, b"a") is None
    assert use(recent, ONE, b"a") is None
    assert use(recent, ONE, b"b") is Reason.KEY_REUSED
    assert use(recent, OTHER, b"b") is None
    assert use(recent, ONE, b"a") is None


def test_a_key_under_way_is_told_to_wait_and_is_free_again_whatever_came_of_it() -> None:
    recent = RecentKeys(10)
    with recent.using(ONE, b"a"):
        assert use(recent, ONE, b"a") is Reason.KEY_IN_FLIGHT
    assert use(recent, ONE, b"a") is None
    with pytest.raises(KeyError), recent.using(OTHER, b"a"):
        raise KeyError
    assert use(recent, OTHER, b"b") is None


def test_a_body_that_may_be_stored_holds_its_key_and_one_that_is_not_does_not() -> None:
    recent = RecentKeys(10)
    assert use(recent, ONE, b"a", Reason.OUTCOME_UNKNOWN) is Reason.OUTCOME_UNKNOWN
    assert use(recent, ONE, b"b") is Reason.KEY_REUSED
    assert use(recent, ONE, b"a") is None
    assert use(recent, OTHER, b"a", Reason.BUSY) is Reason.BUSY
    assert use(recent, OTHER, b"b") is None


def test_only_so_many_are_remembered_the_last_ones() -> None:
    recent = RecentKeys(2)
    for number in range(3):
        use(recent, UUID(int=number), b"a")
    assert use(recent, UUID(int=2), b"b") is Reason.KEY_REUSED
    assert use(recent, UUID(int=0), b"b") is None
    assert len(recent._seen) == 2
    none = RecentKeys(0)
    assert use(none, ONE, b"a") is use(none, ONE, b"b") is None
