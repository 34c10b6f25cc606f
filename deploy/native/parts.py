"""What a supervisor keeps running, and the rule by which it starts a thing again.

Decided here: the delays between starts and when to give up. Never here: the order of things (supervisor).
"""

from __future__ import annotations

import contextlib
import http.client
import signal
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.native.child import Child, Command, log_tail, wait_until
from deploy.native.errors import StartError
from deploy.native.ports import LOOPBACK
from deploy.native.state import ProcessInfo, identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from deploy.native.plan import Service

START_SECONDS = 60.0
STOP_SECONDS = 20.0
FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
QUICK_SECONDS = 30.0  # a run shorter than this is a quick failure
MOST_QUICK_FAILURES = 8
# Starting again will not help: services.runtime.service, after sysexits.h (wrong settings; halted on the data).
FINAL_EXITS = frozenset({78, 65})
_PROBE_EVERY = 0.1
_STOPS_SECONDS = 1.0
_PROBE_SECONDS = 2.0


class Part(ABC):
    """A process that can be started again and again: a service, Kafka, Postgres."""

    def __init__(self) -> None:
        """Make it; nothing is started."""
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs (paused counts), else None."""
        return self._child.pid if self._child is not None and self._child.alive else None

    @property
    def returncode(self) -> int | None:
        """Exit status of the last run, negative for a signal; None while it runs or before it ever did."""
        return None if self._child is None else self._child.returncode

    @abstractmethod
    def launch(self) -> None:
        """Start it; returns at once."""

    @abstractmethod
    def wait_ready(self, timeout: float, on_wait: Callable[[], None]) -> None:
        """Wait until it can be used, or raise StartError."""

    def request_stop(self) -> None:
        """Ask it to stop; returns at once."""
        if self._child is not None:
            self._child.request_stop()

    def stop(self, timeout: float) -> None:
        """Ask it to stop, kill -9 after `timeout` seconds; nothing happens when it is not running."""
        if self._child is not None:
            self._child.stop(timeout)


class Server(Part):
    """Kafka or Postgres, which are prepared before they are launched, and which tests kill and pause."""

    @abstractmethod
    def prepare(self) -> None:
        """Make its folder if it is new, or raise StaleDataError or StartError."""

    @abstractmethod
    def wait_ready(self, timeout: float = START_SECONDS, on_wait: Callable[[], None] = lambda: None) -> None:
        """Wait until it can be used, or raise StartError."""

    def start(self, timeout: float = START_SECONDS) -> None:
        """Prepare, launch and wait until it can be used.

        Raises:
            StaleDataError: the folder was made by another version or cluster.
            StartError: it ended or was not ready within `timeout` seconds; it is stopped then.
        """
        self.prepare()
        self.launch()
        try:
            self.wait_ready(timeout)
        except BaseException:
            self.stop_immediately()
            raise

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Ask it to stop, kill -9 after `timeout` seconds; nothing happens when it is not running."""
        super().stop(timeout)

    def stop_immediately(self) -> None:
        """End as a machine's crash would."""
        self.kill()

    def kill(self) -> None:
        """Kill -9, as a crash would."""
        if self._child is not None:
            self._child.kill()

    def pause(self) -> None:
        """SIGSTOP: the process is there and its port accepts, but nothing answers."""
        child = self._running()
        child.signal(signal.SIGSTOP)
        wait_until(child.has_stopped, _STOPS_SECONDS)  # its threads do so one by one, and one of them may still answer

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self._running().signal(signal.SIGCONT)

    def _running(self) -> Child:
        if self._child is None:
            raise StartError("It was not started.")
        return self._child


