"""Reading an operators' file against a model: all of it is valid, or every error is reported with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, SequenceNode

from services.intake.channels.phrases import Phrases
from services.runtime.settings import SettingsError
from services.runtime.yaml_reading import Reader, RulesError, line_of, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from yaml.nodes import Node

_DEEPEST: Final = 6

M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path, model: type[M]) -> M:
    """Read a file and check it against a model.

    Raises:
        SettingsError: it cannot be read, or it has errors; all of them are named, each with its line.
    """
    try:
        return read_model(str(path), read_text(path), model=model)
    except RulesError as error:
        raise SettingsError(str(error)) from None


def read_model(file: str, text: str, *, model: type[M]) -> M:
    """Check what a file says against a model.

    Raises:
        RulesError: it has errors; all of them are named, each with its line.
    """
    reader = Reader(file, text)
    walk = _Walk(reader)
    data = walk.plain(reader.root, ())
    try:
        found = model.model_validate(data)
    except ValidationError as error:
        for wrong in error.errors(include_url=False, include_input=False, include_context=False):
            location = tuple(str(part) for part in wrong["loc"] if part != "[key]")
            reason = wrong["msg"].removeprefix("Value error, ")
            reader.fault(walk.line(location), f"{'.'.join(location) or 'file'}: {reason}")
    else:
        if not reader.faults:
            return found
    raise RulesError(reader.file, reader.faults)


class _Walk:
    """Turn YAML nodes into plain data, every scalar as text, remembering lines.

    As text, since YAML would take a hash of digits for a number and menu ``1`` for an integer.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lines: dict[tuple[str, ...], int] = {}

    def plain(self, node: Node, path: tuple[str, ...]) -> Any:
        """Return the data of a node."""
        self._lines.setdefault(path, line_of(node))
        what = ".".join(path) or "the file"
        if len(path) > _DEEPEST:
            self._reader.fault(self.line(path), f"{what}: is nested too deeply")
            return None
        if isinstance(node, MappingNode):
            data: dict[str, Any] = {}
            for entry in self._reader.entries(node, what):
                self._lines[*path, entry.key] = entry.line
                data[entry.key] = self.plain(entry.value, (*path, entry.key))
            return data
        if isinstance(node, SequenceNode):
            return [self.plain(value, (*path, str(place))) for place, value in enumerate(node.value)]
        return node.value

    def line(self, location: tuple[str, ...]) -> int:
        """Line of the entry, or of the nearest one around it."""
        while location and location not in self._lines:
            location = location[:-1]
        return self._lines.get(location, 1)


def load_phrases(path: Path) -> Phrases:
    """Read and check the words and texts of conversations.

    Raises:
        SettingsError: it cannot be read, or it has errors; all of them are named, each with its line.
    """
    return read_yaml(path, Phrases)
