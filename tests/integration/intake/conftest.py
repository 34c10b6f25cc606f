"""An intake for each test, started or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from services.runtime.cluster import apply_topics
from services.runtime.settings import ServiceSettings
from tests.integration.intake.process import Intake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def stopped_intake(kafka_bootstrap: str, unique_name: str, tmp_path: Path) -> AsyncIterator[Intake]:
    """An intake that is not started yet; its topic is there."""
    made = Intake(kafka_bootstrap, f"{unique_name}.", tmp_path)
    await apply_topics(ServiceSettings(kafka_bootstrap=kafka_bootstrap, topic_prefix=made.prefix))
    yield made
    made.end()


@pytest.fixture
def intake(stopped_intake: Intake) -> Intake:
    stopped_intake.launch()
    stopped_intake.wait_ready()
    return stopped_intake


@pytest.fixture
async def client(intake: Intake) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=intake.url, timeout=30) as opened:
        yield opened
