"""The table of topics is complete and true: every message, every room, every name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.contracts import messages
from services.contracts.topics import BY_NAME, MAX_RECORD_BYTES, TOPIC_OF, TOPICS

ROOMS = {"intake", "router", "dedup", "notify"}
SERVICES = Path(__file__).parents[2] / "services"
each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda one: one.name)


def defined() -> set[type[messages.Message]]:
    return {
        one
        for one in vars(messages).values()
        if isinstance(one, type) and issubclass(one, messages.Message) and one is not messages.Message
    }


def test_every_message_is_on_exactly_one_topic():
    placed = [message for topic in TOPICS for message in topic.messages]
    assert sorted(one.__name__ for one in placed) == sorted(one.__name__ for one in defined())


def test_every_message_has_a_type_of_its_own_and_the_name_fits_the_rule():
    types = [message.ce_type for message in defined()]
    assert len(types) == len(set(types))
    assert [one for one in types if not re.fullmatch(r"gridline(\.[a-z]+(_[a-z]+)*){2}\.v[1-9]\d*", one)] == []


@each_topic
def test_a_topic_is_named_noun_participle_version(topic):
    assert re.fullmatch(r"[a-z]+\.[a-z]+\.v[1-9]\d*", topic.name)
    assert BY_NAME[topic.name] is topic


@each_topic
def test_every_producer_and_consumer_is_a_room_or_outside(topic):
    for side in (topic.producers, topic.consumers):
        assert side, "somebody writes it and somebody reads it"
        assert set(side) <= ROOMS | {"outside"}
        assert len(side) == len(set(side))
    assert set(topic.producers + topic.consumers) != {"outside"}


@each_topic
def test_the_key_is_a_field_of_every_message_of_the_topic(topic):
    name = topic.key.split(":", maxsplit=1)[0]
    assert all(name in message.model_fields for message in topic.messages)


@each_topic
def test_a_topic_says_what_it_is_for_and_fits_its_records(topic):
    assert topic.description.endswith(".")
    assert int(topic.config["max.message.bytes"]) > MAX_RECORD_BYTES
    assert topic.partitions >= 1


@each_topic
def test_what_others_act_upon_says_its_guarantee(topic):
    if "outside" in topic.consumers:
        assert "only if its" in topic.guarantee, "a reader must know which record to apply"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_touches_only_the_topics_of_its_row(room):
    """A room names a topic that it reads by its constant, and makes the messages of one that it writes."""
    constants = {topic.name.removesuffix(".v1").upper().replace(".", "_"): topic for topic in TOPICS}
    code = "\n".join(path.read_text(encoding="utf-8") for path in (SERVICES / room).rglob("*.py"))
    used = {topic.name for constant, topic in constants.items() if re.search(rf"\b{constant}\b", code)}
    used |= {topic.name for made, topic in TOPIC_OF.items() if re.search(rf"\b{made.__name__}\(", code)}
    written_or_read = {topic.name for topic in TOPICS if room in topic.producers + topic.consumers}
    assert used == written_or_read
