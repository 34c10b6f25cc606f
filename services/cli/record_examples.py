"""The example records of ``services/contracts/examples``, one file a record, as it is on the wire.

A file holds what the example shows (``about``), the record's key, its headers and its value. The value's bytes are
the JSON without spaces, in UTF-8, fields in the order of the file. All people and places in them are made up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from services.contracts.envelope import Outgoing

if TYPE_CHECKING:
    from services.contracts.topics import Topic

FOLDER: Final = Path(__file__).resolve().parents[1] / "contracts" / "examples"


@dataclass(frozen=True, slots=True)
class Example:
    """One record of a topic, from ``path``; ``about`` says what it shows."""

    path: Path
    topic: str
    about: str
    key: str
    headers: dict[str, str]
    value: dict[str, Any]

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.path.stem

    @property
    def ce_type(self) -> str:
        """CloudEvents type."""
        return self.headers["ce_type"]

    @property
    def record(self) -> Outgoing:
        """The record's bytes."""
        return Outgoing(
            topic=self.topic,
            key=self.key.encode(),
            value=json.dumps(self.value, ensure_ascii=False, separators=(",", ":")).encode(),
            headers=tuple((name, text.encode()) for name, text in self.headers.items()),
        )


def examples_of(topic: Topic, folder: Path = FOLDER) -> list[Example]:
    """Return the examples of a topic, by file name."""
    return [read_example(path, topic.name) for path in sorted((folder / topic.name).glob("*.json"))]


def read_example(path: Path, topic: str) -> Example:
    """Read one file.

    Raises:
        ValueError: it is not JSON.
        KeyError: a part is missing.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    return Example(path, topic, content["about"], content["key"], content["headers"], content["value"])
