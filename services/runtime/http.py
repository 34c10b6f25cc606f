"""HTTP endpoints that every service has: health, readiness, metrics; and one format for every error (RFC 9457)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from services.contracts.unfit import why
from services.runtime.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from fastapi import FastAPI

PROBLEM_JSON: Final = "application/problem+json"
_PROBLEM: Final = "#/components/schemas/ProblemDetails"
_ERRORS: Final = frozenset({_PROBLEM, "#/components/schemas/HTTPValidationError"})
_UNREAD: Final = "There was an error parsing the body"
"""What FastAPI says of a body that is neither JSON nor broken JSON."""
_NO_DOOR: Final = {
    HTTPStatus.NOT_FOUND.phrase: "no such endpoint; /docs lists them",
    HTTPStatus.METHOD_NOT_ALLOWED.phrase: "method not allowed here; Allow lists those that are",
}
"""What Starlette says where no endpoint matches, and what says more."""
HEAD: Final = "gridline.head"
"""In a request's scope: it came as HEAD and is answered as GET."""
_log = structlog.get_logger()


class FieldProblem(BaseModel):
    """One wrong field."""

    field: str
    reason: str


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[FieldProblem] = Field(default_factory=list)


_RENAMED: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them; Python does from 3.13 on, and what a sender reads must not hang on that."""


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """Raise it to answer an error; the caller reads ``detail`` and, for each wrong field, why."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        title: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or _RENAMED.get(status) or HTTPStatus(status).phrase
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Render it."""
        body: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = self.errors
        return Response(orjson.dumps(body), self.status, self.headers, PROBLEM_JSON)


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
        responses={"default": {"model": ProblemDetails, "description": "Problem details (RFC 9457)"}},
    )

    @app.get("/healthz", tags=["operations"], summary="Liveness")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", tags=["operations"], summary="Readiness: Kafka and Postgres answer, partitions are owned")
    async def readyz() -> dict[str, str]:
        reasons = await ready()
        if reasons:
            raise Problem(503, "; ".join(reasons), title="Not ready", headers={"Retry-After": "2"})
        return {"status": "ready"}

    page: asyncio.Task[bytes] | None = None

    @app.get("/metrics", tags=["operations"], summary="Prometheus metrics")
    async def prometheus_metrics() -> Response:
        # Beside the loop, one at a time: with hundreds of queues it takes longer than a batch may, and anybody may ask.
        nonlocal page
        if page is None or page.done():
            page = asyncio.create_task(asyncio.to_thread(generate_latest))
        return Response(await asyncio.shield(page), media_type=CONTENT_TYPE_LATEST)

    documented = app.openapi

    def openapi() -> dict[str, Any]:
        return _with_problems(documented())

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


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Say of every error what is sent: a problem, under its own media type. FastAPI says JSON, and of 422 its own."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                if content.get("application/json", {}).get("schema", {}).get("$ref") in _ERRORS:
                    del content["application/json"]
                    content[PROBLEM_JSON] = {"schema": {"$ref": _PROBLEM}}
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


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


def answer_to(error: Exception) -> Response:
    """Return what an error is answered with; one that nobody foresaw is logged."""
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, RequestValidationError):
        return _unfit(error.errors()).response()
    if isinstance(error, HTTPException) and error.detail == _UNREAD:
        return _unread(error.__cause__).response()
    if isinstance(error, HTTPException):
        detail = _NO_DOOR.get(str(error.detail), error.detail)
        return Problem(error.status_code, str(detail or ""), headers=error.headers).response()
    if isinstance(error, UnavailableError):
        _log.warning("request_unavailable", reason=str(error)[:200])
        return Problem(503, "a backend system does not respond", headers={"Retry-After": "2"}).response()
    _log.error("request_failed", exc_info=error)
    return Problem(500, "internal error; it has been logged").response()


def _unread(cause: BaseException | None) -> Problem:
    """Return the problem of a body that is no JSON text at all."""
    reason = "cannot be read as JSON"
    if isinstance(cause, UnicodeDecodeError):
        reason = f"is not UTF-8 from byte {cause.start} on"
    return Problem(400, "the body cannot be read", errors=[{"field": "body", "reason": reason}])


def wrong_field(field: str, reason: str) -> Problem:
    """Return the problem of one field that does not fit."""
    return Problem(422, "some fields do not fit", errors=[{"field": field, "reason": reason}])


def _unfit(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the problem that names each field that does not fit, and why."""
    broken = next((each for each in errors if each["type"] == "json_invalid"), None)
    if broken is not None:  # where its place in the body stands instead of a field
        reason = (
            f"is no JSON from character {broken['loc'][-1]} on: {broken.get('ctx', {}).get('error', 'it ends there')}"
        )
        return Problem(400, "the body cannot be read", errors=[{"field": "body", "reason": reason}])
    fields = [
        {
            "field": ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]),
            "reason": why(each),
        }
        for each in errors
    ]
    return Problem(422, "some fields do not fit", errors=fields)


class JsonBytes(Response):
    """An answer whose JSON is bytes already; its two headers are not worked out anew for every request."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set its length and type."""
        if headers:
            super().init_headers(headers)
        else:
            self.raw_headers = [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json")]
