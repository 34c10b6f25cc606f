"""A key belongs to the partition that every Kafka client gives it."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.partitioning import murmur2, partition_of


@given(st.binary(max_size=80), st.integers(1, 64))
def test_it_is_the_partition_of_aiokafkas_own_rule(key: bytes, count: int):
    partitions = list(range(count))
    assert partition_of(key, partitions, partitions) == DefaultPartitioner()(key, partitions, partitions)


def test_it_is_the_hash_of_kafkas_java_client():
    # From the tests of Apache Kafka's own client (UtilsTest.testMurmur2), there as signed numbers.
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    assert {key: murmur2(key) for key in known} == {key: value & 0xFFFFFFFF for key, value in known.items()}
