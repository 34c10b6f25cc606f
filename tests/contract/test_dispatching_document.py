"""Every request that docs/dispatching.md and field-repair.md show is one that dedup's doors take.

Held are path, query, body and a known key.

Its shell is run by a shell, quoting and all, with a curl that writes down what it was given. What comes of the requests
is tests/integration/dedup's to show.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

PROJECT = Path(__file__).resolve().parents[2]
DOORS = json.loads((PROJECT / "docs/contracts/openapi/dedup.json").read_text(encoding="utf-8"))
KEYS = (PROJECT / "deploy/dedup_keys.yaml").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELL = r"""
curl() { printf '%s\037' "$@"; printf '\036'; }
gridline() { :; }
timeout() { :; }
python() { :; }
sed() { cat > /dev/null; printf %s "$INCIDENT"; }
INCIDENT=6f1e8c52-95b9-5980-9e00-0095598c0de5 OTHER=$INCIDENT REPORT=$INCIDENT COMMAND=$INCIDENT PLANNED=$INCIDENT
ORDER=$INCIDENT DEVICE=F1 BREAKER=F1 ACCOUNT=0123456789
"""


@dataclass
class Call:
    """What curl was told."""

    url: str = ""
    body: str | None = None
    method: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, words: list[str]) -> Call:
        made = cls()
        following = iter(words)
        for word in following:
            if word == "-H":
                name, _, value = next(following).partition(": ")
                made.headers[name.lower()] = value
            elif word == "-d":
                made.body = next(following)
            elif word == "-X":
                made.method = next(following).lower()
            elif word == "--data-urlencode":
                made.query |= dict([next(following).split("=", 1)])
            elif not word.startswith("-"):
                made.url = word
        made.method = made.method or ("get" if made.body is None else "post")
        made.query |= dict(parse_qsl(urlsplit(made.url).query))
        return made


def calls(document: str, folder: Path) -> list[Call]:
    text = (PROJECT / "docs" / document).read_text(encoding="utf-8")
    script = SHELL + "".join(BLOCK.findall(text))
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env=dict(os.environ),
        cwd=folder,
    )
    return [Call.of(one.split("\037")[:-1]) for one in ran.stdout.split("\036")[:-1]]


def door(call: Call) -> dict[str, Any]:
    path, method = urlsplit(call.url).path, call.method
    for template, operations in DOORS["paths"].items():
        if method in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] = operations[method]
            return found
    raise AssertionError(f"no door {method.upper()} {path}")


@pytest.mark.parametrize(("document", "least"), [("dispatching.md", 14), ("field-repair.md", 3)])
def test_every_request_of_the_document_is_one_that_the_doors_take(document: str, least: int, tmp_path: Path) -> None:
    made = calls(document, tmp_path)
    assert len(made) == len({(call.url, call.body) for call in made}) >= least
    for call in made:
        operation = door(call)
        assert call.query.keys() <= {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        if call.body is not None:
            assert call.headers["content-type"] == "application/json"
            assert hashlib.sha256(call.headers["x-api-key"].encode()).hexdigest() in KEYS
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            jsonschema.validate(json.loads(call.body), schema | {"components": DOORS["components"]})


def test_a_request_that_is_not_so_is_found_out() -> None:
    wrong = {"command_id": "m-1", "reason": "why", "onto": "a field that is none"}
    schema = {"$ref": "#/components/schemas/Merge", "components": DOORS["components"]}
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(wrong))
