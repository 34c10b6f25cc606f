"""Where ``gridline`` starts: Ctrl-C is an answer from the first moment on, while the program is still being read."""

import sys


def main() -> None:
    """Read the program and run it."""
    try:
        from services.cli.__main__ import main as run  # noqa: PLC0415 - what takes the time
    except KeyboardInterrupt:
        sys.exit(130)  # as Exit.INTERRUPTED, which is not read yet
    run()
