"""One child process: started, watched and stopped the same way whatever it runs.

Decided here: every child is tethered to us (`exec_tethered`), in a session of its own so that a terminal's Ctrl-C
reaches only the one who stops things in order, with its output appended to one log file.
Never here: knowledge of Kafka, Postgres or the services.

Start children from a thread that lives as long as they should: the kernel ties them to the thread, not the process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deploy.native.account import Account

_TETHER = Path(__file__).with_name("exec_tethered.py")
_POLL_SECONDS = 0.02
_KILL_SECONDS = 10.0
_LOG_KEEP_BYTES = 20_000_000
_TAIL_BYTES = 8_000
_TAIL_LINES = 12


def _keep_waiting() -> None:
    """The default `on_wait`: nothing interrupts."""


def wait_until(done: Callable[[], bool], timeout: float, on_wait: Callable[[], None] = _keep_waiting) -> bool:
    """Poll `done` until it holds or `timeout` seconds passed; `on_wait` runs between polls and may raise.

    Returns: whether `done` held in time.
    """
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() >= deadline:
            return False
        on_wait()
        time.sleep(_POLL_SECONDS)
    return True


def log_tail(log: Path) -> str:
    """The last lines of a log, for an error's text; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"  | {line}" for line in lines[-_TAIL_LINES:])


@dataclass(frozen=True, slots=True)
class Command:
    """What to run and how it may die.

    `environment` is the whole environment, not an addition. `death_signal` is what the kernel sends when we vanish.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    folder: Path | None = None
    account: Account | None = None
    death_signal: signal.Signals = signal.SIGKILL
    stop_signal: signal.Signals = signal.SIGTERM


class Child:
    """A started `Command`. Its process id is the program's own."""

    def __init__(self, command: Command) -> None:
        """Start it.

        Raises:
            OSError: the log cannot be opened or the system has no process to give.
        """
        self.command = command
        self._asked = False
        command.log.parent.mkdir(parents=True, exist_ok=True)
        _rotate(command.log)
        account = command.account
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(_TETHER),
                    str(os.getpid()),
                    str(int(command.death_signal)),
                    "" if account is None else str(account.uid),
                    "" if account is None else str(account.gid),
                    *command.arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(command.environment),
                cwd=command.folder,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, also after the end."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs (a paused process does)."""
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal, None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        self._process.send_signal(number)

    def has_stopped(self) -> bool:
        """Whether a SIGSTOP has reached all of its threads; it says so once."""
        return not self.alive or os.waitpid(self.pid, os.WUNTRACED | os.WNOHANG)[0] == self.pid

    def request_stop(self) -> None:
        """Ask it to stop; returns at once."""
        if self.alive and not self._asked:
            self._asked = True
            self.signal(self.command.stop_signal)
            self.signal(signal.SIGCONT)  # a paused process would never see the request

    def stop(self, timeout: float) -> int:
        """Ask it to stop, wait up to `timeout` seconds, then kill it.

        Returns: its exit status.
        """
        if self.alive:
            self.request_stop()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(timeout)
        return self.kill()

    def kill(self) -> int:
        """Kill -9 and reap it.

        Returns: its exit status.
        """
        self._process.kill()
        return self._process.wait(_KILL_SECONDS)


def run_to_end(command: Command, timeout: float, on_wait: Callable[[], None] = _keep_waiting) -> None:
    """Run a command to its end, tethered and interruptible.

    Raises:
        StartError: it failed or took longer than `timeout` seconds; with the end of its log.
    """
    child = Child(command)
    try:
        in_time = wait_until(lambda: not child.alive, timeout, on_wait)
    finally:
        if child.alive:
            child.kill()
    if in_time and child.returncode == 0:
        return
    why = f"ended with status {child.returncode}" if in_time else f"did not end in {timeout:g} s"
    raise StartError(f"{command.name} {why}. The end of {command.log}:\n{log_tail(command.log)}")


def _rotate(log: Path) -> None:
    """Keep one old log: a log past 20 MB is moved aside when its program starts again."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_KEEP_BYTES:
            log.replace(log.with_suffix(".old.log"))
