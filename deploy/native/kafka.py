"""One real Kafka broker (KRaft, broker and controller in one process) on this machine.

Decided here: its settings, how its folder is made and recognised, when it counts as ready, how it is stopped.
Never here: topics (the contracts' table makes them), or a listener beyond 127.0.0.1.

The folder: `kafka.json` says which version and cluster made it, `data/` is the log folder. `data/` appears by a
rename after Kafka's own formatter succeeded, so a half-formatted one never carries that name.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import signal
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.child import Child, Command, log_tail, run_to_end, wait_until
from deploy.native.errors import StaleDataError, StartError
from deploy.native.jars_lock import KAFKA_VERSION
from deploy.native.java import class_archive, java_command
from deploy.native.parts import START_SECONDS, STOP_SECONDS, Server
from deploy.native.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FORMAT_SECONDS = 60.0
# The optimising compiler takes a quarter of a core for the first minutes, which is all a demonstration or a test runs.
# A broker that lives for days gets it back with -XX:TieredStopAtLevel=4.
_FAST_START_FLAGS = ("-XX:TieredStopAtLevel=1",)
CLUSTER_ID = "cluster.id"
"""Among a broker's settings: what its cluster is called (`new_cluster_id`). It is formatted with it."""
_RETRY_SECONDS = 0.05
_CORRELATION = 7
_LOGGING = Path(__file__).with_name("log4j2.properties")

# Source: Kafka 4.1 broker configuration reference.
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # A topic exists because the contracts name it, never because somebody mistyped one.
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # One broker with a few groups: four coordinator partitions instead of fifty make the first group join fast.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    # Small: 190 MB resident instead of 370. The cleaner's buffer alone is 128 MB by default.
    "log.cleaner.dedupe.buffer.size": "16777216",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    # After kill -9 the controller waits this long before it takes the broker back (9 s by default).
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


