"""Reading a file that operators write: the whole of it is good, or every fault is named with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from services.intake.channels.phrases import Phrases
from services.runtime.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_DEEPEST: Final = 6

M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path, model: type[M], *, setting: str) -> M:
    """Read a file and check it against a model.

    Args:
        path: The file.
        model: What it must be.
        setting: Name of the setting that names the file, for the error.

    Raises:
        SettingsError: it cannot be read, or it has errors; all of them are named, each with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting} {path}: {error}") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: {_yaml_problem(error)}") from None
    walk = _Walk()
    data = {} if root is None else walk.plain(root, ())
    problems = walk.problems
    try:
        found = model.model_validate(data)
    except ValidationError as error:
        for wrong in error.errors(include_url=False, include_input=False, include_context=False):
            location = tuple(str(part) for part in wrong["loc"] if part != "[key]")
            reason = wrong["msg"].removeprefix("Value error, ")
            problems.append((walk.line(location), f"{'.'.join(location) or 'file'}: {reason}"))
    else:
        if not problems:
            return found
    listed = "\n".join(f"  line {line}: {problem}" for line, problem in sorted(problems))
    raise SettingsError(f"{path} has errors:\n{listed}")


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it is not YAML"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


class _Walk:
    """Turn YAML nodes into plain data, every scalar as text, remembering lines.

    As text, since YAML would take a hash of digits for a number and menu ``1`` for an integer.
    """

    def __init__(self) -> None:
        self.problems: list[tuple[int, str]] = []
        self._lines: dict[tuple[str, ...], int] = {}

    def plain(self, node: yaml.Node, path: tuple[str, ...]) -> Any:
        """Return the data of a node; note keys that stand twice, of which YAML would keep the last in silence."""
        self._lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > _DEEPEST:
            self.problems.append((self.line(path), f"{'.'.join(path[:_DEEPEST])}: is nested too deeply"))
            return None
        if isinstance(node, yaml.MappingNode):
            data: dict[str, Any] = {}
            for key, value in node.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
                if name in data:
                    self.problems.append((key.start_mark.line + 1, f"{'.'.join((*path, name))}: stands twice"))
                self._lines[*path, name] = key.start_mark.line + 1
                data[name] = self.plain(value, (*path, name))
            return data
        if isinstance(node, yaml.SequenceNode):
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
    return read_yaml(path, Phrases, setting="GRIDLINE_PHRASES_FILE")
