"""Preconditions (``If-Match``) and refusals, as HTTP says them.

Never here: which action is allowed in which state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Header

from services.router.acting import NoSuchAgentError, NoSuchTicketError, NotThereError, OtherVersionError
from services.router.domain.log import NotAllowedError
from services.runtime.etags import etag
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.router.tree.keys import Scope
    from services.runtime.keys import Holder


_LONGEST: Final = 9
"""Digits of a version."""
_LONGEST_AUTHOR: Final = 200
"""Characters of a name."""


async def seen_version(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """Read ``If-Match``: the version of the ticket the caller saw, as the ``ETag`` gave it."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
        detail = 'If-Match is the ETag of the ticket, like "7"'
        raise Problem(400, detail, errors=[{"field": "If-Match", "reason": detail}])
    return int(text)


def author(holder: Holder[Scope], agent_id: str) -> str:
    """Return who does something, as the log tells it: the key's holder and the agent, cut where that is too long.

    The line has the agent in full beside it.
    """
    return f"{holder.name}/{agent_id}"[:_LONGEST_AUTHOR]


def known_queue(queue: str | None, known: Collection[str]) -> None:
    """Refuse a queue of which there is nothing: a name that was misspelt must not look like a quiet day.

    Raises:
        Problem: the tree in force does not have it.
    """
    if queue is not None and queue not in known:
        reason = f"{queue} is none of: {', '.join(known)}"
        raise Problem(422, "some fields do not fit the rules in force", errors=[{"field": "queue", "reason": reason}])


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
