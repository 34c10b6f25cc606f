"""What was released stays readable: the records that were written then, and the shape that others rely on."""

from __future__ import annotations

import copy
import json

import pytest

from services.cli.json_schemas import message_schema
from services.cli.record_examples import examples_of
from services.contracts.envelope import STRUCTURED, decode, open_record
from services.contracts.messages import OrderVersion
from services.contracts.topics import BY_NAME, TOPIC_OF
from tests.contract.compatibility import breaks
from tests.contract.freeze import GOLDEN, RELEASED, readers_outside

GOLDEN_RECORDS = [
    one for folder in sorted(GOLDEN.iterdir()) for one in examples_of(BY_NAME[folder.name], folder=GOLDEN)
]
released = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RELEASED.glob("*.json"))}
current = {message.ce_type: message_schema(message) for message in TOPIC_OF}


@pytest.mark.parametrize("golden", GOLDEN_RECORDS, ids=lambda one: f"{one.topic}/{one.name}")
def test_a_record_of_a_released_version_is_read_as_it_was_meant(golden):
    incoming = open_record(golden.record.value, golden.record.headers)
    message = decode(incoming, BY_NAME[golden.topic].types)
    then = golden.value["data"] if golden.headers["content-type"] == STRUCTURED else golden.value
    now = json.loads(message.model_dump_json(exclude_none=True))
    assert {name: now.get(name) for name in then} == then


def test_every_released_message_has_golden_records():
    assert {one.ce_type for one in GOLDEN_RECORDS} == set(released)


@pytest.mark.parametrize("ce_type", sorted(released))
def test_the_schema_follows_the_released_one(ce_type):
    assert ce_type in current, "a released message is gone"
    assert breaks(released[ce_type], current[ce_type], others_read=readers_outside(ce_type)) == []


def order() -> dict:
    return copy.deepcopy(message_schema(OrderVersion))


def test_an_optional_field_a_new_word_and_a_wider_bound_are_no_break():
    newer = order()
    newer["properties"]["crew_size"] = {"type": "integer"}
    newer["$defs"]["OrderStatus"]["enum"].append("paused")
    newer["properties"]["addresses"]["maxItems"] = 50
    newer["properties"]["reason"].pop("pattern")
    assert breaks(order(), newer, others_read=True) == []


def removed(schema):
    del schema["properties"]["reason"]


def renamed(schema):
    schema["properties"]["why"] = schema["properties"].pop("reason")


def retyped(schema):
    schema["properties"]["version"] = {"type": "string"}


def retyped_inside(schema):
    schema["$defs"]["DeviceRef"]["properties"]["lat"] = {"type": "string"}


def word_removed(schema):
    schema["$defs"]["Priority"]["enum"].remove("high")


def words_introduced(schema):
    schema["properties"]["area"]["enum"] = ["SUB-07"]


def shortened(schema):
    schema["properties"]["area"]["maxLength"] = 20


def raised(schema):
    schema["properties"]["reports"]["minimum"] = 2


def pattern_changed(schema):
    schema["properties"]["reason"]["pattern"] = "^[a-z]+$"


def items_narrowed(schema):
    schema["properties"]["hazards"]["items"]["pattern"] = "^wire$"


def became_required(schema):
    schema["required"].append("superseded_by")


def added_required(schema):
    schema["properties"]["crew"] = {"type": "string"}
    schema["required"].append("crew")


def default_changed(schema):
    schema["properties"]["life_support"]["default"] = 1


def became_optional(schema):
    schema["required"].remove("issued_at")


def became_a_choice(schema):
    schema["properties"]["version"] = {"anyOf": [schema["properties"]["version"], {"type": "string"}]}


BREAKS = {
    removed: "reason: the field is gone",
    renamed: "reason: the field is gone",
    retyped: "version: its type was integer and is string",
    retyped_inside: "device.lat: its type was number and is string",
    word_removed: "priority: high is no longer a value of it",
    words_introduced: "area: only some values are left",
    shortened: "area: maxLength was 200 and is 20",
    raised: "reports: minimum was 1 and is 2",
    pattern_changed: "reason: pattern was",
    items_narrowed: "hazards[]: pattern was",
    became_required: "superseded_by: it became required",
    added_required: "crew: a new field must be optional",
    default_changed: "life_support: its default changed",
    became_optional: "issued_at: it may be absent now",
    became_a_choice: "version: it may have a kind of value that readers do not know",
}


@pytest.mark.parametrize(("change", "found"), BREAKS.items(), ids=lambda one: getattr(one, "__name__", None))
def test_a_break_is_found_and_its_field_named(change, found):
    newer = order()
    change(newer)
    assert [one for one in breaks(order(), newer, others_read=True) if one.startswith(found)], "not found"


def test_what_only_we_read_may_stop_being_sent():
    newer = order()
    became_optional(newer)
    assert breaks(order(), newer, others_read=False) == []
