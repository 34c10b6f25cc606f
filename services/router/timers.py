"""What time brings: offers that lapse, warnings of clocks, agents who are gone.

Never here: what follows. Each look is a transaction that locks what it changes, so that two processes never do one
thing twice, and what a dead process was about to do the next one does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from services.runtime.errors import UnavailableError

if TYPE_CHECKING:
    from services.router.acting import Desk

_log: Final = structlog.get_logger()


async def watch_time(desk: Desk, every_s: float) -> None:
    """Look again and again, for the life of the service."""
    while True:
        try:
            while await desk.wake():
                continue
            while await desk.sweep():
                continue
            await desk.give_back()
        except UnavailableError as error:
            _log.warning("waiting_for", what="postgres", reason=str(error)[:200])
        await asyncio.sleep(every_s)
