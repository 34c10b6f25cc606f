"""What callers have seen of a ticket, and how a refusal is told.

Never here: which act is allowed in which state.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Header

from services.router.acting import NoSuchAgentError, NoSuchTicketError, NotThereError, OtherVersionError
from services.router.domain.log import NotAllowedError
from services.runtime.http import Problem


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
