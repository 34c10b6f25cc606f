"""The clock of notify's host jumps, or the machine stands still: everybody is told once, and what is true.

By the host's own clock they hear that times have passed which have not come: the control.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import deploy
from services.contracts.topics import INCIDENT_CHANGED
from services.runtime import clock
from tests.integration.faults.skewed import HOURS, jump
from tests.integration.notify.receiver import SECRET
from tests.unit.notify.snapshots import Snapshots

if TYPE_CHECKING:
    from services.contracts.messages import IncidentChanged
    from tests.integration.notify.receiver import Receiver
    from tests.service_process import Service

pytestmark = pytest.mark.integration

MAKE = Snapshots()
LOOKS = 1.5
FROZEN = 25.0
"""Seconds: longer than a session of Kafka's, than an attempt may take, and than its claim holds after it."""
SENT = "SELECT count(*) FROM notice WHERE state = 'sent'"
STATES = "SELECT stage, state, count(*) FROM notice GROUP BY stage, state ORDER BY stage, state"


def outage(number: int, revision: int = 1, **said: object) -> IncidentChanged:
    joined = [MAKE.member(number, number)] if revision == 1 else []
    changed = MAKE.changed(number, revision, joined=joined, **said)
    return changed.model_copy(update={"changed_at": clock.of_host()})


def night_in(hours: int) -> str:
    """Return the texts, with quiet hours that begin so many hours from now; that a time has passed is told at once."""
    texts = (Path(deploy.__file__).parent / "templates.yaml").read_text(encoding="utf-8")
    begins, ends = (clock.of_host() + timedelta(hours=8 + hours + n) for n in (0, 6))  # its zone is eight hours ahead
    quiet = (
        f'quiet_hours: {{from: "{begins:%H}:00", to: "{ends:%H}:00", hold: [received, etr_set], awake_minutes: 0}}\n'
    )
    return texts.replace("etr_passed_minutes: 15\n", f"etr_passed_minutes: 0\n{quiet}")


async def begin(service: Service, receiver: Receiver, folder: Path, **settings: str) -> None:
    """Start notify on a host whose clock the file ``hours`` moves; a customer was told a time two hours from now."""
    jump(folder, 0)
    (folder / "templates.yaml").write_text(night_in(6), encoding="utf-8")
    service.module = "tests.integration.faults.skewed"
    service.start(
        skewed="services.notify",
        skew_file=str(folder / "hours"),
        notify_templates=str(folder / "templates.yaml"),
        notify_senders="sms=webhook",
        notify_webhook_url=receiver.url,
        notify_webhook_secrets=SECRET,
        notify_call_seconds="2",
        **settings,
    )
    await service.wait_ready()
    await service.say(INCIDENT_CHANGED, outage(1))
    await service.until("received", 1, SENT)
    await service.say(INCIDENT_CHANGED, outage(1, 2, etr=clock.of_host() + timedelta(hours=2)))
    await service.until("told a time", 2, SENT)


async def test_a_clock_that_jumps_tells_nobody_anything_untrue_late_or_twice(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    """Eight hours on it would be night; weeks back no time would ever pass."""
    await begin(service, receiver, tmp_path)
    for n, hours in enumerate(HOURS, 2):
        jump(tmp_path, hours)
        await asyncio.sleep(LOOKS)
        await service.say(INCIDENT_CHANGED, outage(n))
        await service.until(f"received at {hours}", n + 1, SENT)
    assert receiver.forged == [], "its signatures are of now"
    assert set(receiver.counts.values()) == {1}
    assert [tuple(row) for row in await service.sql(STATES)] == [("etr_set", "sent", 1), ("received", "sent", 8)]

    jump(tmp_path, -500)
    etr = clock.of_host() + timedelta(seconds=3)
    await service.say(INCIDENT_CHANGED, outage(2, 2, etr=etr))
    await service.until(
        "told that it has passed", 1, "SELECT count(*) FROM notice WHERE stage = 'etr_passed' AND state = 'sent'"
    )
    [row] = await service.sql("SELECT made_at FROM notice WHERE stage = 'etr_passed'")
    assert timedelta() <= row["made_at"] - etr < timedelta(minutes=1)
    assert set(receiver.counts.values()) == {1}
    assert await service.terminate() == 0


async def test_a_receiver_that_failed_is_tried_again_in_its_time_whatever_the_clock_shows(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    await begin(service, receiver, tmp_path)
    jump(tmp_path, -500)
    receiver.script.extend([500, (429, {"retry-after": "2"}), 500])
    await service.say(INCIDENT_CHANGED, outage(2))
    await service.until("sent in the end", 3, SENT)
    jump(tmp_path, 500)
    receiver.script.extend([500, 500])
    await service.say(INCIDENT_CHANGED, outage(3))
    await service.until("sent in the end", 4, SENT)
    assert sorted(receiver.counts.values()) == [1, 1, 3, 4]
    assert receiver.forged == []


async def test_a_machine_that_stands_still_tells_everybody_once(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    """A call is under way as it does: its connection, its claim and its partitions are gone when it wakes."""
    await begin(service, receiver, tmp_path)
    receiver.hold()
    await service.say(INCIDENT_CHANGED, outage(2))
    await receiver.wait_posts(3)
    with service.frozen():
        await service.say(INCIDENT_CHANGED, *[outage(n) for n in range(3, 9)])
        await service.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()"
        )
        await asyncio.sleep(FROZEN)
        jump(tmp_path, 8)
        receiver.free.set()
    await service.until("all are told", 9, SENT)
    assert [tuple(row) for row in await service.sql(STATES)] == [("etr_set", "sent", 1), ("received", "sent", 8)]
    rows = {
        str(row["notice_id"]): row["attempts"] for row in await service.sql("SELECT notice_id, attempts FROM notice")
    }
    assert receiver.counts == rows
    assert sum(rows.values()) <= 10, "no more than the one that was under way came again"
    assert await service.terminate() == 0


async def test_control_by_its_hosts_clock_customers_hear_of_times_that_have_not_come(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    await begin(service, receiver, tmp_path, believes_its_host="1")
    jump(tmp_path, 8)
    early = "SELECT count(*) FROM notice WHERE stage = 'etr_passed' AND state = 'sent'"
    await service.until("told too early", 1, early)
    assert len(receiver.forged) == 1, "no receiver believes a signature of tonight"
