"""The real stack of a soak: broker, database, the four services with two routers and two dedups, kept up.

Decided here: how it is started, that what ended is started again, and which ends were ours. Never here: what is done
to it (``faults``, ``people``).
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections import Counter, defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from deploy.native.kafka import KafkaBroker
from deploy.native.kafka_jars import default_cache, ensure_jars
from deploy.native.ports import free_port
from deploy.native.postgres import PostgresServer
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.store import import_network, migrate
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.runtime.cluster import apply_topics
from services.simulator.faults import Network
from tests.service_process import ROOT, Service
from tests.small_disk import mount

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Mapping

    from tests.service_process import Process

CONSUMERS = ("router", "dedup", "notify")
PROCESSES = {"intake": 1, "router": 2, "dedup": 2, "notify": 1}
TILING = Tiling(areas=4, tiles_per_area=2, suspended_every=100, important_every=200, life_support_every=300)
MOST_MEGABYTES = 300
DISK_MEGABYTES = 800
"""Under both servers, where a disk may be mounted: so that it can be full."""
CLIENTS_WORDS = re.compile(
    r"connect to|node|metadata|[Cc]oordinator|Heartbeat|fetch messages|session expired|rejoin"
    r"|Resetting connection with an active transaction|never retrieved\s+future: .*ConnectionDoesNotExistError"
)
"""aiokafka tells as errors that a broker is away, asyncpg and asyncio that a database died under a copy."""

STARTS_OVER = "starts_over"
"""What a process logs whose Kafka client hears nothing any more: it ends, for a process manager to start it again."""
STARTED_OVER = 1
"""Its exit status; a bug has the same, so the log has to tell them apart."""


def read_log(log: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the entries of a log, and the lines that are none."""
    entries, others = [], []
    for line in log.splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            others.append(line)
    return entries, others


def started_over(entries: Iterable[dict[str, Any]], unasked: Mapping[str, int]) -> set[str]:
    """Return which of the processes that ended unasked, by instance with their status, ended to be started again."""
    found = {str(entry.get("instance")) for entry in entries if entry.get("event") == STARTS_OVER}
    return {instance for instance in found if unasked.get(instance) == STARTED_OVER}


