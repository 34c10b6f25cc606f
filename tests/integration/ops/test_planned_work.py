"""Planned work, from the dispatcher's door of dedup to the caller's at intake, before anybody has reported."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from services.dedup.keys import DEVELOPMENT_KEYS as DESK_KEYS
from services.grid import store as grid
from services.intake.security import DEVELOPMENT_KEYS
from services.runtime.cluster import apply_topics
from tests.service_process import SECONDS, Service
from tests.unit.dedup.timeline import NETWORKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration

FEEDER = NETWORKS / "ieee123"
FUSE, UNDER_IT, ELSEWHERE = "A0FU00017", "A0900021", "A0900001"
DESK, IVR = {"X-API-Key": DESK_KEYS["desk-dev"], "If-Match": "*"}, {"X-API-Key": DEVELOPMENT_KEYS["ivr-dev"]}


class Hotline:
    """Intake, dedup and notify as processes; no router, as nobody reports."""

    def __init__(self, bootstrap: str, dsn: str, prefix: str, folder: Path, doors: httpx.AsyncClient) -> None:
        self.intake, self.dedup, self.notify = (
            Service(name, bootstrap, dsn, prefix, folder) for name in ("intake", "dedup", "notify")
        )
        self.doors = doors

    async def start(self) -> None:
        await apply_topics(self.dedup.settings(), partitions=2)
        connection = await asyncpg.connect(self.dedup.dsn)
        await grid.migrate(connection)
        await grid.import_network(connection, FEEDER / "network.csv", FEEDER / "customers.csv")
        await connection.close()
        self.notify.start()
        self.dedup.start()
        self.intake.start(notify_url=self.notify.url, notify_deadline_s="5")
        for service in (self.intake, self.dedup, self.notify):
            await service.wait_ready()

    async def act(self, method: str, path: str, **said: Any) -> str:
        """Let a dispatcher act; return what the command is about."""
        body = {"command_id": str(uuid4()), "reason": "更换变压器", **said}
        url = f"{self.dedup.url}/v1/planned-outages{path}"
        answer = await self.doors.request(method, url, json=body, headers=DESK)
        assert answer.status_code in {200, 202}, answer.text  # decided already, or soon
        return str(answer.json()["subject"])

    async def call(self, account: str) -> dict[str, Any]:
        """Return what a caller hears as they key in their account."""
        event = {"event": "dtmf", "occurred_at": datetime.now(UTC).isoformat(), "account_no": account, "language": "en"}
        event |= {"event_id": str(uuid4()), "external_call_id": str(uuid4())}
        answer = await self.doors.post(f"{self.intake.url}/v1/phone/events", json=event, headers=IVR)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def hears(self, account: str, **wanted: str | None) -> dict[str, Any]:
        """Call until what is heard is this."""
        end = time.monotonic() + SECONDS
        while {name: (said := await self.call(account)).get(name) for name in wanted} != wanted:
            assert time.monotonic() < end, f"{said}\n{self.notify.log[-3000:]}"
            await asyncio.sleep(0.1)
        return said


@pytest.fixture
async def hotline(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[Hotline]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as doors:
        made = Hotline(kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path, doors)
        await made.start()
        yield made
    for service in (made.intake, made.dedup, made.notify):
        service.end()


async def test_the_first_caller_under_planned_work_hears_of_it_and_until_when(hotline: Hotline) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    work = {"device": FUSE, "starts_at": (now - timedelta(hours=1)).isoformat()}
    until, later = (now + timedelta(hours=2)).isoformat(), (now + timedelta(hours=4)).isoformat()
    assert (await hotline.call(UNDER_IT))["outage"] == "not_known"

    plan = await hotline.act("POST", "", ends_at=until, **work)
    said = await hotline.hears(UNDER_IT, outage="known", planned="true", etr=until)
    assert "planned work" in said["say"]
    assert (await hotline.call(ELSEWHERE))["outage"] == "not_known"

    await hotline.act("PUT", f"/{plan}", ends_at=later, **work)
    await hotline.hears(UNDER_IT, planned="true", etr=later)

    form = f"{hotline.intake.url}/v1/form/status"
    for asked, status, field in (({}, 404, None), ({"language": "\x18"}, 422, "language")):
        answer = await hotline.doors.get(form, params={"ticket_ref": "7K3M-9QPX-2HR", **asked})
        told = [each["field"] for each in answer.json().get("errors", ())]
        assert (answer.status_code, told) == (status, [field] if field else []), answer.text

    hotline.notify.kill()
    await hotline.notify.sql("DROP SCHEMA notify CASCADE")
    hotline.notify.start()
    await hotline.notify.wait_ready()
    await hotline.hears(UNDER_IT, planned="true", etr=later)

    await hotline.act("POST", f"/{plan}/cancel")
    await hotline.hears(UNDER_IT, outage="not_known", planned=None)
    assert "更换变压器" not in hotline.notify.log
