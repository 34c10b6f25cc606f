"""Every door of router, dedup and notify, as its OpenAPI document lists it, is told what a hostile sender would say.

Decided here: what is hostile, for whatever a door takes. A door that is added is asked as well.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx
import pytest

from services.contracts.topics import OUTAGE_INPUT
from services.dedup.api import make_router as dedup_doors
from services.dedup.keys import Scope as DedupScope
from services.notify.api import make_router as notify_doors
from services.router.api import make_router as router_doors
from services.router.tree.keys import Scope as RouterScope
from services.runtime import clock
from services.runtime.doors import Doors
from services.runtime.http import make_app
from services.runtime.keys import Holder, KeyRing
from tests.integration.ops.hotline import Hotline, hotline
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.integration

SHARE: Final = 0.05
_ID: Final = "0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


WORDS: Final = (
    "", " ", "\x00", "a\x00b", "a\nb", "\x7f", "\u202e", "%", "%00",
    "'; DROP TABLE report; --", "../../v1/kpis",
    "a/b", "..", "停电", "x" * 5000, "-1", "0", "1e400", "NaN", "-0", "1_0", "9" * 5000,
    "99999999999999999999", "2147483648", "true", "null", "[]",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
    "2026-12-31T23:59:60Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00+23:59",
    "2026-01-01T00:00:00+24:00",
    "2026-02-30T00:00:00Z", "20260101", "1893456000", "-62135596800", "2999-12-31T23:59:59Z", "1900-01-01T00:00:00Z",
    _ID, _ID.upper(), "{" + _ID + "}", "urn:uuid:" + _ID, "7K3M-9QPX-2HR", "*", '"*"',
    "=", "====", _cursor("a b"), _cursor(f"2026-01-01T00:00:00+00:00 {_ID}"),
    _cursor(f"0001-01-01T00:00:00+14:00 {_ID}"),
    _cursor(f"9999-12-31T23:59:59-14:00 {_ID}"), _cursor(f"2026-01-01T00:00:00 {_ID}"),
    _cursor(f"2026-01-01T00:00:00+00:00 {_ID} x"),
    f"1.2026-01-01T00:00:00+00:00.{_ID}", f"4.{_ID}", f"9999999999.{_ID}",
)  # fmt: skip


class Raw(str):
    """JSON as it is written."""

    __slots__ = ()


VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, Raw("1e400"), Raw("NaN"), Raw("-Infinity"), -0.0, 1e-320,
    [], {}, [[]], [{}], [None],
    ["x"] * 20_000, {"a": {"b": []}}, Raw('"\\ud800"'), Raw('"\\udc00\\ud800"'), *WORDS, "x" * 300_000,
    {"lat": Raw("NaN"), "lon": 1, "crs": "wgs84"},
    {"lat": 90, "lon": 180}, {"lat": 1e308, "lon": -1e308},
)  # fmt: skip


def written(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


@dataclass
class Service:
    name: str
    client: httpx.AsyncClient
    document: dict[str, Any]
    known: dict[str, str] = field(default_factory=dict)

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def example(self, schema: dict[str, Any], name: str = "", depth: int = 0) -> Any:
        """An instance of a schema, of what exists where its name tells."""
        if name in self.known:
            return self.known[name]
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                return self.example(schema[several][0], name, depth)
        if schema.get("examples"):
            return schema["examples"][0]
        match schema.get("type"):
            case "object":
                wanted = schema.get("properties", {})
                return {key: self.example(one, key, depth + 1) for key, one in wanted.items() if depth < 4}
            case "array":
                return [self.example(schema["items"], name.removesuffix("s"), depth + 1)]
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return False
            case "string":
                return {"uuid": _ID, "date-time": "2026-01-01T00:00:00+08:00"}.get(schema.get("format", ""), "word")
        return None

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation


@dataclass
class Asked:
    """A request to a door: what it says, and what of it is hostile."""

    method: str
    template: str
    given: dict[str, dict[str, str]]
    body: bytes | None
    why: str = "as usual"

    def saying(self, where: str, name: str, word: str) -> Asked:
        """Return it with another parameter."""
        given = {of: dict(values) for of, values in self.given.items()}
        given[where][name] = word
        return replace(self, given=given, why=f"{name}={word[:60]!r}")

    @property
    def path(self) -> str:
        filled = self.template
        for name, value in self.given["path"].items():
            filled = filled.replace(f"{{{name}}}", quote(value, safe=""))
        return filled

    def __str__(self) -> str:
        return f"{self.method} {self.template} {self.why}"


def bodies(value: Any, at: str = "body") -> Iterator[tuple[str, Any]]:
    """Yield a body with each of its values, at any depth, one after the other, made hostile."""
    for bad in VALUES:
        yield at, bad
    if isinstance(value, dict):
        for key, one in value.items():
            for where, bad in bodies(one, f"{at}.{key}"):
                yield where, {**value, key: bad}
            yield f"-{at}.{key}", {k: v for k, v in value.items() if k != key}
        yield f"+{at}", {**value, "nope": 1}
    elif isinstance(value, list) and value:
        for where, bad in bodies(value[0], f"{at}.0"):
            yield where, [bad]
        yield f"{at}*", value * 10_000


def usual(service: Service) -> Iterator[Asked]:
    """Yield a request of each door, as it is meant."""
    for method, path, operation in service.operations():
        if method == "GET" and path.endswith("/offers"):
            continue  # a stream has no end
        given: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": {}}
        for one in operation.get("parameters", ()):
            if one["name"] in {"wait", "If-Match"}:
                given[one["in"]][one["name"]] = {"wait": "0", "If-Match": "*"}[one["name"]]
            elif one.get("required"):
                given[one["in"]][one["name"]] = str(service.example(one["schema"], one["name"]))
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        body = None if content is None else written(service.example(content["schema"])).encode()
        yield Asked(method, path, given, body)


def hostile(service: Service, meant: Asked) -> Iterator[Asked]:
    """Yield the requests of a door in which one thing is hostile."""
    operation = service.document["paths"][meant.template][meant.method.lower()]
    for one in operation.get("parameters", ()):
        for word in WORDS:
            sendable = word.isascii() and word.isprintable() and word == word.strip()
            if (one["in"] != "header" or sendable) and (one["name"], word) != ("wait", "1_0"):  # that is ten seconds
                yield meant.saying(one["in"], one["name"], word)
    if meant.body is None:
        return
    for raw in (b"", b"{", b"\xff", b"[" * 100_000, b'{"a":1,"a":2}', b"null", b"1" * 10_000, b'"\\u0000"'):
        yield replace(meant, body=raw, why=f"body {raw[:20]!r}")
    for where, value in bodies(json.loads(meant.body)):
        text = written(value)
        yield replace(meant, body=text.encode(), why=f"{where}={text[:90]}")


_OPERATIONS: Final = ("/healthz", "/readyz", "/metrics")
FOR_ALL: Final = {
    *((name, "GET", path) for name in ("router", "dedup", "notify") for path in _OPERATIONS),
    ("router", "POST", "/v1/routes/explain"),
    ("notify", "GET", "/v1/status"),
    ("notify", "POST", "/v1/status/places"),
    ("notify", "GET", "/v1/notices"),
    ("notify", "GET", "/v1/estimates"),
}
"""Doors without a lock: what they tell is in no need of one, or notify is reached by the hotline's systems alone."""


