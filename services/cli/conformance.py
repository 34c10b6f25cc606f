"""The conformance kit for consumers of dispatch orders: what is published, and what a correct consumer does with it.

Decided here: the script: duplicates, reordering, gaps, both CloudEvents modes, unknown fields and types, a tombstone,
garbage. Pure but for ``publish``. Never here: how a consumer works; it is judged by its action log alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from services.contracts.envelope import encode
from services.contracts.ids import derive, order_id
from services.contracts.messages import OrderVersion
from services.contracts.values import DeviceRef, OrderStatus, Priority
from services.runtime.errors import UnavailableError, in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from services.runtime.settings import ServiceSettings

_BEGUN: Final = datetime(2026, 7, 1, 18, 0, tzinfo=UTC)
_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """One record to publish. ``says`` is what it is there to show."""

    says: str
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Script:
    """What to publish, in order, and the actions of a right consumer: order to (version, status), in order."""

    steps: tuple[Step, ...]
    actions: Mapping[UUID, tuple[tuple[int, str], ...]]
    last: UUID
    """The order whose action shows that everything before it in its partition was read."""


def script(run: str) -> Script:
    """Return the script; ``run`` makes its order ids new, so that a consumer can be judged more than once."""
    a, b, c, d, e, z = (order_id("conformance", derive("conformance", run, letter)) for letter in "abcdez")
    steps: list[Step] = []

    def tell(says: str, order: UUID, version: int, status: OrderStatus, **how: Any) -> None:
        steps.append(_step(says, _version(order, version, status, a), **how))

    tell("a new order", a, 1, OrderStatus.ISSUED)
    tell("the same record again", a, 1, OrderStatus.ISSUED)
    tell("a newer version", a, 2, OrderStatus.UPDATED)
    tell("an older version after a newer one", a, 1, OrderStatus.ISSUED)
    tell("the newer version again", a, 2, OrderStatus.UPDATED)
    tell("an order whose first version was missed", b, 2, OrderStatus.UPDATED)
    tell("its first version, late", b, 1, OrderStatus.ISSUED)
    tell("binary CloudEvents mode", c, 1, OrderStatus.ISSUED, structured=False)
    tell("the same event in the other mode", c, 1, OrderStatus.ISSUED)
    tell("fields nobody knows yet", d, 1, OrderStatus.ISSUED, unknown=True)
    tell("a new order", e, 1, OrderStatus.ISSUED)
    tell("a version was missed: the greater one counts", e, 3, OrderStatus.CLOSED)
    tell("the missed version, late", e, 2, OrderStatus.UPDATED)
    steps.append(Step("a type nobody knows yet", str(d).encode(), *_unknown_type()))
    steps.append(Step("a tombstone: garbage collection, no action", str(c).encode(), None, ()))
    steps.append(Step("no CloudEvent at all: not acted on, and no reason to stop", str(d).encode(), b"{not json", ()))
    tell("the order is taken over by another", a, 3, OrderStatus.CANCELLED)
    tell("an old version of a cancelled order", a, 2, OrderStatus.UPDATED)
    tell("the last one", z, 1, OrderStatus.ISSUED)
    return Script(
        steps=tuple(steps),
        actions={
            a: ((1, "issued"), (2, "updated"), (3, "cancelled")),
            b: ((2, "updated"),),
            c: ((1, "issued"),),
            d: ((1, "issued"),),
            e: ((1, "issued"), (3, "closed")),
            z: ((1, "issued"),),
        },
        last=z,
    )


def judge(expected: Script, actions: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what a consumer did wrong, in words; nothing if it conforms.

    Args:
        expected: What was published.
        actions: Its action log, oldest first: ``order_id``, ``version`` and ``status`` of each action.
    """
    done: dict[UUID, list[tuple[int, str]]] = {}
    for action in actions:
        done.setdefault(UUID(str(action["order_id"])), []).append((int(action["version"]), str(action["status"])))
    wrong = []
    for order, right in expected.actions.items():
        found = tuple(done.get(order, ()))
        if found != right:
            wrong.append(f"order {order}: acted on {_words(found)}, right is {_words(right)}")
    return wrong


async def publish(settings: ServiceSettings, topic: str, steps: Iterable[Step], *, replication: int = 1) -> bool:
    """Publish the script, one record after another, and say whether the topic was made for it.

    One that is made has one partition, so that the last record is the last to be read, and ``replication`` copies.

    Raises:
        UnavailableError: Kafka cannot be reached, or does not let the topic be made.
    """
    admin = AIOKafkaAdminClient(**settings.kafka_client())
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **settings.kafka_client())
    try:
        await admin.start()
        answer = await admin.create_topics([NewTopic(topic, 1, replication)])
        code = answer.topic_errors[0][1]
        if code not in {0, TopicAlreadyExistsError.errno}:
            raise for_code(code)(f"topic {topic}")
        await producer.start()
        for step in steps:
            await producer.send_and_wait(topic, key=step.key, value=step.value, headers=list(step.headers))
    except (KafkaError, TimeoutError, OSError) as error:
        raise UnavailableError(f"kafka at {settings.kafka_bootstrap}: {in_words(error)}") from error
    finally:
        await producer.stop()
        await admin.close()
    return not code


def _version(order: UUID, version: int, status: OrderStatus, successor: UUID) -> OrderVersion:
    return OrderVersion(
        order_id=order,
        version=version,
        incident_id=derive("conformance.incident", order),
        status=status,
        priority=Priority.HIGH,
        area="conformance",
        device=DeviceRef(id="TR-1", type="transformer", lat=31.2, lon=118.4),
        reports=version,
        customers_served=12,
        first_reported_at=_BEGUN,
        issued_at=_BEGUN + timedelta(seconds=version),
        superseded_by=successor if status is OrderStatus.CANCELLED else None,
        reason="conformance",
    )


def _step(says: str, message: OrderVersion, *, structured: bool = True, unknown: bool = False) -> Step:
    record = encode(message, topic="", source="gridline/conformance", structured=structured)
    value = record.value
    if unknown:
        event = json.loads(value)
        event["laterattribute"] = "of a newer producer"
        event["data"] |= {"later_field": {"nested": [1, 2]}, "later_word": "字"}
        event["data"]["device"]["later"] = None
        value = json.dumps(event, ensure_ascii=False).encode()
    return Step(says, record.key, value, record.headers)


def _unknown_type() -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    event = {
        "specversion": "1.0",
        "id": str(derive("conformance", "unknown")),
        "type": "gridline.dispatch.order.v9",
        "source": "gridline/conformance",
        "data": {"order": "of another shape"},
    }
    headers = (("content-type", b"application/cloudevents+json"), ("ce_type", b"gridline.dispatch.order.v9"))
    return json.dumps(event).encode(), headers


def _words(actions: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"v{version} {status}" for version, status in actions) or "nothing"
