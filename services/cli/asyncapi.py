"""The AsyncAPI 3.0 document, generated from the table of topics. Sources: AsyncAPI 3.0.0, Kafka bindings 0.5.0.

Decided here: how the table maps to AsyncAPI. Gridline is the application: ``send`` is what our services write,
``receive`` what they read; for another company it is the reverse. Never here: a fact the table does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from services.cli.json_schemas import shared_schemas
from services.cli.record_examples import examples_of
from services.contracts.envelope import STRUCTURED, Refusal
from services.contracts.topics import AT_LEAST_ONCE, OUTSIDE, TOPIC_OF, TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.contracts.messages import Message
    from services.contracts.topics import Topic

_BINDING: Final = "0.5.0"
_JSON: Final = "application/json"
_SHOWN_EXAMPLES: Final = 3
Node = dict[str, Any]

_ABOUT: Final = f"""\
What Gridline's services say to one another and to field-repair systems, agents' desktops and chat systems.

{AT_LEAST_ONCE}

Records are CloudEvents 1.0: binary mode inside (attributes in `ce_*` headers, the value is the data), structured
mode for field-repair systems (the whole event in the value, `ce_id` and `ce_type` headers beside it). What Gridline
reads it accepts in either mode. Every record carries a W3C `traceparent`. Times are ISO 8601 with an offset.

A record that a service cannot use goes to `<topic>.dlq`, its key, value and headers untouched, the cause in `dlq.*`
headers. A compatible change adds an optional field; any other is a new topic `.v<n+1>`, and both run for a time."""

_TEXT: Final = {"type": "string"}
_UUID: Final = {"type": "string", "format": "uuid"}


def document() -> Node:
    """Return the document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Gridline",
            "version": "1",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {
            "development": {
                "host": "127.0.0.1:19092",
                "protocol": "kafka",
                "description": "The stack of `make up`. Elsewhere it is the cluster of GRIDLINE_KAFKA_BOOTSTRAP.",
            },
            "production": {
                "host": "kafka.example.com:9093",
                "protocol": "kafka-secure",
                "description": "A cluster with TLS and one principal a company.",
                "security": [{"$ref": "#/components/securitySchemes/scram"}],
            },
        },
        "channels": dict(_channels()),
        "operations": dict(_operations()),
        "components": {
            "messages": {one.__name__: _message(one) for one in TOPIC_OF} | {"DeadLetter": _dead_letter()},
            "schemas": shared_schemas("#/components/schemas/{model}"),
            "securitySchemes": {"scram": {"type": "scramSha512", "description": "SASL_SSL"}},
        },
    }


def _id(topic_name: str) -> str:
    return topic_name.replace(".", "_")


def _channels() -> Iterator[tuple[str, Node]]:
    for topic in TOPICS:
        yield (
            _id(topic.name),
            {
                "address": topic.name,
                "description": "\n\n".join(filter(None, (topic.description, topic.guarantee))),
                "messages": {one.__name__: {"$ref": f"#/components/messages/{one.__name__}"} for one in topic.messages},
                "bindings": {
                    "kafka": {
                        "topic": topic.name,
                        "partitions": topic.partitions,
                        "topicConfiguration": _configuration(topic),
                        "bindingVersion": _BINDING,
                    }
                },
            },
        )
    for topic in (one for one in TOPICS if one.is_read_here):
        yield (
            _id(topic.dead_letters),
            {
                "address": topic.dead_letters,
                "description": f"Records of {topic.name} that could not be used. See `gridline dlq --help`.",
                "messages": {"DeadLetter": {"$ref": "#/components/messages/DeadLetter"}},
                "bindings": {"kafka": {"topic": topic.dead_letters, "bindingVersion": _BINDING}},
            },
        )


def _configuration(topic: Topic) -> Node:
    found: Node = {}
    for name, text in topic.config.items():
        found[name] = text.split(",") if name == "cleanup.policy" else int(text) if text.isdigit() else text
    return found


def _operations() -> Iterator[tuple[str, Node]]:
    for topic in TOPICS:
        for room in topic.producers:
            if room != OUTSIDE:
                yield f"{room}_sends_{_id(topic.name)}", _operation("send", room, topic)
        for room in topic.consumers:
            if room != OUTSIDE:
                group = {"type": "string", "const": f"gridline-{room}"}
                binding = {"kafka": {"groupId": group, "bindingVersion": _BINDING}}
                yield f"{room}_receives_{_id(topic.name)}", _operation("receive", room, topic) | {"bindings": binding}


