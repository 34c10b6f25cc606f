"""The HTTP face every service has: health, readiness, metrics, and one shape for every error (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.runtime.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

PROBLEM_JSON: Final = "application/problem+json"
_log = structlog.get_logger()

Check = "Callable[[], Awaitable[str | None]]"


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
        self.title = title or HTTPStatus(status).phrase
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


def make_app(
    name: str, *, ready: Callable[[], Awaitable[list[str]]], lifespan: Any = None, description: str = ""
) -> FastAPI:
    """Make the application with the doors all services share.

    Args:
        name: Service name.
        ready: Returns why the service is not ready; empty means it is.
        lifespan: FastAPI lifespan, if the room needs one.
        description: For the OpenAPI document.
    """
    app = FastAPI(
        title=f"Gridline {name}",
        version="1",
        description=description,
        lifespan=lifespan,
        redoc_url=None,
        responses={"default": {"model": ProblemDetails, "description": "Problem details (RFC 9457)"}},
    )

    @app.get("/healthz", tags=["operations"], summary="The process is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", tags=["operations"], summary="Kafka and Postgres answer, partitions are owned")
    async def readyz() -> dict[str, str]:
        reasons = await ready()
        if reasons:
            raise Problem(503, "; ".join(reasons), title="Not ready", headers={"Retry-After": "2"})
        return {"status": "ready"}

    @app.get("/metrics", tags=["operations"], summary="Prometheus metrics")
    async def prometheus_metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"field": ".".join(str(part) for part in found["loc"][1:]) or str(found["loc"][0]), "reason": found["msg"]}
            for found in error.errors()
        ]
        return Problem(422, "some fields do not fit", errors=errors).response()

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> Response:
        return Problem(error.status_code, str(error.detail or ""), headers=error.headers).response()

    @app.exception_handler(UnavailableError)
    async def on_unavailable(_request: Request, error: UnavailableError) -> Response:
        _log.warning("request_unavailable", reason=str(error)[:200])
        return Problem(503, "a system behind this one does not answer now", headers={"Retry-After": "2"}).response()

    @app.exception_handler(Exception)
    async def on_bug(_request: Request, error: Exception) -> Response:
        _log.error("request_failed", exc_info=error)
        return Problem(500, "an error of ours; it has been logged").response()

    return app
