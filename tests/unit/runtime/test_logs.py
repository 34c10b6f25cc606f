"""A log that cannot be written ends nothing: a full disk is no outage of the service."""

from __future__ import annotations

import io
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.runtime.logs import Lines
from services.runtime.metrics import LOG_LINES_LOST

SPEAKS = """
import logging, sys
import structlog
from services.runtime import logs, metrics
if "patient" in sys.argv:
    logs.configure("info", service="router", instance="one")
else:
    structlog.configure(logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
                        processors=[lambda *a: b"x" * 200])
for n in range(200):
    structlog.get_logger().info("a_line_long_enough_to_fill_the_buffer_of_a_file_soon", n=n)
logging.getLogger("aiokafka").error("a library's")
lost = metrics.LOG_LINES_LOST._value.get()
print("goes on", lost > 0, file=sys.stderr)
"""


class Disk(io.RawIOBase):
    """A file on a disk that may be full."""

    def __init__(self) -> None:
        self.full = False
        self.kept = b""

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def, override] # any buffer
        if self.full:
            raise OSError(28, "No space left on device")
        self.kept += bytes(data)
        return len(data)


def test_what_cannot_be_written_is_counted_and_what_comes_when_there_is_room_is_there() -> None:
    disk = Disk()
    lines = Lines(io.BufferedWriter(disk, buffer_size=64))

    def say(text: str) -> None:
        lines.write(text.encode() + b"\n")
        lines.flush()

    say("before")
    disk.full = True
    before = LOG_LINES_LOST._value.get()
    for n in range(20):
        say(f"a line of a full disk, number {n}")
    lost = LOG_LINES_LOST._value.get() - before
    disk.full = False
    say("after")
    assert 0 < lost < 20, "the buffer keeps the first ones"
    kept = disk.kept.decode().splitlines()
    assert (kept[0], kept[-1]) == ("before", "after")
    assert len(kept) == 2 + 20 - lost, "no half lines"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_process_whose_log_is_on_a_full_disk_goes_on() -> None:
    def run(*how: str) -> subprocess.CompletedProcess[str]:
        with Path("/dev/full").open("wb") as full:
            command = [sys.executable, "-c", SPEAKS, *how]
            environment = {"PATH": os.environ["PATH"]}
            return subprocess.run(
                command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False, timeout=60
            )

    assert "goes on True" in run("patient").stderr
    ends = run()  # the control
    assert "goes on" not in ends.stderr
    assert "No space left on device" in ends.stderr


FLOODS = """
import logging, os, sys
import structlog
from services.runtime import logs
lines = logs.configure("info", service="router", instance="one")
for n in range(int(sys.argv[1])):
    structlog.get_logger().info("said", n=n, what="x" * 1000)
logging.getLogger("aiokafka").error("a library's")
print("goes on", file=sys.stderr, flush=True)
sys.stdin.read(1)
structlog.get_logger().info("said", n="later")
lines.end()
os._exit(0)
"""


def flooding(lines: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", FLOODS, str(lines)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env={"PATH": os.environ["PATH"]})


def test_without_an_output_it_runs_without_lines() -> None:
    command = ["sh", "-c", 'exec "$0" -c "$1" 1 >&-', sys.executable, FLOODS]
    ran = subprocess.run(
        command, input="x", capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=False, timeout=60
    )
    assert (ran.returncode, ran.stderr.strip()) == (0, "goes on")


def test_a_reader_of_the_log_that_stands_still_holds_nothing_up() -> None:
    """It held up the whole service at its next line, and the watchdog at the one that says so."""
    process = flooding(3000)
    assert process.stderr is not None
    goes_on = select.select([process.stderr], [], [], 30)[0]
    kept, _ = process.communicate(b"x", timeout=60)
    said = [json.loads(line)["event"] for line in kept.splitlines()]
    assert goes_on, "it waits for its reader"
    assert 60 < len(said) < 3000, "what the pipe and its buffer take"
    assert set(said) <= {"said", "a library's"}, "no half lines"


def test_a_burst_that_the_reader_takes_a_moment_for_is_whole() -> None:
    process = flooding(700)
    time.sleep(0.5)
    kept, _ = process.communicate(b"x", timeout=60)
    said = [json.loads(line)["event"] for line in kept.splitlines()]
    assert said == ["said"] * 700 + ["a library's", "said"]


@pytest.mark.parametrize("odd", ["\ud800", 2**70, {"n": 2**70}], ids=repr)
def test_what_is_no_json_of_the_fast_kind_is_said_all_the_same(odd: object) -> None:
    """A name of a file in no encoding, a number without bound: the line ended in an error of whoever said it."""
    says = f"""
import structlog
from services.runtime import logs
logs.configure("info", service="router", instance="one")
structlog.get_logger().info("said", odd={odd!r})
"""
    done = subprocess.run([sys.executable, "-c", says], capture_output=True, check=False)
    assert json.loads(done.stdout)["odd"] == odd, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_on_a_full_disk_a_service_ends_with_the_code_it_has_to_say() -> None:
    """It was 120, Python's own: a supervisor that leaves 65 and 78 alone would have started it again and again."""
    ends = """
import os, signal
from services.runtime.parts import Parts
from services.runtime.service import run
from services.runtime.settings import ServiceSettings
async def build(runtime):
    os.kill(os.getpid(), signal.SIGTERM)
    return Parts()
run("test", ServiceSettings, build)
"""
    environment = {"PATH": os.environ["PATH"], "GRIDLINE_HTTP_PORT": "0"}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", ends], stdout=full, env=environment, check=False, timeout=60)
    assert done.returncode == 0
