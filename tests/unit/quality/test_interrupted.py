"""Many storms on several processes: stopped at once when somebody interrupts, or one of them fails."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.dedup.settings import DedupSettings
from services.quality.matrix import Job, run_all
from services.quality.methods import ENGINE

RULES = DedupSettings().thresholds_file
MANY = [Job("mini", seed, RULES, (ENGINE,)) for seed in range(1, 3000)]  # a quarter of an hour
STORMS = """
from pathlib import Path
from services.quality.matrix import Job, run_all

if __name__ == "__main__":
    jobs = [Job("mini", seed, Path("deploy/dedup.yaml"), ("Gridline",)) for seed in range(3000)]
    run_all(jobs, 2, lambda job: print(flush=True))
"""
SCRIPT = """
import multiprocessing, os, signal, sys, threading, time
from pathlib import Path
from services.quality.matrix import Job, run_all

def interrupt():
    while not multiprocessing.active_children():
        time.sleep(0.01)
    time.sleep(0.4)
    os.killpg(0, signal.SIGINT)

if __name__ == "__main__":
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        run_all([Job("mini", seed, Path("deploy/dedup.yaml")) for seed in range(100)], 2, lambda job: None)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.timeout(100)
def test_who_interrupts_waits_for_no_storm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def interrupt(_job: Job) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(MANY, 2, interrupt)
    assert not multiprocessing.active_children()
    assert not list(tmp_path.iterdir())


@pytest.mark.timeout(100)
def test_a_storm_that_fails_ends_the_others() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        run_all([Job("nowhere", 1, RULES, (ENGINE,)), *MANY], 2, lambda _job: None)


def test_ctrl_c_while_processes_start_leaves_no_traceback(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, start_new_session=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.timeout(100)
def test_processes_do_not_outlive_whom_they_work_for_where_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(STORMS, encoding="utf-8")
    there = os.environ | {"TMPDIR": str(tmp_path)}  # what a killed one leaves
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, start_new_session=True, env=there
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()  # they are at work
        running.kill()
        running.stdout.read()  # they have it too: it ends with the last of them
