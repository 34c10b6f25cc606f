"""A run says how far it is, and in its last lines what it left out and what it had to try again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_each_reason_is_told_once_with_its_number(tmp_path: Path):
    text = """
import pytest

@pytest.mark.parametrize("n", range(3))
def test_one(n):
    pytest.skip("promtool is not on PATH; get it with `apt-get install prometheus`")

@pytest.mark.skip(reason="no Docker")
def test_two():
    pass
"""
    last = run(tmp_path, text).splitlines()[-4:]
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


def test_on_real_servers_a_second_try_is_given_where_a_change_is_judged_and_told(tmp_path: Path):
    said = run(tmp_path, ONCE.replace("MARKER", "integration"), CI="true")
    assert "1 passed" in said
    assert "failed at first; look for the cause" in said
    assert "test_it.py::test_one (call)" in said
    assert "OSError: the broker stalled" in said


def test_nothing_is_tried_twice_elsewhere(tmp_path: Path):
    assert "1 failed" in run(tmp_path, ONCE.replace("MARKER", "integration"))
    (tmp_path / "tried").unlink()
    assert "1 failed" in run(tmp_path, ONCE.replace("MARKER", "unit"), CI="true")


def test_what_needs_servers_comes_last_and_each_folder_says_how_far_the_run_is(tmp_path: Path):
    servers = """
import pytest

@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", range(3))
@pytest.mark.integration
def test_one(n):
    assert n != 1
"""
    for folder, text in (("a", servers), ("b", "def test_two():\n    pass\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"test_{folder}.py").write_text(text, encoding="utf-8")
    lines = run_in(tmp_path, COLUMNS="300").splitlines()
    said = lines[next(n for n, line in enumerate(lines) if line.startswith("-- ")) :][:4]
    assert [line.split("/")[-1].split("[")[0].strip() for line in said] == [
        "-- b (1): 0 of 4 tests done in 0 min",
        "test_b.py .",
        "-- a (3): 1 of 4 tests done in 0 min",
        "test_a.py .F.",
    ]


def test_a_run_of_one_folder_says_no_more_than_pytest(tmp_path: Path):
    (tmp_path / "test_it.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
    said = run_in(tmp_path)
    assert "1 passed" in said
    assert "tests done in" not in said
