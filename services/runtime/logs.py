"""Structured logs: one JSON object a line, with ids and reasons, never a name, number, address or text of a person.

What cannot be written (the disk is full, nobody reads the pipe any more, or not now) is counted and left out: a service
that ended or stood still for want of a log would make a full disk an outage.
"""

from __future__ import annotations

import codecs
import errno
import io
import json
import logging
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import orjson
import structlog

from services.runtime import clock
from services.runtime.metrics import LOG_LINES_LOST

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import IO, Any, BinaryIO

_BURST_BYTES: Final = 1024 * 1024
_END_SECONDS: Final = 1.0

PERSONAL: Final = frozenset(
    {
        "phone",
        "ani",
        "openid",
        "address",
        "text",
        "name",
        "recipient",
        "content",
        "body",
        "value",
        "lat",
        "lon",
        "payload",
    }
)
"""Field names that carry personal data. A log call that passes one is a defect; the value is masked all the same."""


def mask_personal(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the values of fields that may be personal."""
    for field in PERSONAL & event.keys():
        event[field] = "***"
    return event


class Lines:
    """A file of log lines, as structlog writes it: a line and a flush at a time. It never fails."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, line: bytes) -> int:
        """Write a line, or count it as lost."""
        try:
            return self._file.write(line)
        except OSError:
            LOG_LINES_LOST.inc()
            return len(line)

    def flush(self) -> bool:
        """Hand on what is written, and tell whether all was; what cannot be stays in the file's buffer until it can."""
        try:
            self._file.flush()
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Hand on the rest at the end of the process, if somebody takes it within a moment."""
        ends = clock.monotonic() + _END_SECONDS
        while not self.flush() and clock.monotonic() < ends:
            time.sleep(_END_SECONDS / 100)


class _Pipe(io.FileIO):
    """A pipe that nobody waits for: what it does not take now is as on a full disk."""

    def write(self, data: Any) -> int:
        written: int | None = super().write(data)
        if written is None:
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return written


def _not_waited_for(out: BinaryIO) -> IO[bytes]:
    """Return a file, or a pipe with room for a burst: a reader that stands still must not hold up who speaks."""
    mode = os.fstat(out.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return out
    os.set_blocking(out.fileno(), False)
    return io.BufferedWriter(_Pipe(out.fileno(), "wb", closefd=False), buffer_size=_BURST_BYTES)


def _as_json(event: Any, **how: Any) -> bytes:
    try:
        return orjson.dumps(event, **how)
    except TypeError:  # half a letter of a file's name, a number of more than 64 bits
        return json.dumps(event, default=str).encode()


def configure(level: str, *, service: str, instance: str) -> Lines:
    """Send structlog and the standard library's logging to stdout as JSON lines; return them, to be ended."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_personal,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(),
    ]
    # Who starts it may have closed it (``>&-``): then nobody wants the lines.
    lines = Lines(_not_waited_for(sys.stdout.buffer) if sys.stdout else Path(os.devnull).open("wb"))  # noqa: SIM115 - for good
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_as_json)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(file=cast("BinaryIO", lines)),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, instance=instance)
    handler = logging.StreamHandler(codecs.getwriter("utf-8")(cast("BinaryIO", lines)))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=lambda event, **_: _as_json(event, default=str).decode()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # libraries' chatter is not ours
    return lines
