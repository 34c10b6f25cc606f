"""The compiled core as a wheel holds it, unpacked: for tests and measurements. Built once for the same sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent
_BUILT = ROOT / "build" / "compiled"
_ENABLE = "HATCH_BUILD_HOOK_ENABLE_CUSTOM"


def missing() -> str | None:
    """Return what this machine lacks to compile; None where it lacks nothing."""
    said = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(said) is None:
        return f"no C compiler: {said} is not on the PATH"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return None if header.exists() else f"no headers of Python: {header} is not there"


def compiled_core() -> Path:
    """Return a folder with ``services`` as a wheel holds it, the core compiled; it takes a minute or two once.

    Raises:
        RuntimeError: it does not compile; with the last of what was said.
    """
    folder = _BUILT / _state_of_the_sources()
    if not folder.exists():
        shutil.rmtree(_BUILT, ignore_errors=True)  # of other sources: nobody asks for them again
        _BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_BUILT) as name:
            build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", name]
            done = subprocess.run(
                build, cwd=ROOT, env={**os.environ, _ENABLE: "true"}, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise RuntimeError(f"the core does not compile:\n{(done.stdout + done.stderr)[-4000:]}")
            (wheel,) = Path(name).glob("*.whl")
            unpacked = Path(name) / "unpacked"
            with ZipFile(wheel) as packed:
                packed.extractall(unpacked)
            unpacked.rename(folder)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which Python takes ``services`` from a folder, and ``tests`` from here."""
    return {**os.environ, **variables(folder)}


def variables(folder: Path) -> dict[str, str]:
    """Return what that environment has beside the usual one."""
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONSAFEPATH": "1"}


def _state_of_the_sources() -> str:
    digest = hashlib.sha256(f"{sys.version} {version('mypy')} {version('pydantic')}".encode())
    for path in sorted((*(ROOT / "services").rglob("*.py"), ROOT / "hatch_build.py", ROOT / "pyproject.toml")):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
