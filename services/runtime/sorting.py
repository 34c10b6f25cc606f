"""A batch of records by the partitions they go to: what is built for each, and what of it was not taken.

Decided here: the place of a record, a partition of its topic. Never here: sending, waiting.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import zip_longest
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from services.runtime.errors import PartitionsRefuseError
from services.runtime.partitioning import partition_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

    from services.contracts.envelope import Outgoing
    from services.runtime.errors import Place


def place_of(one: Outgoing, partitions: Mapping[str, Sequence[int]], apart: Collection[Place]) -> Place:
    """Return where a record goes. What is for a topic of which all is kept apart is apart, whatever its partition."""
    among = partitions.get(one.topic)
    if among is None or (apart and (one.topic, None) in apart):
        return one.topic, None
    return one.topic, partition_of(one.key, among, among)


def in_batches(
    producer: AIOKafkaProducer,
    batch: Sequence[Outgoing],
    partitions: Mapping[str, Sequence[int]],
    apart: Collection[Place],
) -> Iterator[tuple[Place, BatchBuilder]]:
    """Yield Kafka's own batches of the records for these topics: sent one by one, each took twice as long."""
    places: defaultdict[Place, list[Outgoing]] = defaultdict(list)
    for one in batch:
        places[place_of(one, partitions, apart)].append(one)
    for place, records in places.items():
        if place in apart or place[1] is None:
            continue
        built = producer.create_batch()
        for one in records:
            headers = list(one.headers)
            if built.append(timestamp=None, key=one.key, value=one.value, headers=headers) is None:  # it is full
                yield place, built
                built = producer.create_batch()
                built.append(timestamp=None, key=one.key, value=one.value, headers=headers)
        yield place, built


def refused_by(
    built: Sequence[tuple[Place, BatchBuilder]], waits: Sequence[asyncio.Future[RecordMetadata]]
) -> dict[Place, str]:
    """Return which places have not taken what was for them, and why: what became of their first that failed.

    Raises:
        BaseException: something failed for another cause than Kafka.
    """
    reasons: dict[Place, str] = {}
    for (place, _), wait in zip_longest(built, waits):
        if wait is None or not wait.done():
            reasons.setdefault(place, TimeoutError.__name__)
        elif error := wait.exception():
            if not isinstance(error, KafkaError):
                raise error
            reasons.setdefault(place, type(error).__name__)
    return reasons


def tell_left(
    batch: Sequence[Outgoing],
    partitions: Mapping[str, Sequence[int]],
    apart: Collection[Place],
    reasons: Mapping[Place, str],
) -> None:
    """Raise for the records whose places are apart or refuse, if there are any."""
    left: defaultdict[Place, list[int]] = defaultdict(list)
    for n, one in enumerate(batch):
        place = place_of(one, partitions, apart)
        if place in reasons or place in apart:
            left[place].append(n)
    if left:
        raise PartitionsRefuseError(reasons, left)
