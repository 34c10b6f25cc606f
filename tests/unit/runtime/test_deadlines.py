"""A wait ends at its deadline, and only for that."""

from __future__ import annotations

import asyncio

import pytest

from services.runtime.deadlines import within

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
