"""What a soak breaks: processes, servers, locks, clocks, rules, the network, what lies on the topics.

Decided here: each fault, drawn from the soak's dice. Adding one is adding a method to ``Faults``. Never here: when.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from uuid import UUID, uuid5

from aiokafka import AIOKafkaProducer

from services.contracts.topics import CONTACT_RECEIVED, TOPICS
from services.grid.operating import switch_network
from services.grid.store import import_network
from services.grid.switching import Switching, SwitchingError
from services.runtime.failpoints import Failpoint
from tests.integration.router.shift import with_another_tree
from tests.service_process import ROOT
from tests.soak.stack import CONSUMERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service_process import Process
    from tests.soak.stack import Stack

OURS = UUID("6b1f7c1e-0000-4000-8000-50a450a450a4")
READ = [topic for topic in TOPICS if set(topic.consumers) & set(CONSUMERS)]
HOURS = ("8", "-8", "0.02", "-200", "30")


class Faults:
    """Everything that can be done to a stack. Each public method is one fault and returns what it did.

    Attributes:
        poisoned: Ids of unreadable contacts that we put on their topic: nobody was told that they are kept.
        unfoldable: Whether folding the topic needs a network or rules that we do not have.
    """

    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._rng = stack.rng
        self._say = say
        self.poisoned: set[UUID] = set()
        self.unfoldable = False

    @classmethod
    def names(cls) -> frozenset[str]:
        """What there is."""
        return frozenset(name for name in vars(cls) if not name.startswith("_") and name != "names")

    async def kill(self) -> None:
        self._end(signal.SIGKILL)

    async def terminate(self) -> None:
        self._end(signal.SIGTERM)

    async def die_at_a_failpoint(self) -> None:
        await self._armed("exit")

    async def freeze_at_a_failpoint(self) -> None:
        process, seconds = await self._armed("stop"), self._rng.uniform(7, 22)
        for _ in range(150):
            if process.poll() is not None:
                return
            if Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "T":
                await asyncio.sleep(seconds)
                break
            await asyncio.sleep(0.1)
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)

    async def freeze(self) -> None:
        name, process = self._one()
        seconds = self._rng.uniform(3, 25)
        self._say(f"SIGSTOP {name} for {seconds:.0f} s")
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)

    async def come_and_go(self) -> None:
        name = self._rng.choice(CONSUMERS)
        self._say(f"processes of {name} come and go")
        for _ in range(3):
            self._stack.add(name)
            await asyncio.sleep(self._rng.uniform(1, 4))
            self._end(self._rng.choice([signal.SIGTERM, signal.SIGKILL]), name)

    async def wrong_clock(self) -> None:
        name, hours = self._rng.choice(("intake", *CONSUMERS)), self._rng.choice(HOURS)
        if name == "intake":  # a process that follows an ended one has its port
            for process in self._stack.alive(name):
                self._stack.end(process, signal.SIGKILL)
                process.wait()
        self._stack.add(name, skew_hours=hours)
        self._say(f"a process of {name} whose clock is {hours} h off")

    async def other_rules(self) -> None:
        self.unfoldable = True
        name = self._rng.choice(("router", "dedup"))
        if name == "dedup":
            self._stack.add(name, trusted_lag_minutes="90")
        else:
            later = self._stack.folder / "later"
            if not later.exists():
                for file in ("routes.yaml", "classify.yaml"):
                    (self._stack.folder / file).write_bytes((ROOT / "deploy" / file).read_bytes())
                with_another_tree(self._stack.folder)
            files = {f"{what}_file": str(later / f"{what}.yaml") for what in ("routes", "classify")}
            self._stack.add(name, **files)
        self._say(f"a process of {name} with other rules")

    async def kill_kafka(self) -> None:
        self._say("kill -9 Kafka")
        self._stack.kafka.kill()
        await asyncio.sleep(self._rng.uniform(0, 6))
        self._stack.kafka.start()

    async def pause_kafka(self) -> None:
        await self._pause(self._stack.kafka, "Kafka")

    async def kill_postgres(self) -> None:
        self._say("kill -9 Postgres")
        self._stack.postgres.kill()
        await asyncio.sleep(self._rng.uniform(0, 5))
        self._stack.postgres.start()

    async def stop_postgres_at_once(self) -> None:
        self._say("Postgres stops without a checkpoint")
        self._stack.postgres.stop_immediately()
        self._stack.postgres.start()

    async def pause_postgres(self) -> None:
        await self._pause(self._stack.postgres, "Postgres")

    async def fill_the_disk(self) -> None:
        disk = self._stack.disk
        if disk is None:
            self._say("no disk may be mounted here, so none is filled")
            return
        seconds = self._rng.uniform(3, 15)
        self._say(f"the servers' disk is full for {seconds:.0f} s")
        disk.fill()
        await asyncio.sleep(seconds)
        disk.make_room()
        for _ in range(20):  # a broker that ends for want of room takes seconds from that word to its end
            for name in ("kafka", "postgres"):
                server = getattr(self._stack, name)
                if server.pid is None:
                    self._say(f"{name} had ended for want of room")
                    server.start()
            await asyncio.sleep(0.5)

    async def end_sessions(self) -> None:
        ended = await self._sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND random() < $1",
            self._rng.choice([0.3, 1.0]),
        )
        self._say(f"{ended} sessions ended")

    async def lock_a_table(self) -> None:
        tables = await self._sql(
            "SELECT array_agg(format('%I.%I', schemaname, tablename) ORDER BY 1) FROM pg_tables"
            " WHERE schemaname = ANY($1)",
            [*CONSUMERS, "grid"],
        )
        await self._hold(f"LOCK TABLE {self._rng.choice(tables)} IN ACCESS EXCLUSIVE MODE")

    async def lock_rows(self) -> None:
        table = self._rng.choice(["consumer_partition", "outbox_waiting", "tally", "inbox"])
        await self._hold(f"SELECT FROM {self._rng.choice(CONSUMERS)}.{table} FOR UPDATE")

    async def switch(self) -> None:
        ties = [device.id for device in self._stack.network.devices if device.normally_open]
        closed = [device.id for device in self._stack.network.devices if not device.normally_open]
        connection = await self._stack.connect()
        try:
            for _ in range(80):
                operation = Switching(self._rng.choice(ties), self._rng.choice(closed))
                try:
                    await switch_network(connection, [operation], author="soak", reason="")
                except SwitchingError:
                    continue
                self.unfoldable = True
                self._say(f"{operation.close} closes, {operation.open} opens")
                return
        finally:
            await connection.close()

    async def import_again(self) -> None:
        self.unfoldable = True
        connection = await self._stack.connect()
        try:
            await import_network(connection, *(self._stack.folder / f for f in ("network.csv", "customers.csv")))
        finally:
            await connection.close()
        self._say("the network is imported again")

    async def poison(self) -> None:
        records = []
        for topic in READ:
            known = next(iter(topic.types)).encode()
            for kind in self._rng.sample(range(6), 3):
                event = uuid5(OURS, f"{topic.name} {self._rng.random()}")
                about = [("ce_id", str(event).encode()), ("ce_type", known), ("ce_specversion", b"1.0")]
                about += [("ce_source", b"soak"), ("content-type", b"application/json")]
                value, headers = [
                    (b"\x00\xff" * 50, []),
                    (b"[1,2", about),
                    (b"null", [*about[1:], ("ce_id", b"no id")]),
                    (b'"' + b"x" * 850_000 + b'"', about),
                    (b"[" * 20_000, about),
                    (b"{}", [about[0], ("ce_type", b"gridline.no.such.v9"), *about[2:]]),
                ][kind]
                if topic is CONTACT_RECEIVED:
                    self.poisoned.add(event)
                records.append((topic.name, value, b"soak", headers))
        await self._produce(records)
        self._say(f"{len(records)} records that nobody can read")

    async def tell_again(self) -> None:
        records = []
        for topic in READ:
            found = await asyncio.wait_for(self._stack.services["intake"].records(topic), 20)
            found = [one for one in found if one.value and len(one.value) < 100_000]
            some = self._rng.sample(found, min(40, len(found)))
            records += [(topic.name, one.value, one.key, list(one.headers)) for one in some]
        await self._produce(records)
        self._say(f"{len(records)} records told again, in any order")

    # ---

    def _one(self) -> tuple[str, Process]:
        name = self._rng.choice(("intake", "router", "router", "dedup", "dedup", "notify"))
        return name, self._rng.choice(self._stack.alive(name))

    def _end(self, number: signal.Signals, name: str = "") -> None:
        name, process = (name, self._rng.choice(self._stack.alive(name))) if name else self._one()
        self._stack.end(process, number)
        self._say(f"{number.name} {name}")

    async def _armed(self, action: str) -> Process:
        """Start a process that will die or freeze, and end another, so that it has something to do."""
        name, at = self._rng.choice(CONSUMERS), self._rng.choice(get_args(Failpoint))
        if at == "migration.changed":  # its schema forgets that there is nothing to change
            await self._sql(f"DELETE FROM {name}.migration RETURNING true")  # noqa: S608 - one of three words
        before = self._stack.alive(name)
        point = f"{at}:{action}:{1 if at == 'migration.changed' else self._rng.randint(1, 12)}"
        process = self._stack.add(name, to_end=True, failpoint=point)
        if before:
            self._stack.end(self._rng.choice(before), signal.SIGTERM)
        self._say(f"{point} {name}")
        return process

    async def _pause(self, server, name: str) -> None:
        seconds = self._rng.uniform(2, 14)
        self._say(f"SIGSTOP {name} for {seconds:.0f} s")
        server.pause()
        await asyncio.sleep(seconds)
        server.resume()

    async def _hold(self, statement: str) -> None:
        seconds = self._rng.uniform(3, 20)
        self._say(f"{statement} for {seconds:.0f} s")
        connection = await self._stack.connect()
        try:
            async with connection.transaction():
                await connection.execute(statement)
                await asyncio.sleep(seconds)
        finally:
            connection.terminate()

    async def _sql(self, statement: str, *arguments: object):
        connection = await self._stack.connect()
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    async def _produce(self, records) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._stack.kafka.bootstrap, request_timeout_ms=8000)
        await producer.start()
        try:
            await asyncio.gather(*[await producer.send(t, v, key=k, headers=h) for t, v, k, h in records])
        finally:
            await producer.stop()
