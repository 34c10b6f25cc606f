"""A real Prometheus with the shipped configuration, scraping a test's services."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.native.ports import free_port

SHIPPED = Path(__file__).parents[3] / "deploy" / "prometheus"
REQUIRE = "GRIDLINE_REQUIRE_PROMETHEUS"
MISSING = (
    "prometheus and promtool are not on PATH; get them with `apt-get install prometheus` or `brew install prometheus`"
)


def binary(name: str) -> str:
    """Path of ``prometheus`` or ``promtool``; without it the test is skipped, or fails where it is required."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{MISSING}; {REQUIRE}=1 requires it")
        pytest.skip(MISSING)
    return found


@dataclass
class Prometheus:
    """Runs until ``stop``; ``targets`` is service to port."""

    folder: Path
    targets: dict[str, int]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10))

    def start(self) -> None:
        """Start with the shipped configuration, only scraping more often, and the test's own addresses."""
        configuration = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
        configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        configuration["scrape_configs"][1]["static_configs"][0]["targets"] = [f"127.0.0.1:{self.port}"]
        groups = [{"labels": {"service": n}, "targets": [f"127.0.0.1:{port}"]} for n, port in self.targets.items()]
        self.folder.mkdir()
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        (self.folder / "targets.yml").write_text(yaml.safe_dump(groups), encoding="utf-8")
        shutil.copy(SHIPPED / "rules.yml", self.folder)
        command = [
            binary("prometheus"),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with (self.folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                if self.http.get(f"http://127.0.0.1:{self.port}/-/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        pytest.fail((self.folder / "prometheus.log").read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        self.http.close()
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    def ask(self, path: str, **parameters: str) -> Any:
        """Return ``data`` of an answer of its HTTP API; an error of the expression fails the test."""
        answer = self.http.get(f"http://127.0.0.1:{self.port}/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of every series of an instant query."""
        found = self.ask("query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"(?:\b(?:gridline|process)_[a-z_]+|\bup\b)\s*(?:\{[^}]*\})?|\{__name__[^}]*\}")


def selectors(expression: str) -> set[str]:
    """The series an expression reads: names of metrics with their label matchers."""
    return {found.group().strip() for found in _SELECTOR.finditer(expression)}
