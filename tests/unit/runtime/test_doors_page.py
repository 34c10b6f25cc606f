"""The page of a service's doors shows where there is no internet, and tells nobody outside who looks at it."""

from __future__ import annotations

import re

import httpx

from services.runtime.http import make_app


async def ready() -> list[str]:
    return []


async def test_the_page_and_all_that_it_loads_come_from_the_service():
    transport = httpx.ASGITransport(make_app("test", ready=ready))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        page = await client.get("/docs")
        assert page.status_code == 200
        loaded = re.findall(r"""(?:src|href)=["']([^"']+)|url: '([^']+)'""", page.text)
        paths = {one or other for one, other in loaded}
        assert len(paths) >= 4, "a script, a style, an icon and the document"
        assert all(path.startswith("/") and not path.startswith("//") for path in paths)
        assert {path: (await client.get(path)).status_code for path in paths} == dict.fromkeys(paths, 200)
        style = next(path for path in paths if path.endswith(".css"))
        assert not re.search(r"url\(['\"]?http|@import", (await client.get(style)).text)
        document = (await client.get("/openapi.json")).json()
    assert not [path for path in document["paths"] if "static" in path], "it is no door of the contract"


async def test_who_knocks_where_no_door_is_hears_where_they_are():
    transport = httpx.ASGITransport(make_app("test", ready=ready))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        nowhere, otherwise = await client.get("/v1/phone/event"), await client.post("/healthz")
    assert (nowhere.status_code, nowhere.json()["title"]) == (404, "Not Found")
    assert "/docs" in nowhere.json()["detail"]
    assert (otherwise.status_code, otherwise.headers["allow"]) == (405, "GET, HEAD")
    assert "Allow" in otherwise.json()["detail"]
