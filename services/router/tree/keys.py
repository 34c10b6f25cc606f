"""Who may use the router's doors: API keys with scopes, kept hashed, two at a time.

Decided here: whose key it is, in the same time whether and where it is found. Never here: a key in a log or an error,
or an answer that tells which part of a credential was wrong.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.router.tree.reading import Reader, line_of
from services.router.tree.routes import check_version
from services.runtime.keys import owner_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from yaml.nodes import Node

DEVELOPMENT_KEYS: Final = {
    "desktop-dev": "gridline-dev-desktop-key",
    "supervisor-dev": "gridline-dev-supervisor-key",
    "wallboard-dev": "gridline-dev-wallboard-key",
}
"""Keys of the shipped ``deploy/keys.yaml``, for the demo and for work on one's own machine. They are public."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MOST: Final = 2


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
    keys: dict[bytes, tuple[Caller, int]] = {}
    for entry in reader.entries(top["keys"], "keys") if "keys" in top else ():
        name = reader.checked_word(entry.key, entry.line, "name of a key")
        fields = reader.fields(entry.value, f"key {entry.key!r}", ("scopes", "sha256"), ("scopes", "sha256"))
        scopes = [
            reader.word(item, "scope", tuple(scope.value for scope in Scope))
            for item in (reader.items(fields["scopes"], "scopes") if "scopes" in fields else [])
        ]
        if "scopes" in fields and not scopes:
            reader.fault(line_of(fields["scopes"]), "a key without scopes opens nothing")
        caller = Caller(name or "?", frozenset(Scope(scope) for scope in scopes if scope is not None))
        for digest, line in _digests(reader, fields["sha256"]) if "sha256" in fields else ():
            if digest in keys:
                reader.fault(line, f"this key stands twice, first on line {keys[digest][1]}")
            keys.setdefault(digest, (caller, line))
    reader.finish()
    return KeyRing((digest, caller) for digest, (caller, _) in keys.items())


def _digests(reader: Reader, node: Node) -> list[tuple[bytes, int]]:
    texts = reader.texts(node, "sha256")
    if not 1 <= len(texts) <= _MOST:
        reader.fault(line_of(node), f"sha256 must list 1 or {_MOST} keys: two only while one is changed for the other")
    found: list[tuple[bytes, int]] = []
    for text, line in texts:
        if _DIGEST.fullmatch(text) is None:
            reader.fault(line, "each of sha256 must be 64 small hexadecimal digits; put quotes around digits only")
        else:
            found.append((bytes.fromhex(text), line))
    return found
