"""An intake for each test, started or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from services.runtime.cluster import apply_topics
from tests.service_process import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
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
