"""The partition of a key: murmur2, as Kafka's default partitioner has it.

Decided here: nothing of our own. aiokafka hashes byte by byte in Python, which took as long as the rest of a send.
"""

from __future__ import annotations

from struct import unpack_from
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MULTIPLIER: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C
_WORD: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """MurmurHash2 as Kafka's Java client computes it (``org.apache.kafka.common.utils.Utils.murmur2``), unsigned."""
    words, rest = divmod(len(key), 4)
    found = _SEED ^ len(key)
    for word in unpack_from(f"<{words}I", key):
        mixed = word * _MULTIPLIER & _WORD
        found = (found * _MULTIPLIER ^ (mixed ^ mixed >> 24) * _MULTIPLIER) & _WORD
    if rest:
        found = (found ^ int.from_bytes(key[-rest:], "little")) * _MULTIPLIER & _WORD
    found = (found ^ found >> 13) * _MULTIPLIER & _WORD
    return found ^ found >> 15


def partition_of(key: bytes, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """Return the partition of a key, for ``AIOKafkaProducer(partitioner=...)``. Every record of ours has a key."""
    return partitions[(murmur2(key) & 0x7FFFFFFF) % len(partitions)]
