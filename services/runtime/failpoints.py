"""Places where a test can make this process die or freeze, to show that a batch may be interrupted at any step.

``GRIDLINE_FAILPOINT=<name>:<exit|stop>[:<n>]`` fires at the n-th pass (default the first). Unset, as in any
deployment, a failpoint costs one comparison with None.
"""

from __future__ import annotations

import os
import signal
from typing import Final, Literal

Failpoint = Literal[
    "migration.changed",
    "batch.begun",
    "batch.entered",
    "batch.handled",
    "batch.outbox",
    "batch.committed",
    "relay.published",
    "fan_out.looked",
    "fan_out.committed",
]
EXIT_CODE: Final = 137

_armed: tuple[str, str, int] | None = None
_passes = 0


def arm(setting: str | None) -> None:
    """Arm the failpoint named by ``GRIDLINE_FAILPOINT``; ``None`` or empty disarms.

    Raises:
        ValueError: the setting is not ``<name>:<exit|stop>[:<n>]``.
    """
    global _armed, _passes  # noqa: PLW0603 - one process, one failpoint
    _passes = 0
    if not setting:
        _armed = None
        return
    name, action, *rest = setting.split(":")
    if action not in {"exit", "stop"} or len(rest) > 1:
        raise ValueError("GRIDLINE_FAILPOINT is <name>:<exit|stop>[:<n>]")
    _armed = (name, action, int(rest[0]) if rest else 1)


def failpoint(name: Failpoint) -> None:
    """Die (as ``kill -9`` would leave things) or freeze (as SIGSTOP would) here, if a test asked for it."""
    global _passes  # noqa: PLW0603 - see above
    if _armed is None or _armed[0] != name:
        return
    _passes += 1
    if _passes != _armed[2]:
        return
    if _armed[1] == "exit":
        os._exit(EXIT_CODE)
    os.kill(os.getpid(), signal.SIGSTOP)
