"""The cores that a measurement compares: plain, and compiled where there is a C compiler, as the image has it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from tests.compiled import compiled_core, environment, missing, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_IS_COMPILED: Final = """
from types import FunctionType
from services.dedup.domain.decide import decide
if isinstance(decide, FunctionType):
    raise SystemExit("this core is not compiled")
"""


def compiled(tell: Callable[[str], None]) -> Path | None:
    """Return the folder of the compiled core, built if need be; None, and why is told, where it cannot be."""
    if (lack := missing()) is not None:
        tell(f"the core is not compiled: {lack}")
        return None
    tell("compiling the core, once for these sources")
    folder = compiled_core()
    subprocess.run([sys.executable, "-c", _IS_COMPILED], env=environment(folder), check=True)
    return folder


def cores(tell: Callable[[str], None]) -> dict[str, Mapping[str, str]]:
    """Return what figures of each core end with, to the environment variables by which a service takes it."""
    folder = compiled(tell)
    return {"": {}} if folder is None else {"": {}, ", compiled": variables(folder)}
