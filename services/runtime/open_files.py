"""How many files and connections a process may hold: all that the machine allows it.

systemd, and containers under it, start a process with 1,024 of up to half a million that it may ask for, as some old
programs fail with more (``select``). A router's agents hold a connection each, and senders keep theirs between reports:
whoever came after those was cut off, the probes of its own host first.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from typing import Final

ENOUGH: Final = 4_096
"""Fewer are told in the log: what comes beyond them gets no answer, and nothing else would say why."""


def allow_as_many_as_may_be() -> int:
    """Raise this process's limit as far as it may itself; return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says that there is no limit, and then has one
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if now == resource.RLIM_INFINITY else now
