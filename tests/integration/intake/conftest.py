"""An intake for each test, started or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from services.runtime.cluster import apply_topics
from tests.integration.intake.browser import Browser
from tests.service_process import Service
from tests.unit.intake.notify_stand_in import NotifyStandIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
async def stopped_intake(kafka_bootstrap: str, unique_name: str, tmp_path: Path) -> AsyncIterator[Service]:
    """An intake that is not started yet; its topics are there. It waits for a Kafka that is only slow."""
    own = {"produce_deadline_s": "8"}
    made = Service("intake", kafka_bootstrap, "", f"{unique_name}.", tmp_path, own)
    await apply_topics(made.settings())
    yield made
    made.end()


@pytest.fixture
def hasty(stopped_intake: Service) -> None:
    """For tests in which Kafka keeps an intake waiting: it tells whoever sends so after 1.5 s."""
    stopped_intake.own["produce_deadline_s"] = "1.5"


@pytest.fixture
async def intake(stopped_intake: Service) -> Service:
    stopped_intake.start()
    await stopped_intake.wait_ready()
    return stopped_intake


@pytest.fixture
async def client(intake: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=intake.url, timeout=30) as opened:
        yield opened


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    made = Browser(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
async def notify() -> AsyncIterator[NotifyStandIn]:
    async with NotifyStandIn() as made:
        yield made


@pytest.fixture
async def form(browser: Browser, stopped_intake: Service, notify: NotifyStandIn, tmp_path: Path) -> Service:
    stopped_intake.start(photos_folder=str(tmp_path / "photos"), notify_url=notify.url)
    await stopped_intake.wait_ready()
    return stopped_intake