@pytest.fixture
async def line(hotline_dsn: str) -> AsyncIterator[Hotline]:
    async with hotline(hotline_dsn) as made:
        yield made


@pytest.fixture
async def services(line: Hotline) -> AsyncIterator[list[Service]]:
    """The three services over an open outage, a complaint that an agent has, and a report without a place."""
    at = clock.now() - timedelta(seconds=20)
    came = {"occurred_at": at, "received_at": at}
    out = contact("out", text="我家停电了", account_id="A0900001", business_type="fault_report", **came)
    asks = contact("asks", text="我要投诉", business_type="complaint", phone="13912345671", **came)
    await line.take(out, asks, contact("lost", text="停电了", business_type="fault_report", **came))
    assert (await line.ann.claim(ticket=str(asks.ticket_id))).status_code == 200
    report = await line.room.pool.fetchrow("SELECT * FROM report JOIN incident USING (incident_id)")
    of_outage = {name: str(report[name]) for name in ("incident_id", "report_id", "order_id")}
    of_outage |= {"report": of_outage["report_id"], "device": report["device_id"], "ticket_ref": out.ticket_ref}
    of_outage |= {"key": _ID, "account_id": "A0900001"}
    of_ticket = {"key": str(asks.ticket_id), "agent_id": "ann", "into": str(out.ticket_id), "name": "repair"}
    async with AsyncExitStack() as stack:
        made = []
        for name, known, routers in (
            ("router", {**of_ticket, "to_queue": "repair"}, [router_doors(line.people, lambda: ring(RouterScope))]),
            (
                "dedup",
                of_outage,
                [dedup_doors(line.room.pool, line.room.outbox, lambda: ring(DedupScope), line.room.ground)],
            ),
            ("notify", of_outage, [notify_doors(line.told.pool, line.told.templates)]),
        ):
            transport = httpx.ASGITransport(Doors(make_app(name, ready=_ready), routers))
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=f"http://{name}"))
            made.append(Service(name, client, (await client.get("/openapi.json")).json(), known))
        yield made


