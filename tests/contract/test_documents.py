"""The generated documents: as the code says, and fit for the tools that read them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from services.cli.commands import docs
from services.cli.commands.docs import stale
from services.cli.documents import documents, write_documents
from services.cli.record_examples import examples_of
from services.contracts.topics import AT_LEAST_ONCE, DISPATCH_ORDER, TOPICS

FOLDER = Path(__file__).parents[2] / "docs" / "contracts"
ROOMS = {"intake", "router", "dedup", "notify"}
ASYNCAPI = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", name="texts")
def _texts() -> dict[str, str]:
    return documents()


@pytest.fixture(autouse=True)
def _made_once(texts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare and write what was made once: to make it takes two seconds."""
    monkeypatch.setattr(docs, "documents", lambda: texts)
    monkeypatch.setattr("services.cli.documents.documents", lambda: texts)


def test_the_committed_documents_are_current():
    assert stale(FOLDER) == [], "run `gridline docs` and commit what it writes"


def test_an_old_a_missing_and_a_forgotten_document_are_told(tmp_path: Path):
    write_documents(tmp_path)
    assert stale(tmp_path) == []
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 3.0.0\n", encoding="utf-8")
    (tmp_path / "schemas" / "gridline.dispatch.order.v1.json").unlink()
    (tmp_path / "schemas" / "gridline.dispatch.order.v0.json").write_text("{}", encoding="utf-8")
    assert stale(tmp_path) == [
        "asyncapi.yaml",
        "schemas/gridline.dispatch.order.v0.json",
        "schemas/gridline.dispatch.order.v1.json",
    ]
    write_documents(tmp_path)
    assert stale(tmp_path) == []


def test_a_folder_given_by_mistake_keeps_its_files(tmp_path: Path):
    theirs = tmp_path / "schemas" / "customer.json"
    theirs.parent.mkdir()
    theirs.write_text("{}", encoding="utf-8")
    write_documents(tmp_path)
    assert theirs.read_text(encoding="utf-8") == "{}"


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(part) for part in node.values()))
    return set().union(*(references(part) for part in node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("path", sorted({*FOLDER.rglob("*.json"), *FOLDER.rglob("*.yaml")}), ids=lambda one: one.name)
def test_every_reference_leads_somewhere(path: Path):
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]


@pytest.mark.parametrize("path", sorted((FOLDER / "schemas").glob("*.json")), ids=lambda one: one.stem)
def test_a_schema_is_a_schema_and_lets_new_fields_pass(path: Path):
    text = path.read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    assert '"additionalProperties": false' not in text


@pytest.mark.parametrize("topic", TOPICS, ids=lambda one: one.name)
def test_asyncapi_has_the_topic_as_the_table_has_it(topic):
    channel = next(one for one in ASYNCAPI["channels"].values() if one["address"] == topic.name)
    kafka = channel["bindings"]["kafka"]
    assert set(channel["messages"]) == {message.__name__ for message in topic.messages}
    assert kafka["partitions"] == topic.partitions
    told = kafka["topicConfiguration"]
    told = {name: ",".join(one) if isinstance(one, list) else str(one) for name, one in told.items()}
    assert told == topic.config
    assert topic.description in channel["description"]
    assert topic.guarantee in channel["description"]
    sides = {
        (one["action"], name.split("_")[0])
        for name, one in ASYNCAPI["operations"].items()
        if one["channel"]["$ref"].endswith("/" + topic.name.replace(".", "_"))
    }
    writers = {("send", room) for room in topic.producers if room != "outside"}
    assert sides == writers | {("receive", room) for room in topic.consumers if room != "outside"}


def test_asyncapi_tells_the_guarantee_in_full():
    assert AT_LEAST_ONCE in ASYNCAPI["info"]["description"]
    for promise in (
        "at most one order_id ever exists",
        "at least once",
        "byte-identical",
        "Apply a record only if its version is greater than the version you have stored",
        "in the same transaction as your action",
    ):
        assert promise in DISPATCH_ORDER.guarantee
        assert promise in ASYNCAPI["channels"]["dispatch_order_v1"]["description"]
        assert promise in ASYNCAPI["operations"]["dedup_sends_dispatch_order_v1"]["description"]


def test_a_reader_of_asyncapi_who_checks_the_examples_against_it_finds_them_right():
    """Headers and payloads alike, as a tool outside would: it knows the document only."""
    for topic in TOPICS:
        for example in examples_of(topic):
            message = next(one for one in ASYNCAPI["components"]["messages"].values() if one["name"] == example.ce_type)
            if example.headers["content-type"] != message["contentType"]:
                continue  # the other mode, which we read as well
            for part, given in (("headers", example.headers), ("payload", example.value)):
                schema = {**message[part], "components": ASYNCAPI["components"]}
                jsonschema.Draft202012Validator(schema).validate(given)


@pytest.mark.parametrize("service", sorted(ROOMS))
def test_openapi_tells_every_door_and_the_one_shape_of_errors(service: str):
    document = json.loads((FOLDER / "openapi" / f"{service}.json").read_text(encoding="utf-8"))
    assert re.match(r"3\.1\.", document["openapi"])
    assert {"/healthz", "/readyz", "/metrics"} < set(document["paths"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), f"{method} {path}"
            errors = [one for code, one in operation["responses"].items() if code == "default" or code[0] in "45"]
            assert errors, f"{method} {path} tells no error"
            assert "ProblemDetails" in str(errors)
