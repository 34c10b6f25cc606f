"""What cannot be used becomes a dead letter with its cause and its bytes, and nothing beside it is lost."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from services.contracts import topics
from services.contracts.envelope import Outgoing
from services.runtime.cluster import apply_topics
from services.runtime.errors import HaltError
from services.runtime.halting import DeadLetterLimit
from tests.integration.runtime.world import World, a_record, a_report

if TYPE_CHECKING:
    from tests.service_process import Process

DLQ = topics.OUTAGE_INPUT.dead_letters
TOPIC = topics.OUTAGE_INPUT.name


def with_headers(record: Outgoing, **changed: bytes | None) -> Outgoing:
    headers = {**dict(record.headers), **changed}
    return Outgoing(record.topic, record.key, record.value, tuple((k, v) for k, v in headers.items() if v is not None))


def poison() -> dict[str, Outgoing]:
    """One record for each way of being unusable, by the reason it must be given."""
    good = a_record(a_report(9000))
    body = json.loads(good.value)
    nul = json.dumps({**body, "address": "x", "place": {**body["place"], "account_id": "a\x00b"}}).encode()
    return {
        "no_id": with_headers(good, ce_id=None),
        "bad_id": with_headers(good, ce_id=b"42"),
        "unknown_type": with_headers(good, ce_type=b"gridline.weather.v1"),
        "not_json": Outgoing(TOPIC, b"k", b"{", (("content-type", b"application/cloudevents+json"),)),
        "bad_field": Outgoing(TOPIC, b"k", b'{"area": 1', good.headers),
        "bad_field nul": Outgoing(TOPIC, b"k", nul, good.headers),
        "unknown_subject": a_record(a_report(9001, address="refused")),
        "unprocessable": a_record(a_report(9002, address="raises")),
        "unprocessable overflow": a_record(a_report(9003, address="overflow")),
        "unprocessable overflow-server": a_record(a_report(9004, address="overflow-server")),
        "oversize": a_record(a_report(9005, address="large")),
    }


@pytest.mark.integration
async def test_poison_goes_to_the_dead_letters_with_its_cause_and_its_neighbours_are_kept(world: World):
    reports = [a_report(n) for n in range(100)]
    bad = poison()
    records = [a_record(one) for one in reports]
    for place, one in enumerate(bad.values()):
        records.insert(place * 9, one)
    world.start()
    await world.produce(records)
    await world.settled(len(records))
    assert await world.findings(reports) == []
    letters = await world.records(DLQ)
    reasons = sorted(dict(one.headers)["dlq.reason"].decode() for one in letters)
    assert reasons == sorted(name.split()[0] for name in bad)
    by_value = {one.value: one for one in bad.values()}
    for letter in letters:
        original, headers = by_value[letter.value], dict(letter.headers)
        assert letter.key == original.key
        assert headers.items() >= dict(original.headers).items() or headers["dlq.reason"] in {
            b"no_id",
            b"bad_id",
            b"unknown_type",
        }
        assert headers["dlq.topic"] == TOPIC.encode()
        assert headers["dlq.consumer"] == b"ledger"
        assert int(headers["dlq.offset"]) >= 0
        assert b"somewhere" not in headers["dlq.detail"]


@pytest.mark.integration
async def test_a_record_without_a_value_is_a_dead_letter(world: World):
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap)
    await producer.start()
    await producer.send_and_wait(world.prefix + TOPIC, None, key=b"k")
    await producer.stop()
    world.start()
    await world.settled(1)
    [letter] = await world.records(DLQ)
    headers = dict(letter.headers)
    assert headers["dlq.reason"] == b"no_value"
    assert headers["dlq.null-value"] == b"1"


@pytest.mark.integration
@pytest.mark.parametrize("large", ["value", "header"])
async def test_a_record_that_only_fits_compressed_is_cut_in_the_dead_letters_and_holds_up_nothing(
    world: World, large: str
):
    """A broker bounds what is compressed; our own producer does not compress."""
    reports = [a_report(n) for n in range(20)]
    value, header = (b" " * 5_000_000, b"") if large == "value" else (b"{", b" " * 5_000_000)
    producer = AIOKafkaProducer(
        bootstrap_servers=world.bootstrap,
        compression_type="gzip",
        max_request_size=10_000_000,
        max_batch_size=8_000_000,
    )
    await producer.start()
    await producer.send_and_wait(world.prefix + TOPIC, value, key=b"k", headers=[("ce_id", header)])
    await producer.stop()
    await world.produce([a_record(one) for one in reports])
    world.start()
    await world.settled(21)
    assert await world.findings(reports) == []
    [letter] = await world.records(DLQ)
    assert dict(letter.headers)["dlq.cut"] == str(len(value)).encode()
    assert letter.key == b"k"
    assert value.startswith(letter.value)


@pytest.mark.integration
@pytest.mark.parametrize("codec", [0, 1])
async def test_a_record_whose_header_has_a_name_that_is_no_utf_8_is_read_like_any_other(world: World, codec: int):
    """Brokers do not look at names, and the client failed at one of these at every start. Also among gzipped ones."""
    reports = [a_report(n, area="area-1") for n in range(30)]
    await world.produce([a_record(one) for one in reports[:10]])
    process = world.start()
    await world.settled(10)
    [row] = await world.sql("SELECT partition FROM consumer_partition WHERE next_offset = 10")
    batch = BatchBuilder(1_000_000, 0)
    for number, one in enumerate(map(a_record, reports[10:20])):
        odd = [("Name", b"value")] if number in {3, 4} else []
        batch.append(timestamp=1, key=one.key, value=one.value, headers=[*one.headers, *odd])
    raw = bytes(batch._build()).replace(b"Name", "名字".encode("gbk"))
    if codec:
        raw = raw[:61] + gzip.compress(raw[61:])
    crc_of = bytearray(raw)
    struct.pack_into(">i", crc_of, 8, len(raw) - 12)
    struct.pack_into(">h", crc_of, 21, codec)
    struct.pack_into(">I", crc_of, 17, calc_crc32c(bytes(crc_of[21:])))
    batch._buffer = bytes(crc_of)
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap)
    await producer.start()
    await (await producer.send_batch(batch, world.prefix + TOPIC, partition=row["partition"]))
    await producer.stop()
    await world.produce([a_record(one) for one in reports[20:]])
    await world.settled(30)
    assert process.poll() is None
    assert await world.findings(reports) == []
    counts = {row["name"]: row["n"] for row in await world.sql("SELECT name, sum(n) AS n FROM tally GROUP BY name")}
    assert counts["accepted"] == 30
    assert "duplicate" not in counts


@pytest.mark.integration
async def test_the_same_id_with_another_body_keeps_the_first_and_dead_letters_the_other(world: World):
    reports = [a_report(n) for n in range(30)]
    other = a_record(a_report(5).model_copy(update={"address": "elsewhere"}))
    world.start()
    await world.produce([*(a_record(one) for one in reports), other])
    await world.settled(31)
    assert await world.findings(reports) == []
    [letter] = await world.records(DLQ)
    headers = dict(letter.headers)
    assert headers["dlq.reason"] == b"same_id_other_body"
    assert letter.value == other.value


@pytest.mark.integration
async def test_a_dead_letter_that_is_sent_again_once_its_cause_is_mended_is_accepted(world: World):
    bad = a_record(a_report(7, address="refused"))
    first = world.start()
    await world.produce([bad])
    await world.settled(1)
    assert await world.terminate(first) == 0
    assert await world.sql("SELECT id FROM inbox") == []


@pytest.mark.integration
async def test_a_topic_made_anew_under_us_stops_the_service_instead_of_losing_records(world: World):
    first = world.start()
    await world.produce([a_record(a_report(n, area="area-1")) for n in range(10)])
    await world.settled(10)
    assert await world.terminate(first) == 0
    await world.produce([a_record(a_report(n, area="area-1")) for n in range(10, 30)])
    partition = (await world.sql("SELECT partition FROM consumer_partition WHERE next_offset = 10"))[0]["partition"]
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(world.prefix + TOPIC, partition): RecordsToDelete(before_offset=15)})
    await admin.close()
    assert await world.ended(world.start()) == 65
    assert "records were deleted before they were read" in world.log


async def delete_topic(world: World) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([world.prefix + TOPIC])
        async with asyncio.timeout(60):
            while world.prefix + TOPIC in await admin.list_topics():
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def made_anew(world: World, *, stopped: bool = True) -> Process:
    """Delete the topic of a service that has read it, make it anew and put more on it than there was before."""
    process = world.start()
    await world.produce([a_record(a_report(n, area="area-1")) for n in range(10)])
    await world.settled(10)
    if stopped:
        assert await world.terminate(process) == 0
    await delete_topic(world)
    await apply_topics(world.settings(), partitions=3)
    await world.produce([a_record(a_report(n, area="area-1")) for n in range(10, 40)])
    return world.start() if stopped else process


@pytest.mark.integration
async def test_it_is_noticed_by_a_service_that_is_reading_too(world: World):
    assert await world.ended(await made_anew(world, stopped=False)) == 65
    assert "another record than this service has read there" in world.log


@pytest.mark.integration
async def test_a_topic_made_anew_and_filled_beyond_our_position_stops_the_service(world: World):
    """By its bounds it is a log like any other: only the record before our position is not the one we read."""
    assert await world.ended(await made_anew(world)) == 65
    assert "another record than this service has read there" in world.log
    await world.sql("UPDATE consumer_partition SET next_offset = 0, last_offset = NULL WHERE next_offset = 10")
    world.start()
    await world.settled(30)
    assert await world.findings([a_report(n, area="area-1") for n in range(40)]) == []


@pytest.mark.integration
async def test_what_is_written_in_transactions_is_read_unless_they_were_aborted(world: World):
    """The end of each takes an offset of the log that holds no record."""
    reports = [a_report(n, area="area-1") for n in range(30)]
    said = iter(a_record(one) for one in reports)
    process = world.start()
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap, transactional_id=world.prefix)
    await producer.start()
    try:
        for number in range(3):
            await producer.begin_transaction()
            for one in islice(said, 10):
                await producer.send(world.prefix + one.topic, one.value, key=one.key, headers=list(one.headers))
            await (producer.abort_transaction() if number == 1 else producer.commit_transaction())
            if number != 1:
                await world.until("they are counted", 10 if number == 0 else 20, "SELECT count(*) FROM effect")
    finally:
        await producer.stop()
    assert await world.findings([*reports[:10], *reports[20:]]) == []
    assert process.poll() is None


@pytest.mark.integration
async def test_a_bug_ends_the_process_and_keeps_the_record(world: World):
    await world.produce([a_record(a_report(1, address="bug"))])
    assert await world.ended(world.start()) == 1
    assert await world.sql("SELECT n FROM tally") == []


@pytest.mark.integration
async def test_a_blocked_event_loop_ends_the_process(world: World):
    await world.produce([a_record(a_report(1, address="block"))])
    assert await world.ended(world.start(watchdog_seconds="5")) == 70
    assert "watchdog_exit" in world.log


@pytest.mark.integration
async def test_the_service_stops_when_nearly_everything_is_invalid(world: World):
    good = a_record(a_report(1))
    await world.produce(
        [with_headers(good, ce_id=str(uuid4()).encode(), ce_type=b"gridline.other.v9") for _ in range(300)]
    )
    assert await world.ended(world.start()) == 65
    assert "gridline dlq list" in world.log


def test_some_dead_letters_among_many_good_records_do_not_stop_the_service():
    limit = DeadLetterLimit()
    for _ in range(20):
        limit.note(good=50, bad=40)


def test_control_the_limit_counts():
    limit = DeadLetterLimit()
    with pytest.raises(HaltError):
        limit.note(good=5, bad=200)


@pytest.mark.integration
async def test_the_end_of_a_transaction_that_is_deleted_in_time_is_no_record_that_was_lost(world: World):
    """Quiet weeks of a partner who writes in transactions: what was read is past its time, and so is the last's end."""
    reports = [a_report(n, area="area-1") for n in range(12)]
    process = world.start()
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap, transactional_id=world.prefix)
    await producer.start()
    for some, ending in ((reports[:5], producer.commit_transaction), (reports[5:7], producer.abort_transaction)):
        await producer.begin_transaction()
        for one in map(a_record, some):
            await producer.send(world.prefix + one.topic, one.value, key=one.key, headers=list(one.headers))
        await ending()
    await producer.stop()
    log_end = 5 + 1 + 2 + 1
    await world.until("all is passed", log_end, "SELECT max(next_offset) FROM consumer_partition")
    assert await world.terminate(process) == 0
    [row] = await world.sql("SELECT partition FROM consumer_partition WHERE next_offset = $1", log_end)
    at = TopicPartition(world.prefix + TOPIC, row["partition"])
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    await admin.delete_records({at: RecordsToDelete(before_offset=log_end)})
    await admin.close()
    process = world.start()
    await world.produce([a_record(one) for one in reports[7:]])
    await world.until("they are counted", 10, "SELECT count(*) FROM effect")
    assert process.poll() is None


@pytest.mark.integration
async def test_a_log_is_known_again_by_the_end_of_a_transaction_too(world: World):
    process = world.start()
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap, transactional_id=world.prefix)
    await producer.start()
    await producer.begin_transaction()
    for one in map(a_record, [a_report(n, area="area-1") for n in range(5)]):
        await producer.send(world.prefix + one.topic, one.value, key=one.key, headers=list(one.headers))
    await producer.commit_transaction()
    await producer.stop()
    await world.until("all is passed", 6, "SELECT max(next_offset) FROM consumer_partition")
    assert await world.terminate(process) == 0
    await delete_topic(world)
    await apply_topics(world.settings(), partitions=3)
    await world.produce([a_record(a_report(n, area="area-1")) for n in range(10, 40)])
    assert await world.ended(world.start()) == 65
    assert "another record than this service has read there" in world.log
