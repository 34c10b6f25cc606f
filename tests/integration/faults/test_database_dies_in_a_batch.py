"""The database dies while a service is in the middle of a batch: decided and saved, not committed.

The batch is decided again, once; nothing of the first time is left in the tables, in memory or on a topic. That the
kernel's own protections are what holds is shown by its controls (tests/integration/runtime).
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.contracts.topics import CONTACT_RECEIVED, INCIDENT_CHANGED, OUTAGE_INPUT
from services.grid.store import import_network, migrate
from services.runtime.clock import now
from services.runtime.cluster import apply_topics
from tests.service_process import Service
from tests.unit.dedup.timeline import NETWORKS, a_report
from tests.unit.notify.snapshots import Snapshots
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from deploy.native.postgres import PostgresServer
    from services.contracts.messages import Message
    from services.contracts.topics import Topic

pytestmark = pytest.mark.integration

MANY = 60
_MAKE = Snapshots()


def contacts() -> Sequence[Message]:
    return [contact(f"c{n}", text="停电了" if n % 2 else "查电费", account_id=f"A{n}") for n in range(MANY)]


def reports() -> Sequence[Message]:
    devices = ("A0TR00023", "A0TR00104", "A0TR00020")
    return [a_report("A0SU00000", devices[n % 3], f"r{n}", n / 10) for n in range(MANY)]


def snapshots() -> Sequence[Message]:
    return [
        _MAKE.changed(n, 1, joined=[_MAKE.member(n, n)]).model_copy(update={"changed_at": now()}) for n in range(MANY)
    ]


@dataclass(frozen=True)
class Case:
    """What a service reads, the table that has a row of each, and the counts that add up to as many."""

    topic: Topic
    make: Callable[[], Sequence[Message]]
    table: str
    counts: tuple[str, ...]

    @property
    def sql(self) -> str:
        """What counts the rows."""
        return f"SELECT count(*) FROM {self.table}"  # noqa: S608 - one of ours


CASES = {
    "router": Case(CONTACT_RECEIVED, contacts, "ticket", ("contact_queued", "contact_outage")),
    "dedup": Case(
        OUTAGE_INPUT,
        reports,
        "report",
        ("report_in_incident", "report_answered", "report_needs_person"),
    ),
    "notify": Case(INCIDENT_CHANGED, snapshots, "notice", ("notices",)),
}
COUNTED = "SELECT coalesce(sum(n), 0)::int FROM tally WHERE name = ANY($1::text[])"


@pytest.mark.parametrize("name", CASES)
async def test_the_batch_is_decided_again_once(
    kafka_bootstrap: str,
    postgres_server: PostgresServer,
    database_dsn: str,
    unique_name: str,
    tmp_path: Path,
    name: str,
) -> None:
    case = CASES[name]
    service = Service(name, kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path, {"batch_records": "20"})
    await apply_topics(service.settings(), partitions=2)
    connection = await asyncpg.connect(database_dsn)
    await migrate(connection)
    folder = NETWORKS / "ieee123"
    await import_network(connection, folder / "network.csv", folder / "customers.csv")
    await connection.close()
    try:
        process = service.start(failpoint="batch.handled:stop:2")
        await service.say(case.topic, *case.make())
        await service.froze(process)
        postgres_server.kill()
        postgres_server.start()
        process.send_signal(signal.SIGCONT)
        await service.until("all are decided", MANY, case.sql)
        await service.until("all are published", 0, "SELECT count(*) FROM outbox_waiting")
        await service.until("none is counted twice", MANY, COUNTED, list(case.counts))
        assert process.poll() is None, "it waited and went on; it did not end"
        assert '"waiting_for"' in service.log
        assert "gridline_conservation_imbalance 0.0" in await service.metrics()
    finally:
        service.end()
