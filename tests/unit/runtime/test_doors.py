"""Doors that are looked up answer as those that are searched for, errors and all."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.runtime.doors import BytesRoute, Doors
from services.runtime.errors import UnavailableError
from services.runtime.http import make_app, refuse_head
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message

ERRORS = {
    "problem": Problem(422, "a field", errors=[{"field": "x", "reason": "y"}], headers={"Retry-After": "9"}),
    "unavailable": UnavailableError("kafka"),
    "bug": ZeroDivisionError("ours"),
}


async def endpoint(request: Request) -> Response:
    asked = (await request.body()).decode()
    if asked in ERRORS:
        raise ERRORS[asked]
    return Response(asked, 202)


class Said(BaseModel):
    word: str


async def with_parameters(key: str, part: str, said: Said, times: Annotated[int, Query(le=9)] = 1) -> list[str]:
    if said.word in ERRORS:
        raise ERRORS[said.word]
    return [key, part, *[said.word] * times]


async def breaks_off() -> StreamingResponse:
    async def halves() -> AsyncIterator[bytes]:
        yield b"one half"
        raise ERRORS["bug"]

    return StreamingResponse(halves())


def nested() -> APIRouter:
    """Routers within routers, as the services have them."""
    outer, one, other = APIRouter(prefix="/v1"), APIRouter(), APIRouter(prefix="/more")
    one.add_api_route("/nested/{key}/{part}", with_parameters, methods=["POST"], status_code=201)
    one.add_api_route("/nested/{key}", with_key, methods=["GET"])
    one.add_api_route("/nested/all", everything, methods=["PUT"])
    other.add_api_route("/{key}", with_key, methods=["PATCH"])
    other.add_api_route("/to/{path:path}", with_path, methods=["GET"])
    outer.include_router(one)
    outer.include_router(other)
    outer.add_api_route("/breaks", breaks_off, methods=["GET"])
    return outer


async def with_key(key: str) -> str:
    return key


async def with_path(path: str) -> str:
    return path


async def everything() -> str:
    return "all"


def application(*, direct: bool) -> httpx.AsyncClient:
    async def ready() -> list[str]:
        return []

    router = APIRouter(prefix="/v1", route_class=BytesRoute)
    router.add_api_route("/fixed", endpoint, methods=["POST"])
    router.add_api_route("/with/{parameter}", endpoint, methods=["POST"])
    router.add_api_route("/with/{parameter}", endpoint, methods=["PUT", "DELETE"], name="other")
    router.add_api_route("/asked", endpoint, methods=["GET"])
    router.add_api_route("/asked/{parameter}", endpoint, methods=["GET"])
    live = APIRouter(prefix="/v1")
    live.add_api_route("/live", ready, methods=["GET"], dependencies=[Depends(refuse_head)])
    app = make_app("test", ready=ready)
    doors = Doors(app, [router, live, nested()])
    transport = httpx.ASGITransport(doors if direct else app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def said(response: httpx.Response) -> tuple[int, str, dict[str, str]]:
    return response.status_code, response.text, dict(response.headers)


@pytest.mark.parametrize("path", ["/v1/fixed", "/v1/with/x", "/v1/nothing"])
@pytest.mark.parametrize("body", ["fine", *ERRORS])
async def test_both_ways_to_a_door_give_one_answer(path: str, body: str):
    async with application(direct=True) as direct, application(direct=False) as searched:
        assert said(await direct.post(path, content=body)) == said(await searched.post(path, content=body))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/nested/a%20b/c?times=2", {"word": "said"}),
        ("POST", "/v1/nested/a/b?times=2", {"word": 7}),
        ("POST", "/v1/nested/a/b?times=10", {"word": "said"}),
        ("POST", "/v1/nested/a%2Fb/c", {"word": "said"}),
        ("POST", "/v1/nested//c", {"word": "said"}),
        *(("POST", "/v1/nested/a/b", {"word": word}) for word in ERRORS),
        ("GET", "/v1/nested/all", None),
        ("PUT", "/v1/nested/all", None),
        ("GET", "/v1/nested/{key}", None),
        ("PATCH", "/v1/more/x", None),
        ("GET", "/v1/more/to/a/b/c", None),
        ("GET", "/v1/nested/x/y", None),
        ("GET", "/v1//nested/x", None),
        ("GET", "/healthz", None),
    ],
)
async def test_a_door_with_parameters_is_the_same_either_way(method: str, path: str, body: dict[str, str] | None):
    async with application(direct=True) as direct, application(direct=False) as searched:
        asked = [await way.request(method, path, json=body) for way in (direct, searched)]
    assert said(asked[0]) == said(asked[1])


async def test_an_answer_that_breaks_off_is_not_answered_twice():
    async def ready() -> list[str]:
        return []

    doors, sent = Doors(make_app("test", ready=ready), [nested()]), list[str]()

    async def send(message: Message) -> None:
        sent.append(message["type"])

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/v1/breaks", "query_string": b"", "headers": []}
    with pytest.raises(RuntimeError):
        await doors(scope, receive, send)
    assert sent == ["http.response.start", "http.response.body"]


async def test_a_door_is_reached_without_asking_the_others(monkeypatch: pytest.MonkeyPatch):
    """FastAPI asks one after the other: with the router's sixty, that took longer than what was asked."""

    async def searched(*_: object) -> None:
        raise AssertionError("it was searched for")

    async with application(direct=True) as client:
        monkeypatch.setattr(FastAPI, "__call__", searched)
        assert (await client.post("/v1/nested/a/b", json={"word": "c"})).json() == ["a", "b", "c"]
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/more/to/a")).status_code == 500, "a path of any length is searched for"


