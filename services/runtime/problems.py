"""One format for every error a door answers (RFC 9457), and which failure is answered with which."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.contracts.unfit import why
from services.runtime.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROBLEM_JSON: Final = "application/problem+json"
_UNREAD: Final = "There was an error parsing the body"
"""What FastAPI says of a body that is neither JSON nor broken JSON."""
_NO_DOOR: Final = {
    HTTPStatus.NOT_FOUND.phrase: "no such endpoint; /docs lists them",
    HTTPStatus.METHOD_NOT_ALLOWED.phrase: "method not allowed here; Allow lists those that are",
}
"""What Starlette says where no endpoint matches, and what says more."""
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
