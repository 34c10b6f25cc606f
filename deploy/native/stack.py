"""The local stack as functions: up, running, down, status, reset, logs. What `gridline stack` and `make demo` call.

Decided here: what is checked before anything starts (a running stack, stale data, ports, Kafka's jars), and that a
start that does not succeed, whatever the reason, leaves no process.
Never here: printing (callers get progress and dataclasses), or waiting without a bound.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deploy.native.channel import Channel
from deploy.native.child import log_tail, wait_until
from deploy.native.errors import PortTakenError, StackError, StartError
from deploy.native.kafka import KafkaBroker
from deploy.native.kafka_jars import ensure_jars
from deploy.native.parts import readiness
from deploy.native.plan import Plan, default_preparations, default_services, log_file, ports_needed
from deploy.native.ports import answers, is_free, listener
from deploy.native.postgres import PostgresServer
from deploy.native.settings import PREFIX, StackSettings
from deploy.native.state import (
    ProcessInfo,
    StackInfo,
    end_leftovers,
    is_locked,
    is_same_process,
    read_state,
    remove_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from deploy.native.plan import Preparation, Service

_LISTEN_SECONDS = 0.25
_HTTP_OK = 200
_STARTER_GONE_SECONDS = 3.0
_SUPERVISOR = "deploy.native.supervisor"
_ProcessState = Literal["ready", "running", "waiting", "failed", "stopping", "stopped", "down"]
# Supervisors of stacks this process left running: kept so that Python reaps them if they end before it does.
_left_running: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened on the way up: a step began or is done, or `current` of `total` files were fetched."""

    step: str
    done: bool
    current: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process as it is now.

    `state`: ready, running (but not ready, `detail` says why), waiting (ended, to be started again), failed (given
    up, `detail` says why), stopping and stopped (by `single.stop`), down.
    """

    name: str
    state: _ProcessState
    pid: int | None
    address: str
    log: str
    restarts: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The stack as it is now.

    `state`: down, starting, up (all ready), degraded (something is not), stopping, or leftover (its supervisor died;
    the next `up` or `down` clears up).
    """

    state: Literal["down", "starting", "up", "degraded", "stopping", "leftover"]
    info: StackInfo | None = None
    processes: tuple[ProcessStatus, ...] = ()


class Running:
    """A stack that ends with the `with` block it came from, unless it is kept and no exception leaves the block."""

    def __init__(self, info: StackInfo, channel: Channel, supervisor: subprocess.Popen[bytes]) -> None:
        self.info = info
        self._channel = channel
        self._supervisor = supervisor

    def keep(self) -> StackInfo:
        """Let go of it: it runs until `down`, whatever becomes of this process."""
        _left_running.append(self._supervisor)
        self._channel.let_go()
        return self.info


def up(
    settings: StackSettings,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    *,
    with_services: bool = True,
    services: Sequence[Service] | None = None,
    preparations: Sequence[Preparation] | None = None,
) -> StackInfo:
    """Start the stack and leave it running; one that runs in this folder already is returned as it is.

    Args:
        settings: folder, ports, bounds.
        on_progress: told of every step.
        with_services: False starts Kafka and Postgres alone, and runs no preparations.
        services: other services than the four.
        preparations: other commands than those that make topics and schemas.

    Raises:
        StackError: it could not be started; the text says what to do. After it, or after any other exception such
            as KeyboardInterrupt, nothing runs.
    """
    current = status(settings)
    if current.state in {"up", "degraded"} and current.info is not None:
        return current.info
    with running(
        settings, on_progress, with_services=with_services, services=services, preparations=preparations
    ) as stack:
        return stack.keep()


