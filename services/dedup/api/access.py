"""Who may pass which door: the key of a request against the scope the door asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader

from services.dedup.keys import Holder, Scope  # noqa: TC001 - FastAPI reads it
from services.runtime.http import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.dedup.keys import KeyRing

_HEADER: Final = APIKeyHeader(name="X-API-Key", auto_error=False)
_UNIFORM: Final = "The credential is missing or not known."


class Access:
    """Makes the check of a door."""

    def __init__(self, keys: Callable[[], KeyRing]) -> None:
        self._keys = keys

    def holder(self, scope: Scope) -> Callable[[str | None], Holder]:
        """Return the check that gives the holder of the request's key, or refuses the request."""

        def check(key: Annotated[str | None, Security(_HEADER)]) -> Holder:
            holder = self._keys().holder(key)
            if holder is None or (not key and scope not in holder.scopes):
                raise Problem(401, _UNIFORM, headers={"WWW-Authenticate": "X-API-Key"})
            if scope not in holder.scopes:
                raise Problem(403, f"this key has not the scope {scope.value!r}")
            return holder

        return check

    def may(self, scope: Scope) -> Any:
        """Return the dependency of a door."""
        return Depends(self.holder(scope))
