"""``python -m tests.integration.faults.skewed``: a service on a host whose clock is wrong.

``GRIDLINE_SKEWED`` names the module, ``GRIDLINE_SKEW_HOURS`` by how much; instead, the file ``GRIDLINE_SKEW_FILE`` says
the hours, and the clock jumps when it is written. The product reads the time in one place, its client of Kafka, which
stamps what it sends, in another, and in C. With ``GRIDLINE_BELIEVES_ITS_HOST`` nobody tells it the time: the control.
"""

from __future__ import annotations

import os
import runpy
import time
from datetime import timedelta
from pathlib import Path

from aiokafka.producer.message_accumulator import BatchBuilder

from services.runtime import clock
from services.runtime.whole_file import written_whole

HOURS = (8, -8, 1 / 60, -1 / 60, 500, -500, 0)
"""Where a clock jumps to in a test, one after the other."""


def jump(folder: Path, hours: float) -> None:
    """Let the clock of a service jump whose ``GRIDLINE_SKEW_FILE`` is ``hours`` in a folder."""
    with written_whole(folder / "hours") as file:
        file.write(str(hours))


def skew() -> timedelta:
    """Return how far the clock is ahead now."""
    if (file := os.environ.get("GRIDLINE_SKEW_FILE")) is not None:
        return timedelta(hours=float(Path(file).read_text()))
    return timedelta(hours=float(os.environ["GRIDLINE_SKEW_HOURS"]))


if __name__ == "__main__":
    right, seconds = clock.of_host, time.time
    clock.of_host = lambda: right() + skew()  # and with it clock.present and clock.now
    time.time = lambda: seconds() + skew().total_seconds()
    if os.environ.get("GRIDLINE_BELIEVES_ITS_HOST"):
        clock.told = lambda _instant, _asked, **_: 0.0
    append = BatchBuilder.append

    def stamped(self, *, timestamp, **named):
        """Take a record in with the time of the host."""
        return append(self, timestamp=timestamp or int(time.time() * 1000), **named)

    BatchBuilder.append = stamped
    runpy.run_module(os.environ["GRIDLINE_SKEWED"], run_name="__main__", alter_sys=True)
