"""``python -m tests.bench.importing DSN NETWORK CUSTOMERS``: one import in a process of its own, and what it took."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

import asyncpg

from services.grid.store import import_network


def _peak_mb() -> float:
    """Return the most memory this process has held. Not what getrusage says: that counts our parent's before exec."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


async def _import(dsn: str, network: Path, customers: Path) -> None:
    at_rest = _peak_mb()
    connection = await asyncpg.connect(dsn)
    began: dict[str, float] = {"reading devices": time.perf_counter()}

    def tell(stage: str, _done: int, _total: int) -> None:
        began.setdefault(stage, time.perf_counter())

    try:
        await import_network(connection, network, customers, progress=tell)
        ended = time.perf_counter()
        held = await connection.fetchval("SELECT pg_database_size(current_database())")
    finally:
        await connection.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    stages = list(began.items())
    ends = [*(at for _, at in stages[1:]), ended]
    found = {
        "seconds": {stage: round(end - at, 2) for (stage, at), end in zip(stages, ends, strict=True)},
        "own_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(_peak_mb() - at_rest, 1),
        "gigabytes": round(held / 1e9, 3),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(_import(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
