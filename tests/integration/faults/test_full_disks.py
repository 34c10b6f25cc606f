"""A disk that is really full, to the last byte, under the database or the broker and under the services' own logs.

What docs/operations.md says of it is held here: nothing accepted is lost, whoever looks is told what is wrong, and a
server that ended for want of room needs nothing but to be started again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from deploy.native.kafka import KafkaBroker
from deploy.native.kafka_jars import default_cache
from deploy.native.ports import free_port
from deploy.native.postgres import PostgresServer
from services.contracts.topics import CONTACT_RECEIVED
from services.runtime.cluster import apply_topics
from tests.integration.intake.test_intake import contact_of, post, report
from tests.integration.runtime.world import World, a_record, a_report
from tests.service_process import SECONDS, Service
from tests.small_disk import small_disk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.small_disk import SmallDisk

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

FEW, MANY = 40, 3000


@pytest.fixture
def disk(servers_folder: Path, unique_name: str) -> Iterator[SmallDisk]:
    with small_disk(servers_folder / unique_name, 120) as made:
        yield made


@pytest.fixture
def database(disk: SmallDisk, tmp_path: Path) -> Iterator[PostgresServer]:
    little = {"min_wal_size": "32MB", "max_wal_size": "32MB", "shared_buffers": "16MB"}
    server = PostgresServer(disk.folder / "pg", port=free_port(), log=tmp_path / "postgres.log", settings=little)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def broker(disk: SmallDisk, tmp_path: Path, kafka_jars: list[Path]) -> Iterator[KafkaBroker]:
    ports = {"port": free_port(), "controller_port": free_port()}
    log = tmp_path / "kafka.log"
    made = KafkaBroker(disk.folder / "kafka", jars=kafka_jars, log=log, archive_folder=default_cache(), **ports)
    made.start()
    yield made
    made.kill()


async def until(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + SECONDS
    while not await holds():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.2)


async def why_not_ready(service: Service) -> str:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=30) as client:
        answer = await client.get("/readyz")
        return "" if answer.status_code == 200 else answer.json()["detail"]


@pytest.mark.parametrize("short", ["tables", "log of transactions"])
async def test_a_database_without_room_keeps_what_it_had_and_does_the_rest_when_there_is(
    disk: SmallDisk, database: PostgresServer, kafka_bootstrap: str, unique_name: str, short: str
) -> None:
    module = "tests.integration.runtime.ledger_service"
    dsn = database.create_database("gridline")
    world = World("ledger", kafka_bootstrap, dsn, f"{unique_name}.", disk.folder, module=module)
    await apply_topics(world.settings(), partitions=3)
    try:
        process = world.start()
        reports = [a_report(n) for n in range(MANY)]
        await world.produce([a_record(one) for one in reports[:FEW]])
        await world.settled(FEW)
        disk.fill()
        assert disk.free == 0
        await world.produce([a_record(one) for one in reports[FEW:]])
        if short == "tables":

            async def told() -> bool:
                return "postgres answers with DiskFullError" in await why_not_ready(world)

            await until("the service says that its database has no room", told)
            assert database.pid is not None
            assert (await world.sql("SELECT count(*) FROM effect"))[0][0] < MANY
        else:
            # Part after part, until there is none to recycle and no room for another: then the server ends.
            await until("the server ends", lambda: ended_for_want_of_log(database, dsn))
            await until("the service says so", lambda: says(world, "postgres does not answer"))
        assert process.poll() is None
        disk.make_room()
        if database.pid is None:
            database.start()
        await world.settled(MANY)
        assert process.poll() is None, "it has waited"
        assert await world.findings(reports) == []
        assert await world.terminate() == 0
    finally:
        world.end()


async def says(service: Service, words: str) -> bool:
    return words in await why_not_ready(service)


async def ended_for_want_of_log(database: PostgresServer, dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            for _ in range(4):
                await connection.execute(
                    "SELECT pg_logical_emit_message(false, '', repeat('x', 1000)), pg_switch_wal()"
                )
        finally:
            connection.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await asyncio.sleep(0.2)
    return database.pid is None


async def test_a_broker_without_room_ends_and_whoever_was_told_202_is_kept(
    disk: SmallDisk, broker: KafkaBroker, unique_name: str
) -> None:
    intake = Service("intake", broker.bootstrap, "", f"{unique_name}.", disk.folder, {"produce_deadline_s": "1.5"})
    await apply_topics(intake.settings())
    accepted: list[str] = []
    refused: list[httpx.Response] = []
    try:
        process = intake.start()
        await intake.wait_ready()
        async with httpx.AsyncClient(base_url=intake.url, trust_env=False, timeout=60) as client:

            async def sent(number: int) -> int:
                answer = await post(client, "app/reports", report(number, text="停电了" * 100))
                if answer.status_code == 202:
                    accepted.append(answer.json()["contact_id"])
                else:
                    refused.append(answer)
                return answer.status_code

            for number in range(50):
                assert await sent(number) == 202
            disk.fill()
            end, number = time.monotonic() + SECONDS, 100
            while broker.pid is not None:
                assert time.monotonic() < end, "the broker goes on without a disk"
                await asyncio.gather(*[sent(number + n) for n in range(20)])
                number += 20
            assert broker.returncode != 0
            assert await sent(number) == 503
            assert await why_not_ready(intake) == "kafka does not answer"
            disk.make_room()
            broker.start()

            async def goes_on() -> bool:
                return await sent(number) == 202  # the same event again, as senders are told to

            await until("contacts are accepted again", goes_on)
        assert process.poll() is None
        kept = Counter(str(contact_of(record).contact_id) for record in await intake.records(CONTACT_RECEIVED))
        assert kept.keys() >= set(accepted)
        assert {answer.status_code for answer in refused} == {503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert await intake.terminate() == 0
    finally:
        intake.end()
