"""The one parent of everything that runs: starts it in order, starts again what ends, stops it in reverse.

Decided here: the order (Postgres and Kafka, the database, the preparations, the services). Run by `stack` as
`python -m deploy.native.supervisor FD`, where FD is the channel to the one who wants the stack.
Never here: threads (the kernel ties children to the thread that made them), business words, a wait without a bound.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import select
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.channel import Channel
from deploy.native.child import Command, run_to_end
from deploy.native.errors import StackError, StopRequestedError
from deploy.native.kafka import KafkaBroker
from deploy.native.parts import Kept, Part, ServiceProcess
from deploy.native.plan import Plan, addresses, log_file
from deploy.native.ports import LOOPBACK
from deploy.native.postgres import USER, PostgresServer
from deploy.native.state import (
    StackInfo,
    identity,
    remove_state,
    take_lock,
    want_stopped,
    wanted_stopped,
    write_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK_SECONDS = 1.0
_LITTLE_ROOM = 64 * 1024**2
"""Postgres needs 16 MB for the next part of its log, Kafka less."""
_PREPARE_SECONDS = 120.0
_HANDSHAKE_SECONDS = 10.0
_log = logging.getLogger("supervisor")


class Supervisor:
    """Keeps one stack, from `run` to its end."""

    def __init__(self, plan: Plan, channel: Channel) -> None:
        self._plan = plan
        self._channel = channel
        self._settings = plan.settings
        self._signalled = False
        self._phase = "starting"
        self._started_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self._kept: list[Kept] = []
        folder = self._settings.run_folder
        self._postgres = PostgresServer(
            folder / "postgres", port=self._settings.postgres_port, log=log_file(self._settings, "postgres")
        )
        self._kafka = KafkaBroker(
            folder / "kafka",
            port=self._settings.kafka_port,
            controller_port=self._settings.kafka_controller_port,
            jars=[Path(jar) for jar in plan.jars],
            log=log_file(self._settings, "kafka"),
            archive_folder=self._settings.jar_cache,
            settings=self._settings.kafka_settings,
            jvm_flags=self._settings.kafka_java_options.split(),
        )

    def run(self) -> int:
        """Start everything, keep it, stop it.

        Returns: the exit status: 0 it was stopped on request, 1 it did not start.
        """
        wake = self._listen_to_signals()
        for name in wanted_stopped(self._settings.run_folder):  # in an earlier run
            want_stopped(self._settings.run_folder, name, stopped=False)
        status = 0
        try:
            self._start()
            self._phase = "ready"
            self._write_state()
            self._channel.send({"event": "ready", "info": self._info().to_json()})
            _log.info("everything is ready")
            self._keep(wake)
        except StopRequestedError:
            _log.info("asked to stop")
        except (StackError, OSError) as error:
            _log.error("cannot go on: %s", error)
            self._channel.send({"event": "failed", "message": str(error)})
            status = 1
        finally:
            self._stop()
        return status

    def _start(self) -> None:
        """Bring everything up in order; raises at the first thing that does not come up."""
        timeout = self._settings.start_seconds
        postgres = self._keep_part("postgres", self._postgres, f"{LOOPBACK}:{self._settings.postgres_port}")
        kafka = self._keep_part("kafka", self._kafka, self._kafka.bootstrap)
        with self._step("postgres"):
            self._postgres.prepare(self._check)
            self._launch(postgres)
        with self._step("kafka"):
            self._kafka.prepare(self._check)
            self._launch(kafka)
            self._postgres.wait_ready(timeout, self._check)
            if not self._postgres.has_database(USER):
                self._postgres.create_database(USER)
            self._kafka.wait_ready(timeout, self._check)
        environment = {"PYTHONUNBUFFERED": "1", **os.environ, **addresses(self._kafka.bootstrap, self._postgres.dsn())}
        for preparation in self._plan.preparations:
            with self._step(preparation.name):
                log = log_file(self._settings, "prepare")
                command = Command(preparation.name, preparation.arguments, environment, log)
                run_to_end(command, _PREPARE_SECONDS, self._check)
        services = [
            self._keep_part(
                service.name,
                ServiceProcess(service, environment, log_file(self._settings, service.name)),
                service.address,
            )
            for service in self._plan.services
        ]
        for kept in services:
            self._launch(kept)
        for kept in services:
            with self._step(kept.name):
                kept.part.wait_ready(timeout, self._check)

    def _keep(self, wake: socket.socket) -> None:
        """Start again what ends, until somebody wants it all stopped. A full disk is waited for.

        What somebody wants stopped by itself stays so until they want it back.
        """
        changed = False
        while True:
            self._check()
            now = time.monotonic()
            changed |= self._stop_and_resume(now)
            for kept in self._kept:
                if kept.stopped or kept.gave_up or kept.part.pid is not None:
                    continue
                if kept.restart_at is None:
                    line = kept.ended(now, full=self._is_full())
                    _log.log(logging.CRITICAL if kept.gave_up else logging.WARNING, "%s", line)
                    changed = True
                elif now >= kept.restart_at:
                    try:
                        kept.launch(now)
                    except OSError as error:
                        _log.warning("%s cannot be started now: %s", kept.name, error)
                        kept.could_not_launch(now)
                    changed = True
            if changed:
                with contextlib.suppress(OSError):  # for want of room; what it says is written at the next look
                    self._write_state()
                    changed = False
            watched = [wake.fileno(), self._channel.fileno()] if self._channel.open else [wake.fileno()]
            select.select(watched, [], [], self._until_next_restart(now))
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)

    def _stop_and_resume(self, now: float) -> bool:
        """Do what somebody wants of single processes.

        Returns: whether there was anything new.
        """
        unwanted = wanted_stopped(self._settings.run_folder)
        lines = []
        for kept in self._kept:
            if kept.stopped:
                kept.end_if_late(now)
            if not kept.stopped and kept.name in unwanted:
                lines.append(kept.stop(now, self._settings.stop_seconds))
            elif kept.stopped and kept.name not in unwanted and kept.part.pid is None:
                lines.append(kept.resume(now))
        for line in lines:
            _log.info("%s", line)
        return bool(lines)

    def _stop(self) -> None:
        """The services first, all at once so that each has the whole bound to drain; then the servers."""
        self._phase = "stopping"
        with contextlib.suppress(OSError):
            self._write_state()
        servers = [kept for kept in self._kept if kept.name in {"postgres", "kafka"}]
        services = [kept for kept in self._kept if kept not in servers]
        for layer in (services, servers):
            deadline = time.monotonic() + self._settings.stop_seconds
            for kept in reversed(layer):
                kept.part.request_stop()
            for kept in reversed(layer):
                kept.part.stop(max(0.0, deadline - time.monotonic()))
                _log.info("%s is down, status %s", kept.name, kept.part.returncode)
        remove_state(self._settings.run_folder)

    def _check(self) -> None:
        """Between any two steps.

        Raises:
            StopRequestedError: a signal came, or the one who wanted the stack is gone.
        """
        if self._signalled:
            raise StopRequestedError
        self._channel.still_held()

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self._check()
        _log.info("%s", name)
        self._channel.send({"event": "step", "name": name, "done": False})
        yield
        self._channel.send({"event": "step", "name": name, "done": True})

    def _keep_part(self, name: str, part: Part, address: str) -> Kept:
        kept = Kept(name, part, address, log_file(self._settings, name))
        self._kept.append(kept)
        return kept

    def _launch(self, kept: Kept) -> None:
        kept.launch(time.monotonic())
        self._write_state()

    def _is_full(self) -> bool:
        return shutil.disk_usage(self._settings.run_folder).free < _LITTLE_ROOM

    def _until_next_restart(self, now: float) -> float:
        times = [kept.restart_at for kept in self._kept if kept.restart_at is not None]
        return max(0.0, min([*times, now + _LOOK_SECONDS]) - now)

    def _info(self) -> StackInfo:
        try:
            dsn = self._postgres.dsn()
        except OSError:  # not initialised yet
            dsn = ""
        return StackInfo(
            run_folder=str(self._settings.run_folder),
            phase=self._phase,
            started_at=self._started_at,
            supervisor_pid=os.getpid(),
            supervisor_identity=identity(os.getpid()),
            kafka_bootstrap=self._kafka.bootstrap,
            postgres_dsn=dsn,
            services={service.name: service.address for service in self._plan.services},
            processes=tuple(kept.info() for kept in self._kept),
        )

    def _write_state(self) -> None:
        write_state(self._info())

    def _listen_to_signals(self) -> socket.socket:
        """SIGTERM and SIGINT ask to stop; they and a child's end wake the loop.

        Returns: the socket that becomes readable then.
        """
        wake, wakened = socket.socketpair()
        wake.settimeout(0)
        wakened.settimeout(0)
        self._wakened = wakened  # kept: the signal machinery holds only its number
        signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)

        def stop(_number: int, _frame: object) -> None:
            self._signalled = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        return wake


def main() -> int:
    """Take over the channel and the run folder's lock, then keep the stack."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    message = channel.receive(_HANDSHAKE_SECONDS)
    if message is None:
        return 1
    plan = Plan.from_json(message)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    lock = take_lock(plan.settings.run_folder)
    if lock is None:
        channel.send({"event": "failed", "message": f"Another stack is being started in {plan.settings.run_folder}."})
        return 1
    with lock:
        return Supervisor(plan, channel).run()


if __name__ == "__main__":
    sys.exit(main())
