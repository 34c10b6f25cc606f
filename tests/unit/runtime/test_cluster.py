"""Topics are asked for only where the cluster has a controller to make them.

A stand-in for the admin client, as the moment it speaks of (a broker not yet counted among the living) lasts
milliseconds on a real one and cannot be held.
"""

from __future__ import annotations

from types import SimpleNamespace

from services.runtime import cluster
from services.runtime.settings import ServiceSettings


class Admin:
    """A cluster that names a living controller at the third question."""

    def __init__(self, **_: object) -> None:
        self.answers = [(-1, []), (1, []), (1, [1])]
        self.created: list[str] = []
        Admin.last = self

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def describe_cluster(self) -> dict[str, object]:
        controller, brokers = self.answers.pop(0)
        return {"controller_id": controller, "brokers": [{"node_id": broker} for broker in brokers]}

    async def create_topics(self, topics: list[object], **_: object) -> object:
        if self.answers:
            raise AttributeError("'NoneType' object has no attribute 'nodeId'")
        self.created += [topic.name for topic in topics]
        return SimpleNamespace(topic_errors=[("", 0)])


async def test_topics_wait_for_a_controller_among_the_living(monkeypatch):
    monkeypatch.setattr(cluster, "AIOKafkaAdminClient", Admin)
    changes = await cluster.apply_topics(ServiceSettings(topic_prefix="x."))
    assert {change.done for change in changes} == {"created"}
    assert Admin.last.created == [f"x.{one.name}" for one in cluster.wanted()]
