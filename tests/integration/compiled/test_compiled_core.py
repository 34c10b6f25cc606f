"""The compiled core decides as the plain one does, and a wheel that is asked for it has it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from typing import TYPE_CHECKING

import pytest

from hatch_build import CompiledCore
from tests.compiled import ROOT, compiled_core, environment, missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1800),  # the compiler takes a minute and a half, where nobody else wants the processor
    pytest.mark.skipif(missing() is not None, reason=f"the core cannot be compiled here: {missing()}"),
]

_PATCHED = (  # these change a constant for themselves, which is compiled in
    "tests/unit/dedup/test_changes.py::test_a_long_list_of_members_is_told_in_several_revisions",
    "tests/unit/dedup/test_large_outage.py::test_a_merge_of_as_many_as_can_move_is_carried_out_and_of_two_that_cannot_none_is",
    "tests/unit/dedup/test_large_outage.py::test_what_a_split_opened_and_grew_beyond_that_is_not_taken_back_in_one_step",
    "tests/unit/dedup/test_planning.py::test_more_reports_than_a_transaction_bears_are_not_answered_at_once",
    "tests/unit/grid/test_lately.py::test_of_more_reports_than_are_remembered_the_oldest_goes_whatever_its_age",
)
_LOADERS = """
import importlib, json, sys
print(json.dumps({name: type(importlib.import_module(name).__spec__.loader).__name__ for name in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def compiled() -> Path:
    return compiled_core()


def meant() -> set[str]:
    """The modules that pyproject.toml says are compiled."""
    hook = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
    patterns = hook["custom"]["compiled"]
    return {_module(str(path.relative_to(ROOT))) for pattern in patterns for path in ROOT.glob(pattern)}


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def loaders(folder: Path, modules: set[str]) -> dict[str, str]:
    command = [sys.executable, "-c", _LOADERS, *sorted(modules)]
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_wheel_that_is_asked_to_has_the_core_compiled_and_the_sources_alone_do_not(compiled: Path):
    core = meant()
    assert len(core) > 40
    assert set(loaders(compiled, core).values()) == {"ExtensionFileLoader"}
    assert set(loaders(ROOT, core).values()) == {"SourceFileLoader"}


def test_the_hook_refuses_to_compile_beside_sources_that_are_edited():
    hook = CompiledCore(str(ROOT), {"compiled": []}, None, None, "", "wheel")
    with pytest.raises(RuntimeError, match="stale"):
        hook.initialize("editable", {})


def test_what_the_compiler_is_known_to_compile_wrongly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what is refused stays, to be looked at
    (tmp_path / "wrong.py").write_text(
        "from typing import Final\nBOTH: Final = (0.5, 1.0)\ndef first() -> float:\n    return BOTH[0]\n"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.mypy]\n")
    hook = CompiledCore(str(tmp_path), {"compiled": ["*.py"]}, None, None, "", "wheel")
    with pytest.raises(RuntimeError, match="tuple of floats"):
        hook.initialize("standard", {"force_include": {}})


@pytest.fixture(scope="module")
def replayed(compiled: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[tuple[bytes, bytes]]]:
    """Replays a storm of a preset with the plain core and the compiled one; the files that each wrote."""

    def gridline(folder: Path, *said: str) -> None:
        command = [sys.executable, "-m", "services.cli", *said]
        done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def run(preset: str) -> list[tuple[bytes, bytes]]:
        storm = tmp_path_factory.mktemp(preset)
        gridline(ROOT, "storm", "--preset", preset, "--seed", "11", "--out", str(storm))
        files = [
            one
            for what in ("network.csv", "customers.csv", "reports.jsonl", "restorations.csv")
            for one in (f"--{what.split('.')[0]}", str(storm / what))
        ]
        wrote = []
        for name, folder in (("plain", ROOT), ("compiled", compiled)):
            out = storm / name
            out.mkdir()
            gridline(folder, "replay", *files, "--out", str(out))
            wrote.append(((out / "assignments.csv").read_bytes(), (out / "orders.csv").read_bytes()))
        return wrote

    return run


@pytest.mark.parametrize("preset", ["suburb", "valley"])
def test_a_storm_is_decided_byte_for_byte_as_by_the_plain_core(preset: str, replayed):
    plain, compiled = replayed(preset)
    assert compiled == plain
    assignments, orders = plain
    assert assignments.count(b"\n") > 1000
    assert orders.count(b"\n") > 200


def test_what_the_unit_tests_say_of_the_core_holds_compiled_too(compiled: Path):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath="]
    command += [f"--deselect={test}" for test in _PATCHED]
    done = subprocess.run(
        [*command, "tests/unit/dedup", "tests/unit/grid"],
        cwd=ROOT,
        env=environment(compiled),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert f"{len(_PATCHED)} deselected" in done.stdout
