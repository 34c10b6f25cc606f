"""The version of what is answered, as HTTP says it (RFC 9110, 8.8.3), and how a document says that it does.

Never here: what a version counts, or whether a caller must have seen the last.
"""

from __future__ import annotations

from typing import Any, Final

from services.runtime.problems import ProblemDetails

Answers = dict[int | str, dict[str, Any]]
"""What a door answers, by status, as FastAPI takes it for its document."""

ETAG: Final = {
    "ETag": {"description": 'The version that is shown, like "7": for If-Match', "schema": {"type": "string"}}
}
"""The header, as a document has it."""
TAGGED: Final[Answers] = {200: {"headers": ETAG}}
"""A thing as it stands."""
CHANGED: Final[Answers] = {
    412: {"model": ProblemDetails, "description": "It was changed since the version of If-Match", "headers": ETAG}
}
"""Whoever acts on a version that is not the last is told which is."""


def etag(version: int) -> str:
    """Return the ``ETag`` of a version."""
    return f'"{version}"'