@contextlib.contextmanager
def running(
    settings: StackSettings,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    *,
    with_services: bool = True,
    services: Sequence[Service] | None = None,
    preparations: Sequence[Preparation] | None = None,
) -> Iterator[Running]:
    """The stack for as long as the `with` block lasts, or this process: it goes down even when this is killed -9.

    Arguments as for `up`. Raises StackError also when a stack runs in this folder already.
    """
    chosen_services = tuple((default_services(settings) if services is None else services) if with_services else ())
    chosen_preparations = tuple(
        (default_preparations() if preparations is None else preparations) if with_services else ()
    )
    _refuse_second(settings)
    clear_leftovers(settings)
    _servers_may_start(settings)
    _refuse_taken_ports(settings, chosen_services)
    jars = ensure_jars(
        settings.jar_cache,
        settings.maven_repository,
        lambda here, total: on_progress(Progress("fetch Kafka", here == total, here, total)),
    )
    plan = Plan(settings, tuple(map(str, jars)), chosen_services, chosen_preparations)
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    supervisor: subprocess.Popen[bytes] | None = None
    try:
        try:
            supervisor = _spawn(settings, theirs)
        finally:
            theirs.close()
        channel.send(plan.to_json())
        yield Running(_await_ready(channel, supervisor, settings, on_progress), channel, supervisor)
    except BaseException:
        if supervisor in _left_running:  # Ctrl-C in the moment between being kept and being returned
            _left_running.remove(supervisor)
            supervisor.terminate()
        raise
    finally:
        # Closing the channel asks the supervisor to take everything down, unless it was told to go on.
        channel.close()
        if supervisor is not None and supervisor not in _left_running:
            _await_end(supervisor, settings)


def down(settings: StackSettings) -> bool:
    """Stop the stack in order and wait for its end; kill -9 what does not stop in time.

    Returns: whether one was running (or had left something).

    Raises:
        StackError: it could not be stopped.
    """
    if not is_locked(settings.run_folder):
        return clear_leftovers(settings)
    info = _known(settings)
    if info is None or not is_same_process(info.supervisor_pid, info.supervisor_identity):
        raise StackError(
            f"A stack holds {settings.run_folder}, but its state file does not say which process it is. "
            f"See {log_file(settings, 'supervisor')} and end it by hand."
        )
    for number, bound in ((signal.SIGTERM, settings.longest_stop), (signal.SIGKILL, settings.stop_seconds)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.supervisor_pid, number)
        if wait_until(lambda: not is_locked(settings.run_folder), bound):
            _reap(info.supervisor_pid, settings)
            clear_leftovers(settings)
            return True
    raise StackError(f"The stack's supervisor, process {info.supervisor_pid}, does not end. End it by hand.")


def status(settings: StackSettings) -> StackStatus:
    """Look at the stack: every process, and whether each service answers that it is ready."""
    info = read_state(settings.run_folder)
    locked = is_locked(settings.run_folder)
    if info is None:
        return StackStatus("starting" if locked else "down")
    if not locked:
        return StackStatus("leftover", info)
    processes = tuple(_process_status(each) for each in info.processes)
    if info.phase != "ready":
        return StackStatus("starting" if info.phase == "starting" else "stopping", info, processes)
    healthy = all(each.state == "ready" for each in processes)
    return StackStatus("up" if healthy else "degraded", info, processes)


def reset(settings: StackSettings) -> None:
    """Delete the data of Kafka and Postgres, and the logs; Kafka's jars stay.

    Raises:
        StackError: the stack runs.
    """
    if is_locked(settings.run_folder):
        raise StackError("The stack is running; its data is in use. Run `gridline stack down` first.")
    clear_leftovers(settings)
    _postgres(settings).remove_data()
    for name in ("kafka", "logs"):
        shutil.rmtree(settings.run_folder / name, ignore_errors=True)


def logs(settings: StackSettings) -> dict[str, Path]:
    """The log files there are, by process name."""
    return {path.stem: path for path in sorted(settings.logs_folder.glob("*.log")) if not path.stem.endswith(".old")}


def clear_leftovers(settings: StackSettings) -> bool:
    """After a supervisor that died: end what it left (on Linux the kernel did) and forget it.

    Returns: whether there was anything.
    """
    info = read_state(settings.run_folder)
    if info is not None:
        end_leftovers(info)
    remove_state(settings.run_folder)
    return info is not None


def _refuse_second(settings: StackSettings) -> None:
    if not is_locked(settings.run_folder):
        return
    info = _known(settings)
    phase = info.phase if info else "starting"
    # One whose starter was killed needs a moment to notice and take itself down.
    patience = {"stopping": settings.longest_stop, "starting": _STARTER_GONE_SECONDS}.get(phase, 0.0)
    if wait_until(lambda: not is_locked(settings.run_folder), patience):
        return
    words = {"starting": "being started", "stopping": "going down"}.get(phase, "running")
    raise StackError(
        f"A stack is {words} in {settings.run_folder} already. Run `gridline stack down` first, or set "
        f"{PREFIX}RUN_FOLDER and the ports for a second one."
    )