def _operation(action: str, room: str, topic: Topic) -> Node:
    others = topic.consumers if action == "send" else topic.producers
    far = ", ".join("other companies' systems" if room == OUTSIDE else room for room in others)
    channel = f"#/channels/{_id(topic.name)}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "title": f"{room} to {far}" if action == "send" else f"{far} to {room}",
        "description": topic.guarantee or topic.description,
        "messages": [{"$ref": f"{channel}/messages/{one.__name__}"} for one in topic.messages],
    }


def _message(message: type[Message]) -> Node:
    topic = TOPIC_OF[message]
    data = {"$ref": f"#/components/schemas/{message.__name__}"}
    shown = [one for one in examples_of(topic) if one.ce_type == message.ce_type][:_SHOWN_EXAMPLES]
    return {
        "name": message.ce_type,
        "title": message.__name__,
        "summary": (message.__doc__ or "").strip().split("\n")[0],
        "contentType": STRUCTURED if topic.structured else _JSON,
        "headers": _headers(message, topic),
        "payload": _event(message, data) if topic.structured else data,
        "bindings": {
            "kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": _BINDING},
        },
        "examples": [
            {"name": one.name, "summary": one.about, "headers": one.headers, "payload": one.value} for one in shown
        ],
    }


def _headers(message: type[Message], topic: Topic) -> Node:
    theirs = OUTSIDE in topic.producers
    equal = "Equal ids are the same fact" + (": the progress_id of the data" if theirs else "")
    identity = {
        "ce_id": {**_UUID, "description": equal},
        "ce_type": {"type": "string", "const": message.ce_type},
    }
    trace = {"traceparent": {"type": "string", "description": "W3C trace context"}}
    if topic.structured:
        every = {**identity, "content-type": {"type": "string", "const": STRUCTURED}, **trace}
        return {"type": "object", "properties": every, "required": list(every)}
    every = {
        **identity,
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_source": {"type": "string", "description": "Who wrote it, such as gridline/router"},
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"type": "string", "const": _JSON},
        **trace,
    }
    # Of another company's record we need its id and type; what we write ourselves has all of them.
    required = list(identity) if theirs else list(every)
    text = "Sha256 of what was said, where two sendings of one fact may differ in bytes"
    optional = {"ce_fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": text}}
    return {"type": "object", "properties": every | optional, "required": required}


def _event(message: type[Message], data: Node) -> Node:
    """Return the schema of a CloudEvent in structured mode."""
    properties = {
        "specversion": {"type": "string", "const": "1.0"},
        "id": _UUID,
        "type": {"type": "string", "const": message.ce_type},
        "source": _TEXT,
        "time": {"type": "string", "format": "date-time"},
        "partitionkey": {"type": "string", "description": "The record's key"},
        "traceparent": _TEXT,
        "datacontenttype": {"type": "string", "const": _JSON},
        "data": data,
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _dead_letter() -> Node:
    headers = {
        "dlq.reason": {"type": "string", "enum": [reason.value for reason in Refusal]},
        "dlq.detail": {"type": "string", "description": "The wrong fields and why, without their values"},
        "dlq.topic": _TEXT,
        "dlq.partition": {"type": "string", "description": "Decimal digits"},
        "dlq.offset": {"type": "string", "description": "Decimal digits"},
        "dlq.timestamp": {"type": "string", "description": "Kafka's time of the record, ms since 1970"},
        "dlq.consumer": {"type": "string", "description": "The service that refused it"},
        "dlq.at": {"type": "string", "format": "date-time"},
    }
    absent = {
        "dlq.null-value": {"type": "string", "description": "1 where the record had no value"},
        "dlq.cut": {"type": "string", "description": "Bytes of the value, where it was too large to be kept whole"},
    }
    return {
        "name": "gridline.dead-letter",
        "title": "Dead letter",
        "summary": "A record as it was, with the cause beside it.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": headers | absent, "required": list(headers)},
        "payload": {"description": "The bytes of the refused record, whatever they are"},
    }
