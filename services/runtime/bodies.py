"""Bodies that FastAPI reads by itself: bounded in size and in time.

FastAPI reads a body whole, however long it is and takes, before it asks who sends it. Endpoints that read bodies by
themselves (intake's) have bounds of their own.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from services.runtime import clock
from services.runtime.deadlines import done_within

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

MAX_BODY_BYTES: Final = 1024 * 1024
"""Five times what the largest batch that any endpoint takes has."""
BODY_SECONDS: Final = 30.0
_WITHOUT: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def bounded(scope: Scope, receive: Receive) -> Receive:
    """Return a ``receive`` that refuses a body which is larger or slower than any of ours.

    What it returns raises HTTPException: 413 or 408.
    """
    if scope["type"] != "http" or scope["method"] in _WITHOUT:
        return receive
    size, ends, whole = 0, 0.0, False

    async def limited() -> Message:
        nonlocal size, ends, whole
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
        return message

    return limited


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
