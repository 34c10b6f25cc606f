"""Who may do what at dedup's doors: the keys file, read and checked whole at start, and the check of a key.

Decided here: whose a request is and what it may do. A key is kept as its SHA-256; two may stand while one is changed
for the other. Never here: a key in a log, a metric or an error.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.contracts.values import Name
from services.runtime.keys import owner_of
from services.runtime.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEVELOPMENT_KEYS: Final = {
    "desk-dev": "gridline-dev-desk-key",
    "field-dev": "gridline-dev-field-key",
    "meters-dev": "gridline-dev-meters-key",
}
"""Keys of the shipped ``deploy/dedup_keys.yaml``, for the demo and work on one's own machine. They are public."""


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


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scopes: list[Scope] = Field(min_length=1)
    api_keys_sha256: list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = Field(
        min_length=1, max_length=2
    )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=1)]
    anonymous: list[Scope] = Field(default_factory=list)
    holders: dict[Name, _Key]


class KeyRing:
    """The holders of keys, and what may be done without one."""

    def __init__(self, anonymous: Iterable[Scope], keys: Iterable[tuple[str, Holder]]) -> None:
        self._anonymous = frozenset(anonymous)
        self._keys = [(bytes.fromhex(digest), holder) for digest, holder in keys]

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


def load_keys(path: Path) -> KeyRing:
    """Read and check the keys file.

    Raises:
        SettingsError: it cannot be read or has errors; every one is named.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"GRIDLINE_KEYS_FILE {path}: {error}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: {' '.join(str(error).split())}") from None
    try:
        read = _File.model_validate(raw)
    except ValidationError as error:
        listed = "\n".join(
            f"  {'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        )
        raise SettingsError(f"{path} has errors:\n{listed}") from None
    digests = [digest for key in read.holders.values() for digest in key.api_keys_sha256]
    if len(set(digests)) != len(digests):
        raise SettingsError(f"{path} has errors:\n  holders: two holders have the same key")
    keys = [
        (digest, Holder(name, frozenset(key.scopes)))
        for name, key in read.holders.items()
        for digest in key.api_keys_sha256
    ]
    return KeyRing(read.anonymous, keys)
