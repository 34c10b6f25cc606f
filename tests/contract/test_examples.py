"""The example records: each is what a producer writes, byte for byte, and every consumer of its topic takes it."""

from __future__ import annotations

import re

import jsonschema
import pytest

from services.cli.json_schemas import message_schema
from services.cli.record_examples import FOLDER, Example, examples_of
from services.contracts.envelope import STRUCTURED, Outgoing, decode, encode, fingerprint, open_record
from services.contracts.messages import ContactReceived, FieldProgressed, Message, RecipientHeard
from services.contracts.topics import BY_NAME, TOPICS
from services.intake.channels.contact import contact_fingerprint

EXAMPLES = [example for topic in TOPICS for example in examples_of(topic)]
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.topic}/{one.name}")


# What two sendings of one fact may differ in is left out of its fingerprint.
CONTENT = {
    ContactReceived: contact_fingerprint,
    RecipientHeard: contact_fingerprint,
    FieldProgressed: lambda message: fingerprint(message, without=("received_at",)),
}


def message_of(example: Example) -> Message:
    incoming = open_record(example.record.value, example.record.headers)
    return decode(incoming, BY_NAME[example.topic].types)


def record_of(example: Example) -> Outgoing:
    """The record of the example's message, as its producer would have written it."""
    message = message_of(example)
    structured = example.headers["content-type"] == STRUCTURED
    source = example.value["source"] if structured else example.headers["ce_source"]
    content = CONTENT[type(message)](message) if type(message) in CONTENT else None
    return encode(message, topic=example.topic, source=source, structured=structured, content=content)


@each_example
def test_an_example_is_what_its_producer_writes_byte_for_byte(example: Example):
    assert record_of(example) == example.record


@each_example
def test_an_example_fits_the_published_schema(example: Example):
    message = message_of(example)
    data = example.value["data"] if example.headers["content-type"] == STRUCTURED else example.value
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.validate(data, message_schema(type(message)), jsonschema.Draft202012Validator, format_checker=checker)


@each_example
def test_an_example_is_keyed_as_the_table_says(example: Example):
    named = BY_NAME[example.topic].key.split(":")[0]
    assert example.key == str(getattr(message_of(example), named))


@each_example
def test_a_field_from_a_newer_producer_is_ignored(example: Example):
    structured = example.headers["content-type"] == STRUCTURED
    newer = (
        {**example.value, "data": {**example.value["data"], "new": 1}} if structured else {**example.value, "new": 1}
    )
    later = Example(example.path, example.topic, example.about, example.key, example.headers, newer)
    assert message_of(later) == message_of(example)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda one: one.name)
def test_every_message_of_a_topic_has_a_minimal_and_a_full_example(topic):
    for message in topic.messages:
        fields = [set(message_of(one).model_fields_set) for one in examples_of(topic) if one.ce_type == message.ce_type]
        optional = {name for name, field in message.model_fields.items() if field.default is None}
        assert any(not optional & told for told in fields), (
            f"{message.__name__}: no example without its optional fields"
        )
        assert set().union(*fields) == message.model_fields.keys(), f"{message.__name__}: a field that no example has"


def test_there_is_an_example_in_chinese_on_every_topic_that_carries_text_of_people():
    han = re.compile("[\u4e00-\u9fff]")
    for topic in TOPICS:
        if any({"text", "note", "addresses", "cause", "address"} & one.model_fields.keys() for one in topic.messages):
            texts = [example.path.read_text(encoding="utf-8") for example in examples_of(topic)]
            assert any(han.search(text.partition('"value"')[2]) for text in texts), topic.name


def test_every_file_is_an_example_of_a_topic():
    assert {path for path in FOLDER.rglob("*") if path.is_file()} == {example.path for example in EXAMPLES}


def test_the_people_in_the_examples_are_made_up():
    """No Chinese mobile number begins with 10, so ours belong to nobody."""
    for example in EXAMPLES:
        numbers = re.findall(r"\+?\d[\d ]{9,}\d", example.path.read_text(encoding="utf-8").partition('"value"')[2])
        real = [one for one in numbers if re.fullmatch(r"(\+?86)?1[3-9]\d{9}", one.replace(" ", ""))]
        assert not real, example.path.name
