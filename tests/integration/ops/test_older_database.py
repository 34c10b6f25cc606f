"""A database brought back from a backup that is older than what Kafka has: what came since is read again.

What docs/operations.md says of it is held here: everything accepted is in one place again, the count is exact, and who
holds versions of orders from before takes those decided again for newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from services.cli import evidence as evidences
from services.cli.commands.db import raise_floors
from services.cli.invariants import check
from services.cli.watch import watching
from services.contracts.messages import TicketRouted
from services.contracts.topics import TICKET_ROUTED
from tests.integration.ops.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.cli.evidence import Evidence

pytestmark = pytest.mark.integration

QUIET_SECONDS = 120.0


@pytest.fixture
def scene(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path)
    for service in made.services.values():
        service.own.pop("notify_senders", None)  # or notices to nobody would never come to rest
    yield made
    made.stop()


async def at_rest(scene: Scene) -> Evidence:
    settings = scene.services["intake"].settings()
    async with watching(settings) as watch:
        await watch.until_quiet(QUIET_SECONDS)
    return await evidences.gather(settings)


async def as_database(dsn: str, *statements: str) -> None:
    """Run statements that need to be outside the database they are about; each in a transaction of its own."""
    connection = await asyncpg.connect(urlunsplit(urlsplit(dsn)._replace(path="/postgres")))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_came_after_the_backup_is_read_again(scene: Scene) -> None:
    name = urlsplit(scene.dsn).path.removeprefix("/")
    await scene.start()
    async with httpx.AsyncClient(timeout=30) as client:
        await scene.wave(client)
        backed_up = await at_rest(scene)
        scene.stop()
        await as_database(scene.dsn, f'CREATE DATABASE "{name}_backup" TEMPLATE "{name}"')

        await scene.start()
        await scene.wave(client)
        before = await at_rest(scene)
        scene.stop()
    assert len(before.contacts) == scene.sent > len(backed_up.contacts)
    assert check(before).findings == ()

    await as_database(scene.dsn, f'DROP DATABASE "{name}"', f'ALTER DATABASE "{name}_backup" RENAME TO "{name}"')
    floors, _ = await raise_floors(scene.services["intake"].settings())
    floor = floors["dedup"]
    assert floor >= max(version for _, version in before.orders)
    await scene.start()
    after = await at_rest(scene)

    verdict = check(after)
    assert verdict.findings == ()
    assert verdict.counts.exact
    assert verdict.counts.accepted == check(before).counts.accepted
    assert after.contacts.keys() == before.contacts.keys()
    assert {order for order, _ in after.orders} >= {order for order, _ in backed_up.orders}
    again = after.orders.keys() - backed_up.orders.keys()
    assert {order for order, _ in again} & {order for order, _ in before.orders}
    assert all(version > floor for _, version in again)
    told = [one for one in after.records[TICKET_ROUTED.name] if one.offset >= before.ends[one.topic, one.partition]]
    versions = [TicketRouted.model_validate_json(one.value or b"").version for one in told]
    assert versions
    assert min(versions) > floors["router"] >= 1
    # The control: it would have been told a second time what the field holds, with other bytes.
    assert {(order, version - floor) for order, version in again} & before.orders.keys()
