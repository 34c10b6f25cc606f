"""What a run is to do, and what every measurement shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from tests.bench.grids import HUGE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.bench.grids import Grids, Size
    from tests.bench.report import Results
    from tests.bench.servers import Servers

T = TypeVar("T")


@dataclass
class Work:
    """One run, as far as it needs no server.

    Attributes:
        rounds: Repetitions of what is repeated.
        quick: Smaller amounts: for a look, not for a figure.
        huge: Networks of ten million customers as well, where sizes are compared.
        tell: Shows what is going on.
        agents: How many, where a whole floor is measured; 0: as usual.
    """

    results: Results
    rounds: int
    quick: bool
    huge: bool
    tell: Callable[[str], None]
    agents: int

    def scaled(self, usual: T, *, quick: T) -> T:
        """Return the amount for this kind of run."""
        return quick if self.quick else usual


@dataclass
class Plan(Work):
    """One run with Kafka and Postgres."""

    servers: Servers
    grids: Grids

    def sized(self, usual: tuple[Size, ...], *, quick: tuple[Size, ...]) -> tuple[Size, ...]:
        """Return the network sizes to compare."""
        return (*self.scaled(usual, quick=quick), *((HUGE,) if self.huge else ()))

    @property
    def server_pids(self) -> dict[str, int]:
        """Process ids of Kafka and Postgres by name."""
        pid = self.servers.broker.pid
        if pid is None:
            raise RuntimeError("Kafka has ended")
        return {"Kafka": pid, "Postgres": self.postgres_pid}

    @property
    def postgres_pid(self) -> int:
        """The postmaster's process id."""
        pid = self.servers.postgres.pid
        if pid is None:
            raise RuntimeError("Postgres has ended")
        return pid

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop the services use too."""
        return uvloop.run(work)