def _known(settings: StackSettings) -> StackInfo | None:
    """The state of a stack that holds the lock; it writes it within moments of taking the lock."""
    wait_until(lambda: read_state(settings.run_folder) is not None, _LISTEN_SECONDS)
    return read_state(settings.run_folder)


def _servers_may_start(settings: StackSettings) -> None:
    """Refuse stale data before anything is started."""
    folder = settings.run_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"The stack's folder {folder} cannot be made: {error.strerror}. Set {PREFIX}RUN_FOLDER to another."
        ) from error
    _postgres(settings).check()
    KafkaBroker(
        folder / "kafka",
        port=settings.kafka_port,
        controller_port=settings.kafka_controller_port,
        jars=(),
        log=log_file(settings, "kafka"),
        archive_folder=settings.jar_cache,
    ).check()


def _postgres(settings: StackSettings) -> PostgresServer:
    return PostgresServer(
        settings.run_folder / "postgres", port=settings.postgres_port, log=log_file(settings, "postgres")
    )


def _refuse_taken_ports(settings: StackSettings, services: Sequence[Service]) -> None:
    taken = [
        f"Port {port}, wanted for {purpose}, is taken by {listener(port)}: stop that, or set {PREFIX}{name.upper()} "
        "to a free port."
        for port, purpose, name in ports_needed(settings, services)
        if not is_free(port)
    ]
    if taken:
        raise PortTakenError("\n".join(taken))


def _spawn(settings: StackSettings, theirs: socket.socket) -> subprocess.Popen[bytes]:
    log = log_file(settings, "supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", _SUPERVISOR, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # the terminal's Ctrl-C is for us; we pass it on by closing the channel
        )


def _await_ready(
    channel: Channel,
    supervisor: subprocess.Popen[bytes],
    settings: StackSettings,
    on_progress: Callable[[Progress], None],
) -> StackInfo:
    """Follow the start; the supervisor bounds every step of it."""
    while not channel.ended:
        message = channel.receive(_LISTEN_SECONDS)
        if message is None:
            continue
        if message["event"] == "step":
            on_progress(Progress(message["name"], done=message["done"]))
        elif message["event"] == "failed":
            raise StartError(message["message"])
        elif message["event"] == "ready":
            return StackInfo.from_json(message["info"])
    with contextlib.suppress(subprocess.TimeoutExpired):
        supervisor.wait(settings.longest_stop)
    log = log_file(settings, "supervisor")
    raise StartError(f"The stack's supervisor ended by itself. The end of {log}:\n{log_tail(log)}")


def _await_end(supervisor: subprocess.Popen[bytes], settings: StackSettings) -> None:
    """Wait for the supervisor to take everything down; at a second Ctrl-C, or past the bound, kill it at once.

    Killed, its children die with it (`exec_tethered`).
    """
    try:
        supervisor.wait(settings.longest_stop)
    except BaseException as reason:
        supervisor.kill()
        supervisor.wait(settings.stop_seconds)
        clear_leftovers(settings)
        if not isinstance(reason, subprocess.TimeoutExpired):
            raise


def _reap(pid: int, settings: StackSettings) -> None:
    """If it was this process that started it, see it off: between the lock's end and its own lie moments."""
    for supervisor in [each for each in _left_running if each.pid == pid]:
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(settings.stop_seconds)
        _left_running.remove(supervisor)


def _process_status(process: ProcessInfo) -> ProcessStatus:
    detail = ""
    state: _ProcessState = "down"
    alive = is_same_process(process.pid, process.identity)
    if process.gave_up:
        state, detail = "failed", process.gave_up
    elif process.stopped:
        state, detail = "stopping" if alive else "stopped", "until `gridline stack start`"
    elif not alive:
        state = "waiting"
    elif process.address.startswith("http"):
        code, detail = readiness(int(process.address.rsplit(":", 1)[1]))
        state = "ready" if code == _HTTP_OK else "running"
    else:
        state = "ready" if answers(int(process.address.rsplit(":", 1)[1])) else "running"
    return ProcessStatus(
        name=process.name,
        state=state,
        pid=process.pid if alive else None,
        address=process.address,
        log=process.log,
        restarts=process.restarts,
        detail=detail,
    )
