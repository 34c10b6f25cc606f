"""How many files and connections a process may hold: all that the machine allows it.

systemd, and containers under it, start a process with 1,024 of up to half a million that it may ask for, as some old
programs fail with more (``select``). A router's agents hold a connection each, and senders keep theirs between reports:
whoever came after those was cut off, the probes of its own host first.
"""

from __future__ import annotations

import contextlib
import resource


def allow_as_many_as_may_be() -> None:
    """Raise this process's limit as far as it may itself."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says that there is no limit, and then has one
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
