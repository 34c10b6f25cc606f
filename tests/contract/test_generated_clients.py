"""What a generator of clients makes of the documents: names to call by, a class of each thing, nothing formless.

Found with openapi-generator (Java, Go, TypeScript), Redocly and the official schema of OpenAPI 3.1. Those need Java and
Node; the rules that they broke are kept here.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parents[2] / "docs" / "contracts"
OPENAPI: Final = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((FOLDER / "openapi").glob("*.json"))
}
FREE: Final = {
    ("intake", "paths./v1/phone/connect"),
    ("intake", "paths./v1/phone/asterisk"),
    ("intake", "paths./v1/phone/huawei"),
    ("intake", "paths./v1/phone/twilio"),
    ("dedup", "components.schemas.LedgerRow.properties.evidence"),
    ("router", "components.schemas.Explained.properties.attributes"),
    ("router", "components.schemas.QueueView.properties.by_priority"),
}
"""Objects of any fields: what a vendor's system sends is its own, evidence is another for each rule, and the names of
attributes and priorities are keys."""
OPEN_TO_ALL: Final = {
    *("healthz", "readyz", "prometheus_metrics", "explain_route"),
    *("send_form_report", "send_form_photo", "get_form_status"),  # the public form
    *("send_twilio_webhook", "verify_wechat_account", "send_wechat_message"),  # by the vendor's own signature
    *(
        f"push_{form}_messages_by_address" for form in ("aliyun", "volcengine", "baidu", "generic")
    ),  # the address has it
    *(
        "get_status",
        "get_status_at_places",
        "count_notices",
        "get_estimates",
    ),  # notify is for the hotline's own network
}
MEDIA_TYPE: Final = {"schema", "example", "examples", "encoding"}
"""What OpenAPI 3.1 has in one."""
Node = dict[str, Any]


def operations(document: Node) -> Iterator[tuple[str, Node]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def parts(node: Any, at: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every object of a document with its place."""
    if isinstance(node, dict):
        yield at, node
        for name, part in node.items():
            yield from parts(part, f"{at}.{name}" if at else name)
    elif isinstance(node, list):
        for number, part in enumerate(node):
            yield from parts(part, f"{at}.{number}")


def names_wrong_in(document: Node) -> list[str]:
    """Return what is wrong with the names of methods and classes: one each, in words, nothing of the path."""
    wrong, seen = [], set()
    for at, operation in operations(document):
        name = operation.get("operationId", "")
        if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name) or len(name) > 40:
            wrong.append(f"{at}: {name!r}")
        if name in seen:
            wrong.append(f"{at}: {name!r} is another's, too")
        seen.add(name)
    for name, schema in document["components"]["schemas"].items():
        if not re.fullmatch(r"([A-Z][a-z0-9]+)+", name) or not (schema.get("description") or "enum" in schema):
            wrong.append(name)
    return wrong


def formless_in(service: str, document: Node) -> list[str]:
    """Return the places where a client finds no class: an object without fields or without a name, an empty schema."""
    wrong = []
    for at, node in parts(document):
        if ".example" in at:
            continue
        if node.get("type") == "object":
            free = "properties" not in node
            named = re.fullmatch(r"components\.schemas\.\w+", at)
            allowed = any(of == service and at.startswith(place) for of, place in FREE)
            if (free and not allowed) or not (free or named):
                wrong.append(at)
        if node.get("type") == "array" and not node.get("items"):
            wrong.append(at)
        if at.rpartition(".")[2] != "properties" and "schema" in node and not node["schema"]:
            wrong.append(at)
    return wrong


def locks_wrong_in(document: Node) -> list[str]:
    """Return the operations of which a client does not know what to show, or is told twice."""
    known, wrong = document["components"].get("securitySchemes", {}), []
    headers = {one["name"].lower() for one in known.values() if one.get("in") == "header"}
    for at, operation in operations(document):
        locks = operation.get("security")
        if locks is None or (not locks) != (operation["operationId"] in OPEN_TO_ALL):
            wrong.append(at)
        wrong += [f"{at}: {name}" for each in locks or () for name in each if name not in known]
        twice = headers & {one["name"].lower() for one in operation.get("parameters", ()) if one["in"] == "header"}
        wrong += [f"{at}: {name}" for name in twice]
    return wrong


def answers_wrong_in(document: Node) -> list[str]:
    """Return answers that say neither what they are nor that they are nothing, and words OpenAPI 3.1 does not have."""
    wrong = []
    for at, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status[0] == "2" and status != "204" and not answer.get("content"):
                wrong.append(f"{at} {status}")
            for kind, content in answer.get("content", {}).items():
                if set(content) - MEDIA_TYPE or "schema" not in content:
                    wrong.append(f"{at} {status} {kind}")
        wrong += [f"{at} {one['name']}" for one in operation.get("parameters", ()) if not one.get("schema")]
    return wrong


@pytest.mark.parametrize("service", OPENAPI)
def test_methods_and_classes_have_names(service: str):
    assert names_wrong_in(OPENAPI[service]) == []


