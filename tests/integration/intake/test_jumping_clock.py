"""The clock of an intake's host jumps, or it stands still: signed reports are taken, and dated by Kafka's time."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml

from services.contracts.topics import CONTACT_RECEIVED
from services.intake.security import DEVELOPMENT_KEYS
from services.intake.settings import IntakeSettings
from tests.integration.faults.skewed import jump

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service_process import Service

pytestmark = pytest.mark.integration

FROZEN = 16.0
"""Seconds: longer than Kafka is waited for."""
SECRET = b"only for the tests, 24 bytes or so"


async def begin(intake: Service, folder: Path, hours: float, **settings: str) -> httpx.AsyncClient:
    """Start an intake on a host whose clock the file ``hours`` moves; a site that signs may report."""
    sources = yaml.safe_load(IntakeSettings.model_fields["sources_file"].default.read_text(encoding="utf-8"))
    sources["web"]["web-dev"]["webhook_secrets"] = ["whsec_" + base64.b64encode(SECRET).decode()]
    (folder / "sources.yaml").write_text(yaml.safe_dump(sources))
    jump(folder, hours)
    intake.module = "tests.integration.faults.skewed"
    files = {"skew_file": str(folder / "hours"), "sources_file": str(folder / "sources.yaml")}
    intake.start(skewed="services.intake", **files, **settings)
    await intake.wait_ready()
    return httpx.AsyncClient(base_url=intake.url, timeout=30)


async def report(client: httpx.AsyncClient, event: str, *, signed: bool) -> int:
    """Report as a sender does whose clock is right; return the status."""
    body, stamp = json.dumps({"event_id": event, "business_type": "fault_report"}).encode(), str(int(time.time()))
    made = hmac.digest(SECRET, b".".join((event.encode(), stamp.encode(), body)), "sha256")
    signature = {"webhook-id": event, "webhook-timestamp": stamp, "webhook-signature": "v1," + _text(made)}
    shown = signature if signed else {"X-API-Key": DEVELOPMENT_KEYS["web-dev"]}
    answer = await client.post("/v1/web/reports", content=body, headers={"Content-Type": "application/json", **shown})
    return answer.status_code


def _text(made: bytes) -> str:
    return base64.b64encode(made).decode()


async def test_a_clock_that_jumps_refuses_no_signature_and_dates_nothing_wrong(
    stopped_intake: Service, tmp_path: Path
) -> None:
    client = await begin(stopped_intake, tmp_path, 0)
    assert await report(client, "first", signed=True) == 202
    for hours in (8, -8, 500, -500, 0):
        jump(tmp_path, hours)
        assert await report(client, f"at {hours}", signed=True) == 202
    for one in await stopped_intake.published(CONTACT_RECEIVED):
        assert abs(one.received_at - datetime.now(UTC)) < timedelta(minutes=2)
    await client.aclose()


async def test_a_clock_that_is_wrong_from_the_start_is_put_right_by_the_first_contact(
    stopped_intake: Service, tmp_path: Path
) -> None:
    client = await begin(stopped_intake, tmp_path, 8)
    assert await report(client, "early", signed=True) == 401, "by its host's clock it is eight hours old"
    assert await report(client, "first", signed=False) == 202
    assert await report(client, "early", signed=True) == 202
    jump(tmp_path, 0)
    assert await report(client, "last", signed=True) == 202
    await client.aclose()


async def test_a_machine_that_stands_still_takes_what_comes_once_it_goes_on(
    stopped_intake: Service, tmp_path: Path
) -> None:
    """One report was on its way as it stood still, and is sent again; the clock has jumped when it wakes."""
    client = await begin(stopped_intake, tmp_path, 0)
    assert await report(client, "first", signed=True) == 202
    with stopped_intake.frozen():
        waits = asyncio.create_task(report(client, "meanwhile", signed=True))
        await asyncio.sleep(FROZEN)
        jump(tmp_path, 8)
    assert await waits in {202, 503}
    assert [await report(client, event, signed=True) for event in ("meanwhile", "after")] == [202, 202]
    taken = await stopped_intake.published(CONTACT_RECEIVED)
    assert {one.source_event_id for one in taken} == {"first", "meanwhile", "after"}
    assert len({one.contact_id for one in taken}) == 3
    for one in taken:
        assert abs(one.received_at - datetime.now(UTC)) < timedelta(minutes=2)
    await client.aclose()
    assert await stopped_intake.terminate() == 0


async def test_control_by_its_hosts_clock_every_signature_is_refused(stopped_intake: Service, tmp_path: Path) -> None:
    client = await begin(stopped_intake, tmp_path, 0, believes_its_host="1")
    assert await report(client, "first", signed=True) == 202
    jump(tmp_path, 8)
    assert await report(client, "second", signed=True) == 401
    await client.aclose()
