"""Start a service, keep it, drain it on SIGTERM.

A room calls ``run(name, Settings, build)`` in its ``__main__``. It answers HTTP from the first moment on: alive, and
why it is not ready. Everything that runs is in one task group: the first task that fails stops the process, and the
supervisor starts it again. Nothing waits without a bound on the way out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import asyncpg
import structlog
import uvloop
from aiokafka.errors import KafkaError

from services.runtime import clock, failpoints, logs, metrics, outbox, positions, rehearsal, retention, silent_sessions
from services.runtime.batch import Transactor
from services.runtime.brokers_time import BrokersTime
from services.runtime.collecting import Collector
from services.runtime.consumer import Consumer
from services.runtime.doors import Doors
from services.runtime.errors import HaltError, StuckError, UnavailableError
from services.runtime.http import later, make_app
from services.runtime.http_server import Server
from services.runtime.lookups import Loop
from services.runtime.migration import migrate
from services.runtime.open_files import ENOUGH, allow_as_many_as_may_be
from services.runtime.outbox import Outbox, Relay
from services.runtime.parts import Parts, Runtime
from services.runtime.pool import open_pool
from services.runtime.postgres import connected, take_the_time, translated
from services.runtime.producer import Producer
from services.runtime.settings import ServiceSettings, SettingsError, misspelt, read_settings
from services.runtime.yaml_reading import RulesError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    from services.runtime.parts import Watches
    from services.runtime.postgres import Pool

EXIT_SETTINGS: Final = 78  # EX_CONFIG of sysexits.h: starting again will not help
EXIT_HALT: Final = 65  # EX_DATAERR
_MEASURE_SECONDS: Final = 2.0
_PRUNE_ROUNDS: Final = 150
_RETRY_SECONDS: Final = 1.0
_READY_SECONDS: Final = 2.0
_CLOSE_SECONDS: Final = 10.0
_DRAIN_POLL_SECONDS: Final = 0.05
_NOT_FOR_US: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,  # the name or the password
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
"""What a Postgres that answers says to whom it does not serve."""
S = TypeVar("S", bound=ServiceSettings)
_log = structlog.get_logger()


def run(
    name: str,
    kind: type[S],
    build: Callable[[Runtime], Awaitable[Parts]],
    *,
    schema_sql: Path | None = None,
    wants_producer: bool = False,
) -> NoReturn:
    """Run a service until SIGTERM and exit: 0 drained, 78 wrong settings, 65 halted on data, 1 a bug.

    Args:
        name: Service name; also its schema and consumer group.
        kind: Its settings class.
        build: Makes the room's parts from the runtime.
        schema_sql: The room's DDL; absent for a room without a database.
        wants_producer: Whether the room publishes directly (intake) rather than through the outbox.
    """
    try:
        settings = read_settings(kind)
        failpoints.arm(os.environ.get("GRIDLINE_FAILPOINT"))
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"gridline {name}: {error}\n")
        sys.exit(EXIT_SETTINGS)
    files = allow_as_many_as_may_be()
    instance = settings.instance or f"{socket.gethostname()}-{os.getpid()}"
    said = logs.configure(settings.log_level, service=name, instance=instance)
    if files < ENOUGH:
        _log.warning("few_open_files", most=files, remedy="raise the hard limit (ulimit -Hn, LimitNOFILE, nofile)")
    for variable, meant in misspelt(kind, os.environ).items():
        _log.warning("no_such_setting", variable=variable, did_you_mean=meant)
    service = _Service(name, settings, instance)
    main = service.main(build, schema_sql=schema_sql, wants_producer=wants_producer)
    uvloop.run(_run_and_exit(main, said), loop_factory=Loop)
    raise AssertionError("a process that has ended goes on")


async def _run_and_exit(main: Awaitable[int], said: logs.Lines) -> NoReturn:
    """End the process from inside the loop: a task, a thread or a socket that does not end must not keep it alive."""
    code = await main
    said.end()
    os._exit(code)


class _Service:
    """One running service: prepare, run until a task fails or SIGTERM comes, drain."""

    def __init__(self, name: str, settings: ServiceSettings, instance: str) -> None:
        self._name = name
        self._settings = settings
        self._instance = instance
        self._stop = asyncio.Event()
        self._producer = Producer(settings)
        self._pool: Pool | None = None
        self._outbox: Outbox | None = None
        self._consumer: Consumer | None = None
        self._parts = Parts()
        self._starting = "starting"
        self._server = Server(Doors(make_app(name, ready=self._why_not_ready), [later()]), settings)
        self._asked: asyncio.Task[bool] | None = None
        self._rehearsal: Watches | None = None
        self._collector = Collector()

    async def main(
        self, build: Callable[[Runtime], Awaitable[Parts]], *, schema_sql: Path | None, wants_producer: bool
    ) -> int:
        """Run and return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            self._rehearsal = self._follow_rehearsal()
            http = asyncio.create_task(self._server.serve(), name="http")
            prepare = self._prepare(build, schema_sql, wants_producer=wants_producer)
            if not await self._prepared_or_stopped(prepare, http):
                self._server.should_exit = True
                await asyncio.wait({http}, timeout=_CLOSE_SECONDS)
                return 0
            self._collector.begin()
            await self._run_until_stopped(http)
        except SettingsError as error:
            sys.stderr.write(f"gridline {self._name}: {error}\n")
            return EXIT_SETTINGS
        except HaltError as error:
            _log.critical("halted", reason=str(error))
            return EXIT_HALT
        except StuckError as error:
            _log.error("starts_over", reason=str(error))
            return 1
        except Exception as error:  # noqa: BLE001 - the one place where a bug ends the process
            _log.critical("bug", exc_info=error)
            return 1
        _log.info("drained")
        return 0

    async def _prepared_or_stopped(self, prepare: Coroutine[Any, Any, None], http: asyncio.Task[None]) -> bool:
        """Wait until the room is built; False if stopped first, whatever that waits for."""
        preparing, stopped = asyncio.create_task(prepare), asyncio.create_task(self._stop.wait())
        await asyncio.wait({preparing, stopped, http}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if preparing.done():
            await preparing
            return True
        preparing.cancel()
        await asyncio.wait({preparing}, timeout=_CLOSE_SECONDS)
        if http.done():
            await http
        return False

    async def _prepare(
        self, build: Callable[[Runtime], Awaitable[Parts]], schema_sql: Path | None, *, wants_producer: bool
    ) -> None:
        """Open the database and build the room; wait for Postgres as long as it takes."""
        producer = self._producer if wants_producer else None
        self._producer.time = BrokersTime() if schema_sql is None else None
        while True:
            try:
                if schema_sql is not None and self._pool is None:
                    dsn, size = self._settings.postgres_dsn.get_secret_value(), self._settings.postgres_pool
                    await migrate(dsn, self._name, schema_sql)
                    self._pool = await open_pool(dsn, schema=self._name, size=size, ready=size)
                    self._outbox = Outbox(f"gridline/{self._name}", shards=self._settings.outbox_shards)
                if self._pool is not None:
                    with translated():
                        await take_the_time(self._pool)
                self._parts = await build(Runtime(self._settings, self._pool, self._outbox, producer))
                break
            except UnavailableError as error:
                _log.warning("waiting_for", what="postgres", reason=str(error)[:200])
                self._starting = f"postgres answers with {type(error.__cause__ or error).__name__}"
            except _NOT_FOR_US as error:  # its text names the user or the database, never the password
                raise SettingsError(f"settings that do not fit:\n  GRIDLINE_POSTGRES_DSN: {error}") from None
            await asyncio.sleep(_RETRY_SECONDS)
        self._starting = ""
        app = Doors(make_app(self._name, ready=self._why_not_ready), self._parts.routers)
        self._server.app = self._parts.wrap(app) if self._parts.wrap else app
        handler = self._parts.handler
        if handler is not None:
            if self._pool is None or self._outbox is None:
                raise AssertionError("a service that consumes has a schema")
            transactor = Transactor(self._pool, handler, self._outbox, self._name)
            self._consumer = Consumer(
                self._settings,
                transactor,
                group=f"gridline-{self._name}",
                owner=self._instance,
                reachable=self._producer.reachable,
                side_by_side=self._parts.side_by_side,
            )

    def _follow_rehearsal(self) -> Watches | None:
        """Let the clock follow a rehearsal's, where this process is part of one.

        Raises:
            SettingsError: its file cannot be used.
        """
        path = self._settings.rehearsal_file
        try:
            return None if path is None else rehearsal.follow(path)
        except RulesError as error:
            raise SettingsError(f"a rehearsal that does not fit:\n{error}") from None

    def _is_behind(self) -> bool:
        return self._consumer is not None and self._consumer.is_behind

    async def _run_until_stopped(self, http: asyncio.Task[None]) -> None:
        """Run everything; the first task to end ends the service, and its failure is the service's."""
        tasks = [http]
        if self._consumer is not None:
            tasks.append(asyncio.create_task(self._consumer.run(), name="consumer"))
        tasks += [asyncio.create_task(self._connect(), name="kafka")]
        tasks += [asyncio.create_task(self._collector.watch(self._is_behind), name="collector")]
        if self._pool is not None and self._outbox is not None:
            for shard in range(self._settings.outbox_shards):
                relay = Relay(self._pool, self._producer, self._outbox, settings=self._settings, shard=shard)
                tasks.append(asyncio.create_task(relay.run(), name=f"relay-{shard}"))
            tasks.append(asyncio.create_task(self._measure(), name="measure"))
            dsn = self._settings.postgres_dsn.get_secret_value()
            tasks.append(asyncio.create_task(silent_sessions.end_silent_sessions(dsn), name="silent sessions"))
        tasks += [asyncio.ensure_future(start()) for start in self._parts.background]
        tasks += [asyncio.ensure_future(one.watch(self._settings.reload_seconds)) for one in self._parts.watched]
        if self._rehearsal is not None:
            tasks.append(asyncio.create_task(self._rehearsal.watch(rehearsal.LOOK_SECONDS), name="rehearsal"))
        stop: asyncio.Task[Any] = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            _log.info("draining", because=sorted(task.get_name() for task in done))
            await self._drain({task.get_name(): task for task in tasks})
        finally:
            stop.cancel()
            for task in tasks:
                task.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await asyncio.gather(stop, *tasks, return_exceptions=True)
                    await self._producer.stop()
                    if self._pool is not None:
                        await self._pool.close()
        for task in done - {stop}:
            await task
            raise AssertionError(f"the task {task.get_name()} ended by itself")

    async def _drain(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        """Refuse new requests, finish the batch under way, publish what is committed: all within the bound."""
        self._server.should_exit = True
        for let_go in self._parts.leaving:
            let_go()
        if self._consumer is not None:
            self._consumer.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await asyncio.wait([tasks[name] for name in ("http", "consumer") if name in tasks])
                while self._pool is not None and self._producer.connected:
                    try:
                        async with connected(self._pool) as connection:
                            if not await outbox.measure(connection, clock.now()):
                                break
                    except UnavailableError:
                        # Without the database nothing more can be published; the rows are there when we come back.
                        # It must not hide why we are leaving, either.
                        metrics.UNAVAILABLE.labels("drain").inc()
                    await asyncio.sleep(_DRAIN_POLL_SECONDS)

    async def _connect(self) -> None:
        """Keep the producer connected, however long Kafka takes to come; until then the service is alive, not ready.

        One that was discarded is made anew here: who is not ready gets no requests, and so nothing to send.
        """
        while True:
            if not self._producer.connected:
                try:
                    await self._producer.start()
                except UnavailableError as error:
                    metrics.UNAVAILABLE.labels("kafka").inc()
                    _log.warning("waiting_for", what="kafka", reason=str(error)[:200])
            await asyncio.sleep(_RETRY_SECONDS)

    async def _why_not_ready(self) -> list[str]:
        reasons: list[str] = []
        if self._stop.is_set():
            reasons.append("draining")
        if self._starting:
            return [*reasons, self._starting]
        if not await self._producer.reachable():
            reasons.append("kafka does not answer")
        if self._pool is not None and not await self._postgres_answers(self._pool):
            reasons.append("postgres does not answer")
        if self._consumer is not None and (idle := self._consumer.idle_reason):
            reasons.append(idle)
        return reasons

    async def _postgres_answers(self, pool: Pool) -> bool:
        """Tell whether Postgres answers now. A late answer is not waited for, and to give it up takes time as well."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask(pool))
        await asyncio.wait({self._asked}, timeout=_READY_SECONDS)
        return self._asked.done() and self._asked.result()

    @staticmethod
    async def _ask(pool: Pool) -> bool:
        try:
            with translated():
                await pool.fetchval("SELECT 1", timeout=_READY_SECONDS)
        except UnavailableError:
            return False
        return True

    async def _measure(self) -> None:
        """Keep the gauges that come from the database; prune what is long published."""
        rounds, more = 0, False
        while True:
            try:
                async with connected(self._pool) as connection:  # type: ignore[arg-type] # started only with one
                    await take_the_time(connection)
                    await outbox.measure(connection, clock.now())
                    found = await positions.totals(connection)
                    if more or rounds % _PRUNE_ROUNDS == 0:
                        more = await retention.prune(connection)
                for name, n in found.items():
                    metrics.TALLY.labels(name).set(n)
                if self._parts.imbalance is not None:
                    metrics.IMBALANCE.set(self._parts.imbalance(found))
                if self._consumer is not None:
                    await self._consumer.measure_lag()
            except (UnavailableError, KafkaError, TimeoutError):
                metrics.UNAVAILABLE.labels("measure").inc()
            rounds += 1
            await asyncio.sleep(_MEASURE_SECONDS)
