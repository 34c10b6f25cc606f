"""Where there is no C compiler, a compiled wheel is refused with what to install, and not with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_compiled_wheel_without_a_compiler_says_what_to_install(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if name != "CC"}
    ran = subprocess.run(
        [Path(sys.executable).parent / "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"],
        cwd=ROOT,
        env=environment | {"HATCH_BUILD_HOOK_ENABLE_CUSTOM": "true", "PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "There is no C compiler" in ran.stderr
    assert "apt install gcc" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert not list(tmp_path.glob("dist/*.whl"))
