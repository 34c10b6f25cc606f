"""Doors that are looked up answer as those that are searched for, errors and all."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest
from fastapi import APIRouter, Depends, Request, Response

from services.runtime.errors import UnavailableError
from services.runtime.http import BytesRoute, Doors, Problem, make_app, refuse_head

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
    doors = Doors(app, [router, live])
    transport = httpx.ASGITransport(doors if direct else app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def said(response: httpx.Response) -> tuple[int, str, dict[str, str]]:
    return response.status_code, response.text, dict(response.headers)


@pytest.mark.parametrize("path", ["/v1/fixed", "/v1/with/x", "/v1/nothing"])
@pytest.mark.parametrize("body", ["fine", *ERRORS])
async def test_both_ways_to_a_door_give_one_answer(path: str, body: str):
    async with application(direct=True) as direct, application(direct=False) as searched:
        assert said(await direct.post(path, content=body)) == said(await searched.post(path, content=body))


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


@pytest.mark.parametrize(("path", "methods"), [("/v1/fixed", "POST"), ("/v1/with/x", "DELETE, POST, PUT")])
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
