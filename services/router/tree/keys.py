"""Who may use the router's doors: API keys with scopes, kept hashed, two at a time.

Decided here: whose key it is, in the same time whether and where it is found. Never here: a key in a log or an error,
or an answer that tells which part of a credential was wrong.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.runtime.keys import owner_of, read_holders
from services.runtime.yaml_reading import Reader, check_version

if TYPE_CHECKING:
    from collections.abc import Iterable

DEVELOPMENT_KEYS: Final = {
    "desktop-dev": "gridline-dev-desktop-key",
    "supervisor-dev": "gridline-dev-supervisor-key",
    "wallboard-dev": "gridline-dev-wallboard-key",
}
"""Keys of the shipped ``deploy/keys.yaml``, for the demo and for work on one's own machine. They are public."""


class Scope(StrEnum):
    """What a key is good for."""

    READ = "read"
    AGENT = "agent"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a key belongs to."""

    name: str
    scopes: frozenset[Scope]


class KeyRing:
    """The keys in force."""

    def __init__(self, keys: Iterable[tuple[bytes, Caller]]) -> None:
        self._keys = tuple(keys)

    def caller(self, key: str) -> Caller | None:
        """Return whose key it is; every key is compared, whichever fits."""
        return owner_of(self._keys, hashlib.sha256(key.encode()).digest())

    @property
    def published(self) -> list[str]:
        """Names of callers whose key anybody can read in the source."""
        callers = {name: self.caller(key) for name, key in DEVELOPMENT_KEYS.items()}
        return sorted({caller.name for caller in callers.values() if caller is not None})


def read_keys(file: str, text: str) -> KeyRing:
    """Read the keys' file.

    Raises:
        RulesError: every fault, with its line.
    """
    reader = Reader(file, text)
    top = reader.fields(reader.root, "the file", ("version", "keys"), ("version", "keys"))
    if "version" in top:
        check_version(reader, top["version"])
    keys: list[tuple[bytes, Caller]] = []
    for each in read_holders(reader, top["keys"], "keys", Scope, "sha256") if "keys" in top else ():
        reader.checked_word(each.name, each.line, "name of a key")
        keys += [(digest, Caller(each.name, each.scopes)) for digest in each.digests]
    reader.finish()
    return KeyRing(keys)
