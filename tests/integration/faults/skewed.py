"""``python -m tests.integration.faults.skewed``: a service on a host whose clock is wrong.

``GRIDLINE_SKEWED`` names the module, ``GRIDLINE_SKEW_HOURS`` by how much. The product reads the time in one place.
"""

from __future__ import annotations

import os
import runpy
from datetime import timedelta

from services.runtime import clock

if __name__ == "__main__":
    right, skew = clock.now, timedelta(hours=float(os.environ["GRIDLINE_SKEW_HOURS"]))
    clock.now = lambda: right() + skew
    runpy.run_module(os.environ["GRIDLINE_SKEWED"], run_name="__main__", alter_sys=True)
