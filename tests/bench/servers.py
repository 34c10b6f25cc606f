"""Real servers for a measurement, on free ports and in a folder of their own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from deploy.native.kafka import KafkaBroker
from deploy.native.kafka_jars import default_cache, ensure_jars
from deploy.native.ports import free_port
from deploy.native.postgres import PostgresServer
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 90.0
_STOP_SECONDS = 20.0
_LOG_TAIL = 2000


@dataclass
class Process:
    """One measured process."""

    name: str
    port: int
    child: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its id."""
        return self.child.pid

    def check(self) -> None:
        """Raise ``RuntimeError`` with the end of its log if it has ended."""
        if self.child.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.child.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:]

    @contextmanager
    def still(self) -> Iterator[None]:
        """Let it stand still (SIGSTOP) for the length of the block, or until ``go_on``."""
        self.child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.go_on()

    def go_on(self) -> None:
        """Let it go on."""
        self.child.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(_STOP_SECONDS)


@dataclass
class Servers:
    """A broker, a database server, and the processes started on them."""

    broker: KafkaBroker
    postgres: PostgresServer
    folder: Path
    processes: list[Process] = field(default_factory=list)
    _names: int = 0

    def database(self) -> str:
        """Make an empty database and return its DSN."""
        self._names += 1
        return self.postgres.create_database(f"bench_{self._names}")

    def prefix(self) -> str:
        """Return a topic prefix nobody has used."""
        self._names += 1
        return f"bench{self._names}."

    def settings(self, dsn: str, prefix: str) -> ServiceSettings:
        """Return settings that reach these servers."""
        return ServiceSettings(
            kafka_bootstrap=self.broker.bootstrap, postgres_dsn=SecretStr(dsn), topic_prefix=prefix, _env_file=None
        )

    @contextmanager
    def running(
        self, name: str, dsn: str | None, prefix: str, *command: str, ready: str | None = "/readyz", **extra: str
    ) -> Iterator[Process]:
        """Run ``python -m services.<name>``, or Python with ``command``, for the length of the block.

        Args:
            name: Service.
            dsn: Its database; None for what has none.
            prefix: Topic prefix.
            command: Arguments of another program.
            ready: Path to wait for; None does not wait.
            extra: Further environment variables.
        """
        port = free_port()
        log = self.folder / f"{len(self.processes)}-{name}.log"
        ours = {key: value for key, value in os.environ.items() if not key.startswith("GRIDLINE_")}
        environment = ours | {
            "GRIDLINE_KAFKA_BOOTSTRAP": self.broker.bootstrap,
            **({} if dsn is None else {"GRIDLINE_POSTGRES_DSN": dsn}),
            "GRIDLINE_TOPIC_PREFIX": prefix,
            "GRIDLINE_HTTP_PORT": str(port),
            "GRIDLINE_LOG_LEVEL": "warning",
            # A few thousand customers and one source stand for a nation's: none of them may be slowed for what all of
            # them send. The limits themselves stay on.
            "GRIDLINE_CUSTOMER_PER_MINUTE": "1e9",
            "GRIDLINE_CUSTOMER_BURST": "1e9",
            "GRIDLINE_SOURCE_PER_S": "1e9",
            "GRIDLINE_SOURCE_BURST": "1e9",
            **extra,
        }
        arguments = command or ("-m", f"services.{name}")
        with log.open("wb") as out:
            child = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=out, stderr=out, cwd=ROOT)
        process = Process(name, port, child, log)
        self.processes.append(process)
        try:
            if ready:
                _wait_for_200(process, ready)
            yield process
        finally:
            process.stop()


def _wait_for_200(process: Process, path: str) -> None:
    """Return once the process answers 200."""
    deadline = time.monotonic() + _READY_SECONDS
    why = "no answer"
    while time.monotonic() < deadline:
        process.check()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{process.port}{path}", timeout=5) as answer:
                if answer.status == 200:
                    return
        except urllib.error.HTTPError as error:
            why = error.read().decode("utf-8", "replace")[:300]
        except OSError as error:
            why = str(error)
        time.sleep(0.05)
    raise RuntimeError(f"{process.name} was not ready in {_READY_SECONDS:g} s ({why}):\n{process.tail()}")


@contextmanager
def servers() -> Iterator[Servers]:
    """Start Kafka and Postgres; stop everything afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gridline-bench-"))
    folder.chmod(0o711)  # Postgres runs as an account of its own where we are root
    broker = KafkaBroker(
        folder / "kafka",
        port=free_port(),
        controller_port=free_port(),
        jars=ensure_jars(default_cache()),
        log=folder / "kafka.log",
        archive_folder=default_cache(),
    )
    postgres = PostgresServer(folder / "postgres", port=free_port(), log=folder / "postgres.log")
    made = Servers(broker, postgres, folder)
    try:
        broker.start()
        postgres.start()
        yield made
    finally:
        for process in reversed(made.processes):
            process.stop()
        broker.stop()
        postgres.stop()
        postgres.remove_data()
        shutil.rmtree(folder, ignore_errors=True)
