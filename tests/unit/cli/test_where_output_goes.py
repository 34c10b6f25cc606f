"""A command whose output nobody reads or no disk takes ends quietly, with a code that says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from services.cli.errors import Exit

PRINTED = ("--version",)
"""By ``print``: it stays in Python's buffer until the program ends."""
DRAWN = ("routes", "draw")
"""By rich, which writes at once."""
FAILED = ("replay", "--network", "no", "--customers", "no", "--reports", "no", "--out", "/dev/null/no")


def ended(line: tuple[str, ...], out: IO[bytes] | int, err: IO[bytes] | int) -> tuple[int, str]:
    """Run a command as a shell does, where Python buffers; return its code and what it said of errors."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "services.cli", *line]
    done = subprocess.run(command, check=False, stdout=out, stderr=err, env=environment)
    return done.returncode, (done.stderr or b"").decode()


@pytest.fixture
def gone():
    """A pipe whose reader went away, as ``head`` does once it has its lines."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        yield pipe


@pytest.mark.parametrize("line", [PRINTED, DRAWN], ids=" ".join)
def test_a_reader_that_went_away_is_no_answer_and_no_error(line, gone):
    assert ended(line, gone, subprocess.PIPE) == (Exit.UNREAD, "")


@pytest.mark.parametrize("line", [PRINTED, DRAWN], ids=" ".join)
def test_a_full_disk_is_told_once(line):
    with Path("/dev/full").open("wb") as full:
        code, said = ended(line, full, subprocess.PIPE)
    assert code == Exit.REFUSED
    assert said.count("No space left on device") == 1, said


def test_an_error_that_cannot_be_told_keeps_its_code(gone):
    with Path("/dev/full").open("wb") as full:
        assert ended(FAILED, subprocess.PIPE, full)[0] == Exit.REFUSED
    assert ended(FAILED, subprocess.PIPE, gone)[0] == Exit.REFUSED


@pytest.mark.parametrize("line", [DRAWN, ("--help",)], ids=" ".join)
def test_a_letter_that_the_terminal_does_not_have_is_no_bug(line, monkeypatch):
    """By LANG, where it is not UTF-8."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert ended(line, subprocess.DEVNULL, subprocess.PIPE) == (Exit.DONE, "")


@pytest.mark.parametrize("encoding", ["latin-1", "gbk", "utf-8"])
def test_json_is_json_in_any_encoding(encoding, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    says = "from services.cli.console import print_json; print_json({'text': '停电 ✓ 😀'})"
    done = subprocess.run([sys.executable, "-c", says], check=False, capture_output=True)
    assert json.loads(done.stdout.decode(encoding)) == {"text": "停电 ✓ 😀"}, done.stderr
