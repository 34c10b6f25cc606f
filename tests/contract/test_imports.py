"""Imports go down only, and the core does no I/O: import-linter says so, and would say otherwise."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    run = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=None))"
    command, environment = [sys.executable, "-c", run], {"PYTHONPATH": str(folder)}
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    leave = shutil.ignore_patterns("__pycache__", "*.json", "*.csv")
    for package in ("services", "deploy"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=leave)
    return tmp_path


def test_the_import_contracts_hold():
    found = lint(PROJECT)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("services/router/domain/planted.py", "import asyncpg"),
        ("services/dedup/domain/planted.py", "import services.runtime.clock"),
        ("services/contracts/planted.py", "import random"),
        ("services/runtime/planted.py", "import services.grid.tree"),
        ("services/notify/planted.py", "import services.dedup"),
        ("services/notify/domain/planted.py", "import services.notify.notices"),
    ],
)
def test_a_planted_breach_is_found(copied: Path, file: str, line: str):
    (copied / file).write_text(f"{line}\n", encoding="utf-8")
    name, module = file.removesuffix(".py").replace("/", "."), line.removeprefix("import ")
    found = lint(copied)
    assert found.returncode != 0
    assert f"{name} -> {module}" in found.stdout
