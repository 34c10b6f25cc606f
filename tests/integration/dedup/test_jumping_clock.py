"""The clock of dedup's host jumps in a storm, or the machine stands still: no order, no timer and no storm comes of it.

By the host's own clock timers fire for hours that have not come: the control.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from services.contracts.messages import IncidentChanged, OrderVersion, OutageReported, TimerFired
from services.contracts.topics import DISPATCH_ORDER, INCIDENT_CHANGED, OUTAGE_INPUT
from services.dedup.keys import DEVELOPMENT_KEYS
from services.runtime import clock
from tests.integration.dedup.test_handler import AREA
from tests.integration.faults.skewed import HOURS, jump
from tests.unit.dedup.timeline import NOON, a_report

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service_process import Service

pytestmark = pytest.mark.integration

FIELD = {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}
LOOKS = 1.5
"""Seconds: three looks of its timers."""
STORM = 45
FROZEN = 16.0
"""Seconds: longer than a session of Kafka's, and than any statement or connection is waited for."""
INCIDENTS = "SELECT string_agg(incident_id || ' ' || state, ', ' ORDER BY incident_id) FROM incident"
SOON = "SELECT count(*) FROM timer WHERE due_at > now() - interval '1 min' AND due_at < now() + interval '3 h'"


def report(name: str, device: str = "A0TR00023") -> OutageReported:
    at = (clock.of_host() - NOON) / timedelta(minutes=1)
    return a_report(AREA, device, name, at, feeder="A0BR00001")


async def begin(dedup: Service, folder: Path, **settings: str) -> tuple[str, int]:
    """Start dedup on a host whose clock the file ``hours`` moves, in a storm; return its incidents, and its timers."""
    jump(folder, 0)
    dedup.module = "tests.integration.faults.skewed"
    dedup.start(skewed="services.dedup", skew_file=str(folder / "hours"), **settings)
    await dedup.wait_ready()
    await dedup.say(OUTAGE_INPUT, *[report(f"{n}", f"A0TR000{23 + n % 3}") for n in range(STORM)])
    await decided(dedup, STORM)
    await dedup.until("a storm", 1, "SELECT count(*) FROM storm WHERE ended_at IS NULL")
    [[timers]] = await dedup.sql(SOON)
    assert timers > 0
    return (await dedup.sql(INCIDENTS))[0][0], timers


async def decided(dedup: Service, reports: int) -> None:
    await dedup.until("reports decided", reports, "SELECT count(*) FROM report")
    await dedup.until("all is published", 0, "SELECT count(*) FROM outbox_waiting")


async def judge(dedup: Service, incidents: str, timers: int) -> None:
    """One storm goes on, each incident has its one order, and all is dated as it was by the database's clock."""
    assert (await dedup.sql(INCIDENTS))[0][0] == incidents
    assert [tuple(row) for row in await dedup.sql("SELECT count(*), count(ended_at) FROM storm")] == [(1, 0)]
    assert (await dedup.sql(SOON))[0][0] == timers, "none has fired before its time, none waits for long"
    orders = [one for one in await dedup.published(DISPATCH_ORDER) if isinstance(one, OrderVersion)]
    assert len({one.order_id for one in orders}) == len(incidents.split(", "))
    changes = [one for one in await dedup.published(INCIDENT_CHANGED) if isinstance(one, IncidentChanged)]
    for at in [one.issued_at for one in orders] + [one.changed_at for one in changes]:
        assert abs(at - clock.of_host()) < timedelta(minutes=5)


async def fired_early(dedup: Service) -> list[TimerFired]:
    fired = [one for one in await dedup.published(OUTAGE_INPUT) if isinstance(one, TimerFired)]
    return [one for one in fired if one.due_at > clock.of_host()]


async def test_a_clock_that_jumps_spares_no_order_and_fires_no_timer(dedup: Service, tmp_path: Path) -> None:
    incidents, timers = await begin(dedup, tmp_path)
    etr = clock.of_host() + timedelta(hours=2)
    [row] = await dedup.sql("SELECT order_id FROM incident LIMIT 1")
    async with httpx.AsyncClient(base_url=dedup.url, headers=FIELD) as client:
        body = {"progress_id": "1", "stage": "accepted", "at": clock.of_host().isoformat()}
        body |= {"etr": {"at": etr.isoformat()}}
        answer = await client.post(f"/v1/orders/{row['order_id']}/progress", json=body)
        assert answer.status_code == 202, answer.text
        told = "SELECT count(*) FROM incident WHERE (etr ->> 'at')::timestamptz = $1"
        await dedup.until("the crew's estimate", 1, told, etr)
        incidents = (await dedup.sql(INCIDENTS))[0][0]
        for n, hours in enumerate(HOURS):
            jump(tmp_path, hours)
            await asyncio.sleep(LOOKS)
            await dedup.say(OUTAGE_INPUT, report(f"at {hours}"))
            await decided(dedup, STORM + n + 1)
            await judge(dedup, incidents, timers)
            assert (await dedup.sql(told, etr))[0][0] == 1, hours
        assert await fired_early(dedup) == []

        jump(tmp_path, -500)
        body = {"progress_id": "2", "stage": "restored", "at": clock.of_host().isoformat()}
        answer = await client.post(f"/v1/orders/{row['order_id']}/progress", json=body)
        assert answer.status_code == 202, answer.text
    ended = (
        "SELECT count(*) FROM incident WHERE state = 'restored' AND abs(extract(epoch FROM now() - restored_at)) < 60"
    )
    await dedup.until("power back, when it was", 1, ended)
    assert await dedup.terminate() == 0


async def test_a_timer_fires_in_its_time_whatever_the_clock_shows(dedup: Service, tmp_path: Path) -> None:
    """By the host it is weeks before that."""
    await begin(dedup, tmp_path)
    jump(tmp_path, -500)
    await dedup.sql("UPDATE timer SET due_at = now() + interval '2 s'")
    await dedup.sql("UPDATE incident SET relook_due_at = now() + interval '2 s' WHERE relook_timer IS NOT NULL")
    await dedup.until(
        "all that were due have fired", 0, "SELECT count(*) FROM timer WHERE due_at < now() + interval '5 s'"
    )
    assert await fired_early(dedup) == []


async def test_a_machine_that_stands_still_goes_on_where_it_was(dedup: Service, tmp_path: Path) -> None:
    """Its partitions are another's by then, its connections are cut, and its clock has jumped when it wakes."""
    incidents, timers = await begin(dedup, tmp_path)
    with dedup.frozen():
        await dedup.say(OUTAGE_INPUT, *[report(f"meanwhile {n}") for n in range(5)])
        await dedup.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()"
        )
        await asyncio.sleep(FROZEN)
        jump(tmp_path, 8)
    await decided(dedup, STORM + 5)
    await judge(dedup, incidents, timers)
    assert await fired_early(dedup) == []
    assert await dedup.terminate() == 0


async def test_control_by_its_hosts_clock_timers_fire_for_hours_that_have_not_come(
    dedup: Service, tmp_path: Path
) -> None:
    await begin(dedup, tmp_path, believes_its_host="1")
    jump(tmp_path, 8)
    for _ in range(100):
        if early := await fired_early(dedup):
            break
        await asyncio.sleep(0.2)
    assert early
