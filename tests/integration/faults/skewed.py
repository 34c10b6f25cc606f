"""``python -m tests.integration.faults.skewed``: a service on a host whose clock is wrong.

``GRIDLINE_SKEWED`` names the module, ``GRIDLINE_SKEW_HOURS`` by how much. The product reads the time in one place, its
client of Kafka, which stamps what it sends, in another, and in C.
"""

from __future__ import annotations

import os
import runpy
import time
from datetime import timedelta

from aiokafka.producer.message_accumulator import BatchBuilder

from services.runtime import clock

if __name__ == "__main__":
    right, skew = clock.present, timedelta(hours=float(os.environ["GRIDLINE_SKEW_HOURS"]))
    clock.present = lambda: right() + skew  # and with it clock.now
    append = BatchBuilder.append

    def stamped(self, *, timestamp, **named):
        """Take a record in with the time of the host."""
        return append(self, timestamp=timestamp or int((time.time() + skew.total_seconds()) * 1000), **named)

    BatchBuilder.append = stamped
    runpy.run_module(os.environ["GRIDLINE_SKEWED"], run_name="__main__", alter_sys=True)