class ServiceProcess(Part):
    """One of the services, as a `Part`."""

    def __init__(self, service: Service, environment: Mapping[str, str], log: Path) -> None:
        super().__init__()
        self._service = service
        self._command = Command(
            name=service.name,
            arguments=service.arguments,
            environment={
                **environment,
                "GRIDLINE_HTTP_HOST": LOOPBACK,
                "GRIDLINE_HTTP_PORT": str(service.port),
                **service.environment,
            },
            log=log,
        )

    def launch(self) -> None:
        """Start it; returns at once."""
        self._child = Child(self._command)

    def wait_ready(self, timeout: float, on_wait: Callable[[], None]) -> None:
        """Wait until `/readyz` answers 200.

        Raises:
            StartError: it ended, or did not in `timeout` seconds; with its last answer and the end of its log.
        """
        last = "no answer"

        def settled() -> bool:
            nonlocal last
            if self.pid is None:
                return True
            time.sleep(_PROBE_EVERY)
            status, last = readiness(self._service.port)
            return status == http.client.OK

        if wait_until(settled, timeout, on_wait) and self.pid is not None:
            return
        name, log = self._service.name, self._command.log
        why = (
            f"ended with status {self.returncode}"
            if self.pid is None
            else f"was not ready in {timeout:g} s ({self._service.address}/readyz: {last})"
        )
        raise StartError(f"The service {name} {why}. The end of {log}:\n{log_tail(log)}")


def readiness(port: int) -> tuple[int, str]:
    """Ask a service whether it is ready.

    Returns: the HTTP status (0: no answer) and what it says, on one line of at most 200 characters.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_PROBE_SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, f"no answer ({error})"
    return answer.status, f"{answer.status} {' '.join(text.split())[:200]}"


@dataclass(slots=True)
class Kept:
    """A part, and what has happened to it. Times are readings of one monotonic clock, in seconds."""

    name: str
    part: Part
    address: str
    log: Path
    launched_at: float = 0.0
    quick_failures: int = 0
    restarts: int = 0
    restart_at: float | None = None
    gave_up: str = ""
    stopped: bool = False
    kill_at: float = 0.0

    def launch(self, now: float) -> None:
        """Start it, for the first time or again."""
        self.restart_at = None
        self.launched_at = now
        self.part.launch()

    def stop(self, now: float, patience: float) -> str:
        """Ask it to stop, for `end_if_late` to kill after so many seconds; it is not started again before `resume`.

        Returns: one line for the log.
        """
        self.stopped, self.kill_at = True, now + patience
        self.restart_at, self.gave_up = None, ""
        self.part.request_stop()
        return f"{self.name} is to stop"

    def end_if_late(self, now: float) -> None:
        """Kill it if it was told to stop and has not in time."""
        if self.part.pid is not None and now >= self.kill_at:
            self.part.stop(0.0)

    def resume(self, now: float) -> str:
        """Let it be started at once, as for the first time.

        Returns: one line for the log.
        """
        self.stopped, self.quick_failures, self.restart_at = False, 0, now
        return f"{self.name} is to run again"

    def ended(self, now: float, *, full: bool = False) -> str:
        """Decide what follows its end: another start at `restart_at`, or none (`gave_up`).

        Args:
            now: the moment of its end.
            full: whether its disk is: then it ends for want of room, and starting it again helps once there is some.

        Returns: one line for the log.
        """
        status = self.part.returncode
        quick = now - self.launched_at < QUICK_SECONDS
        self.quick_failures = self.quick_failures + 1 if quick else 1
        if full:
            self.quick_failures = min(self.quick_failures, MOST_QUICK_FAILURES // 2)
        if status in FINAL_EXITS:
            self.gave_up = f"ended with status {status}, which another start will not change"
        elif self.quick_failures >= MOST_QUICK_FAILURES:
            self.gave_up = f"ended {self.quick_failures} times within {QUICK_SECONDS:g} s of its start"
        if self.gave_up:
            return f"{self.name} is given up: it {self.gave_up}; see {self.log}"
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (self.quick_failures - 1))
        self.restart_at = now + delay
        self.restarts += 1
        return f"{self.name} ended with status {status}; starting it again in {delay:g} s"

    def could_not_launch(self, now: float) -> None:
        """Try later: there was no room even for what its start writes."""
        self.restart_at = now + LONGEST_DELAY

    def info(self) -> ProcessInfo:
        """What the state file says of it."""
        pid = self.part.pid
        return ProcessInfo(
            name=self.name,
            pid=pid,
            identity=None if pid is None else identity(pid),
            address=self.address,
            log=str(self.log),
            restarts=self.restarts,
            gave_up=self.gave_up,
            stopped=self.stopped,
        )