def ring(scopes: type[DedupScope | RouterScope]) -> KeyRing[Any]:
    """Two keys: of somebody who may do all, and of somebody who may look."""
    may = {"all": frozenset(scopes), "looks": frozenset({scopes.READ})}
    return KeyRing((hashlib.sha256(key.encode()).digest(), Holder(key, what)) for key, what in may.items())


async def _ready() -> list[str]:
    return []


async def answer_to(service: Service, asked: Asked, key: str) -> httpx.Response:
    query = str(httpx.QueryParams(asked.given["query"])).encode()
    url = service.client.base_url.copy_with(raw_path=asked.path.encode() + (b"?" + query if query else b""))
    headers = {**asked.given["header"], "X-API-Key": key}
    if asked.body is not None:
        headers["Content-Type"] = "application/json"
    async with asyncio.timeout(10):
        return await service.client.request(asked.method, url, content=asked.body, headers=headers)


async def test_whatever_is_said_is_taken_or_refused_by_field_and_reason(services: list[Service], line: Hotline) -> None:
    """By a twentieth of all that is hostile; another one each time, but where a change is judged."""
    chance = random.Random(95598 if "CI" in os.environ else None)
    statuses: Counter[tuple[str, int]] = Counter()
    for service in services:
        for meant in usual(service):
            for asked in (meant, *(each for each in hostile(service, meant) if chance.random() < SHARE)):
                answer = await answer_to(service, asked, "all")
                statuses[service.name, int(answer.status_code)] += 1
                assert answer.status_code < 500, asked
                if asked.template != "/metrics":  # of all tests that ran in this process before, all services'
                    assert len(answer.content) < 100_000, asked
                if answer.status_code >= 400:
                    problem = answer.json()
                    assert answer.headers["content-type"] == "application/problem+json", asked
                    assert problem.get("errors") or (problem["detail"] and problem["status"] != 422), asked
    for name in ("router", "dedup", "notify"):
        assert {200, 422} <= {status for of, status in statuses if of == name}, "the control: doors open, and refuse"
    taken = await line.room.published(OUTAGE_INPUT.name)
    assert taken, "the control"
    for one in taken:  # what was taken is no poison for the loop
        await line.room.feed([one], clock.now())


async def test_no_door_but_those_for_all_opens_to_who_may_only_look(services: list[Service]) -> None:
    """So a door that is added cannot be left without a lock."""
    for_all = set()
    for service in services:
        for asked in usual(service):
            if "security" not in service.document["paths"][asked.template][asked.method.lower()]:
                for_all.add((service.name, asked.method, asked.template))
                continue
            assert (await answer_to(service, asked, "nobody")).status_code == 401, asked
            looked = await answer_to(service, asked, "looks")
            assert (looked.status_code == 403) == (asked.method != "GET"), asked
    assert for_all == FOR_ALL
