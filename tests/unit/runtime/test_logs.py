"""A log that cannot be written ends nothing: a full disk is no outage of the service."""

from __future__ import annotations

import io
import os
import subprocess
import sys
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