class Stack:
    """What is broken. ``ours`` are the processes that we ended or armed, ``odd`` what nothing we did explains.

    ``unasked`` are the processes that ended without us, by instance, with their status; ``started_over`` those of them
    that said they end to be started again.
    """

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder = folder
        self.rng = rng
        self.live: dict[str, list[tuple[Process, int]]] = defaultdict(list)
        self.ours: set[int] = set()
        self.ended: set[int] = set()
        self.odd: list[str] = []
        self.unasked: dict[str, int] = {}
        self.started_over: list[str] = []

    async def start(self) -> None:
        """Start everything on ports of its own."""
        soon = {"broker.session.timeout.ms": "2500", "broker.heartbeat.interval.ms": "250"}
        about = {"port": free_port(), "controller_port": free_port(), "log": self.folder / "kafka.log"}
        cache = default_cache()
        self.disk = mount(self.folder / "disk", DISK_MEGABYTES)
        data = self.folder if self.disk is None else self.disk.folder
        self.kafka = KafkaBroker(data / "kafka", jars=ensure_jars(cache), archive_folder=cache, settings=soon, **about)
        self.kafka.start()
        little = {"max_wal_size": "128MB"}
        self.postgres = PostgresServer(data / "pg", port=free_port(), log=self.folder / "postgres.log", settings=little)
        self.postgres.start()
        self.dsn = self.postgres.create_database("gridline")
        servers = (self.kafka.bootstrap, self.dsn, "", self.folder)
        own = {
            "intake": {"source_per_s": "1e9", "source_burst": "1e9"},
            **{key: {"batch_records": str(self.rng.choice([20, 40, 200, 1000]))} for key in CONSUMERS},
        }
        own["router"]["desk_file"] = str(self._desk())
        module = "tests.integration.faults.skewed"
        self.services = {name: Service(name, *servers, {"skew_hours": "0", **own[name]}, module) for name in PROCESSES}
        await apply_topics(self.settings(), partitions=self.rng.choice([2, 4, 6]))
        await self._import()
        for name, wanted in PROCESSES.items():
            for _ in range(wanted):
                self.add(name)
        for service in self.services.values():
            await service.wait_ready()

    def _desk(self) -> Path:
        """The shipped desk, with seconds instead of minutes to write up in."""
        folder = self.folder / "desk"
        folder.mkdir()
        for name in ("desk.yaml", "holidays.yaml"):
            shipped = (ROOT / "deploy" / name).read_text(encoding="utf-8")
            (folder / name).write_text(re.sub(r"limit: \d+m", "limit: 3s", shipped), encoding="utf-8")
        return folder / "desk.yaml"

    async def _import(self) -> None:
        files = open_network(*(ROOT / f"deploy/networks/ieee123/{what}.csv" for what in ("network", "customers")))
        bases = [Base(files.devices, list(files.read_customers()))]
        self.network = Network(tile_devices(bases, TILING), tile_customers(bases, TILING))
        write_devices(self.folder / "network.csv", self.network.devices)
        write_customers(self.folder / "customers.csv", self.network.customers)
        connection = await self.connect()
        await migrate(connection)
        await import_network(connection, self.folder / "network.csv", self.folder / "customers.csv")
        await connection.close()

    def settings(self):
        """What reaches the servers."""
        return self.services["intake"].settings()

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """Open a connection of our own to the database."""
        return await asyncpg.connect(self.dsn, timeout=5)

    def add(self, name: str, *, to_end: bool = False, **settings: str) -> Process:
        """Start one more process of a service; ``to_end``: its end will be our doing."""
        service = self.services[name]
        number = f"{name}-{len(service.processes)}"
        process = service.start(skewed=f"services.{name}", instance=number, **settings)
        self.live[name].append((process, service.port))
        if to_end:
            self.ours.add(process.pid)
        return process

    def alive(self, name: str) -> list[Process]:
        """The processes of a service that run."""
        return [process for process, _ in self.live[name] if process.poll() is None]

    def end(self, process: Process, number: signal.Signals) -> None:
        """End a process, and remember that it was us."""
        self.ours.add(process.pid)
        process.send_signal(number)

    def url(self, name: str, number: int) -> str:
        """Where one of a service's processes answers."""
        ports = [port for process, port in self.live[name] if process.poll() is None]
        return f"http://127.0.0.1:{ports[number % len(ports)] if ports else self.services[name].port}"

    async def keep_up(self) -> None:
        """Do what a supervisor does, until cancelled."""
        while True:
            for name, wanted in PROCESSES.items():
                self.note_ends(name)
                while len(self.alive(name)) < wanted:
                    self.add(name)
            await asyncio.sleep(0.7)

    def note_ends(self, name: str) -> None:
        """Look who ended by itself."""
        for process, _ in self.live[name]:
            status = process.poll()
            if status is not None and process.pid not in self.ended:
                self.ended.add(process.pid)
                if process.pid not in self.ours:
                    self.unasked[f"{name}-{self.services[name].processes.index(process)}"] = status

    @contextmanager
    def still(self) -> Iterator[None]:
        """Stop what decides, so that time brings nothing while it is read."""
        stopped = [process for name in CONSUMERS for process in self.alive(name)]
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                process.send_signal(signal.SIGCONT)

    def heal(self) -> None:
        """Let go on what stands still, and start the servers that have ended: Kafka may take half a minute to."""
        for name in PROCESSES:
            for process in self.alive(name):
                process.send_signal(signal.SIGCONT)
        for server in (self.kafka, self.postgres):
            if server.pid is None:
                server.start()

    def complaints(self) -> list[str]:
        """What ended by itself, was logged as an error that nothing we did explains, or grew."""
        said: Counter[str] = Counter()
        for name, service in self.services.items():
            self.note_ends(name)
            entries, others = read_log(service.log)
            said.update(f"{name} wrote to its log: {line[:200]}" for line in others)
            over = started_over(entries, self.unasked)
            self.started_over += sorted(over)
            for entry in entries:
                event = str(entry.get("event"))
                # What a sender that cannot drop repeats was in the middle of is not sent again, and said so.
                explained = CLIENTS_WORDS.search(event) or event == "notice_not_delivered"
                explained = explained or (event == STARTS_OVER and entry.get("instance") in over)
                if entry.get("level") in {"error", "critical"} and not explained:
                    said[
                        f"{name} logged {event[:200]} {str(entry.get('reason') or entry.get('exception'))[-300:]}"
                    ] += 1
            for process in self.alive(name):
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
                megabytes = int(status.split("VmRSS:")[1].split()[0]) // 1024
                if megabytes > MOST_MEGABYTES:
                    self.odd.append(f"a process of {name} has {megabytes} MB")
        ended = sorted(self.unasked.items() - {(instance, STARTED_OVER) for instance in self.started_over})
        self.odd += [f"the process {instance} ended by itself with {status}" for instance, status in ended]
        return [*self.odd, *(f"{n} times: {text}" for text, n in said.most_common(20))]

    def stop(self) -> None:
        """Stop everything, however it stands."""
        for service in getattr(self, "services", {}).values():
            service.end()
        for server in (getattr(self, "kafka", None), getattr(self, "postgres", None)):
            if server is not None and server.pid is not None:
                server.resume()
                server.kill()
        if hasattr(self, "postgres"):
            self.postgres.remove_data()
        if getattr(self, "disk", None) is not None:
            self.disk.unmount()
