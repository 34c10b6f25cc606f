"""Errors on the command line: what is wrong, what to do, and an exit code.

Decided here: the exit codes. Never here: a traceback for anything but a bug of ours.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of ``gridline``, as ``gridline --help`` lists them."""

    DONE = 0
    NO = 1
    """It ran, and the answer is no: not found, count not exact, a breach of the contract."""
    USAGE = 2
    """The command line is wrong (typer's own code)."""
    UNREACHABLE = 3
    """Kafka, Postgres or a service does not answer."""
    REFUSED = 4
    """A file, a setting or a request was refused."""
    STACK = 5
    """The local stack could not be brought up or down."""
    BUG = 70
    """A bug of ours."""
    INTERRUPTED = 130
    """Ctrl-C."""
    TOLD_TO_END = 143
    """SIGTERM."""
    UNREAD = 141
    """Whoever read the output went away, as ``head`` does: what a shell says of a program that SIGPIPE ended."""


class CommandError(Exception):
    """What is wrong, in one line, and what to do about it, in another."""

    def __init__(self, what: str, advice: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.code = code