@pytest.mark.parametrize("path", ["/v1/fixed/", "/v1/with/x/", "/v1/fixed//"])
async def test_a_slash_too_many_sends_nobody_elsewhere(path: str):
    """The way there began with http, behind a proxy that speaks https too: key and report went in clear."""
    async with application(direct=True) as client:
        answer = await client.post(path, content="fine")
        assert (answer.status_code, answer.text) == (202, "fine")
        assert (await client.get("/")).status_code == (await client.get("//")).status_code == 404


async def test_only_the_methods_of_a_door_are_its_own():
    async with application(direct=True) as client:
        assert (await client.get("/v1/fixed")).status_code == 405
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/fixed", "POST"),
        ("/v1/with/x", "DELETE, POST, PUT"),
        ("/v1/nested/all", "GET, HEAD, PUT"),
        ("/v1/nested/x", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_all_that_are_right_in_whichever_route_they_are(path: str, methods: str):
    async with application(direct=True) as client:
        answer = await client.patch(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, methods)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/v1/asked", "/v1/asked/x", "/v1/live", "/v1/nothing"])
async def test_head_is_answered_as_get_but_where_get_alone_opens(path: str):
    async with application(direct=True) as client:
        asked, head = await client.get(path), await client.head(path)
    if path == "/v1/live":
        assert (asked.status_code, head.status_code, head.headers["allow"]) == (200, 405, "GET")
    else:
        assert (head.status_code, head.headers.get("content-type")) == (
            asked.status_code,
            asked.headers.get("content-type"),
        )


async def test_a_page_of_metrics_that_takes_long_holds_up_nobody_and_is_written_once_for_all_who_ask(
    monkeypatch: pytest.MonkeyPatch,
):
    """With hundreds of queues it takes a tenth of a second and more, and whoever reaches the port may ask for it."""
    goes_on, written = threading.Event(), []

    def page() -> bytes:
        assert goes_on.wait(30)
        written.append(None)
        return b"gridline 1\n"

    monkeypatch.setattr("services.runtime.http.generate_latest", page)
    async with application(direct=True) as client:
        asked = [asyncio.create_task(client.get("/metrics")) for _ in range(50)]
        async with asyncio.timeout(30):
            assert (await client.post("/v1/fixed", content="fine")).text == "fine"
        asked.pop().cancel()
        await asyncio.sleep(0)
        goes_on.set()
        pages = await asyncio.gather(*asked)
        assert {page.text for page in pages} == {"gridline 1\n"}
        assert len(written) == 1
        assert (await client.get("/metrics")).text == "gridline 1\n"
        assert len(written) == 2, "a later one is another page"
