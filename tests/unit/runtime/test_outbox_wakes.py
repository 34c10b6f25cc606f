"""Who waits for rows of the outbox hears of every commit, whoever else has heard of it."""

from __future__ import annotations

import asyncio

import pytest

from services.runtime import outbox as outboxes
from services.runtime.outbox import Outbox


async def test_a_relay_that_was_busy_hears_of_what_another_has_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outboxes, "_IDLE_SECONDS", 60.0)
    outbox = Outbox("gridline/test", shards=2)
    for shard in range(2):
        outbox.rest(shard)
    outbox.wake()  # the first looks at once; the second was about to wait
    outbox.rest(0)
    async with asyncio.timeout(5):
        await outbox.wait(1)


async def test_control_a_relay_that_has_looked_waits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outboxes, "_IDLE_SECONDS", 60.0)
    outbox = Outbox("gridline/test", shards=2)
    outbox.wake()
    outbox.rest(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await outbox.wait(1)
