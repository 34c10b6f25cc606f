"""The embedded broker: keeps what it acknowledged, repairs what was interrupted, refuses what is not its own."""

from __future__ import annotations

import json

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.native.errors import StaleDataError, StartError
from deploy.native.jars_lock import KAFKA_VERSION
from deploy.native.kafka import KafkaBroker
from deploy.native.kafka_jars import default_cache
from deploy.native.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def new_broker(tmp_path, kafka_jars):
    broker = KafkaBroker(
        tmp_path / "a folder, with a comma",
        port=free_port(),
        controller_port=free_port(),
        jars=kafka_jars,
        log=tmp_path / "kafka.log",
        archive_folder=default_cache(),
    )
    yield broker
    broker.kill()


async def _make_topic(bootstrap, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def _send(bootstrap, topic, value):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def _read(bootstrap, topic, count):
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_an_acknowledged_record_survives_kill_nine_of_the_broker(kafka_broker, unique_name):
    await _make_topic(kafka_broker.bootstrap, unique_name)
    await _send(kafka_broker.bootstrap, unique_name, b"before")
    kafka_broker.kill()
    assert kafka_broker.pid is None
    kafka_broker.start()
    await _send(kafka_broker.bootstrap, unique_name, b"after")
    assert await _read(kafka_broker.bootstrap, unique_name, 2) == [b"before", b"after"]


def test_a_paused_broker_gives_no_answer_and_a_resumed_one_does(kafka_broker):
    kafka_broker.pause()
    with pytest.raises(StartError, match=r"gave no answer in 0\.1 s"):
        kafka_broker.wait_ready(0.1)
    kafka_broker.resume()
    kafka_broker.wait_ready(10)


def test_an_interrupted_format_is_done_again_and_the_data_stays_over_a_stop(new_broker, tmp_path):
    torn = tmp_path / "a folder, with a comma" / "data.new"
    torn.mkdir(parents=True)
    (torn / "meta.properties").write_text("torn")
    new_broker.start()
    assert not torn.exists()
    made_by = (tmp_path / "a folder, with a comma" / "kafka.json").read_text()
    new_broker.stop()
    assert new_broker.returncode == 143
    new_broker.prepare()
    assert (tmp_path / "a folder, with a comma" / "kafka.json").read_text() == made_by


@pytest.mark.parametrize(
    ("made_by", "properties", "reason"),
    [
        ({"kafka_version": "3.9.1", "cluster_id": "x"}, "cluster.id=x\n", "made by Kafka 3.9.1; this is"),
        ({"kafka_version": KAFKA_VERSION, "cluster_id": "x"}, "cluster.id=y\n", "belongs to cluster y"),
        ({}, "cluster.id=y\n", "made by Kafka an unknown version"),
    ],
)
def test_a_folder_made_by_another_kafka_or_cluster_is_refused_with_the_way_out(
    new_broker, tmp_path, made_by, properties, reason
):
    folder = tmp_path / "a folder, with a comma"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "meta.properties").write_text(properties)
    (folder / "kafka.json").write_text(json.dumps(made_by))
    with pytest.raises(StaleDataError, match="gridline stack reset") as refused:
        new_broker.start()
    assert reason in str(refused.value)
    assert new_broker.pid is None


def test_a_broker_that_cannot_start_says_so_with_the_end_of_its_log(tmp_path, kafka_jars):
    without_classes = KafkaBroker(
        tmp_path,
        port=free_port(),
        controller_port=free_port(),
        jars=kafka_jars[:1],
        log=tmp_path / "kafka.log",
        archive_folder=default_cache(),
    )
    with pytest.raises(StartError, match=r"formatter ended with status 1(.|\n)*kafka.tools.StorageTool"):
        without_classes.start()


async def test_a_broker_that_a_test_may_kill_has_that_tests_topics_alone(
    kafka_bootstrap, unique_name, servers_folder, request
):
    """Killed, it goes over each partition before it answers again: after some hundred tests that took a minute."""
    await _make_topic(kafka_bootstrap, f"before-{unique_name}")
    await _make_topic(kafka_bootstrap, f"{unique_name}.own")
    await _send(kafka_bootstrap, f"{unique_name}.own", b"kept")

    request.getfixturevalue("kafka_broker")

    folders = {one.name for one in (servers_folder / "kafka" / "data").iterdir() if one.is_dir()}
    assert {name for name in folders if not name.startswith("__")} == {f"{unique_name}.own-0"}
    assert await _read(kafka_bootstrap, f"{unique_name}.own", 1) == [b"kept"]
