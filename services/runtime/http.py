"""HTTP endpoints that every service has: health, readiness, metrics."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Match

from services.runtime.errors import UnavailableError
from services.runtime.openapi import for_generators
from services.runtime.problems import Problem, ProblemDetails, answer_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fastapi import FastAPI

HEAD: Final = "gridline.head"
"""In a request's scope: it came as HEAD and is answered as GET."""


class Health(BaseModel):
    """How a service is."""

    status: str = Field(examples=["ready"])


def make_app(name: str, *, ready: Callable[[], Awaitable[list[str]]]) -> FastAPI:
    """Make the application with the doors all services share.

    Args:
        name: Service name.
        ready: Returns why the service is not ready; empty means it is.
    """
    app = FastAPIOffline(  # FastAPI's own page of the doors is blank where there is no internet
        title=f"Gridline {name}",
        version="1",
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,  # what a generated client's method is called
        responses={"default": {"model": ProblemDetails, "description": "Problem details (RFC 9457)"}},
    )

    @app.get("/healthz", tags=["operations"], summary="Liveness")
    async def healthz() -> Health:
        return Health(status="alive")

    @app.get("/readyz", tags=["operations"], summary="Readiness: Kafka and Postgres answer, partitions are owned")
    async def readyz() -> Health:
        reasons = await ready()
        if reasons:
            raise Problem(503, "; ".join(reasons), title="Not ready", headers={"Retry-After": "2"})
        return Health(status="ready")

    page: asyncio.Task[bytes] | None = None

    @app.get("/metrics", tags=["operations"], summary="Prometheus metrics", response_class=PlainTextResponse)
    async def prometheus_metrics() -> Response:
        # Beside the loop, one at a time: with hundreds of queues it takes longer than a batch may, and anybody may ask.
        nonlocal page
        if page is None or page.done():
            page = asyncio.create_task(asyncio.to_thread(generate_latest))
        return Response(await asyncio.shield(page), media_type=CONTENT_TYPE_LATEST)

    documented = app.openapi

    def openapi() -> dict[str, Any]:
        return for_generators(documented())

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's manual says to extend it
    for kind in (Problem, RequestValidationError, HTTPException, UnavailableError, Exception):
        app.add_exception_handler(kind, on_error)
    return app


def later() -> APIRouter:
    """Return a door for every path: what comes while a service is starting is to be sent again."""
    router = APIRouter()

    @router.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def starting() -> None:
        raise Problem(503, "the service is starting", headers={"Retry-After": "2"})

    return router


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an exception; where the method was wrong, name those that are right."""
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = {*(error.headers or {}).get("Allow", "").split(", "), *_methods(request)}
        if "GET" in allowed and not request.scope.get(HEAD):
            allowed.add("HEAD")
        error = HTTPException(error.status_code, error.detail, {"Allow": ", ".join(sorted(allowed))})
    return answer_to(error)


def _methods(request: Request) -> set[str]:
    """Return what a path may be asked with. Starlette names the methods of the first route that has the path alone."""
    found: set[str] = set()
    for route in getattr(request.app.state, "doors", ()):
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods
    return found


async def refuse_head(request: Request) -> None:
    """Refuse HEAD: for a door that GET alone opens, such as a stream, which begins something and has no end."""
    if request.scope.get(HEAD):
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})


class JsonBytes(Response):
    """An answer whose JSON is bytes already; its two headers are not worked out anew for every request."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set its length and type."""
        if headers:
            super().init_headers(headers)
        else:
            self.raw_headers = [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json")]
