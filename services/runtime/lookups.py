"""One look-up of a name at a time, however many wait for it.

A look-up cannot be ended: who stops waiting leaves it to one of the few threads through which every name of the process
is looked up. One name whose servers do not answer, asked for again with each attempt, would take all of them and queue
up behind: Kafka and the database would be found no more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    from collections.abc import Hashable


class Loop(uvloop.Loop):
    """An event loop whose ``getaddrinfo`` asks once for all who ask the same before there is an answer."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        super().__init__()
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}

    async def getaddrinfo(self, *name: Any, **how: Any) -> Any:
        """Return the addresses, as ``asyncio`` documents; the look-up goes on where its first asker waits no more."""
        key = name, tuple(sorted(how.items()))
        if (asked := self._asked.get(key)) is None:
            asked = self._asked[key] = self.create_task(self._look_up(*name, **how))
            asked.add_done_callback(lambda _: self._end(key))
        return await asyncio.shield(asked)

    async def _look_up(self, *name: Any, **how: Any) -> Any:
        return await super().getaddrinfo(*name, **how)

    def _end(self, key: Hashable) -> None:
        ended = self._asked.pop(key)
        if not ended.cancelled():
            ended.exception()  # perhaps nobody waits for it any more
