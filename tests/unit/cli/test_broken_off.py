"""A command that is broken off leaves no half of a file in the place of a good one."""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli import __main__ as cli
from services.cli.commands import grid
from services.cli.commands.storm import development_senders, write_truth
from services.cli.errors import Exit
from services.quality.matrix import Run, write_runs
from services.quality.methods import ENGINE
from services.simulator.files import write_storm
from services.simulator.payloads import events_of, render
from services.simulator.presets import PRESETS

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
NETWORK = PRESETS["mini"].network()
STORM = ("storm", "--preset", "mini", "--out")


@pytest.fixture
def gridline(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["gridline", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code or 0

    return run


@contextmanager
def a_disk_that_is_full_after(size):
    """As a full disk does, no file takes more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_replay_that_the_disk_has_no_room_for_leaves_the_last_one(gridline, tmp_path, capsys):
    assert gridline(*STORM, tmp_path) == Exit.DONE
    files = {name: tmp_path / f"{name}.csv" for name in ("network", "customers")}
    again = ("replay", *(f"--{name}={path}" for name, path in files.items()), "--reports", tmp_path / "reports.jsonl")
    assert gridline(*again, "--out", tmp_path) == Exit.DONE
    before = contents(tmp_path)
    with a_disk_that_is_full_after(1000):
        assert gridline(*again, "--out", tmp_path) == Exit.REFUSED
    assert contents(tmp_path) == before
    assert f"error: {tmp_path / 'assignments.csv'} cannot be written: File too large" in capsys.readouterr().err


def drawn(folder, seed):
    write_storm(PRESETS["mini"].storm(seed, NETWORK), NOON, folder)


def told(folder, seed):
    storm = PRESETS["mini"].storm(seed, NETWORK)
    write_truth(folder / "truth.csv", storm, render(storm, events_of(storm), NOON, development_senders()))


def measured(folder, seed):
    write_runs(folder / "merging.json", [Run("mini", seed, ENGINE, {"b3_f1": 0.9}) for _ in range(100)])


@pytest.mark.parametrize("write", [drawn, told, measured])
def test_so_does_what_is_written_of_a_storm(write, tmp_path):
    write(tmp_path, 1)
    before = contents(tmp_path)
    with a_disk_that_is_full_after(1000), pytest.raises(OSError, match="File too large"):
        write(tmp_path, 2)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_takes_the_way_out_that_ctrl_c_takes(number, gridline, monkeypatch, tmp_path):
    """A conversion's folder, which is there for a while only, is taken away; the code is what a shell says."""
    usual = signal.signal(number, signal.SIG_DFL)  # nohup has it ignored
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(grid, "_import", lambda *_: signal.raise_signal(number))
    cim = Path(__file__).parents[3] / "deploy" / "networks" / "cim" / "IEEE13.xml"
    try:
        assert gridline("grid", "import", "--cim", cim, "--origin", "31.16,118.35") == 128 + number
    finally:
        signal.signal(number, usual)
    assert not [*tmp_path.iterdir()]
