"""The whole of Gridline in a storm: four real processes, a real Kafka and Postgres, and processes killed in the middle.

Everything a client was told is kept must be in exactly one place at the end, each outage must have one order, and a
consumer that keeps the contract must have acted once on each version. Then the checker itself is put to the test.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from deploy.native import stack
from deploy.native.child import Child, Command
from deploy.native.plan import Preparation, default_preparations
from deploy.native.ports import free_port
from deploy.native.settings import StackSettings
from services.cli import evidence as evidences
from services.cli.commands.storm import development_senders
from services.cli.invariants import check
from services.cli.merging import judge
from services.cli.watch import watching
from services.contracts.topics import DISPATCH_ORDER
from services.contracts.values import Channel, CustomerClass, CustomerStatus
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.runtime import clock
from services.runtime.settings import ServiceSettings
from services.simulator.cases import Case, Said
from services.simulator.faults import Network
from services.simulator.generate import draw_storm
from services.simulator.payloads import at_steady_rate, begun_before, events_of, render
from services.simulator.sender import Answers, send
from services.simulator.shape import Shape
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.native.state import StackInfo
    from services.cli.evidence import Evidence

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PROJECT = Path(__file__).parents[2]
STORM_SECONDS = 15.0
QUIET_SECONDS = 180.0
REPAIR_SECONDS = 40.0  # services are killed meanwhile: an estimate that passes before they are back is not told
TILING = Tiling(areas=2, tiles_per_area=3, suspended_every=100, important_every=200, life_support_every=300)


@dataclass
class System:
    """A running stack with an imported network, and the field-repair example that consumes its orders."""

    settings: StackSettings
    info: StackInfo
    network: Network
    store: Path

    @property
    def service_settings(self) -> ServiceSettings:
        return ServiceSettings(kafka_bootstrap=self.info.kafka_bootstrap, postgres_dsn=self.info.postgres_dsn)

    def process(self, name: str) -> stack.ProcessStatus:
        return next(one for one in stack.status(self.settings).processes if one.name == name)

    def kill(self, name: str) -> None:
        pid = self.process(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def until_ready(self, *names: str) -> None:
        async with asyncio.timeout(90):
            while not all(self.process(name).state == "ready" for name in names):
                await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Short, and passable for an account without rights: Postgres needs both where tests run as root."""
    made = Path(tempfile.mkdtemp(prefix="gridline-e2e-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def system(folder: Path) -> Iterator[System]:
    bases = []
    for name in ("ckt5", "ieee123"):
        files = open_network(
            *(PROJECT / "deploy" / "networks" / name / f"{what}.csv" for what in ("network", "customers"))
        )
        bases.append(Base(files.devices, list(files.read_customers())))
    network = Network(tile_devices(bases, TILING), tile_customers(bases, TILING))
    devices, customers = folder / "network.csv", folder / "customers.csv"
    write_devices(devices, network.devices)
    write_customers(customers, network.customers)
    ports = {name: free_port() for name in StackSettings.ports()}
    settings = StackSettings(run_folder=folder / "run", **ports)
    command = (sys.executable, "-m", "services.cli", "grid", "import")
    files_of = ("--network", str(devices), "--customers", str(customers))
    importing = Preparation("import the network", (*command, *files_of))
    with stack.running(settings, preparations=[*default_preparations(), importing]) as running:
        store = folder / "field_repair.db"
        consumer = Child(
            Command(
                name="field repair",
                arguments=[
                    *(sys.executable, str(PROJECT / "examples" / "field_repair_consumer.py")),
                    *("--kafka", running.info.kafka_bootstrap, "--gridline", running.info.services["dedup"]),
                    *("--store", str(store), "--crews"),
                    *("--repair-seconds", str(REPAIR_SECONDS), "--repair-share", "0.5"),
                ],
                environment={"LANG": "C.UTF-8"},
                log=folder / "field-repair.log",
            )
        )
        try:
            yield System(settings, running.info, network, store)
        finally:
            consumer.stop(15)
    stack.reset(settings)


async def gathered(system: System, answers: Answers) -> Evidence:
    evidence = await evidences.gather(system.service_settings)
    evidence.accepted, evidence.unknown = frozenset(answers.accepted), frozenset(answers.unknown)
    evidence.actions = evidences.read_actions(system.store)
    return evidence


@dataclass
class After:
    """What a storm with kills left behind."""

    answers: Answers
    evidence: Evidence
    killed: dict[str, int]


_after: dict[int, After] = {}


def in_arrears(network: Network, number: int) -> Case:
    """The first call of all, before anything is dark: a customer who was cut off, and is answered."""
    customer = next(
        n
        for n, one in enumerate(network.customers)
        if one.status is CustomerStatus.SUSPENDED and one.priority is CustomerClass.NORMAL
    )
    said = Said(account=network.customers[customer].account_id, text="家里停电了")
    return Case(number, 0.0, Channel.WEB, Kind.OUTAGE, None, customer, said)


async def stormed(system: System) -> After:
    """Send a storm, kill the router, then dedup, then notify while it blows; the same for every test here."""
    if id(system) in _after:
        return _after[id(system)]
    storm = draw_storm(system.network, Shape(faults=30), seed=11)
    storm = replace(storm, cases=(in_arrears(system.network, len(storm.cases) + 1), *storm.cases))
    events = events_of(storm)
    start = begun_before(clock.now(), events)
    requests = at_steady_rate(render(storm, events, start, development_senders()), STORM_SECONDS)
    answers = Answers()
    sending = asyncio.create_task(send(requests, system.info.services["intake"], answers))
    await asyncio.sleep(STORM_SECONDS * 0.25)
    system.kill("router")
    await asyncio.sleep(STORM_SECONDS * 0.15)
    earlier = await evidences.read_positions(system.service_settings)
    system.kill("dedup")
    await asyncio.sleep(STORM_SECONDS * 0.15)
    await system.until_ready("router", "dedup")
    system.kill("notify")
    system.kill("dedup")
    await sending
    await system.until_ready("router", "dedup", "notify")
    async with watching(system.service_settings) as watch:
        await watch.until_quiet(QUIET_SECONDS)
        await asyncio.sleep(REPAIR_SECONDS + 1)  # crews bring power back
        await watch.until_quiet(QUIET_SECONDS)
    evidence = await gathered(system, answers)
    evidence.earlier = earlier
    killed = {name: system.process(name).restarts for name in ("router", "dedup", "notify")}
    cases = {case.number: case for case in storm.cases}
    merging = judge(evidence, {request.ticket_id: cases[request.case] for request in requests})
    assert merging.merged > 0
    assert merging.absorbed == 0
    _after[id(system)] = After(answers, evidence, killed)
    return _after[id(system)]


async def test_a_storm_with_killed_services_loses_and_repeats_nothing(system: System):
    after = await stormed(system)
    assert after.killed["router"] >= 1
    assert after.killed["dedup"] >= 2
    assert after.killed["notify"] >= 1
    assert after.answers.refused == []
    assert after.answers.wrong_ids == []
    assert len(after.answers.accepted) > 400
    verdict = check(after.evidence)
    assert verdict.findings == ()
    assert verdict.counts.exact
    assert verdict.counts.in_incidents > 100
    assert verdict.counts.answered > 0
    assert verdict.counts.in_queues > 50


async def test_power_came_back_and_customers_were_told_of_every_stage(system: System):
    """Whether an incident is absorbed and its order cancelled hangs on what arrives when: tests/integration/dedup."""
    after = await stormed(system)
    assert "restored" in {row.state for row in after.evidence.incidents.values()}
    stages = {row.stage for row in after.evidence.notices if row.state == "sent"}
    assert {"received", "etr_set", "restored"} <= stages


PLANTS = {
    "an inbox row deleted": (
        "DELETE FROM router.inbox WHERE id = (SELECT (body -> 'contacts' ->> 0)::uuid FROM router.ticket LIMIT 1)",
        {"I1"},
    ),
    "a contact taken out of its ticket": (
        """UPDATE router.ticket SET body = body::jsonb #- '{contacts, 0}'
           WHERE ticket_id = (SELECT ticket_id FROM router.ticket WHERE body ->> 'merged_into' IS NULL LIMIT 1)""",
        {"I2", "conservation"},
    ),
    "a ledger row deleted": (
        """DELETE FROM dedup.membership
           WHERE (area, seq) = (SELECT area, seq FROM dedup.report WHERE outcome = 'in_incident' LIMIT 1)""",
        {"I2", "conservation"},
    ),
    "a report in two incidents": (
        """INSERT INTO dedup.membership
           SELECT m.area, -1, m.report_id, i.incident_id, 'joined', m.rule, m.evidence, m.rules_hash, m.author, m.at
           FROM dedup.membership AS m JOIN dedup.incident AS i ON i.incident_id <> m.incident_id AND i.area = m.area
           WHERE m.action = 'joined' LIMIT 1""",
        {"I2"},
    ),
    "two open outages at one device": (
        """UPDATE dedup.incident AS i
           SET state = 'predicted', kind = 'outage', area = 'X', device_id = 'D', opened_seq = n
           FROM (SELECT incident_id, row_number() OVER () AS n FROM dedup.incident LIMIT 2) AS two
           WHERE i.incident_id = two.incident_id""",
        {"I3"},
    ),
    "an order version that was never published": (
        """INSERT INTO dedup.order_version
           SELECT order_id, 99, incident_id, status, priority, device_id, superseded_by, reason, issued_at, body
           FROM dedup.order_version LIMIT 1""",
        {"I4"},
    ),
    "a position moved back": (
        "UPDATE dedup.consumer_partition SET next_offset = 0 WHERE next_offset > 0",
        {"I7", "I11"},
    ),
    "a position moved on": ("UPDATE router.consumer_partition SET next_offset = next_offset + 1000", {"I6"}),
    "a row that was not published": (
        """INSERT INTO notify.outbox_waiting SELECT 0, id FROM notify.outbox;
           INSERT INTO dedup.outbox_waiting SELECT 0, min(id) FROM dedup.outbox""",
        {"I8"},
    ),
    "a count changed": ("UPDATE router.tally SET n = n + 1 WHERE name = 'contact_queued'", {"conservation"}),
    "a dead letter counted": (
        "INSERT INTO router.tally VALUES ('contact.received.v1', 0, 'dead_lettered', 1)",
        {"I12"},
    ),
}


@pytest.mark.parametrize("plant", PLANTS)
async def test_the_checker_finds_what_is_planted_in_the_database(system: System, plant: str):
    """Planted in a transaction that is rolled back: the services never see it."""
    after = await stormed(system)
    statement, expected = PLANTS[plant]
    connection = await asyncpg.connect(system.info.postgres_dsn)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(statement)
        evidence = await evidences.read_tables(connection, after.evidence)
        await transaction.rollback()
    finally:
        await connection.close()
    evidence.earlier = await evidences.read_positions(system.service_settings)  # as they really stand
    assert expected <= {finding.invariant for finding in check(evidence).findings}


async def test_the_checker_finds_a_second_body_of_an_order_on_the_topic(system: System):
    """Last of all, as the topic cannot be mended."""
    after = await stormed(system)
    record = after.evidence.records[DISPATCH_ORDER.name][0]
    assert record.value is not None
    producer = AIOKafkaProducer(bootstrap_servers=system.info.kafka_bootstrap)
    await producer.start()
    try:
        planted = record.value.replace(b'"status":"', b'"note":"planted","status":"', 1)
        await producer.send_and_wait(
            DISPATCH_ORDER.name, planted, key=record.key, headers=list(record.headers), partition=record.partition
        )
    finally:
        await producer.stop()
    async with watching(system.service_settings) as watch:
        await watch.until_quiet(QUIET_SECONDS)  # time alone may just have put something on a topic
    found = check(await gathered(system, after.answers)).findings
    assert {finding.invariant for finding in found} == {"I5"}
