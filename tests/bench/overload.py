"""What becomes of the intake at twice its capacity: it must refuse early and its memory stay flat.

The capacity is the closed loop's, found in the same run. Then the requests come at twice that rate over many more
connections than there were, for ten minutes (twenty seconds with ``--quick``).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from services.contracts.topics import CONTACT_RECEIVED
from services.runtime.cluster import apply_topics
from tests.bench import http_load
from tests.bench.intake import CONNECTIONS, requests_of_doors
from tests.bench.machine import resident_mb
from tests.bench.report import Figure, percentile
from tests.bench.workload import as_http

if TYPE_CHECKING:
    from tests.bench.plan import Plan

GROUP = "overload: the app door at twice its capacity"
_DOOR = "app"
_CONNECTIONS = 1_000
_UNRESOLVED = "256"
_REST_SECONDS = 5.0


def measure(plan: Plan) -> None:
    """Find the capacity, then press."""
    servers = plan.servers
    prefix = servers.prefix()
    asyncio.run(apply_topics(servers.settings("postgresql://nowhere", prefix)))
    requests = as_http(requests_of_doors()[_DOOR])
    seconds = plan.scaled(600.0, quick=20.0)
    with servers.running("intake", None, prefix, GRIDLINE_MAX_UNRESOLVED_SENDS=_UNRESOLVED) as process:
        plan.tell("overload: finding the capacity")
        found = plan.run(http_load.closed(process.port, requests, connections=CONNECTIONS, seconds=4.0))
        memory: list[float] = []
        plan.tell(f"overload: {2 * found.rate:,.0f} requests/s for {seconds:g} s")
        pressed = plan.run(
            http_load.pressed(
                process.port,
                requests,
                rate=2 * found.rate,
                connections=_CONNECTIONS,
                seconds=seconds,
                on_second=lambda: memory.append(resident_mb(process.pid)),
            )
        )
        time.sleep(_REST_SECONDS)  # what the pressed connections left behind is acknowledged meanwhile
        after = plan.run(http_load.closed(process.port, requests, connections=CONNECTIONS, seconds=2.0))
    tenth = max(1, len(memory) // 10)
    first, last = memory[tenth : 2 * tenth] or memory, memory[-tenth:]
    accepted, refused = pressed.of(http_load.WANTED), pressed.of(http_load.REFUSALS)
    share = 100 * len(refused) / max(1, len(accepted) + len(refused))
    plan.results.add(
        GROUP,
        Figure("accepted", "requests/s", [len(accepted) / seconds], None, f"topic {CONTACT_RECEIVED.name}, acks=all"),
        Figure(
            "of the capacity", "%", [100 * len(accepted) / seconds / found.rate], None, "what is accepted meanwhile"
        ),
        Figure("refused at once", "%", [share], None, "503, of the answered"),
        Figure("unsent", "%", [100 * pressed.unsent / (2 * found.rate * seconds)], None, "every line was waiting"),
        *_waits("202", accepted),
        *_waits("refusal", refused),
        Figure("memory, second tenth", "MB", [sum(first) / len(first)], None, "of the time under load"),
        Figure("memory, last tenth", "MB", [sum(last) / len(last)], None, f"{_UNRESOLVED} may wait for Kafka"),
        Figure("capacity afterwards", "%", [100 * after.rate / found.rate], None, "of what it was before"),
    )


def _waits(what: str, seconds: list[float]) -> list[Figure]:
    """Return how long the answers of one kind took, if there were any."""
    if not seconds:
        return []
    return [
        Figure(f"{what}, p50", "ms", [1000 * percentile(seconds, 0.50)], None, "from sending to the answer"),
        Figure(f"{what}, p99", "ms", [1000 * percentile(seconds, 0.99)]),
    ]
