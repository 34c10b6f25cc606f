"""The OpenAPI document of a service, as those read it who generate a client from it.

Decided here: how what FastAPI makes of our models is said to generators. They make a class of whatever has a title, of
every union, and of each place where a schema stands in full; and a float of 32 bits of a number that does not say more,
in which a position is a metre off. Never here: what a door takes or answers.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any, Final

from services.runtime.problems import PROBLEM_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PROBLEM: Final = "#/components/schemas/ProblemDetails"
_ERRORS: Final = frozenset({_PROBLEM, "#/components/schemas/HTTPValidationError"})
_NAMED: Final = re.compile(r'"#/components/schemas/(\w+)"')
_NULL: Final = {"type": "null"}
Node = dict[str, Any]


def for_generators(document: Node) -> Node:
    """Return a document as it is published; one that was put right before stays as it is."""
    schemas = document["components"]["schemas"]
    for operation in operations(document):
        _say_problems(operation)
        for kind, named in operation.pop("components", {}).items():
            _gather(document["components"].setdefault(kind, {}), named)
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _present(_plain(parameter["schema"]))
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for body in (*bodies, *operation["responses"].values()):
            for content in body.get("content", {}).values():
                content["schema"] = _plain(content.get("schema", {}))
        for content in (content for body in bodies for content in body["content"].values()):
            content["schema"] = _present(content["schema"])  # a body that may be absent says so beside its schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas = {name: _plain(schemas[name]) for name in sorted(schemas)}
    for name in _answered(document, schemas):
        schemas[name].pop("additionalProperties", None)
    document["components"]["schemas"] = schemas
    return document


def operations(document: Node) -> Iterator[Node]:
    """Yield what a document says of each operation."""
    for of_path in document["paths"].values():
        yield from of_path.values()


def reached(schemas: Node, names: Iterable[str]) -> set[str]:
    """Return the names of schemas and of all that those refer to."""
    found, wanted = set[str](), list(names)
    while wanted:
        if (name := wanted.pop()) not in found:
            found.add(name)
            wanted += _NAMED.findall(json.dumps(schemas[name]))
    return found


def _answered(document: Node, schemas: Node) -> set[str]:
    """Return the schemas that answers are made of. They get further fields, so none may say that it has no others."""
    named = [name for one in operations(document) for name in _NAMED.findall(json.dumps(one["responses"]))]
    return {name for name in reached(schemas, named) if schemas[name].get("additionalProperties") is False}


def _say_problems(operation: Node) -> None:
    """Say of every error what is sent: a problem, under its own media type. FastAPI says JSON, and of 422 its own."""
    for response in operation["responses"].values():
        content = response.get("content", {})
        if content.get("application/json", {}).get("schema", {}).get("$ref") in _ERRORS:
            del content["application/json"]
            content[PROBLEM_JSON] = {"schema": {"$ref": _PROBLEM}}


def _gather(known: Node, named: Node) -> None:
    """Move what an operation says under ``components`` to where a document has them.

    Of a door that reads bytes FastAPI knows no schema: it shows them beside itself, and refers to them by name.
    """
    for name, described in named.items():
        if known.setdefault(name, described) != described:
            raise AssertionError(f"two components are called {name}")


def _plain(schema: Any) -> Any:
    """Leave out titles, which repeat the names; say null as a type where one other is possible, and a double."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: _plain(part) for name, part in value.items()} if key in {"properties", "$defs"} else _plain(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
    if isinstance(told := kept.get("description"), str):
        kept["description"] = inspect.cleandoc(told).replace("``", "`")
    if kept.get("type") == "number":
        kept.setdefault("format", "double")
    branches = [branch for branch in kept.get("anyOf", ()) if branch != _NULL]
    if len(branches) == 1 != len(kept["anyOf"]):
        (other,) = branches
        if isinstance(other.get("type"), str) and not {"enum", "const"} & other.keys():
            del kept["anyOf"]
            return {**other, **kept, "type": [other["type"], "null"]}
    return kept


def _present(schema: Node) -> Node:
    """Return a schema without its null: of what may be absent, and of a query, which cannot say null."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch != _NULL]
    if len(branches) == 1:
        return {**branches[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    if isinstance(schema.get("type"), list):
        return {**schema, "type": schema["type"][0]}
    return schema
