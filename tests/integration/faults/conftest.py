"""Three brokers, started when a test asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kafka_cluster import KafkaCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def started_cluster(servers_folder: Path, kafka_jars: list[Path]) -> Iterator[KafkaCluster]:
    made = KafkaCluster(servers_folder / "cluster", kafka_jars)
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def cluster(started_cluster: KafkaCluster) -> KafkaCluster:
    """Three brokers, to be killed and stopped by the test; they run again for the next one."""
    started_cluster.start()
    return started_cluster
