"""When a service stops itself, because the problem will not go away while it runs.

Decided here: when too many records are invalid, and when the consume loop counts as stuck.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Final

import structlog

from services.runtime import clock, metrics
from services.runtime.errors import HaltError

_LIMIT_WINDOW: Final = 500
_LIMIT_LEAST: Final = 100
_LIMIT_SHARE: Final = 0.9
_log = structlog.get_logger()


class DeadLetterLimit:
    """Stops the service when nearly everything is invalid that services of ours wrote: then the fault is ours.

    What others write to us is theirs to mend, and must not stop what has nothing to do with it.
    """

    def __init__(self) -> None:
        self._recent: deque[bool] = deque(maxlen=_LIMIT_WINDOW)

    def note(self, *, good: int, bad: int) -> None:
        """Count a batch.

        Raises:
            HaltError: at least 100 of the last 500 records were read and 90 % of them were dead letters.
        """
        self._recent.extend([False] * good + [True] * bad)
        if bad and len(self._recent) >= _LIMIT_LEAST and sum(self._recent) >= _LIMIT_SHARE * len(self._recent):
            raise HaltError(
                f"{sum(self._recent)} of the last {len(self._recent)} records became dead letters: most likely this "
                "version cannot read what is on the topic. Look at `gridline dlq list`, mend the cause, start again."
            )


class Watchdog:
    """Ends the process from a thread of its own if the loop stands still, even when the event loop is blocked."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = clock.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin watching."""
        self.beat()
        metrics.LOOP_SILENT.set_function(lambda: clock.monotonic() - self._last)
        self._thread.start()

    def beat(self) -> None:
        """The loop is alive."""
        self._last = clock.monotonic()

    def stop(self) -> None:
        """End watching."""
        self._stopped.set()

    def _watch(self) -> None:
        step = self._seconds / 4
        stamp = clock.monotonic()
        while not self._stopped.wait(step):
            woke = clock.monotonic()
            # A process that was frozen as a whole (SIGSTOP, a suspended machine) is not a stuck loop.
            frozen = woke - stamp > 2 * step
            stamp = woke
            if frozen:
                self.beat()
            elif woke - self._last > self._seconds:
                _log.critical("watchdog_exit", seconds=round(woke - self._last, 1))
                os._exit(70)
