"""Who may use the router's doors: what its keys file may say."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from services.runtime.keys import Holder, KeyRing, read_holders
from services.runtime.yaml_reading import Reader, check_version

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


def read_keys(file: str, text: str) -> KeyRing[Scope]:
    """Read the keys' file.

    Raises:
        RulesError: every fault, with its line.
    """
    reader = Reader(file, text)
    top = reader.fields(reader.root, "the file", ("version", "keys"), ("version", "keys"))
    if "version" in top:
        check_version(reader, top["version"])
    keys: list[tuple[bytes, Holder[Scope]]] = []
    for each in read_holders(reader, top["keys"], "keys", Scope, "sha256") if "keys" in top else ():
        reader.checked_word(each.holder.name, each.line, "name of a key")
        keys += [(digest, each.holder) for digest in each.digests]
    reader.finish()
    return KeyRing(keys)
