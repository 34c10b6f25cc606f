"""Deleting what is too old: reporters' identities not seen since, and the agent a customer spoke with.

Decided here: when an identity is old enough. Never here: a ticket; those stay.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from services.router import roster, store
from services.runtime import clock
from services.runtime.postgres import connected, later_if_away

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.router.domain.desk import DeskRules
    from services.router.domain.facts import Bounds
    from services.runtime.postgres import Pool

_EVERY_S: Final = 3600.0
_log = structlog.get_logger()


async def forget_reporters(
    pool: Pool, bounds: Bounds, rules: Callable[[], DeskRules], every_s: float = _EVERY_S
) -> None:
    """Forget what is old, again and again, for the life of the service."""
    while True:
        with later_if_away():
            async with connected(pool) as connection:
                await store.forget_reporters(connection, clock.now() - bounds.matter - bounds.event_lag)
                await roster.forget_known(connection, clock.now() - rules().timings.known)
        await asyncio.sleep(every_s)
