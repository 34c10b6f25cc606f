"""``python -m tests.stories [SEED] --seconds 60 --of engine``: what breaks is printed with the fewest steps."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from pathlib import Path

import structlog

from tests.stories.telling import tell

_TOLD = sorted({one.stem for one in Path(__file__).parent.glob("[a-z]*.py")} - {"servers", "telling"})


def main() -> int:
    """Tell stories for a while; return how many ways of breaking were found."""
    parser = argparse.ArgumentParser(prog="python -m tests.stories", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--of", choices=_TOLD, default="engine")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    told = importlib.import_module(f"tests.stories.{asked.of}")
    with told.stage() as live:
        return tell(told.story, live, asked.seed, asked.seconds)


if __name__ == "__main__":
    sys.exit(main())
