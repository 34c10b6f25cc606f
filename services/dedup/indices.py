"""The reliability indices of the last 24 hours (IEEE 1366), kept as gauges. Never here: how they are computed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dedup import metrics
from services.dedup.domain.figures import Figures, figures
from services.dedup.domain.service_levels import MOMENTARY
from services.dedup.store import reliability
from services.runtime import clock
from services.runtime.postgres import connected, later_if_away

if TYPE_CHECKING:
    from datetime import datetime

    from services.dedup.domain.service_levels import ServiceLevels
    from services.dedup.ground import Ground
    from services.runtime.postgres import Pool


async def measure_reliability(pool: Pool, now: datetime, levels: ServiceLevels | None) -> None:
    """Set the gauges, by the levels' threshold of what is momentary."""
    momentary = MOMENTARY if levels is None else levels.momentary
    async with connected(pool) as connection:
        total = Figures(await reliability.customers_served(connection, None))
        day = now - timedelta(days=1), now
        async with aclosing(reliability.interruptions(connection, *day, None, momentary)) as areas:
            async for found in areas:
                total += figures(found, 0, momentary=momentary, until=now, between=day)
                await asyncio.sleep(0)  # orders wait for nobody's figures
    metrics.SAIDI.set(total.saidi_minutes)
    metrics.SAIFI.set(total.saifi)
    metrics.CAIDI.set(total.caidi_minutes)
    metrics.MAIFI.set(total.maifi)


async def watch_reliability(pool: Pool, ground: Ground, every_s: float) -> None:
    """Measure again and again, for the life of the service."""
    while True:
        with later_if_away():
            await measure_reliability(pool, clock.now(), ground.rules.levels)
        await asyncio.sleep(every_s)
