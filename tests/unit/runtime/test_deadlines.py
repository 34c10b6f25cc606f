"""A wait ends at its deadline, and only for that."""

from __future__ import annotations

import asyncio

import pytest

from services.runtime.deadlines import done_within, within

_AN_HOUR = 3600.0


async def test_a_wait_ends_at_its_deadline():
    with pytest.raises(TimeoutError), within(0.01):
        await asyncio.Event().wait()
    await asyncio.sleep(0)  # and the task goes on


async def test_what_ends_in_time_is_left_alone():
    with within(_AN_HOUR):
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_an_error_inside_is_the_blocks_own():
    with pytest.raises(LookupError), within(_AN_HOUR):
        raise LookupError


async def test_a_cancellation_from_outside_is_no_deadline():
    begun = asyncio.Event()

    async def waits() -> None:
        with within(_AN_HOUR):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_outside_after_the_deadline_goes_through():
    async def waits() -> None:
        with within(0.01):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                task.cancel()
                raise

    task = asyncio.create_task(waits())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_outer_deadline_of_two_is_the_outers():
    async def waits() -> None:
        with within(_AN_HOUR):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError), within(0.01):
        await waits()


async def test_what_need_not_wait_is_done_at_once():
    async def at_once() -> int:
        return 7

    steps = done_within(_AN_HOUR, at_once())
    with pytest.raises(StopIteration) as done:
        steps.send(None)  # type: ignore[union-attr] # outside any task: there is no timer and nobody to cancel
    assert done.value.value == 7


async def test_what_waits_is_done_within_its_time():
    async def waits() -> int:
        for _ in range(3):
            await asyncio.sleep(0)
        return await asyncio.get_running_loop().run_in_executor(None, lambda: 7)

    assert await done_within(_AN_HOUR, waits()) == 7


async def test_what_waits_too_long_is_told_so_and_may_clean_up():
    told: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("cancelled")

    with pytest.raises(TimeoutError):
        await done_within(0.01, waits())
    assert told == ["cancelled"]


async def test_errors_and_cancellations_of_a_wait_go_through():
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await done_within(_AN_HOUR, fails())
    begun = asyncio.Event()

    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def bounded() -> None:
        await done_within(_AN_HOUR, waits())

    task = asyncio.create_task(bounded())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
