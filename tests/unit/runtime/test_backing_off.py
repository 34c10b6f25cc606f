"""A service waits for its database as long as it takes: longer each time, never long, not in step with the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from structlog.testing import capture_logs

from services.runtime.consumer import Consumer
from services.runtime.errors import UnavailableError
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.runtime.batch import Transactor

A_NIGHT = 5000
"""Failures in a row, of some seconds each."""


async def _reachable(_brokers: Collection[int]) -> bool:
    return True


async def waits(owner: str, failures: int) -> list[float]:
    """Seconds that are waited after each failure in a row; nobody waits for them here."""
    transactor = cast("Transactor", SimpleNamespace(pool=None, handler=SimpleNamespace(topics=())))
    consumer = Consumer(ServiceSettings(), transactor, group="g", owner=owner, reachable=_reachable)
    consumer.stop()
    with capture_logs() as told:
        for _ in range(failures):
            await consumer._back_off("postgres", UnavailableError("away"))
    await consumer._client.leave({})
    return [one["seconds"] for one in told]


async def test_the_wait_grows_to_some_seconds_and_stays_there_a_whole_night():
    seconds = await waits("router-1", A_NIGHT)
    assert len(seconds) == A_NIGHT
    assert seconds == sorted(seconds)
    assert 0.2 <= seconds[0] <= 0.4
    assert 5.0 <= seconds[10] == seconds[-1] <= 10.0


async def test_two_processes_do_not_come_back_in_step():
    assert (await waits("router-1", 10)) != (await waits("router-2", 10))
