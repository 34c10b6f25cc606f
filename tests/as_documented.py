"""What a service answers is what its document says: for clients of tests, which look at each answer."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

OURS: Final = ("ETag", "Location", "Content-Location")
"""Headers that callers act on."""
_PUBLISHED: Final = Path(__file__).parents[1] / "docs" / "contracts" / "openapi"


def beyond(document: dict[str, Any], response: httpx.Response) -> list[str]:
    """Return what an answer of a door has that the document does not say: its status, or a header of ours.

    What refuses may be said as ``default``, which has no header of ours.
    """
    path, method = response.request.url.path, response.request.method.lower()
    for template, door in document["paths"].items():
        if method in door and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            said = door[method]["responses"]
            status = str(response.status_code)
            if status not in said and not response.is_error:
                return [f"{method} {template} answers {status}"]
            headers = said.get(status, {}).get("headers", {})
            return [f"{method} {template} has {n}" for n in OURS if n in response.headers and n not in headers]
    return []  # no door: refused before any


@cache
def document_of(service: str) -> dict[str, Any]:
    """Return the published document of a service, which a test of tests/contract holds against the code."""
    found: dict[str, Any] = json.loads((_PUBLISHED / f"{service}.json").read_text(encoding="utf-8"))
    return found


def as_documented(service: str) -> Callable[[httpx.Response], Awaitable[None]]:
    """Return a client's hook that fails where an answer has what the service's document does not say."""

    async def look(response: httpx.Response) -> None:
        missing = beyond(document_of(service), response)
        assert not missing, missing

    return look
