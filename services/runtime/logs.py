"""Structured logs: one JSON object a line, with ids and reasons, never a name, number, address or text of a person.

What cannot be written (the disk is full, nobody reads the pipe any more) is counted and left out: a service that ended
for want of a log would make a full disk an outage.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Final, cast

import orjson
import structlog

from services.runtime.metrics import LOG_LINES_LOST

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import IO, Any, BinaryIO

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

    def flush(self) -> None:
        """Hand on what is written; what cannot be stays in the file's buffer until it can."""
        with contextlib.suppress(OSError):
            self._file.flush()


def configure(level: str, *, service: str, instance: str) -> None:
    """Send structlog and the standard library's logging to stdout as JSON lines."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_personal,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(file=cast("BinaryIO", Lines(sys.stdout.buffer))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, instance=instance)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(
                    serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
                ),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # libraries' chatter is not ours
