"""The clock of a router's host jumps, or it stands still, while contacts come and agents work.

Nobody is logged off, warned or passed over.

By the host's own clock they are, in one look: the control.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from services.contracts.topics import CONTACT_RECEIVED
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.integration.faults.skewed import HOURS, jump
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from pathlib import Path

    from services.contracts.messages import ContactReceived
    from tests.integration.router.process import Router

pytestmark = pytest.mark.integration

KEY = {"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]}
LOOKS = 1.5
"""Seconds: three looks of its timers."""
FROZEN = 16.0
"""Seconds: longer than a session of Kafka's, and than any statement is waited for."""


def said(name: str, text: str = "我要投诉") -> ContactReceived:
    at = datetime.now(UTC) - timedelta(seconds=1)
    return contact(name, text=text, occurred_at=at, received_at=at)


async def begin(running: Router, folder: Path, **settings: str) -> httpx.AsyncClient:
    """Start a router on a host whose clock the file ``hours`` moves; ann has a complaint, another waits."""
    jump(folder, 0)
    running.module = "tests.integration.faults.skewed"
    running.start(skewed="services.router", skew_file=str(folder / "hours"), **settings)
    await running.wait_ready()
    client = httpx.AsyncClient(base_url=f"{running.url}/v1", headers=KEY, timeout=60)
    await ask(client, "PUT", "agents/ann", queues=["*"])
    await ask(client, "PUT", "agents/ann/presence", presence="available")
    await running.say(CONTACT_RECEIVED, said("first"), said("second"))
    await running.until("both wait", 2, "SELECT count(*) FROM ticket WHERE state = 'queued'")
    await ask(client, "POST", "agents/ann/claims")
    return client


async def ask(client: httpx.AsyncClient, method: str, path: str, **body: Any) -> Any:
    answer = await client.request(method, f"/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def test_a_clock_that_jumps_logs_nobody_off_and_warns_of_nothing(running: Router, tmp_path: Path) -> None:
    client = await begin(running, tmp_path)
    for n, hours in enumerate(HOURS):
        jump(tmp_path, hours)
        await asyncio.sleep(LOOKS)
        await running.say(CONTACT_RECEIVED, said(f"at {hours}", "查电费"))
        await running.until("it waits", n + 2, "SELECT count(*) FROM ticket WHERE state = 'queued'")
        await ask(client, "POST", "agents/ann/heartbeat")
        [ann] = await running.sql("SELECT presence, abs(extract(epoch FROM now() - seen_at)) AS off FROM agent")
        assert (ann["presence"], ann["off"] < 10) == ("available", True), hours
    found = await running.sql("SELECT did, at FROM ticket_log WHERE abs(extract(epoch FROM now() - at)) > 60")
    assert [tuple(row) for row in found] == []
    assert await running.sql("SELECT did FROM ticket_log WHERE did IN ('escalated', 'lost')") == []
    last = await running.sql("SELECT max(wake_at) > now() + interval '6 h' AS late FROM ticket WHERE state = 'queued'")
    assert [row["late"] for row in last] != [True], "their clocks run from now"
    await client.aclose()
    assert await running.terminate() == 0


async def test_a_clock_that_was_wrong_at_the_start_and_is_set_right_later_makes_no_difference(
    running: Router, tmp_path: Path
) -> None:
    client = await begin(running, tmp_path)
    jump(tmp_path, 8)  # the hardware's clock is in China's time, and taken for universal time
    await running.terminate()
    running.start(skewed="services.router", skew_file=str(tmp_path / "hours"))
    await running.wait_ready()
    client.base_url = httpx.URL(f"{running.url}/v1")
    await running.logged(r'"seconds": ?-28800')
    await ask(client, "POST", "agents/ann/heartbeat")
    await asyncio.sleep(LOOKS)
    jump(tmp_path, 0)
    await asyncio.sleep(LOOKS)
    assert await running.sql("SELECT did FROM ticket_log WHERE did IN ('escalated', 'lost')") == []
    assert [row[0] for row in await running.sql("SELECT presence FROM agent")] == ["available"]
    await client.aclose()


async def test_a_machine_that_stands_still_logs_nobody_off_and_routes_what_came_meanwhile(
    running: Router, tmp_path: Path
) -> None:
    """Its partitions are gone and its connections cut, and its clock has jumped when it wakes."""
    client = await begin(running, tmp_path)
    with running.frozen():
        await running.say(CONTACT_RECEIVED, said("meanwhile"))
        await running.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()"
        )
        await asyncio.sleep(FROZEN)
        jump(tmp_path, 8)
    await running.until("it waits too", 2, "SELECT count(*) FROM ticket WHERE state = 'queued'")
    await ask(client, "POST", "agents/ann/heartbeat")
    await asyncio.sleep(LOOKS)
    assert await running.sql("SELECT did FROM ticket_log WHERE did IN ('escalated', 'lost')") == []
    assert [row[0] for row in await running.sql("SELECT presence FROM agent")] == ["available"]
    found = await running.sql("SELECT did, at FROM ticket_log WHERE abs(extract(epoch FROM now() - at)) > 120")
    assert [tuple(row) for row in found] == []
    await client.aclose()
    assert await running.terminate() == 0


async def test_control_by_its_hosts_clock_every_warning_is_given_at_once(running: Router, tmp_path: Path) -> None:
    client = await begin(running, tmp_path, believes_its_host="1")
    jump(tmp_path, 8)
    await running.until("warned", True, "SELECT count(*) > 0 FROM ticket_log WHERE did = 'escalated'")
    await client.aclose()
