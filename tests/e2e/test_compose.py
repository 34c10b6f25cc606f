"""deploy/compose.yaml on a real Docker engine: started, fed, broken, stopped and started again, as its comment says.

It needs `docker compose` and the images, here or to be pulled; without them it is skipped, or fails where
GRIDLINE_REQUIRE_DOCKER=1. Grafana is left out if its image is not to be had. Nothing else on the engine is touched: the
project, its volumes, its image and its port are the test's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]  # the image is built, and its core compiled

PROJECT = Path(__file__).parents[2]
REQUIRE = "GRIDLINE_REQUIRE_DOCKER"
OURS = ("intake", "router", "dedup", "notify")
NETWORK = "/here/deploy/networks/ckt5"
OWN = """
services:
  kafka: {ports: !reset []}
  postgres: {ports: !reset []}
  prometheus: {ports: !reset []}
  grafana: {ports: !reset []}
  prepare: {image: "gridline:test"}
  gridline: {image: "gridline:test"}
  intake: {image: "gridline:test", ports: !override ["127.0.0.1::8001"]}
  router: {image: "gridline:test", ports: !reset []}
  dedup: {image: "gridline:test", ports: !reset []}
  notify: {image: "gridline:test", ports: !reset []}
"""


class Compose:
    """``docker compose`` on the shipped file."""

    def __init__(self, own: Path) -> None:
        self._command = ["docker", "compose", "-p", "gridline-test", "-f", str(PROJECT / "deploy" / "compose.yaml")]
        self._command += ["-f", str(own)]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def gridline(self, *arguments: str) -> str:
        return self("run", "--rm", "--volume", f"{PROJECT}:/here:ro", "gridline", *arguments)

    def intake(self) -> str:
        return f"http://{self('port', 'intake', '8001').strip()}"

    def reports(self) -> int:
        count = "select count(*) from dedup.report"
        database = ("exec", "-T", "postgres", "psql", "--username=gridline", "--tuples-only", "--command", count)
        return int(self(*database))

    def quiet(self) -> bool:
        before = self.reports()
        time.sleep(5)
        return self.reports() == before

    def crash(self, service: str) -> None:
        """Kill what runs in it but its init process, which then ends; the exit status is that of a shell killed too."""
        subprocess.run([*self._command, "exec", "-T", service, "sh", "-c", "kill -9 -1"], check=False)


def missing(why: str) -> None:
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{why}; {REQUIRE}=1 requires it")
    pytest.skip(why)


def runs(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=300).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Compose]:
    if not runs("docker", "compose", "version") or not runs("docker", "info"):
        missing("no Docker engine with its compose plugin answers")
    own = tmp_path / "own.yaml"
    own.write_text(OWN, encoding="utf-8")
    compose = Compose(own)
    images = {name: one["image"] for name, one in json.loads(compose("config", "--format", "json"))["services"].items()}
    base = "python:3.13-slim"
    absent = {i for i in {base, *images.values()} - {"gridline:test"} if not has(i)}
    if absent - {images["grafana"]}:
        missing(f"these images are neither here nor to be pulled: {', '.join(sorted(absent))}")
    try:
        compose("up", "--build", "--wait", *OURS, "prometheus", *([] if absent else ["grafana"]))
        yield compose
    finally:
        compose("down", "--volumes")


def has(image: str) -> bool:
    return runs("docker", "image", "inspect", image) or runs("docker", "pull", "--quiet", image)


def wait_for(what: Callable[[], bool], why: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(1)


def test_it_starts_takes_a_storm_survives_a_crash_and_keeps_its_data(compose: Compose):
    compose.gridline("grid", "import", "--network", f"{NETWORK}/network.csv", "--customers", f"{NETWORK}/customers.csv")
    compose.gridline("storm", "--faults", "3", "--seconds", "10", "--areas", "1")
    wait_for(lambda: compose.reports() > 0, "no report of the storm came to dedup")
    which = "import sys, services.dedup.domain; print(sys.modules['services.dedup.domain.decide'].__file__)"
    assert compose("exec", "-T", "dedup", "python", "-c", which).strip().endswith(".so"), "the core is not compiled"

    wait_for(compose.quiet, "the storm does not end")
    before = compose.reports()
    compose.crash("dedup")
    report = {"business_type": "fault_report", "text": "停电了", "account_id": "A0900002"}
    headers = {"X-API-Key": "gridline-dev-web-key", "Idempotency-Key": "while-it-is-down"}
    answer = httpx.post(f"{compose.intake()}/v1/web/reports", json=report, headers=headers, timeout=30)
    assert answer.status_code == 202
    wait_for(lambda: compose.reports() == before + 1, "dedup did not start again, or lost what came meanwhile")

    compose("down")  # waits for the drain, and leaves the volumes
    compose("up", "--wait", *OURS)
    assert compose.reports() == before + 1
