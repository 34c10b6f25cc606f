"""The network changes under the running service, on real Kafka and Postgres, while reports stream and outages are open.

Two feeders and a tie (tests/unit/dedup/test_network_changes.py). First the tie closes and the switch above an open
outage opens, which puts it under the other substation; then a new version comes without a device that is out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from services.contracts.messages import OrderVersion
from services.contracts.topics import DISPATCH_ORDER, OUTAGE_INPUT
from services.contracts.values import OrderStatus
from services.grid.network_file import read_customers, read_devices, write_customers, write_devices
from services.grid.operating import switch_network
from services.grid.store import import_network
from services.grid.switching import Switching
from services.runtime import clock
from tests.integration.dedup.test_service import FIELD, UNPUBLISHED
from tests.unit.dedup.test_network_changes import AFTER, AWAY, BEFORE, HOME
from tests.unit.dedup.timeline import NETWORKS, NOON, a_report

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from services.contracts.messages import Message
    from services.grid.device import DeviceRow
    from tests.service_process import Service

pytestmark = pytest.mark.integration

ELSEWHERE = ["B0TR00020", "B0TR00034", "B0TR00048"]
GONE = "B0TR00104"
UNDER_THE_FUSE = ["A0FU00016", "A0TR00023", "A0TR00024", "A0TR00025"]


def written(folder: Path, rows: Iterable[DeviceRow]) -> tuple[Path, Path]:
    """The files of a network, with the shipped customers of both feeders."""
    rows = list(rows)
    known = {row.id for row in rows}
    shipped = NETWORKS / "ieee123"
    one = list(read_customers(shipped / "customers.csv", read_devices(shipped / "network.csv")))
    other = [
        row._replace(account_id=f"B-{row.account_id}", transformer_id=row.transformer_id.replace("A0", "B0"), phone="")
        for row in one
    ]
    write_devices(folder / "network.csv", rows)
    write_customers(folder / "customers.csv", [row for row in (*one, *other) if row.transformer_id in known])
    return folder / "network.csv", folder / "customers.csv"


async def test_a_switching_and_a_new_version_under_load_lose_nothing_and_send_no_second_crew(
    dedup: Service, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(dedup.dsn)
    await import_network(connection, *written(tmp_path, BEFORE.values()))
    dedup.start(reload_seconds="0.3")
    at = (clock.now() - NOON).total_seconds() / 60 - 5  # minutes of the timeline, a little ago
    sent: list[Message] = []

    async def send(*reports: Message) -> None:
        sent.extend(reports)
        await dedup.say(OUTAGE_INPUT, *reports)

    async def stream(stop: asyncio.Event) -> None:
        n = 0
        while not stop.is_set():
            made = {"account": f"B{n % 40}", "only_mine": True}  # each is by itself: no evidence of anything larger
            await send(*(a_report(AWAY, device, f"stream {n} {device}", at + 1, **made) for device in ELSEWHERE))
            n += 1
            await asyncio.sleep(0.02)

    await send(
        a_report(HOME, "A0TR00023", "a", at),
        a_report(HOME, "A0TR00024", "b", at + 1),
        a_report(AWAY, GONE, "c", at - 400),
    )
    open_before = "SELECT count(*) FROM incident WHERE state = 'predicted' AND device_id = ANY('{A0FU00016,B0TR00104}')"
    await dedup.until("two outages are open", 2, open_before)
    before = await dedup.sql("SELECT incident_id, order_id, device_id FROM incident")
    stop = asyncio.Event()
    streaming = asyncio.create_task(stream(stop))
    try:
        await switch_network(connection, [Switching("TIE", "A0SW00015")], author="test", reason="r")
        await dedup.until("the other substation knows", 1, "SELECT count(*) FROM outage_elsewhere")
        await send(a_report(AWAY, "A0TR00025", "d", at + 3), a_report(AWAY, "A0TR00023", "e", at + 3))
        await send(a_report(HOME, "A0TR00024", "placed by the network of before", at + 3))
        rows = [row for row in AFTER.values() if row.id != GONE]
        await import_network(connection, *written(tmp_path, rows))
        gone = "SELECT network_change FROM incident WHERE device_id = 'B0TR00104'"
        await dedup.until("people are told of the device that is gone", "device_gone", gone)
    finally:
        stop.set()
        await streaming
        await connection.close()
    await dedup.until("every report is decided", len(sent), "SELECT count(*) FROM report")

    after = {row["incident_id"]: row for row in await dedup.sql("SELECT * FROM incident")}
    for row in before:
        assert after[row["incident_id"]]["state"] == "predicted", "no open incident is lost"
        assert after[row["incident_id"]]["order_id"] == row["order_id"]
    (moved,) = (one for one in before if one["device_id"] == "A0FU00016")
    moved = after[moved["incident_id"]]
    assert (moved["area"], moved["network_change"], moved["told"]) == (HOME, "device_moved", [AWAY])
    there = [one for one in after.values() if one["area"] == AWAY and one["device_id"] in UNDER_THE_FUSE]
    assert [(one["reports"], one["ordered"], one["related_to"]) for one in there] == [(2, False, moved["incident_id"])]
    assert {row["outcome"] for row in await dedup.sql("SELECT DISTINCT outcome FROM report")} == {"in_incident"}

    async with httpx.AsyncClient(base_url=dedup.url, headers=FIELD, timeout=30) as client:
        shown = (await client.get(f"/v1/incidents/{moved['incident_id']}")).json()
        assert (shown["network_change"], shown["told"]) == ("device_moved", [AWAY])
        await told_by_metric(client)
        now = clock.now().isoformat()
        back = [{"event_id": one, "device": one, "restored_at": now} for one in ("A0FU00016", GONE, "nothing")]
        posted = await client.post("/v1/restorations", json={"restorations": back})
        assert posted.json() == {"accepted": 2, "unknown": ["nothing"]}, "they are found where they opened"
    await dedup.until("they end, one in both areas", 3, "SELECT count(*) FROM incident WHERE state = 'restored'")
    await dedup.until("everything is published", 0, UNPUBLISHED)
    orders = [one for one in await dedup.published(DISPATCH_ORDER) if isinstance(one, OrderVersion)]
    at_the_fuse = {one.order_id for one in orders if one.device.id in UNDER_THE_FUSE}
    assert at_the_fuse == {moved["order_id"]}, "one fault, one order, whatever fed it"
    last = {one.order_id: one for one in sorted(orders, key=lambda one: one.version)}
    assert last[moved["order_id"]].status is OrderStatus.CLOSED


async def told_by_metric(client: httpx.AsyncClient) -> None:
    """The gauge follows the database within a look or two."""
    wanted = {f'gridline_dedup_incidents_moved{{change="{one}"}} 1.0' for one in ("device_gone", "device_moved")}
    text = ""
    for _ in range(300):
        text = (await client.get("/metrics")).text
        if wanted <= set(text.splitlines()):
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"the metric does not tell: {[line for line in text.splitlines() if 'incidents_moved' in line]}")
