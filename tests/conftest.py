"""The real Kafka and Postgres every integration and end-to-end test shares.

Started once a session, on free ports in a folder of the session's own, and only when a test asks: unit tests never
start them. Where several processes share a run, each is a session with servers of its own. They fail when they cannot
start; they never skip. GRIDLINE_TEST_KAFKA (host:port) and GRIDLINE_TEST_POSTGRES (a DSN whose user may create
databases) name servers to use instead; tests that stop a server then fail, as they must.

For tests that use the servers: `kafka_bootstrap`, `unique_name` (for topics and groups), `database_dsn` (a database of
the test's own), `make_database` (several, or copies of a template), `make_template` (filled once a session).
For tests that stop, kill or pause them: `kafka_broker`, `postgres_server`; they run again for the next test.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import shutil
import signal
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from hypothesis import settings

from deploy.native.kafka import KafkaBroker
from deploy.native.kafka_jars import default_cache, ensure_jars
from deploy.native.ports import free_port, keep_to_part
from deploy.native.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    Fill = Callable[[str], Coroutine[Any, Any, None]]

# A shell without job control starts background jobs with Ctrl-C ignored, and their children inherit that: tests that
# press Ctrl-C on a process would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on what else the machine does, so no example is failed for it; and where a change
# is judged (CI) the examples are the same every time: chance belongs where somebody can look at what it found.
settings.register_profile("gridline", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("gridline")

# By itself structlog draws the traceback of an error it tells with every local variable: up to 18 s for one of ours.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Of several processes that share a run (xdist's gw0, gw1...) each has ports that the others do not draw.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    keep_to_part(int(worker.removeprefix("gw")))

_KAFKA = "GRIDLINE_TEST_KAFKA"
_POSTGRES = "GRIDLINE_TEST_POSTGRES"
_numbers = itertools.count(1)
_session = secrets.token_hex(4)  # not the process id: a server from the environment outlives many sessions


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A folder that an account without rights can pass through, as Postgres needs where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="gridline-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_jars() -> list[Path]:
    return ensure_jars(default_cache())


@pytest.fixture(scope="session")
def kafka_session_broker(servers_folder: Path, kafka_jars: list[Path]) -> Iterator[KafkaBroker]:
    broker = KafkaBroker(
        servers_folder / "kafka",
        port=free_port(),
        controller_port=free_port(),
        jars=kafka_jars,
        log=servers_folder / "logs" / "kafka.log",
        archive_folder=default_cache(),
        # Tests kill it and want it back soon, but a second in which a busy machine gave it nothing is no death.
        settings={
            "broker.session.timeout.ms": "2500",
            "broker.heartbeat.interval.ms": "250",
            "log.segment.delete.delay.ms": "500",  # what a deleted topic had is gone soon
        },
    )
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def kafka_broker(kafka_session_broker: KafkaBroker, servers_folder: Path, unique_name: str) -> Iterator[KafkaBroker]:
    """The broker, to be stopped, killed or paused by the test; it runs again after it.

    It has no topics of the tests before: a killed one goes over each of their partitions before it answers again, and
    after some hundred tests that took it a minute.
    """
    if _KAFKA in os.environ:
        pytest.fail(f"This test stops Kafka; unset {_KAFKA} to let it start one of its own.")
    _outside_the_loop(lambda: forget_topics(kafka_session_broker, servers_folder / "kafka" / "data", unique_name))
    yield kafka_session_broker
    if kafka_session_broker.pid is None:
        kafka_session_broker.start()
    else:
        kafka_session_broker.resume()
        kafka_session_broker.wait_ready()


@pytest.fixture
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """`host:port` of a running broker. Topics are not made by themselves: give yours names of their own."""
    if _KAFKA in os.environ:
        return os.environ[_KAFKA]
    broker: KafkaBroker = request.getfixturevalue("kafka_session_broker")
    return broker.bootstrap


@pytest.fixture(scope="session")
def postgres_session_server(servers_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(servers_folder / "postgres", port=free_port(), log=servers_folder / "logs" / "postgres.log")
    server.start()
    yield server
    server.stop()
    server.remove_data()


@pytest.fixture
def postgres_server(postgres_session_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server, to be stopped or killed by the test; it runs again after it."""
    if _POSTGRES in os.environ:
        pytest.fail(f"This test stops Postgres; unset {_POSTGRES} to let it start one of its own.")
    yield postgres_session_server
    if postgres_session_server.pid is None:
        postgres_session_server.start()
    else:
        postgres_session_server.resume()
        postgres_session_server.wait_ready()


@pytest.fixture
def unique_name() -> str:
    """A name no other test and no other session uses, fit for a topic, a group or a database."""
    return f"t{_session}-{next(_numbers)}"


@pytest.fixture
def make_database(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Make a database of the test's own, `make_database(template="template1") -> dsn`; gone after the test."""
    admin = _admin(request)
    made: list[str] = []

    def make(template: str = "template1") -> str:
        made.append(_new_database(admin, template))
        return _of_database(admin, made[-1])

    yield make
    for name in made:
        _execute(admin, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def make_template(request: pytest.FixtureRequest) -> Iterator[Callable[[Fill], str]]:
    """Return the name of a database that was filled, `make_template(fill) -> template`: once for all that ask.

    To make the tables anew for each of some hundred tests took longer than most of the tests.
    """
    admin = _admin(request)
    made: dict[Fill, str] = {}

    def make(fill: Fill) -> str:
        if fill not in made:
            name = _new_database(admin, "template1")
            _outside_the_loop(lambda: fill(_of_database(admin, name)))
            made[fill] = name
        return made[fill]

    yield make
    for name in made.values():
        _execute(admin, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def database_dsn(make_database: Callable[..., str]) -> str:
    """The DSN of an empty database of this test's own."""
    return make_database()


async def forget_topics(broker: KafkaBroker, data: Path, but: str) -> None:
    """Delete all topics but those of one test, and wait for a while until the disk has none of them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        topics = [name for name in await admin.list_topics() if not name.startswith(("__", but))]
        await admin.delete_topics(topics)
    finally:
        await admin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while any(not one.name.startswith(("__", but)) for one in data.iterdir() if one.is_dir()):
                await asyncio.sleep(0.05)


def _admin(request: pytest.FixtureRequest) -> str:
    """Return the DSN of the database from which others are made."""
    if _POSTGRES in os.environ:
        return os.environ[_POSTGRES]
    server: PostgresServer = request.getfixturevalue("postgres_session_server")
    return server.dsn("postgres")


def _new_database(admin: str, template: str) -> str:
    name = f"gridline_test_{_session}_{next(_numbers)}"
    _execute(admin, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return name


def _of_database(admin: str, name: str) -> str:
    return urlsplit(admin)._replace(path=f"/{name}").geturl()


def _execute(dsn: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    _outside_the_loop(execute)


def _outside_the_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do something from a sync fixture, whatever event loop the test has."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as failure:  # noqa: BLE001 - carried to the caller's thread
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
