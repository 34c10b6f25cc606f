"""A log is known again by the record before the place where reading goes on."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from services.runtime.errors import HaltError
from services.runtime.positions import Claim
from services.runtime.recognising import Recognising, digest

AT = TopicPartition("t", 0)


def a_record(offset: int, value: bytes | None = b"v", key: bytes | None = b"k") -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("t", 0, offset, 1_000 + offset, 1, key, value, None, 1, 1, ())


READ = digest(a_record(9))


def test_reading_goes_on_from_the_record_before_and_the_same_one_is_known_again():
    recognising = Recognising()
    assert recognising.begin(AT, Claim(2, 10, READ), 0) == 9
    recognising.see(AT, [a_record(9), a_record(10, b"new")])


@pytest.mark.parametrize("other", [a_record(9, b"w"), a_record(9, None), a_record(9, key=b"l"), a_record(9, key=None)])
def test_another_record_in_its_place_stops_the_service(other: ConsumerRecord[bytes, bytes]):
    recognising = Recognising()
    recognising.begin(AT, Claim(2, 10, READ), 0)
    with pytest.raises(HaltError, match="another record"):
        recognising.see(AT, [other])


def test_what_lies_before_it_says_nothing_yet():
    recognising = Recognising()
    recognising.begin(AT, Claim(2, 10, READ), 0)
    recognising.see(AT, [a_record(7, b"w"), a_record(8, b"w")])
    with pytest.raises(HaltError):
        recognising.see(AT, [a_record(8, b"w"), a_record(9, b"w")])


def test_a_record_that_compaction_or_retention_took_is_not_looked_for():
    recognising = Recognising()
    recognising.begin(AT, Claim(2, 10, READ), 0)
    recognising.see(AT, [a_record(12, b"w")])
    recognising.see(AT, [a_record(9, b"w")])  # and only the first look counts
    assert recognising.begin(AT, Claim(3, 10, READ), 10) == 10
    recognising.see(AT, [a_record(10, b"w")])


def test_a_position_that_a_person_has_set_is_gone_to_as_it_is():
    recognising = Recognising()
    recognising.begin(AT, Claim(2, 10, READ), 0)
    assert recognising.begin(AT, Claim(3, 10, None), 0) == 10
    recognising.see(AT, [a_record(9, b"w"), a_record(10)])
