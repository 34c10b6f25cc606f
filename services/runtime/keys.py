"""Whose a key is: how every room reads the keys it is given and compares those it is shown.

Decided here: what a list of keys may say, every fault with its line; that a key is found in the same time whether and
where it stands; who may pass a door. A key is kept as its SHA-256; two of one holder stand while one is changed for the
other. Never here: what a scope opens, or a key in a log or an error, or an answer that tells which part was wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Generic, TypeVar

from fastapi import Security
from fastapi.security import APIKeyHeader

from services.runtime.http import Problem
from services.runtime.yaml_reading import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from enum import StrEnum

    from yaml.nodes import Node

    from services.runtime.yaml_reading import Reader

T = TypeVar("T")
S = TypeVar("S", bound="StrEnum")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MOST: Final = 2
_HEADER: Final = APIKeyHeader(name="X-API-Key", auto_error=False)


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


def let_in(keys: Callable[[], KeyRing[S]], scope: S) -> Callable[[str | None], Holder[S]]:
    """Return the check of a door: it gives the holder of the request's key, or refuses the request."""

    def check(key: Annotated[str | None, Security(_HEADER)]) -> Holder[S]:
        holder = keys().holder(key)
        if holder is None or (not key and scope not in holder.scopes):
            refused = "the key is missing or not known"
            raise Problem(401, refused, headers={"WWW-Authenticate": "X-API-Key"})
        if scope not in holder.scopes:
            raise Problem(403, f"this key has not the scope {scope.value!r}")
        return holder

    return check


@dataclass(frozen=True, slots=True)
class Written(Generic[S]):
    """A holder of keys as the file has them."""

    holder: Holder[S]
    line: int
    digests: tuple[bytes, ...]


def read_holders(reader: Reader, node: Node, what: str, scopes: type[S], digests: str) -> Iterator[Written[S]]:
    """Yield the holders that a mapping of names lists; what is wrong is noted and left out.

    Args:
        reader: Of the file.
        node: The mapping.
        what: What the file calls it.
        scopes: What a key may be good for.
        digests: Name of the field that lists SHA-256 digests.
    """
    lines: dict[bytes, int] = {}
    for entry in reader.entries(node, what):
        fields = reader.fields(entry.value, f"{entry.key!r} of {what}", ("scopes", digests), ("scopes", digests))
        words = reader.items(fields["scopes"], "scopes") if "scopes" in fields else []
        if "scopes" in fields and not words:
            reader.fault(line_of(fields["scopes"]), "a key without scopes opens nothing")
        known = [reader.word(word, "scope", tuple(scope.value for scope in scopes)) for word in words]
        found: list[bytes] = []
        for digest, line in _digests(reader, fields[digests], digests) if digests in fields else ():
            if digest in lines:
                reader.fault(line, f"this key stands twice, first on line {lines[digest]}")
            else:
                lines[digest] = line
                found.append(digest)
        opened = frozenset(scopes(word) for word in known if word is not None)
        yield Written(Holder(entry.key, opened), entry.line, tuple(found))


def _digests(reader: Reader, node: Node, what: str) -> Iterator[tuple[bytes, int]]:
    texts = reader.texts(node, what)
    if not 1 <= len(texts) <= _MOST:
        reader.fault(line_of(node), f"{what} must list 1 or {_MOST} keys: two only while one is changed for the other")
    for text, line in texts:
        if _DIGEST.fullmatch(text) is None:
            reader.fault(line, f"each of {what} must be 64 small hexadecimal digits; put quotes around digits only")
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