class KafkaBroker(Server):
    """One broker on one folder.

    Args:
        folder: where its data and `kafka.json` live.
        port: where clients connect, on 127.0.0.1.
        controller_port: its own controller's port, on 127.0.0.1.
        jars: the class path (`kafka_jars.ensure_jars`).
        log: file its output is appended to.
        archive_folder: where class archives are kept, shared by all brokers of this user.
        settings: broker settings that replace or add to ours; of one among several `node.id`,
            `controller.quorum.voters` and `CLUSTER_ID` too.
        jvm_flags: extra flags for Java; the heap is at most 512 MB unless one says otherwise.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        controller_port: int,
        jars: Sequence[Path],
        log: Path,
        archive_folder: Path,
        settings: Mapping[str, str] | None = None,
        jvm_flags: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._folder = folder
        self._port = port
        self._controller_port = controller_port
        self._jars = jars
        self._log = log
        self._archive = class_archive(archive_folder, jars)
        self._extra = dict(settings or {})
        self._cluster_id = self._extra.pop(CLUSTER_ID, "")
        self._jvm_flags = tuple(jvm_flags)

    @property
    def bootstrap(self) -> str:
        """The address clients connect to, `host:port`."""
        return f"{LOOPBACK}:{self._port}"

    def check(self) -> None:
        """Look at the folder without changing it.

        Raises:
            StaleDataError: its data was made by another version or cluster, or by something else.
        """
        data = self._folder / "data"
        if not data.exists():
            return
        made_by = _read_json(self._folder / "kafka.json")
        version = made_by.get("kafka_version", "an unknown version")
        if version.split(".")[:2] != KAFKA_VERSION.split(".")[:2]:
            raise StaleDataError(
                f"{data} was made by Kafka {version}; this is Kafka {KAFKA_VERSION}. "
                "Run `gridline stack reset` to start with empty data, or start it with the version that made it."
            )
        properties = _read_properties(data / "meta.properties")
        if properties.get("cluster.id") != made_by.get("cluster_id"):
            raise StaleDataError(
                f"{data} belongs to cluster {properties.get('cluster.id', 'unknown')}, not to this stack's "
                f"{made_by.get('cluster_id')}. Run `gridline stack reset` to start with empty data."
            )

    def prepare(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Write the configuration and, on a new folder, format it; repairs a format that was interrupted.

        Raises:
            StaleDataError: as `check`.
            StartError: Kafka's formatter failed.
        """
        self.check()
        data = self._folder / "data"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._archive.make_base()
        if not data.exists():
            self._format(data, on_wait)
        scratch = self._folder / "tmp"  # native libraries unpacked by earlier runs
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        self._write_properties(self._folder / "server.properties", data)

    def launch(self) -> None:
        """Start the process; returns at once."""
        if self.pid is not None:
            raise StartError(f"Kafka already runs as process {self.pid}.")
        flags = ["-Xms64m", "-Xmx512m", "-XX:+ExitOnOutOfMemoryError", *_FAST_START_FLAGS, *self._jvm_flags]
        self._child = Child(
            self._command("kafka", "kafka.Kafka", [*flags, *self._archive.completing()], "server.properties")
        )

    def wait_ready(self, timeout: float = START_SECONDS, on_wait: Callable[[], None] = lambda: None) -> None:
        """Wait until it answers a request on its port.

        Raises:
            StartError: it ended, or `timeout` seconds passed; with the end of its log.
        """
        child = self._running()
        if wait_until(lambda: not child.alive or self._answers(), timeout, on_wait) and child.alive:
            return
        why = f"ended with status {child.returncode}" if not child.alive else f"gave no answer in {timeout:g} s"
        raise StartError(f"Kafka {why}. The end of {self._log}:\n{log_tail(self._log)}")

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Orderly stop, kill -9 after `timeout` seconds; nothing happens when it is not running."""
        if self._child is None:
            return
        status = self._child.stop(timeout)
        self._archive.keep(complete=status in {0, 128 + signal.SIGTERM})

    def kill(self) -> None:
        """Kill -9, as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._archive.keep(complete=False)

    def _format(self, data: Path, on_wait: Callable[[], None]) -> None:
        new = self._folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        cluster_id = self._cluster_id or new_cluster_id()
        self._write_properties(self._folder / "format.properties", new)
        flags = ["-Xmx128m", *_FAST_START_FLAGS, *self._archive.reading()]
        arguments = ("format", "--cluster-id", cluster_id, "--config", "format.properties")
        run_to_end(
            self._command("Kafka's formatter", "kafka.tools.StorageTool", flags, *arguments),
            FORMAT_SECONDS,
            on_wait,
        )
        made_by = {"kafka_version": KAFKA_VERSION, "cluster_id": cluster_id}
        (self._folder / "kafka.json").write_text(json.dumps(made_by) + "\n", encoding="utf-8")
        new.replace(data)

    def _command(self, name: str, main_class: str, flags: Sequence[str], *arguments: str) -> Command:
        scratch = self._folder / "tmp"
        (self._folder / _LOGGING.name).write_bytes(_LOGGING.read_bytes())
        all_flags = [*flags, f"-Dlog4j2.configurationFile={_LOGGING.name}", f"-Djava.io.tmpdir={scratch}"]
        return Command(
            name=name,
            arguments=java_command(self._jars, all_flags, main_class, arguments),
            environment={"LANG": "C.UTF-8", "TZ": "UTC"},
            log=self._log,
            folder=self._folder,
        )

    def _write_properties(self, file: Path, data: Path) -> None:
        listeners = f"PLAINTEXT://{LOOPBACK}:{self._port},CONTROLLER://{LOOPBACK}:{self._controller_port}"
        settings = {
            **_SETTINGS,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "log.dirs": data.name,  # relative: a comma in the project's path would make two of it
            **self._extra,
        }
        lines = [f"{key}={value}" for key, value in settings.items()]
        file.write_text("\n".join(lines) + "\n", encoding="ascii")

    def _answers(self) -> bool:
        """Whether the broker answers, and knows one among the living: before that none leads a partition."""
        # Source: Kafka protocol guide, Metadata version 1: size, api key 3, version, correlation id, no client id, no
        # topic; the answer is size, correlation id, brokers (id, host, port, rack), the controller's id, no topic.
        try:
            with socket.create_connection((LOOPBACK, self._port), timeout=1.0) as connection:
                connection.settimeout(2.0)
                connection.sendall(struct.pack(">ihhihi", 14, 3, 1, _CORRELATION, -1, 0))
                [size] = struct.unpack(">i", _receive(connection, 4))
                correlation, brokers = struct.unpack(">ii", _receive(connection, size)[:8])
        except (OSError, struct.error):
            time.sleep(_RETRY_SECONDS)
            return False
        return bool(correlation == _CORRELATION and brokers)


def new_cluster_id() -> str:
    """Return what no other cluster is called."""
    cluster_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    # A dash in front the formatter would take for an option.
    return "A" + cluster_id[1:] if cluster_id.startswith("-") else cluster_id


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (part := connection.recv(size - len(received))):
        received += part
    return received


def _read_json(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _read_properties(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
