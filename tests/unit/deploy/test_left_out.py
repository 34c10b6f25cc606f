"""What a run left out is said in its last lines, with how to get it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]


def run(folder: Path, text: str) -> str:
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.skips", "-q", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, check=False, cwd=PROJECT, capture_output=True, text=True).stdout


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