@pytest.mark.parametrize("service", OPENAPI)
def test_everything_has_a_form_and_what_has_fields_has_a_name(service: str):
    assert formless_in(service, OPENAPI[service]) == []


@pytest.mark.parametrize("service", OPENAPI)
def test_a_client_knows_what_to_show(service: str):
    assert locks_wrong_in(OPENAPI[service]) == []


@pytest.mark.parametrize("service", OPENAPI)
def test_answers_are_described_in_the_words_of_openapi(service: str):
    assert answers_wrong_in(OPENAPI[service]) == []


@pytest.mark.parametrize("service", OPENAPI)
def test_a_document_says_where_it_is_served_and_what_its_parts_are(service: str):
    document = OPENAPI[service]
    assert document["servers"]
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert {tag for _, one in operations(document) for tag in one["tags"]} == {one["name"] for one in document["tags"]}


def closed_in(document: Node) -> set[str]:
    """Return the schemas of answers that say they have no further fields, although they will get some.

    A generator in Java makes a map of one whose fields may all be absent, and reads nothing into it.
    """
    known, wanted, found = (
        document["components"]["schemas"],
        [one["responses"] for _, one in operations(document)],
        set(),
    )
    while wanted:
        for name in set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(wanted.pop()))) - found:
            found.add(name)
            wanted.append(known[name])
    return {name for name in found if known[name].get("additionalProperties") is False}


@pytest.mark.parametrize("service", OPENAPI)
def test_no_answer_says_that_it_gets_no_further_fields(service: str):
    assert closed_in(OPENAPI[service]) == set()


def roughly_said_in(document: Node) -> list[str]:
    """Return what becomes a class for its title or its null, and numbers of which a generator keeps seven digits."""
    return [
        at
        for at, node in parts(document["components"]["schemas"])
        if isinstance(node.get("title"), str)
        or (node.get("type") == "number" and "format" not in node)
        or (
            {"type": "null"} in node.get("anyOf", ())
            and any(one.get("type") in {"number", "string"} and not {"enum", "const"} & {*one} for one in node["anyOf"])
        )
    ]


@pytest.mark.parametrize("service", OPENAPI)
def test_what_may_be_null_is_said_as_a_type_and_a_number_is_a_double(service: str):
    assert roughly_said_in(OPENAPI[service]) == []


def test_what_intake_passes_on_of_notify_has_the_form_that_notify_gives_it():
    answer = OPENAPI["intake"]["paths"]["/v1/form/status"]["get"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/Status"}
    for name in ("Status", "ReportStatus", "Stage"):
        assert OPENAPI["intake"]["components"]["schemas"][name] == OPENAPI["notify"]["components"]["schemas"][name]


@pytest.mark.parametrize("path", sorted((FOLDER / "schemas").glob("*.json")), ids=lambda one: one.stem)
def test_a_message_has_a_class_for_each_of_its_objects(path: Path):
    schema = json.loads(path.read_text(encoding="utf-8"))
    for at, node in parts(schema):
        if node.get("type") == "object" and not re.fullmatch(r"|\$defs\.[A-Z]\w+", at):
            assert at == "properties.facts", at  # whatever a channel has beside
        if re.fullmatch(r"\$defs\.\w+", at):
            assert node["title"] == at.removeprefix("$defs.")


def test_asyncapi_tells_who_writes_progress_what_its_id_is():
    """Another id is refused, and the record is a dead letter of which its writer hears nothing."""
    document = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))
    headers = document["components"]["messages"]["FieldProgress"]["headers"]["properties"]
    assert "progress_id" in headers["ce_id"]["description"]


def test_control_what_generators_stumbled_on_is_found():
    document = copy.deepcopy(OPENAPI["dedup"])
    order = document["paths"]["/v1/orders/{order_id}/progress"]["post"]
    order["operationId"] = "progress_v1_orders__order_id__progress_post"
    document["paths"]["/v1/storms"]["get"]["operationId"] = "get_incident"
    order["requestBody"]["content"]["application/json"]["schema"] = {"type": "object", "properties": {"a": {}}}
    order["responses"]["202"]["content"]["application/json"] = {"itemSchema": {"type": "object"}}
    document["components"]["schemas"]["Etr-Input"] = {"type": "object"}
    del document["paths"]["/v1/telemetry"]["post"]["security"]
    order["parameters"].append({"name": "X-API-Key", "in": "header", "schema": {"type": "string"}})
    schemas = document["components"]["schemas"]
    schemas["Etr"]["additionalProperties"] = False
    schemas["DeviceView"]["properties"]["lat"] = {"anyOf": [{"type": "number"}, {"type": "null"}], "title": "Lat"}
    assert closed_in(document) == {"Etr"}
    assert len(roughly_said_in(document)) == 2
    assert len(names_wrong_in(document)) == 3
    assert len(formless_in("dedup", document)) == 3
    assert len(locks_wrong_in(document)) == 2
    assert len(answers_wrong_in(document)) == 1
