"""API keys: the keys file of a service, and the check of a request's key.

Decided here: what a keys file may say, every error with its line; who may use an endpoint. Keys are stored as SHA-256
and compared in constant time; a holder may have two while one replaces the other. Never here: what a scope allows; a
key in a log or an error; an answer that tells which part was wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from fastapi.security import APIKeyHeader
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads the type

from services.contracts.values import Name
from services.runtime.problems import Problem
from services.runtime.yaml_reading import Reader, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from enum import StrEnum

    from yaml.nodes import Node

T = TypeVar("T")
S = TypeVar("S", bound="StrEnum")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DIGESTS: Final = "api_keys_sha256"
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_HEADER: Final = "X-API-Key"


@dataclass(frozen=True, slots=True)
class Holder(Generic[S]):
    """Whose a request is: the name in the keys file, and what it may do."""

    name: str
    scopes: frozenset[S]


class KeyRing(Generic[S]):
    """The holders of keys, and what may be done without one."""

    def __init__(self, keys: Iterable[tuple[bytes, Holder[S]]], anonymous: Iterable[S] = ()) -> None:
        self._keys = tuple(keys)
        self._anonymous = Holder("anonymous", frozenset(anonymous))

    def holder(self, key: str | None) -> Holder[S] | None:
        """Return whose a key is, in the same time whether and where it is found; None for one nobody has.

        No key at all is the nameless holder, who may do what the file opens to anyone.
        """
        found = owner_of(self._keys, hashlib.sha256((key or "").encode()).digest())
        return found if key else self._anonymous

    def published(self, keys: Mapping[str, str]) -> list[str]:
        """Return the names of holders that one of these keys opens: those that anybody can read in the source."""
        holders = map(self.holder, keys.values())
        return sorted({holder.name for holder in holders if holder is not None})


class _Check(APIKeyHeader, Generic[S]):
    """The check of a door.

    Every request asks it. So it is itself the security scheme that the OpenAPI document names, not a function that
    depends on one; and a coroutine: a plain function is run in a thread, although it waits for nothing, and the way
    there and back takes ten times as long as the check.
    """

    def __init__(self, keys: Callable[[], KeyRing[S]], scope: S) -> None:
        super().__init__(name=_HEADER, scheme_name=APIKeyHeader.__name__, auto_error=False)
        self._keys = keys
        self._scope = scope

    async def __call__(self, request: HTTPConnection) -> Holder[S]:  # type: ignore[override] # the key is not enough
        key = request.headers.get(_HEADER)
        holder = self._keys().holder(key)
        if holder is None or (not key and self._scope not in holder.scopes):
            refused = f"{_HEADER} has no key of this service" if key else f"send a key in the header {_HEADER}"
            raise Problem(401, refused, headers={"WWW-Authenticate": _HEADER})
        if self._scope not in holder.scopes:
            raise Problem(403, f"this key lacks the scope {self._scope.value!r}")
        return holder


def let_in(keys: Callable[[], KeyRing[S]], scope: S) -> _Check[S]:
    """Return the check of a door: it gives the holder of the request's key, or refuses the request."""
    return _Check(keys, scope)


def read_keys(file: str, text: str, scopes: type[S]) -> KeyRing[S]:
    """Read a keys file: who holds which keys, what those are good for, and what may be done without one.

    Args:
        file: Its name, for the errors.
        text: What it says.
        scopes: What a key of this service may be good for.

    Raises:
        RulesError: it has faults; every one is told with its line.
    """
    reader = Reader(file, text)
    top = reader.top(("version", "anonymous", "holders"), ("version", "holders"))
    anonymous = _scopes(reader, top["anonymous"], "anonymous", scopes) if "anonymous" in top else ()
    keys = list(_holders(reader, top["holders"], scopes)) if "holders" in top else []
    reader.finish()
    return KeyRing(keys, anonymous)


def _holders(reader: Reader, node: Node, scopes: type[S]) -> Iterator[tuple[bytes, Holder[S]]]:
    """Yield each digest with its holder; what is wrong is noted and left out."""
    lines: dict[bytes, int] = {}
    needed = ("scopes", _DIGESTS)
    for entry in reader.entries(node, "holders"):
        try:
            _NAME.validate_python(entry.key)
        except ValidationError as error:
            reader.fault(entry.line, f"name of a holder {entry.key[:50]!r}: {error.errors()[0]['msg']}")
        fields = reader.fields(entry.value, f"{entry.key!r} of holders", needed, needed)
        opened = _scopes(reader, fields["scopes"], "scopes", scopes) if "scopes" in fields else frozenset()
        if "scopes" in fields and not opened:
            reader.fault(line_of(fields["scopes"]), "a key without scopes opens nothing")
        for digest, line in _digests(reader, fields[_DIGESTS]) if _DIGESTS in fields else ():
            if digest in lines:
                reader.fault(line, f"this key stands twice, first on line {lines[digest]}")
            else:
                lines[digest] = line
                yield digest, Holder(entry.key, opened)


def _scopes(reader: Reader, node: Node, what: str, scopes: type[S]) -> frozenset[S]:
    known = tuple(scope.value for scope in scopes)
    words = [reader.word(word, "scope", known) for word in reader.items(node, what)]
    return frozenset(scopes(word) for word in words if word is not None)


def _digests(reader: Reader, node: Node) -> Iterator[tuple[bytes, int]]:
    texts = reader.texts(node, _DIGESTS)
    if len(texts) not in {1, 2}:
        reader.fault(line_of(node), f"{_DIGESTS} must list 1 or 2 keys: two only while one is changed for the other")
    for text, line in texts:
        if _DIGEST.fullmatch(text) is None:
            reader.fault(line, f"each of {_DIGESTS} must be 64 small hexadecimal digits; put quotes around digits only")
        else:
            yield bytes.fromhex(text), line


def owner_of(known: Iterable[tuple[bytes, T]], shown: bytes) -> T | None:
    """Return whom a digest belongs to; every one is compared, whichever fits.

    Args:
        known: Digests with their owners.
        shown: Digest of what was presented.
    """
    found: T | None = None
    for digest, owner in known:
        if hmac.compare_digest(digest, shown):
            found = owner
    return found
