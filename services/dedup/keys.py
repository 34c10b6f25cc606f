"""Who may do what at dedup's doors: the keys file, and the check of a key.

Decided here: whose a request is and what it may do. A key is kept as its SHA-256; two may stand while one is changed
for the other. Never here: a key in a log, a metric or an error.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from services.contracts.values import Name
from services.runtime.keys import owner_of, read_holders
from services.runtime.yaml_reading import Reader, check_version

if TYPE_CHECKING:
    from collections.abc import Iterable

DEVELOPMENT_KEYS: Final = {
    "desk-dev": "gridline-dev-desk-key",
    "field-dev": "gridline-dev-field-key",
    "meters-dev": "gridline-dev-meters-key",
}
"""Keys of the shipped ``deploy/dedup_keys.yaml``, for the demo and work on one's own machine. They are public."""
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"
    DISPATCHER = "dispatcher"
    FIELD = "field"
    TELEMETRY = "telemetry"


class Holder(NamedTuple):
    """Whose a request is: the name in the keys file, and what it may do."""

    name: str
    scopes: frozenset[Scope]


class KeyRing:
    """The holders of keys, and what may be done without one."""

    def __init__(self, anonymous: Iterable[Scope], keys: Iterable[tuple[bytes, Holder]]) -> None:
        self._anonymous = frozenset(anonymous)
        self._keys = list(keys)

    def holder(self, key: str | None) -> Holder | None:
        """Return whose a key is, in the same time whether and where it is found; None for one nobody has.

        No key at all is the nameless holder, who may do what the file opens to anyone.
        """
        presented = hashlib.sha256((key or "").encode()).digest()
        found = owner_of(self._keys, presented)
        if not key:
            return Holder("anonymous", self._anonymous)
        return found

    def development(self) -> list[str]:
        """Return the holders that a published development key opens."""
        public = {hashlib.sha256(key.encode()).digest() for key in DEVELOPMENT_KEYS.values()}
        return [holder.name for digest, holder in self._keys if digest in public]


def read_keys(file: str, text: str) -> KeyRing:
    """Read the keys' file.

    Raises:
        RulesError: it has faults; every one is told with its line.
    """
    reader = Reader(file, text)
    top = reader.fields(reader.root, "the file", ("version", "anonymous", "holders"), ("version", "holders"))
    if "version" in top:
        check_version(reader, top["version"])
    words = reader.items(top["anonymous"], "anonymous") if "anonymous" in top else []
    opened = [reader.word(word, "scope", tuple(scope.value for scope in Scope)) for word in words]
    keys: list[tuple[bytes, Holder]] = []
    for each in read_holders(reader, top["holders"], "holders", Scope, "api_keys_sha256") if "holders" in top else ():
        try:
            _NAME.validate_python(each.name)
        except ValidationError as error:
            reader.fault(each.line, f"name of a holder {each.name[:50]!r}: {error.errors()[0]['msg']}")
        keys += [(digest, Holder(each.name, each.scopes)) for digest in each.digests]
    reader.finish()
    return KeyRing((Scope(word) for word in opened if word is not None), keys)
