"""What mypyc is to compile (ADR 25) has the types of its fields while running; said without compiling it."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
MODULES = sorted({path for pattern in HOOK["custom"]["compiled"] for path in ROOT.glob(pattern)})


def unfit(source: str) -> list[str]:
    """What in a module mypyc compiles to something that fails while running."""
    module = ast.parse(source)
    found = []
    only_typed: set[str] = set()
    for statement in module.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            for node in ast.walk(statement):
                if isinstance(node, ast.alias):
                    only_typed.add((node.asname or node.name).split(".")[0])
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    only_typed.add(node.id)
    later = {one.name: one.lineno for one in module.body if isinstance(one, ast.ClassDef)}
    for one in (one for one in ast.walk(module) if isinstance(one, ast.ClassDef)):
        for field in (field for field in one.body if isinstance(field, ast.AnnAssign)):
            names = {node.id for node in ast.walk(field.annotation) if isinstance(node, ast.Name)}
            found += [
                f"line {field.lineno}: {name} is the type of a field of {one.name}: import it outside TYPE_CHECKING"
                for name in sorted(names & only_typed)
            ]
            found += [
                f"line {field.lineno}: {name} is the type of a field of {one.name} and defined later: quote it"
                for name in sorted(names)
                if later.get(name, 0) > one.lineno
            ]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_that_is_compiled_is_fit_for_it(path: Path):
    assert unfit(path.read_text(encoding="utf-8")) == []


def test_what_is_compiled_exists():
    for pattern in HOOK["custom"]["compiled"]:
        assert list(ROOT.glob(pattern)), pattern


def test_what_does_not_fit_is_named():
    said = unfit(
        "from typing import TYPE_CHECKING, NamedTuple\n"
        "if TYPE_CHECKING:\n"
        "    from uuid import UUID\n"
        "class One(NamedTuple):\n"
        "    key: dict[UUID, int]\n"
        "    other: Other\n"
        "class Other(NamedTuple):\n"
        "    n: int\n"
    )
    assert [line.split(":")[0] for line in said] == ["line 5", "line 6"]
