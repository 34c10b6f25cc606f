"""The look at answers that tests of the doors take sees what a document does not say."""

from __future__ import annotations

import httpx
import pytest

from services.runtime.etags import CHANGED, TAGGED
from tests.as_documented import as_documented, beyond

SAID = {
    "paths": {
        "/v1/things/{key}": {
            "get": {"responses": {**{str(status): one for status, one in TAGGED.items()}, "default": {}}},
            "post": {"responses": {"200": {}, **{str(status): one for status, one in CHANGED.items()}, "default": {}}},
        }
    }
}


def answer(method: str, path: str, status: int, *headers: str) -> httpx.Response:
    request = httpx.Request(method, f"http://there{path}")
    return httpx.Response(status, headers=dict.fromkeys(headers, '"7"'), request=request)


@pytest.mark.parametrize(
    ("method", "status", "headers", "missing"),
    [
        ("GET", 200, ["ETag"], []),
        ("GET", 200, ["ETag", "Content-Location"], ["get /v1/things/{key} has Content-Location"]),
        ("GET", 202, [], ["get /v1/things/{key} answers 202"]),
        ("GET", 404, [], []),
        ("GET", 412, ["ETag"], ["get /v1/things/{key} has ETag"]),
        ("POST", 200, [], []),
        ("POST", 200, ["ETag"], ["post /v1/things/{key} has ETag"]),
        ("POST", 412, ["ETag"], []),
        ("PUT", 405, [], []),
    ],
)
def test_what_is_not_said_is_seen(method: str, status: int, headers: list[str], missing: list[str]):
    assert beyond(SAID, answer(method, "/v1/things/a-1", status, *headers)) == missing


async def test_a_client_that_looks_fails():
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(202)), event_hooks={"response": [as_documented("dedup")]}
    ) as client:
        await client.get("http://there/v1/other")
        await client.post("http://there/v1/telemetry")
        with pytest.raises(AssertionError, match="answers 202"):
            await client.get("http://there/v1/incidents/a")
