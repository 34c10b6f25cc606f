"""Who may do what at dedup's doors: what its keys file may say."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.contracts.values import Name
from services.runtime.keys import Holder, KeyRing, read_holders
from services.runtime.yaml_reading import Reader, check_version

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


def read_keys(file: str, text: str) -> KeyRing[Scope]:
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
    keys: list[tuple[bytes, Holder[Scope]]] = []
    for each in read_holders(reader, top["holders"], "holders", Scope, "api_keys_sha256") if "holders" in top else ():
        try:
            _NAME.validate_python(each.holder.name)
        except ValidationError as error:
            reader.fault(each.line, f"name of a holder {each.holder.name[:50]!r}: {error.errors()[0]['msg']}")
        keys += [(digest, each.holder) for digest in each.digests]
    reader.finish()
    return KeyRing(keys, (Scope(word) for word in opened if word is not None))
