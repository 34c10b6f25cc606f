"""The router as a process, with rules of its own, and what it has counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.service_process import SECONDS, Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Router(Service):
    """Processes that read ``routes.yaml`` and ``classify.yaml`` of their folder."""

    async def tally(self) -> Counter[str]:
        """What is counted, and the messages still to publish."""
        rows = await self.sql("SELECT name, sum(n)::int AS n FROM tally GROUP BY name")
        waiting = await self.sql("SELECT count(*) FROM outbox_waiting")
        return Counter({row["name"]: row["n"] for row in rows} | {"unpublished": waiting[0][0]})

    async def counted(self, holds: Callable[[Counter[str]], bool]) -> Counter[str]:
        """Wait until the counts are such, and everything is published."""
        end = time.monotonic() + SECONDS
        seen: object = "nothing yet"
        while time.monotonic() < end:
            try:
                tally = await self.tally()
            except (asyncpg.PostgresError, OSError) as error:
                seen = error
            else:
                if holds(tally) and tally["unpublished"] == 0:
                    return tally
                seen = tally
            assert self.process.poll() is None, self.log[-3000:]
            await asyncio.sleep(0.1)
        pytest.fail(f"not so in {SECONDS:g} s: {seen}\n{self.log[-3000:]}")


def a_router(bootstrap: str, dsn: str, prefix: str, folder: Path) -> Router:
    """Return one that is not started."""
    files = {"routes_file": str(folder / "routes.yaml"), "classify_file": str(folder / "classify.yaml")}
    return Router("router", bootstrap, dsn, prefix, folder, {**files, "reload_seconds": "0.1"})
