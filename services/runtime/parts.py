"""What a room is made of: what it is built from, and the parts that ``service`` runs for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable

    from fastapi import APIRouter
    from starlette.types import ASGIApp

    from services.runtime.handling import Handler
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool
    from services.runtime.producer import Producer
    from services.runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a room builds itself from: pool and outbox for rooms with a database, the producer for intake."""

    settings: ServiceSettings
    _pool: Pool | None
    _outbox: Outbox | None
    _producer: Producer | None

    @property
    def pool(self) -> Pool:
        """The database pool, working in the service's schema."""
        if self._pool is None:
            raise AssertionError("this service has no database")
        return self._pool

    @property
    def outbox(self) -> Outbox:
        """The outbox, for APIs and timers that publish in a transaction of their own."""
        if self._outbox is None:
            raise AssertionError("this service has no outbox")
        return self._outbox

    @property
    def producer(self) -> Producer:
        """The producer, for intake."""
        if self._producer is None:
            raise AssertionError("this service has no producer")
        return self._producer


class Watches(Protocol):
    """Something that looks again and again whether its files have changed."""

    async def watch(self, every_s: float) -> None:
        """Look every so many seconds, for ever."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a room is made of.

    Attributes:
        handler: Its consumer, if it reads topics.
        side_by_side: Two batches of different partitions have nothing to do with one another: they may run at once.
        routers: Its HTTP doors.
        background: Coroutines that run for the life of the service; one that ends or fails stops it.
        watched: Operators' files, looked at every ``reload_seconds`` for the life of the service.
        imbalance: From the exact counts, accepted less accounted for; must be 0.
        wrap: What to put around all HTTP, if anything: CORS.
        leaving: Told once when the service begins to drain, to let go of requests that only wait.
    """

    handler: Handler | None = None
    side_by_side: bool = False
    routers: tuple[APIRouter, ...] = ()
    background: tuple[Callable[[], Awaitable[None]], ...] = ()
    watched: tuple[Watches, ...] = ()
    imbalance: Callable[[Counter[str]], int] | None = None
    wrap: Callable[[ASGIApp], ASGIApp] | None = None
    leaving: tuple[Callable[[], None], ...] = ()
