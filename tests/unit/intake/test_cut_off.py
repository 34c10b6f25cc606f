"""What a source had kept while it was cut off is marked: by source and channel, and once it is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY

from services.intake.security import DEVELOPMENT_KEYS
from services.runtime import clock
from tests.unit.intake.test_doors import Keeping, keeping

if TYPE_CHECKING:
    import httpx
    import pytest

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
BATCH = "application/cloudevents-batch+json"
KEPT = (-100, -80, -50, -30)
"""Minutes from noon at which what was kept had been made."""


class Intake:
    """An intake in this process, at a minute from noon."""

    def __init__(self, sender: httpx.AsyncClient, producer: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
        self.producer = producer
        self._sender = sender
        self._minute = 0.0
        self._sent = 0
        monkeypatch.setattr(clock, "now", lambda: _at(self._minute))

    async def report(self, door: str, made: float | None, came: float = 0.0, **said: Any) -> int:
        """A report, made and posted at a minute; no time is said where that is None."""
        self._sent += 1
        body = {"event_id": f"e{self._sent}", "text": "停电了", **said}
        if made is not None:
            body["reported_at"] = _at(made).isoformat()
        self._minute = came
        key = {"X-API-Key": DEVELOPMENT_KEYS[f"{door}-dev"]} if door != "form" else {}
        return (await self._sender.post(f"/v1/{door}/reports", json=body, headers=key)).status_code

    async def batch(self, events: list[tuple[float, str]], came: float = 0.0) -> int:
        """Events of a channel each, as made at a minute, in one request."""
        self._minute = came
        body = []
        for made, channel in events:
            self._sent += 1
            data = {"text": "停电了", "channel": channel, "reported_at": _at(made).isoformat()}
            of = {"specversion": "1.0", "source": "https://chat.example", "type": "gridline.contact.submitted.v1"}
            body.append({**of, "id": f"e{self._sent}", "data": data})
        headers = {"X-API-Key": DEVELOPMENT_KEYS["api-dev"], "Content-Type": BATCH}
        return (await self._sender.post("/v1/events", content=json.dumps(body).encode(), headers=headers)).status_code

    @property
    def marked(self) -> list[bool]:
        """Of each contact that was kept, whether it was marked."""
        return [contact.kept_back is True for contact in self.producer.contacts]


def _at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def counted(channel: str, source: str) -> float:
    labels = {"channel": channel, "source": source}
    return REGISTRY.get_sample_value("gridline_intake_contacts_kept_back_total", labels) or 0.0


async def test_what_comes_late_by_itself_each_is_marked_from_the_third_on(monkeypatch: pytest.MonkeyPatch) -> None:
    before = counted("app", "app-dev")
    async with keeping() as (sender, producer):
        intake = Intake(sender, producer, monkeypatch)
        for made in KEPT:
            assert await intake.report("app", made) == 202
    assert intake.marked == [False, False, True, True]
    assert counted("app", "app-dev") - before == 2


async def test_a_batch_is_looked_at_whole_and_each_channel_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The telephones of a source were cut off, its chat was not: two in a chat have wrong clocks."""
    async with keeping() as (sender, producer):
        intake = Intake(sender, producer, monkeypatch)
        events = [(made, "phone") for made in KEPT] + [(-70.0, "web"), (-20.0, "web"), (-0.1, "web")]
        assert await intake.batch(events) == 202
    by_channel = {(one.channel.value, one.kept_back is True) for one in producer.contacts}
    assert by_channel == {("phone", True), ("web", False)}


async def test_another_source_that_was_heard_all_the_time_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with keeping() as (sender, producer):
        intake = Intake(sender, producer, monkeypatch)
        for minute in range(-110, 0, 5):
            await intake.report("web", minute, minute)
        for made in KEPT:
            await intake.report("app", made)
            await intake.report("web", made)
    by_source = {(one.source, one.kept_back is True) for one in producer.contacts}
    assert by_source == {("web-dev", False), ("app-dev", False), ("app-dev", True)}


async def test_what_was_refused_ends_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was Kafka that was away: their senders tried all the time."""
    async with keeping() as (sender, producer):
        intake = Intake(sender, producer, monkeypatch)
        for minute in range(-140, -120, 5):
            assert await intake.report("app", minute, minute) == 202
        producer.away = True
        for minute in range(-120, 0, 5):
            assert await intake.report("app", minute, minute) == 503
        producer.away = False
        for made in KEPT:
            assert await intake.report("app", made) == 202
    assert intake.marked[-4:] == [False, False, True, True]


async def test_what_anybody_may_send_is_not_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with keeping() as (sender, producer):
        intake = Intake(sender, producer, monkeypatch)
        for made in KEPT:
            assert await intake.report("form", made) == 202
    assert not any(intake.marked)


async def test_who_sends_without_a_time_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with keeping() as (sender, producer):
        intake = Intake(sender, producer, monkeypatch)
        await intake.report("app", -130, -130)
        for minute in range(-125, 0, 5):
            await intake.report("app", None, minute)
        for made in KEPT:
            await intake.report("app", made)
    assert not any(intake.marked)
