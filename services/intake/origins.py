"""CORS: which web sites' pages may post reports from a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

_DOORS: Final = ("/v1/web/", "/v1/form/", "/v1/app/")


def allow_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return ``app`` with CORS for these origins at the doors of reports; no cookies, since none are used."""
    shared = CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type", "Idempotency-Key", "X-API-Key", "traceparent"],
        expose_headers=["Retry-After"],
        max_age=3600,
    )

    async def by_door(scope: Scope, receive: Receive, send: Send) -> None:
        inside = scope["type"] == "http" and scope["path"].startswith(_DOORS)
        await (shared if inside else app)(scope, receive, send)

    return by_door
