"""A run folder for whole stacks, shared by these tests so that it is formatted once, and a look at processes."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from deploy.native import stack
from deploy.native.plan import Service
from deploy.native.ports import free_port
from deploy.native.settings import StackSettings

_FAKE_SERVICE = """
import http.server, os, sys

class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["GRIDLINE_KAFKA_BOOTSTRAP"].encode())

    def log_message(self, *arguments):
        pass

if sys.argv[1] == "fails":
    sys.exit("the fake service has nothing to do")
http.server.HTTPServer(("127.0.0.1", int(os.environ["GRIDLINE_HTTP_PORT"])), Door).serve_forever()
"""


@pytest.fixture(scope="session")
def stack_settings(servers_folder: Path, kafka_jars) -> StackSettings:
    ports = {name: free_port() for name in StackSettings.ports()}
    quick = {"broker.session.timeout.ms": "1000", "broker.heartbeat.interval.ms": "200"}
    return StackSettings(
        run_folder=servers_folder / "stack",
        stop_seconds=10,
        kafka_settings=quick,
        **ports,
    )


@pytest.fixture
def settings(stack_settings: StackSettings):
    """Settings of a stack that is down before the test and after it."""
    yield stack_settings
    stack.down(stack_settings)


@pytest.fixture
def make_service(servers_folder: Path, settings: StackSettings):
    script = servers_folder / "fake_service.py"
    script.write_text(_FAKE_SERVICE)

    def make(does: str = "answers") -> Service:
        return Service("intake", (sys.executable, str(script), does), settings.intake_port)

    return make


@pytest.fixture
def processes_of(servers_folder: Path):
    """Command lines of the processes that work for a folder, after up to `within` seconds for them to go."""

    def look(folder: Path) -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                works_there = str(folder) in command or (process / "cwd").resolve().is_relative_to(folder)
            except OSError:
                continue
            if command and works_there:
                found.append(command)
        return found

    def processes(folder: Path, within: float = 0.0) -> list[str]:
        deadline = time.monotonic() + within
        while (found := look(folder)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    return processes
