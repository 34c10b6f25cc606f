"""Single processes of a running stack: stopped, and started again.

Decided here: what counts as stopped and started, and how long that is waited for. Never here: stopping or starting
(the supervisor does, it alone is their parent).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from deploy.native import stack
from deploy.native.child import log_tail, wait_until
from deploy.native.errors import StackError
from deploy.native.plan import log_file
from deploy.native.state import want_stopped

if TYPE_CHECKING:
    from collections.abc import Collection

    from deploy.native.settings import StackSettings
    from deploy.native.stack import ProcessStatus

_NOTICED_SECONDS: Final = 5.0
"""The supervisor looks every second what is wanted."""
_LOOK_SECONDS: Final = 0.2


def stop(settings: StackSettings, names: Collection[str]) -> None:
    """Stop processes, each in its orderly way, and wait for their end; they stay stopped until `start`.

    Args:
        settings: of the stack.
        names: as `stack.status` names them.

    Raises:
        StackError: no stack runs, it has no such process, or one does not end.
    """
    chosen = frozenset(_known(settings, names))
    for name in chosen:
        want_stopped(settings.run_folder, name, stopped=True)
    bound = settings.stop_seconds + _NOTICED_SECONDS
    if not wait_until(lambda: _states(settings, chosen) == {"stopped"}, bound, _between_looks):
        raise StackError(f"Not every one has stopped in {bound:g} s. See {log_file(settings, 'supervisor')}.")


def start(settings: StackSettings, names: Collection[str] = ()) -> list[str]:
    """Start processes that were stopped, and wait until each is ready.

    Args:
        settings: of the stack.
        names: as `stack.status` names them; none: all that are stopped.

    Returns: the names of those that were started.

    Raises:
        StackError: no stack runs, it has no such process, or one does not become ready.
    """
    chosen = [name for name, one in _known(settings, names).items() if one.state in {"stopping", "stopped"}]
    for name in chosen:
        want_stopped(settings.run_folder, name, stopped=False)
    bound = settings.start_seconds + _NOTICED_SECONDS
    if not wait_until(lambda: _states(settings, chosen) <= {"ready", "failed"}, bound, _between_looks):
        raise StackError(f"Not every one is ready in {bound:g} s: `gridline stack status` says why.")
    for one in _processes(settings).values():
        if one.name in chosen and one.state == "failed":
            log = log_file(settings, one.name)
            raise StackError(f"{one.name} {one.detail}. The end of {log}:\n{log_tail(log)}")
    return chosen


def _between_looks() -> None:
    time.sleep(_LOOK_SECONDS)


def _known(settings: StackSettings, names: Collection[str]) -> dict[str, ProcessStatus]:
    """All processes if no name is given, else these."""
    found = stack.status(settings)
    if found.state not in {"up", "degraded"}:
        raise StackError(f"The stack is {found.state}. Run `gridline stack up` first.")
    processes = {one.name: one for one in found.processes}
    if unknown := set(names) - processes.keys():
        raise StackError(f"No process is called {', '.join(sorted(unknown))}. There are: {', '.join(processes)}.")
    return {name: processes[name] for name in names or processes}


def _processes(settings: StackSettings) -> dict[str, ProcessStatus]:
    return {one.name: one for one in stack.status(settings).processes}


def _states(settings: StackSettings, names: Collection[str]) -> set[str]:
    found = _processes(settings)
    return {found[name].state if name in found else "gone" for name in names}
