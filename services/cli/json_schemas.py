"""JSON Schemas of the messages, for other systems.

Decided here: how our models look from outside. The published schemas are open (a reader ignores unknown fields, so
that we may add some); our own models are closed for what we produce. An absent field is absent, never null.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from services.contracts.topics import TOPIC_OF

if TYPE_CHECKING:
    from services.contracts.messages import Message

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def message_schema(message: type[Message]) -> Schema:
    """Return the schema of a message's data, whole in itself."""
    schema = plain(message.model_json_schema(mode="validation"))
    return {"$schema": DIALECT, "$id": f"urn:gridline:schema:{message.ce_type}", **schema}


def shared_schemas(ref_template: str) -> dict[str, Schema]:
    """Return the schemas of all messages and of what they share, by model name; references as ``ref_template``."""
    _, found = models_json_schema([(one, "validation") for one in TOPIC_OF], ref_template=ref_template)
    return {name: plain(schema) for name, schema in found["$defs"].items()}


def plain(schema: Any) -> Any:
    """Leave out what tells a reader nothing: the null of an absent field, titles made of field names, our closure."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: part for key, part in schema.items() if not (key == "additionalProperties" and part is False)}
    if kept.get("default", ...) is None:
        del kept["default"]
    branches = [branch for branch in kept.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) == 1:
        del kept["anyOf"]
        kept = {**branches[0], **kept}
    if "description" in kept and isinstance(kept["description"], str):
        kept["description"] = inspect.cleandoc(kept["description"]).replace("``", "`")
    return {
        key: {name: _untitled(plain(field)) for name, field in part.items()} if key == "properties" else plain(part)
        for key, part in kept.items()
    }


def _untitled(field: Schema) -> Schema:
    return {key: part for key, part in field.items() if key != "title"}
