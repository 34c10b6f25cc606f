"""A run says how far it is, and in its last lines what it left out and what it had to try again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import report

PROJECT = Path(__file__).parents[3]


def run(folder: Path, text: str, **environment: str) -> str:
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    return run_in(folder, "-q", **environment)


def run_in(folder: Path, *options: str, **environment: str) -> str:
    plugins = ("-p", "tests.report", "-p", "pytest_rerunfailures")  # no others: they take a second or two to load
    command = [sys.executable, "-m", "pytest", *plugins, *options, "--rootdir", str(folder), str(folder)]
    own = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTEST_ADDOPTS"}}
    own |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment
    return subprocess.run(command, check=False, cwd=PROJECT, capture_output=True, text=True, env=own).stdout


SEVERAL = ("-p", "xdist", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
REASONS = """
import pytest

@pytest.mark.parametrize("n", range(3))
def test_one(n):
    pytest.skip("promtool is not on PATH; get it with `apt-get install prometheus`")

@pytest.mark.skip(reason="no Docker")
def test_two():
    pass
"""


@pytest.mark.parametrize("processes", [(), SEVERAL])
def test_each_reason_is_told_once_with_its_number(tmp_path: Path, processes: tuple[str, ...]):
    (tmp_path / "test_it.py").write_text(REASONS, encoding="utf-8")
    last = run_in(tmp_path, "-q", *processes).splitlines()[-4:]
    assert "left out on this machine" in last[0]
    assert last[1] == "1 test: no Docker"
    assert last[2] == "3 tests: promtool is not on PATH; get it with `apt-get install prometheus`"


def test_nothing_is_said_where_nothing_was_left_out(tmp_path: Path):
    assert "left out" not in run(tmp_path, "def test_one():\n    pass\n")


ONCE = """
import pathlib
import pytest

@pytest.mark.filterwarnings("ignore")
@pytest.mark.MARKER
def test_one(tmp_path_factory):
    tried = pathlib.Path(__file__).with_name("tried")
    if not tried.exists():
        tried.touch()
        raise OSError("the broker stalled")
"""


@pytest.mark.parametrize("processes", [(), SEVERAL])
def test_on_real_servers_a_second_try_is_given_where_a_change_is_judged_and_told(
    tmp_path: Path, processes: tuple[str, ...]
):
    (tmp_path / "test_it.py").write_text(ONCE.replace("MARKER", "integration"), encoding="utf-8")
    said = run_in(tmp_path, *processes, CI="true")
    assert "1 passed" in said
    assert "failed at first; look for the cause" in said
    assert "test_it.py::test_one (call)" in said
    assert "OSError: the broker stalled" in said


def test_nothing_is_tried_twice_elsewhere(tmp_path: Path):
    assert "1 failed" in run(tmp_path, ONCE.replace("MARKER", "integration"))
    (tmp_path / "tried").unlink()
    assert "1 failed" in run(tmp_path, ONCE.replace("MARKER", "unit"), CI="true")


ON_SERVERS = """
import pytest

@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", range(3))
@pytest.mark.integration
def test_one(n):
    assert n != 1
"""
ELSEWHERE = "def test_two():\n    pass\n"


def folders(root: Path, **text_of: str) -> None:
    for folder, text in text_of.items():
        (root / folder).mkdir()
        (root / folder / f"test_{folder}.py").write_text(text, encoding="utf-8")


def test_what_needs_servers_comes_last_and_each_folder_says_how_far_the_run_is(tmp_path: Path):
    folders(tmp_path, a=ON_SERVERS, b=ELSEWHERE, e2e=ON_SERVERS)
    lines = run_in(tmp_path, COLUMNS="300").splitlines()
    said = lines[next(n for n, line in enumerate(lines) if line.startswith("-- ")) :][:6]
    assert [line.split("/")[-1].split("[")[0].strip() for line in said] == [
        "-- b (1): 0 of 7 tests done in 0 min",
        "test_b.py .",
        "-- e2e (3): 1 of 7 tests done in 0 min",
        "test_e2e.py .F.",
        "-- a (3): 4 of 7 tests done in 0 min",
        "test_a.py .F.",
    ]


def test_in_several_processes_files_begin_in_that_order(tmp_path: Path):
    folders(tmp_path, a=ON_SERVERS, b=ELSEWHERE, e2e=ON_SERVERS)
    one = ("-p", "xdist", "-n", "1", *SEVERAL[4:])  # or it would be two orders at once
    said = [line.split("::")[0] for line in run_in(tmp_path, *one, "-v").splitlines() if line.startswith("[gw0] [")]
    assert [line.split("/")[-1] for line in said] == ["test_b.py"] + ["test_e2e.py"] * 3 + ["test_a.py"] * 3


def test_several_processes_run_all_and_say_where_they_are(tmp_path: Path):
    folders(tmp_path, a=ELSEWHERE, b=ELSEWHERE)
    lines = run_in(tmp_path, *SEVERAL).splitlines()
    assert any(line.startswith("-- ") and line.endswith(": 0 of 2 tests done in 0 min") for line in lines)
    assert "2 passed" in lines[-1]


def test_they_say_it_each_minute(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    now = 1000.0
    monkeypatch.setattr(report.time, "monotonic", lambda: now)
    reporter = SimpleNamespace(write=said.append)
    config = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin={"terminalreporter": reporter}.get))
    minutes = report.MinuteByMinute(config, 200)
    minutes.pytest_runtest_logstart("tests/e2e/test_storm.py::test_a")
    for number in range(100):
        now += 2.0
        minutes.pytest_runtest_logstart(f"tests/unit/test_it.py::test_it[{number}]")
        minutes.pytest_runtest_logfinish(f"tests/unit/test_it.py::test_it[{number}]")
    both = "tests/e2e/test_storm.py, tests/unit/test_it.py"
    assert [line.strip() for line in said] == [
        "-- tests/e2e/test_storm.py: 0 of 200 tests done in 0 min",
        f"-- {both}: 29 of 200 tests done in 1 min",
        f"-- {both}: 59 of 200 tests done in 2 min",
        f"-- {both}: 89 of 200 tests done in 3 min",
    ]


@pytest.mark.parametrize(("cores", "processes"), [(None, 2), (1, 2), (2, 2), (3, 3), (64, 4)])
def test_there_are_as_many_as_cores_within_bounds(monkeypatch: pytest.MonkeyPatch, cores: int | None, processes: int):
    monkeypatch.setattr(report.os, "cpu_count", lambda: cores)
    assert report.pytest_xdist_auto_num_workers() == processes


def test_all_tests_take_several_and_a_part_takes_one():
    # This may run under make, which tells those it starts what it was asked for.
    own = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "TEST"}
    }

    def commands(*words: str) -> str:
        said = subprocess.run(["make", "-n", *words], check=True, cwd=PROJECT, env=own, capture_output=True, text=True)
        return said.stdout

    assert "bin/pytest -n auto --dist loadfile" in commands("check")
    assert "bin/pytest -n auto --dist loadfile" in commands("test")
    assert commands("test", "TEST=tests/unit/router").splitlines()[-1].endswith("bin/pytest tests/unit/router")


def test_a_run_of_one_folder_says_no_more_than_pytest(tmp_path: Path):
    (tmp_path / "test_it.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
    said = run_in(tmp_path)
    assert "1 passed" in said
    assert "tests done in" not in said
