"""What is known of a stack outside its supervisor: `stack.json` and the lock in the run folder.

Decided here: the lock tells whether a supervisor lives (the kernel drops it with the process, so it cannot be stale);
the file tells where things are. Never here: trust in a process id alone, since ids are used again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from deploy.native.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATE = "stack.json"
_LOCK = "lock"
_STOPPED = "stopped"
_GONE_SECONDS = 10.0
_GLANCE_SECONDS = 1.0
_ON_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process of the stack.

    `identity` tells it from a later process with the same id. `stopped`: it was told to stop by itself, and is about to
    or has.
    """

    name: str
    pid: int | None
    identity: str | None
    address: str
    log: str
    restarts: int = 0
    gave_up: str = ""
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class StackInfo:
    """A stack: its addresses, and its processes in the order they were started.

    `phase` is starting, ready or stopping. `postgres_dsn` holds a password: show it to the user, never log it.
    """

    run_folder: str
    phase: str
    started_at: str
    supervisor_pid: int
    supervisor_identity: str | None
    kafka_bootstrap: str
    postgres_dsn: str
    services: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[ProcessInfo, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> StackInfo:
        """What `to_json` gave.

        Raises:
            TypeError, KeyError: something is missing or too much.
        """
        processes = tuple(ProcessInfo(**each) for each in content["processes"])
        return cls(**{**content, "processes": processes})


def write_state(info: StackInfo) -> None:
    """Replace `stack.json` in one step, readable by this user only."""
    folder = Path(info.run_folder)
    partial = folder / f"{_STATE}.new"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(info.to_json(), file, indent=2)
    partial.replace(folder / _STATE)


def read_state(run_folder: Path) -> StackInfo | None:
    """The last written state; None when there is none or it cannot be read."""
    try:
        return StackInfo.from_json(json.loads((run_folder / _STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remove_state(run_folder: Path) -> None:
    """The stack is down."""
    (run_folder / _STATE).unlink(missing_ok=True)


def want_stopped(run_folder: Path, name: str, *, stopped: bool) -> None:
    """Say that a process is to be stopped, or is no longer to be: its supervisor sees it within a second."""
    mark = run_folder / _STOPPED / name
    if stopped:
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
    else:
        mark.unlink(missing_ok=True)


def wanted_stopped(run_folder: Path) -> frozenset[str]:
    """The names of the processes that are to be stopped."""
    try:
        return frozenset(mark.name for mark in (run_folder / _STOPPED).iterdir())
    except FileNotFoundError:
        return frozenset()


def take_lock(run_folder: Path) -> IO[str] | None:
    """Become the one supervisor of this folder; None when there is one. Keep the file open for as long."""
    deadline = time.monotonic() + _GLANCE_SECONDS  # somebody's glance (`is_locked`) is no supervisor
    while (lock := _lock(run_folder, fcntl.LOCK_EX)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return lock


def is_locked(run_folder: Path) -> bool:
    """Whether a supervisor of this folder lives.

    Raises:
        StackError: the lock cannot be opened.
    """
    if not (run_folder / _LOCK).exists():
        return False
    try:
        lock = _lock(run_folder, fcntl.LOCK_SH)
    except OSError as error:
        raise StackError(f"{run_folder / _LOCK} cannot be opened: {error.strerror}. Is it another user's?") from error
    if lock is None:
        return True
    lock.close()
    return False


def _lock(run_folder: Path, kind: int) -> IO[str] | None:
    file = (run_folder / _LOCK).open("a", encoding="ascii")
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def identity(pid: int) -> str | None:
    """When a process started, in its system's own words; None when there is no such process.

    Source: proc(5), field 22 of /proc/PID/stat; elsewhere ps(1).
    """
    if _ON_LINUX:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    ran = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return ran.stdout.strip() or None


def is_same_process(pid: int | None, known: str | None) -> bool:
    """Whether the process we knew still runs."""
    return pid is not None and known is not None and identity(pid) == known


def end_leftovers(info: StackInfo) -> list[str]:
    """Kill what a dead supervisor left running, services first.

    On Linux the kernel has done it already; this is for systems without a parent-death signal.

    Returns: the names of what was still there.
    """
    left = [each for each in reversed(info.processes) if is_same_process(each.pid, each.identity)]
    for each in left:
        with contextlib.suppress(ProcessLookupError):
            # SIGQUIT ends Postgres with all its processes and would make Java print its threads and go on.
            os.kill(each.pid or 0, signal.SIGQUIT if each.name == "postgres" else signal.SIGKILL)
    deadline = time.monotonic() + _GONE_SECONDS
    while any(is_same_process(each.pid, each.identity) for each in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [each.name for each in left]
