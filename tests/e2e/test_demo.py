"""`gridline demo` as a stranger runs it: it proves its count, and leaves nothing behind, whenever it is stopped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.native.ports import free_port
from deploy.native.settings import StackSettings
from deploy.native.state import is_locked

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

COMMAND = (sys.executable, "-m", "services.cli", "demo", "--faults", "12", "--seconds", "5")
LONGEST = 300


@pytest.fixture
def run_folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="gridline-demo-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def environment(run_folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRIDLINE_")}
    # The usual ports may be another's, who looked at the same moment and saw them free too.
    ports = {f"GRIDLINE_STACK_{name.upper()}": str(free_port()) for name in StackSettings.ports()}
    return kept | ports | {"GRIDLINE_STACK_RUN_FOLDER": str(run_folder)}


def left_over(run_folder: Path) -> list[str]:
    """Processes that carry the run folder's name: in their command line, environment or working folder."""
    token = str(run_folder).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            words = line + (process / "environ").read_bytes() + str((process / "cwd").readlink()).encode()
        except OSError:
            continue  # gone meanwhile, or not ours
        if token in words and int(process.name) != os.getpid():
            found.append(line.replace(b"\0", b" ").decode()[:120])
    return found


def until_nothing_is_left(run_folder: Path) -> None:
    deadline = time.monotonic() + 20
    while (left := left_over(run_folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []
    assert not is_locked(run_folder / "demo")


def nothing_is_stored(run_folder: Path) -> bool:
    return not (run_folder / "demo").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="left-over processes are looked for in /proc")
def test_the_demonstration_proves_its_count_and_leaves_nothing_running(run_folder: Path):
    ran = subprocess.run(
        COMMAND, check=False, capture_output=True, text=True, env=environment(run_folder), timeout=LONGEST
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    count = re.search(
        r"(\d+) accepted = (\d+) in incidents \+ (\d+) answered \+ (\d+) in queues \+ (\d+) dead-lettered", ran.stdout
    )
    assert count is not None
    accepted, *places = map(int, count.groups())
    assert accepted == sum(places) > 100
    assert "Invariants I1 to I12 hold." in ran.stdout
    for heading in ("Contacts", "by skill queue", "Largest incidents", "accept to order", "B-cubed", "notices"):
        assert heading in ran.stdout
    merged = re.search(r"B-cubed +precision \S+, recall \S+, F1 ([0-9.]+)", ran.stdout)
    assert merged is not None
    # Far below what it is, far above what it was when every fault of the storm became one outage.
    assert float(merged[1]) > 0.5, ran.stdout
    until_nothing_is_left(run_folder)
    assert nothing_is_stored(run_folder)


@pytest.mark.skipif(sys.platform != "linux", reason="left-over processes are looked for in /proc")
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("kafka", signal.SIGINT),
        ("kafka", signal.SIGKILL),
        ("notify", signal.SIGTERM),
        ("sending", signal.SIGINT),
        ("sending", signal.SIGKILL),
    ],
)
def test_stopped_at_any_moment_it_leaves_nothing(run_folder: Path, moment: str, number: signal.Signals):
    """Stopped while Kafka starts, as the last service is ready, and in the middle of the storm."""
    process = subprocess.Popen(
        COMMAND,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(run_folder),
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if moment in line:
                break
        process.send_signal(number)
        process.stderr.read()  # to the end, or it could block on a full pipe
        code = process.wait(60)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 128 + number)
    until_nothing_is_left(run_folder)
    assert nothing_is_stored(run_folder) or number is signal.SIGKILL  # then the next one clears up


def test_a_demonstration_that_was_kept_is_not_overrun(run_folder: Path):
    held = run_folder / "demo"
    held.mkdir()
    holding = (
        "import sys, time; from pathlib import Path; from deploy.native.state import take_lock;"
        " lock = take_lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holding, str(held)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        ran = subprocess.run(
            COMMAND, check=False, capture_output=True, text=True, env=environment(run_folder), timeout=LONGEST
        )
        holder.kill()
    assert ran.returncode == 5
    assert "a demonstration is still up" in ran.stderr
    assert "stack down" in ran.stderr
