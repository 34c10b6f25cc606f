"""Bodies that FastAPI reads by itself: bounded in size and in time, and all together.

FastAPI reads a body whole, however long it is and takes, before it asks who sends it. Endpoints that read bodies by
themselves (intake's) have bounds of their own.
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from services.runtime import clock
from services.runtime.deadlines import done_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message, Receive, Scope

MAX_BODY_BYTES: Final = 1024 * 1024
"""Five times what the largest batch that any endpoint takes has."""
MOST_UNFINISHED_BYTES: Final = 64 * MAX_BODY_BYTES
"""Of all bodies of which a part has come and the rest is awaited: lines without a key hold no more, however many."""
BODY_SECONDS: Final = 30.0
_WITHOUT: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Unfinished:
    """The bytes that have come of bodies, or of heads, whose rest is awaited, of all lines together."""

    def __init__(self, most: int = MOST_UNFINISHED_BYTES) -> None:
        """Hold nothing, and have room for so many."""
        self._most = most
        self.held = 0

    def hold(self, size: int) -> bool:
        """Hold some more; return whether there is room for all that is held. What is too much is held, too."""
        self.held += size
        return self.held <= self._most

    def let_go(self, size: int) -> None:
        """Let go of what was held."""
        self.held -= size


_unfinished: Final = Unfinished()


@contextmanager
def bounded(scope: Scope, receive: Receive) -> Iterator[Receive]:
    """Give a ``receive`` that refuses a body which is larger or slower than any of ours, or one of too many in parts.

    What it gives raises HTTPException: 413, 408 or 503.
    """
    if scope["type"] != "http" or scope["method"] in _WITHOUT:
        yield receive
        return
    size, held, ends, whole = 0, 0, 0.0, False

    async def limited() -> Message:
        nonlocal size, held, ends, whole
        if whole:
            return await receive()
        if not ends:
            ends = clock.monotonic() + BODY_SECONDS
            if _declared(scope) > MAX_BODY_BYTES:
                raise _too_large()
        try:
            message: Message = await done_within(max(0.0, ends - clock.monotonic()), _coroutine(receive))
        except TimeoutError:
            detail = f"the body did not arrive within {BODY_SECONDS:g} s"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail, {"Connection": "close"}) from None
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise _too_large()
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        before, held = held, 0 if whole else size
        if not _unfinished.hold(held - before) and held:
            raise _too_many()
        return message

    try:
        yield limited
    finally:
        _unfinished.let_go(held)


async def _coroutine(receive: Receive) -> Message:
    return await receive()


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _too_large() -> HTTPException:
    detail = f"the body is larger than {MAX_BODY_BYTES} bytes"
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, {"Connection": "close"})


def _too_many() -> HTTPException:
    detail = "too many bodies come in parts; nothing was done: send this one again, at once"
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "2", "Connection": "close"})
