"""Reading a request's body, with limits on size, time, content type and encoding, before anything is parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.runtime.deadlines import done_within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive

    from services.runtime.bodies import Unfinished

_LONGEST_NUMBER: Final = 9
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii"})


def require_kind(headers: Mapping[str, str], kinds: frozenset[str]) -> None:
    """Refuse a body of another media type, another encoding or in compressed form.

    Raises:
        PayloadRefusedError: media type, charset or content encoding is not one we read.
    """
    content_type = headers.get("content-type", "")
    if content_type in kinds and "content-encoding" not in headers:
        return
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if kind not in kinds:
        wanted = " or ".join(sorted(kinds))
        raise PayloadRefusedError(Reason.MEDIA_TYPE, f"Send the body as {wanted}, and say so in Content-Type.")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') not in _UTF8:
            raise PayloadRefusedError(Reason.MEDIA_TYPE, "Send the body in UTF-8.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise PayloadRefusedError(Reason.MEDIA_TYPE, "Send the body uncompressed, without Content-Encoding.")


async def read_body(
    headers: Mapping[str, str], receive: Receive, *, limit: int, deadline_s: float, unfinished: Unfinished | None
) -> bytes:
    """Read the body, stopping at ``limit`` bytes and after ``deadline_s`` seconds.

    Args:
        headers: By lower-case name.
        receive: Where it comes from.
        limit: Most bytes.
        deadline_s: Longest wait.
        unfinished: Where it counts until all of it has come; None where so many come at once only.

    Raises:
        PayloadRefusedError: it is larger, slower, one of too many, or the sender has gone.
    """
    declared = headers.get("content-length", "")
    if len(declared) > _LONGEST_NUMBER or (declared.isdigit() and int(declared) > limit):
        raise _oversize(limit)
    try:
        return await done_within(deadline_s, _whole(receive, limit, unfinished))
    except TimeoutError:
        raise PayloadRefusedError(Reason.SLOW_BODY, f"The body did not arrive within {deadline_s:g} s.") from None


async def _whole(receive: Receive, limit: int, unfinished: Unfinished | None) -> bytes:
    chunks: list[bytes] = []
    size = held = 0
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise PayloadRefusedError(Reason.DISCONNECTED, "The sender went away while sending.")
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _oversize(limit)
            more = message.get("more_body", False)
            if not chunks and not more:
                return chunk
            chunks.append(chunk)
            if not more:
                return b"".join(chunks)
            if unfinished is not None:
                held = size
                if not unfinished.hold(len(chunk)):
                    raise PayloadRefusedError(
                        Reason.BUSY, "Too many bodies come in parts. Nothing was stored: send this one again, at once."
                    )
    finally:
        if unfinished is not None:
            unfinished.let_go(held)


def _oversize(limit: int) -> PayloadRefusedError:
    return PayloadRefusedError(Reason.OVERSIZE, f"The body is larger than {limit} bytes.")
