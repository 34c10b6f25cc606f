"""Who may open which door, and how a refusal is told.

Never here: which act is allowed in which state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Header, Security
from fastapi.security import APIKeyHeader

from services.router.acting import NoSuchAgentError, NoSuchTicketError, NotThereError, OtherVersionError
from services.router.domain.log import NotAllowedError
from services.runtime.http import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.router.tree.keys import Caller, KeyRing, Scope

_HEADER: Final = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of keys.yaml")


def guard(keys: Callable[[], KeyRing], scope: Scope) -> Callable[[str | None], Caller]:
    """Return a dependency that lets in callers whose key has a scope."""

    def check(key: Annotated[str | None, Security(_HEADER)]) -> Caller:
        caller = keys().caller(key or "")
        if caller is None:
            raise Problem(401, "the key is missing or not known", headers={"WWW-Authenticate": "ApiKey"})
        if scope not in caller.scopes:
            raise Problem(403, f"this key does not have the scope {scope}")
        return caller

    return check


def seen_version(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """Read ``If-Match``: the version of the ticket the caller saw, as the ``ETag`` gave it."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit()):
        detail = 'If-Match is the ETag of the ticket, like "7"'
        raise Problem(400, detail, errors=[{"field": "If-Match", "reason": detail}])
    return int(text)


SeenVersion = Annotated[int | None, Depends(seen_version)]

Refusal = NoSuchTicketError | NoSuchAgentError | NotThereError | OtherVersionError | NotAllowedError
REFUSALS: Final = (NoSuchTicketError, NoSuchAgentError, NotThereError, OtherVersionError, NotAllowedError)


def problem(error: Refusal) -> Problem:
    """Return how a refusal is told over HTTP: what is not allowed has a name in ``errors``."""
    match error:
        case NoSuchTicketError():
            return Problem(404, "no ticket has this id or reference")
        case NoSuchAgentError():
            return Problem(404, "no agent has this id: a supervisor makes one with PUT /v1/agents/{id}")
        case OtherVersionError():
            return Problem(412, str(error), headers={"ETag": etag(error.version)})
        case NotThereError():
            return Problem(409, str(error), errors=[{"field": "agent_id", "reason": "not_available"}])
        case NotAllowedError():
            return Problem(409, str(error), errors=[{"field": "state", "reason": error.why.value}])


def etag(version: int) -> str:
    """Return the ``ETag`` of a version."""
    return f'"{version}"'
