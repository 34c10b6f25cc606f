"""Reading topics from outside: whole, or an error; never a part that is taken for the whole."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from services.cli.topics import Reader
from services.runtime.errors import UnavailableError

PARTITION = ("dispatch.order.v1", 0)


class Kafka:
    """One partition; polls as told: a list of offsets, and where the position is after them."""

    def __init__(self, *polls):
        self._polls = list(polls)
        self._position = 0

    def assign(self, _partitions):
        pass

    def seek(self, _at, offset):
        self._position = offset

    async def position(self, _at):
        return self._position

    async def getmany(self, at, *, timeout_ms):
        if not self._polls:
            return {}
        offsets, self._position = self._polls.pop(0)
        nothing = {"timestamp": 0, "key": None, "value": None, "headers": ()}
        return {at: [SimpleNamespace(offset=offset, **nothing) for offset in offsets]} if offsets else {}


def read(*polls, end=10):
    async def whole():
        kafka = Reader(Kafka(*polls), None, "")
        return [record.offset async for record in kafka.records({PARTITION: (0, end)})]

    return asyncio.run(whole())


def test_all_up_to_the_end_and_no_more():
    assert read((range(6), 6), ((), 6), (range(6, 12), 12)) == list(range(10))


def test_holes_at_the_end_are_no_missing_records():
    assert read((range(6), 6), ((), 10)) == list(range(6))


def test_a_kafka_that_goes_away_in_the_middle_is_no_end():
    with pytest.raises(UnavailableError, match=r"not read to the end: dispatch\.order\.v1"):
        read((range(6), 6))
