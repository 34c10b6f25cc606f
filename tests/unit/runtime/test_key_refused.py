"""Who is not let in hears which header a key goes into, and of a key that it is none of this service's."""

from __future__ import annotations

import asyncio
import hashlib
from enum import StrEnum

import pytest
from starlette.requests import HTTPConnection

from services.runtime.keys import let_in, read_keys
from services.runtime.problems import Problem


class Scope(StrEnum):
    READ = "read"
    ACT = "act"


HASH = hashlib.sha256(b"right").hexdigest()
RING = read_keys("keys.yaml", f"version: 1\nholders:\n  desk: {{scopes: [read], api_keys_sha256: [{HASH}]}}\n", Scope)


@pytest.mark.parametrize(
    ("key", "scope", "status", "said"),
    [
        (None, Scope.READ, 401, "send a key in the header X-API-Key"),
        ("wrong", Scope.READ, 401, "X-API-Key has no key of this service"),
        ("right", Scope.ACT, 403, "this key lacks the scope 'act'"),
    ],
)
def test_a_refusal_says_what_to_do(key: str | None, scope: Scope, status: int, said: str) -> None:
    headers = [] if key is None else [(b"x-api-key", key.encode())]
    request = HTTPConnection({"type": "http", "headers": headers})
    with pytest.raises(Problem) as refused:
        asyncio.run(let_in(lambda: RING, scope)(request))
    assert (refused.value.status, refused.value.detail) == (status, said)
