"""What the machine did during a measurement: our processes' time and everybody else's.

Figures of a shared machine mean little without it. Read from /proc, so Linux only; elsewhere the figures of others
are not known and shown as such.
"""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc/self/stat")
_UTIME = 11  # of the fields after the name, counted from 0: utime, stime, cutime, cstime; source: proc(5)


@dataclass
class Spell:
    """One stretch of time.

    Attributes:
        seconds: How long it was.
        ours: Cores this run kept busy, its servers included.
        others: Cores everybody else did.
        load: The one-minute load average at the end; it counts us too.
    """

    seconds: float = 0.0
    ours: float = 0.0
    others: float = float("nan")
    load: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it rounded."""
        return {
            "seconds": round(self.seconds, 3),
            "our_cores": known(self.ours),
            "other_cores": known(self.others),
            "load_average": round(self.load, 2),
        }


def known(value: float) -> float | None:
    """Return a rounded value, or None for what is not a number: JSON has no such thing."""
    return None if math.isnan(value) else round(value, 3)


@contextmanager
def watched() -> Iterator[Spell]:
    """Watch the machine for the length of the block."""
    spell = Spell()
    began, busy, ours = time.perf_counter(), _busy(), processor_seconds(os.getpid())
    try:
        yield spell
    finally:
        spell.seconds = time.perf_counter() - began
        spell.ours = (processor_seconds(os.getpid()) - ours) / spell.seconds
        spell.others = max(0.0, (_busy() - busy) / spell.seconds - spell.ours)
        spell.load = os.getloadavg()[0]


def _busy() -> float:
    """Return seconds all cores worked since the start: user, nice, system, irq, softirq."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    except OSError:
        return float("nan")
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) / _TICK


@dataclass(slots=True)
class _Thing:
    number: int
    name: str


def yardstick() -> float:
    """Return the milliseconds that a fixed piece of plain Python takes: the best of several.

    It tells how fast this machine is now, and this Python: one that was built without profile-guided optimisation, as
    pyenv does unless it is asked to, takes a quarter or more longer than Debian's or the container image's.
    """

    def once() -> float:
        began = time.thread_time()
        found: dict[str, _Thing] = {}
        for n in range(20_000):
            thing = _Thing(n, str(n))
            found[thing.name] = thing
            if isinstance(thing.number, int) and thing.name in found:
                found[thing.name] = replace(thing, number=thing.number + 1)
        sum(one.number for one in found.values())
        return 1000 * (time.thread_time() - began)

    return min(once() for _ in range(7))


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and all that it started, the ended ones included.

    Not a number where there is no /proc.
    """
    if not _PROC.exists():
        return float("nan")
    times = {one: found for one in _family(pid) if (found := _times(one)) is not None}
    return sum(sum(found) for found in times.values())


def resident_mb(pid: int, *, proportional: bool = False) -> float:
    """Return the memory of a process and all that it started, in MB.

    ``proportional`` counts a shared page once among the processes that share it: right for Postgres, whose
    processes all map the same buffers.
    """
    if not _PROC.exists():
        return float("nan")
    name, file = ("Pss:", "smaps_rollup") if proportional else ("VmRSS:", "status")
    total = 0
    for one in _family(pid):
        try:
            lines = Path(f"/proc/{one}/{file}").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
    return total / 1024


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _fields(int(entry.name))
            if fields:
                children[int(fields[1])].append(int(entry.name))
    found = [pid]
    for one in found:
        found += children[one]
    return found


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return []


def _times(pid: int) -> tuple[float, ...] | None:
    fields = _fields(pid)
    return tuple(int(field) / _TICK for field in fields[_UTIME : _UTIME + 4]) if fields else None
