"""Topics, positions and dead letters from the command line, on a real Kafka."""

from __future__ import annotations

import asyncio
import json
import time

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from services.cli.errors import Exit
from services.cli.topics import reader
from services.contracts.topics import CONTACT_RECEIVED, OUTAGE_INPUT, TICKET_ROUTED, TOPICS
from services.runtime import positions
from services.runtime.clock import now
from services.runtime.errors import FencedError
from services.runtime.migration import migrate
from services.runtime.settings import ServiceSettings

pytestmark = pytest.mark.integration

ORIGINAL = (("ce_id", b"0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"), ("ce_type", b"x"), ("traceparent", b"00-1-2-01"))


@pytest.fixture(autouse=True)
def settings(kafka_bootstrap, unique_name, monkeypatch, tmp_path):
    monkeypatch.setenv("GRIDLINE_KAFKA_BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setenv("GRIDLINE_TOPIC_PREFIX", f"{unique_name}.")
    monkeypatch.setenv("GRIDLINE_STACK_RUN_FOLDER", str(tmp_path))
    return ServiceSettings()


def letter(offset: int, *, reason: str = "bad_field", value: bytes = b'{"a": 1}', null: bool = False) -> dict:
    cause = {
        "dlq.reason": reason,
        "dlq.detail": "text: too long",
        "dlq.topic": CONTACT_RECEIVED.name,
        "dlq.partition": "3",
        "dlq.offset": str(offset),
        "dlq.timestamp": "1700000000000",
        "dlq.consumer": "router",
        "dlq.at": "2026-07-01T12:00:00+00:00",
    }
    if null:
        cause["dlq.null-value"] = "1"
    headers = [*ORIGINAL, *((name, text.encode()) for name, text in cause.items())]
    return {"key": b"ticket", "value": value, "headers": headers}


def put(settings: ServiceSettings, topic: str, *records: dict) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
        await producer.start()
        try:
            for record in records:
                await producer.send_and_wait(settings.topic_prefix + topic, **record)
        finally:
            await producer.stop()

    asyncio.run(send())


def records_of(settings: ServiceSettings, topic: str) -> list:
    async def read() -> list:
        async with reader(settings) as kafka:
            return [record async for record in kafka.records(await kafka.bounds([topic]))]

    return asyncio.run(read())


def test_applying_creates_every_topic_and_again_changes_nothing(gridline, settings):
    code, out, _ = gridline("topics", "apply")
    assert code == Exit.DONE
    assert {f"{topic.name}: created, {topic.partitions} partitions" for topic in TOPICS} <= set(out.splitlines())
    code, out, err = gridline("topics", "apply")
    assert code == Exit.DONE, err
    assert "created" not in out
    wanted = {topic.name: topic.partitions for topic in TOPICS} | {CONTACT_RECEIVED.dead_letters: 1}
    for _ in range(50):  # a broker that was just told may not show every partition yet
        listed = json.loads(gridline("topics", "list", "--json")[1])
        partitions = {one["topic"]: one["partitions"] for one in listed}
        if wanted.items() <= partitions.items():
            break
        time.sleep(0.1)
    assert wanted.items() <= partitions.items()


def test_a_topic_that_a_broker_shows_without_its_partitions_yet_is_there(gridline, monkeypatch):
    """The consumer that was to say whether anything was written ended before it had begun, and the command with it."""
    gridline("topics", "apply")
    describe = AIOKafkaAdminClient.describe_topics

    async def not_yet(self, *topics):
        return [{**one, "partitions": []} for one in await describe(self, *topics)]

    monkeypatch.setattr(AIOKafkaAdminClient, "describe_topics", not_yet)
    code, out, err = gridline("topics", "apply")
    assert code == Exit.DONE, err
    assert set(out.splitlines()) >= {f"{topic.name}: unchanged, {topic.partitions} partitions" for topic in TOPICS}


def test_more_copies_than_brokers_are_refused_with_what_to_ask_for(gridline):
    code, _, err = gridline("topics", "apply", "--replication", 3)
    assert (code, "do: Ask for no more copies than there are brokers: --replication." in err) == (Exit.REFUSED, True), (
        err
    )


def test_a_topic_that_was_written_keeps_its_partitions(gridline, settings):
    """With more, what is said of an area next is in another one than what is not read yet: two would decide on it."""
    gridline("topics", "apply", "--partitions", 3)
    put(settings, CONTACT_RECEIVED.name, {"key": b"ticket", "value": b"{}"})
    out = gridline("topics", "apply", "--partitions", 5)[1].splitlines()
    assert f"{CONTACT_RECEIVED.name}: partitions kept, 3 partitions" in out
    assert f"{TICKET_ROUTED.name}: partitions added, 5 partitions" in out


def test_applying_adds_partitions_and_takes_none_away(gridline):
    gridline("topics", "apply", "--partitions", 3)
    assert "partitions added, 5 partitions" in gridline("topics", "apply", "--partitions", 5)[1]
    assert "partitions added" not in gridline("topics", "apply", "--partitions", 2)[1]


def test_missing_topics_are_told_with_what_to_do(gridline):
    code, out, _ = gridline("topics", "list")
    assert code == Exit.DONE
    assert "missing" in out
    assert "gridline topics apply" in out


def test_dead_letters_are_listed_and_shown_with_their_cause(gridline, settings):
    gridline("topics", "apply")
    assert "No dead letters." in gridline("dlq", "list")[1]
    put(settings, CONTACT_RECEIVED.dead_letters, letter(7), letter(9, reason="unknown_type"))
    code, out, _ = gridline("dlq", "list")
    assert code == Exit.DONE
    assert "Dead letters: 2" in out
    assert "3:7" in out
    assert "bad_field 1" in out
    assert "unknown_type" not in gridline("dlq", "list", "--reason", "bad_field", "--json")[1]
    assert "No dead letters." in gridline("dlq", "list", "--topic", OUTAGE_INPUT.name)[1]
    shown = json.loads(gridline("dlq", "show", CONTACT_RECEIVED.name, "0:1", "--json")[1])
    assert shown["cause"]["reason"] == "unknown_type"
    assert shown["headers"] == {name: raw.decode() for name, raw in ORIGINAL}
    assert (shown["key"], shown["value"]) == ("ticket", '{"a": 1}')
    code, _, err = gridline("dlq", "show", CONTACT_RECEIVED.name, "0:99")
    assert code == Exit.NO
    assert "no dead letter 0:99" in err


def test_a_value_that_is_no_text_can_be_shown(gridline, settings):
    gridline("topics", "apply")
    put(settings, CONTACT_RECEIVED.dead_letters, letter(7, value=b"\xff\xfe{[bold]"))
    code, out, _ = gridline("dlq", "show", CONTACT_RECEIVED.name, "0:0")
    assert code == Exit.DONE
    assert "\\xff\\xfe{[bold]" in out


def test_a_replay_publishes_the_original_as_it_was(gridline, settings):
    gridline("topics", "apply")
    put(settings, CONTACT_RECEIVED.dead_letters, letter(7), letter(8, reason="unknown_type"), letter(9, null=True))
    code, out, err = gridline("dlq", "replay", "--reason", "bad_field", "--yes")
    assert (code, "Published 1 records again." in out) == (Exit.DONE, True)
    assert "1 had no value" in err
    (record,) = records_of(settings, CONTACT_RECEIVED.name)
    assert (record.key, record.value, record.headers) == (b"ticket", b'{"a": 1}', ORIGINAL)
    assert len(records_of(settings, CONTACT_RECEIVED.dead_letters)) == 3  # nothing is taken out


def test_a_replay_can_name_its_letters(gridline, settings):
    gridline("topics", "apply")
    put(settings, CONTACT_RECEIVED.dead_letters, *(letter(n) for n in range(4)))
    arguments = ("dlq", "replay", "--topic", CONTACT_RECEIVED.name, "--yes")
    assert "Published 2 records" in gridline(*arguments, "--letter", "0:0", "--letter", "0:3")[1]
    code, _, err = gridline(*arguments, "--letter", "0:7")
    assert code == Exit.NO
    assert "0:7" in err


def groups(settings: ServiceSettings) -> set[str]:
    async def ask() -> set[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
        await admin.start()
        try:
            return {group[0] for group in await admin.list_consumer_groups()}
        finally:
            await admin.close()

    return asyncio.run(ask())


def test_looking_leaves_no_trace_in_the_cluster(gridline, settings):
    gridline("topics", "apply")
    put(settings, CONTACT_RECEIVED.dead_letters, letter(7))
    before = groups(settings)
    gridline("dlq", "list")
    assert groups(settings) == before


@pytest.fixture
def on_the_database(database_dsn):
    async def run(work, *arguments, **named):
        connection = await asyncpg.connect(database_dsn, server_settings={"search_path": "dedup"})
        try:
            return await work(connection, *arguments, **named)
        finally:
            await connection.close()

    return run


@pytest.fixture
def stand(gridline, settings, database_dsn, on_the_database, monkeypatch):
    """Let dedup stand somewhere in a log of five records; returns its claim."""

    def run(at, place):
        monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", database_dsn)
        gridline("topics", "apply", "--partitions", 1)
        put(settings, at[0], *[{"value": b"x"}] * 5)
        asyncio.run(migrate(database_dsn, "dedup"))
        return asyncio.run(on_the_database(positions.claim, at, first=place, owner="one", now=now()))

    return run


async def move(connection: asyncpg.Connection, moves: dict[positions.TopicPartition, positions.Move]) -> None:
    moved = await connection.fetch(positions.advancing(1), *positions.move_columns(moves))
    positions.refuse_unmoved(moves, [(row["topic"], row["partition"]) for row in moved])


def test_a_position_is_shown_and_moved_within_the_log_and_its_owner_is_fenced(gridline, on_the_database, stand):
    at = (OUTAGE_INPUT.name, 0)
    held = stand(at, 3)
    [row] = json.loads(gridline("positions", "list", "--json")[1])
    shown = [row[name] for name in ("service", "stands at", "log begins", "log ends", "behind", "owner")]
    assert shown == ["dedup", 3, 0, 5, 2, "one"]
    for outside in ("6", "soon"):
        assert gridline("positions", "set", "dedup", *at, outside)[0] == Exit.USAGE
    assert gridline("positions", "set", "notify", *at, "begin")[0] == Exit.USAGE
    assert gridline("positions", "set", "dedup", at[0], 7, "begin")[0] == Exit.NO
    code, out, err = gridline("positions", "set", "dedup", *at, "end")
    assert code == Exit.DONE, err
    assert "2 offsets are skipped" in out
    with pytest.raises(FencedError):
        asyncio.run(on_the_database(move, {at: positions.Move(held.epoch, held.next_offset, 4)}))
    moved = asyncio.run(on_the_database(positions.claim, at, first=0, owner="two", now=now()))
    assert moved == positions.Claim(held.epoch + 2, 5)
    assert "outside the log" not in gridline("positions", "list")[1]


def test_a_position_beyond_the_end_of_the_log_is_not_shown_as_up_to_date(gridline, stand):
    stand((OUTAGE_INPUT.name, 0), 9)
    [row] = json.loads(gridline("positions", "list", "--json")[1])
    assert (row["stands at"], row["log ends"], row["behind"]) == (9, 5, None)
    assert "1 stands outside the log" in gridline("positions", "list")[1]
