"""Ctrl-C while the processes of ``gridline quality`` are still being read: all end, and nobody prints a traceback."""

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
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
        run_all([Job("mini", seed, Path("deploy/merging.yaml")) for seed in range(100)], 2, lambda job: None)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_ctrl_c_while_processes_start_leaves_no_traceback(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, start_new_session=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
