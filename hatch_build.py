"""The core compiled to C by mypyc (ADR 25), in a wheel that is asked to hold it, or by itself in a folder.

    HATCH_BUILD_HOOK_ENABLE_CUSTOM=true hatchling build -t wheel
    python hatch_build.py FOLDER                                  # the image does: the core alone, cached as a layer

Decided here: how it is compiled; which modules are is in pyproject.toml. The sources go into the wheel too, and what is
compiled is found before them. Never here: compiled code beside sources that somebody edits, where it would go stale
unseen: an editable install is refused.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tomllib
from contextlib import chdir
from pathlib import Path
from shutil import move, rmtree, which
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_WRONGLY_NOT_SET = re.compile(r"\.f\d+ != \S+ && PyErr_Occurred")
"""What mypyc 2.4 makes of a constant that is a tuple of nothing but floats: used, it is said not to be set."""


class CompiledCore(BuildHookInterface[Any]):
    """Compiles while a wheel is built."""

    PLUGIN_NAME = "custom"
    _built: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add what came of it to the wheel."""
        if version == "editable":
            raise RuntimeError("the compiled core is for wheels: beside sources that are edited it would go stale")
        built = self._built = _compiled(Path(self.root), self.config["compiled"])
        build_data["force_include"].update({str(path): str(path.relative_to(built)) for path in built.rglob("*.so")})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatch's
        """Leave nothing behind; what could not be compiled stays to be looked at."""
        if self._built is not None:
            rmtree(self._built.parent)


def _compiled(root: Path, patterns: list[str]) -> Path:
    """Return a folder with what the sources that match are compiled to, laid out as they are.

    Raises:
        RuntimeError: mypyc compiles them to something that would fail.
        SystemExit: there is no C compiler, or mypy refuses the sources.
        BaseError: the compiler fails.
    """
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if which(compiler) is None:
        sys.exit(
            f"There is no C compiler ({compiler}). On Debian and Ubuntu: apt install gcc python3-dev; another: CC=…. "
            "Without any, everything works the same, plain (docs/compiled.md)."
        )
    # Imported only where they are used: a wheel without the compiled core needs neither.
    from mypyc.build import mypycify  # noqa: PLC0415
    from setuptools import Distribution  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    sources = [str(path.relative_to(root)) for path in sorted(path for one in patterns for path in root.glob(one))]
    work = Path(mkdtemp(prefix="gridline-compiled-"))
    with chdir(root):  # mypyc names modules by the path from where it runs
        modules = mypycify(sources, opt_level="2", debug_level="0", target_dir=str(work / "c"), group_name="gridline")
        for code in (work / "c").rglob("*.c"):
            if wrong := _WRONGLY_NOT_SET.search(code.read_text(encoding="utf-8")):
                raise RuntimeError(
                    f"mypyc compiles a tuple of floats wrongly: {wrong[0]} in {code}; name them one by one"
                )
        command = build_ext(Distribution({"name": "gridline", "ext_modules": modules}))
        command.build_lib, command.build_temp = str(work / "lib"), str(work / "temp")
        command.ensure_finalized()
        command.run()
    return work / "lib"


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    hooks = tomllib.loads((here / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    move(_compiled(here, hooks["wheel"]["hooks"]["custom"]["compiled"]), sys.argv[1])
