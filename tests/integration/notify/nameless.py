"""``python -m tests.integration.notify.nameless``: notify where the name ``NAME`` is looked up without end.

Each look-up that begins is a line of the file ``GRIDLINE_LOOKUPS``.
"""

from __future__ import annotations

import asyncio
import os
import runpy
from pathlib import Path
from typing import Any, Final

import uvloop

NAME: Final = "gateway.example"


async def _look_up(loop: uvloop.Loop, host: str | bytes, *others: Any, **how: Any) -> Any:
    name = host if isinstance(host, str) else host.decode()
    if name == NAME:
        with Path(os.environ["GRIDLINE_LOOKUPS"]).open("a") as begun:
            begun.write(f"{name}\n")
        await asyncio.sleep(3600)
    return await _asked(loop, host, *others, **how)


if __name__ == "__main__":
    _asked = uvloop.Loop.getaddrinfo
    uvloop.Loop.getaddrinfo = _look_up
    runpy.run_module("services.notify", run_name="__main__", alter_sys=True)
