"""Topics are asked for only where the cluster has a controller to make them.

A stand-in for the admin client, as the moment it speaks of (a broker not yet counted among the living) lasts
milliseconds on a real one and cannot be held.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from aiokafka.errors import NodeNotReadyError

from services.runtime import cluster
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from aiokafka.admin.config_resource import ConfigResource

ANSWERS = [(-1, []), (1, []), (1, [1])]


class Admin:
    """A cluster that names a living controller at the third question, and forgets whom to ask as aiokafka's does."""

    answers: list[tuple[int, list[int]]]
    open = 0

    def __init__(self, **_: object) -> None:
        self.created: list[str] = []
        self.lost = False
        Admin.last = self

    async def start(self) -> None:
        Admin.open += 1

    async def close(self) -> None:
        Admin.open -= 1

    async def describe_cluster(self) -> dict[str, object]:
        if self.lost:
            raise NodeNotReadyError("Attempt to send a request to node which is not ready (node id None).")
        controller, brokers = self.answers.pop(0)
        self.lost = not brokers
        return {"controller_id": controller, "brokers": [{"node_id": broker} for broker in brokers]}

    async def create_topics(self, topics: list[object], **_: object) -> object:
        if self.answers:
            raise AttributeError("'NoneType' object has no attribute 'nodeId'")
        self.created += [topic.name for topic in topics]
        return SimpleNamespace(topic_errors=[("", 0)])


async def test_topics_wait_for_a_controller_among_the_living(monkeypatch):
    monkeypatch.setattr(cluster, "AIOKafkaAdminClient", Admin)
    monkeypatch.setattr(Admin, "answers", [*ANSWERS], raising=False)
    changes = await cluster.apply_topics(ServiceSettings(topic_prefix="x."))
    assert {change.done for change in changes} == {"created"}
    assert Admin.last.created == [f"x.{one.name}" for one in cluster.wanted()]
    assert Admin.open == 0


class Replicated(Admin):
    """A cluster that has all topics already, each partition three times."""

    async def create_topics(self, topics: list[object], **_: object) -> object:
        return SimpleNamespace(topic_errors=[("", 36)])

    async def describe_topics(self, topics: list[str]) -> list[dict[str, object]]:
        return [{"topic": name, "partitions": [{"replicas": [1, 2, 3]}] * 24} for name in topics]

    async def alter_configs(self, resources: list[ConfigResource]) -> None:
        self.created += [resource.name for resource in resources]
        self.configs = [*getattr(self, "configs", ()), *(resource.configs for resource in resources)]


async def test_topics_with_copies_to_spare_stay_safe_whoever_applies_the_table_again(monkeypatch):
    """Kafka takes back each setting that is not said again; ``gridline topics apply`` says one copy by itself."""
    monkeypatch.setattr(cluster, "AIOKafkaAdminClient", Replicated)
    monkeypatch.setattr(Admin, "answers", [(1, [1])], raising=False)
    await cluster.apply_topics(ServiceSettings(topic_prefix="x."), replication=1)
    assert len(Admin.last.configs) == len(cluster.wanted())
    assert {config["min.insync.replicas"] for config in Admin.last.configs} == {"2"}
