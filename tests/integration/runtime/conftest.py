"""A world for each test: a topic prefix, a database, and the processes it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.runtime.cluster import apply_topics
from tests.integration.runtime.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def world(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[World]:
    module = "tests.integration.runtime.ledger_service"
    made = World("ledger", kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path, module=module)
    await apply_topics(made.settings(), partitions=3)
    yield made
    made.end()
