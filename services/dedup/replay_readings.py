"""The readings of a replay: what meters and breakers said, as the service gets it.

Decided here: what a well-formed line is (that of ``POST /v1/telemetry``, with its arrival), and where its meter or
breaker is. Never here: what a reading means.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from services.contracts.messages import TelemetryReceived
from services.contracts.values import Reading
from services.dedup.replay_files import read_lines, read_time, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from services.dedup.replay_files import ReplayFileError
    from services.dedup.replay_reports import Served

_READINGS: Final = {reading.value: reading for reading in Reading}
_SOURCE: Final = "replay"


class ReadingLine(NamedTuple):
    """One line of readings.jsonl; of ``device`` and ``account_id`` one at least is said."""

    event_id: str
    reading: Reading
    device: str | None
    account_id: str | None
    commanded: bool
    at: datetime
    received_at: datetime


def read_readings(path: Path, refused: list[ReplayFileError] | None = None) -> list[ReadingLine]:
    """Return the readings in the order of their lines.

    Args:
        path: readings.jsonl.
        refused: Told of lines that cannot be used, and the others are returned.

    Raises:
        ReplayFileError: the file cannot be read; or a line is no JSON object, or lacks or garbles what it needs, and
            nobody is there to be told.
    """
    return read_lines(path, _reading, refused)


def _reading(line: Any) -> ReadingLine:
    if not isinstance(line, dict):
        raise TypeError("is not a JSON object")
    event_id, device, account = (text_of(line, name) for name in ("event_id", "device", "account_id"))
    if event_id is None:
        raise KeyError("event_id")
    if device is None and account is None:
        raise ValueError("device or account_id is needed")
    word = text_of(line, "reading")
    if word is None:
        raise KeyError("reading")
    if word not in _READINGS:
        raise ValueError(f"reading must be one of {', '.join(_READINGS)}, not {word!r}")
    commanded = line.get("commanded", False)
    if not isinstance(commanded, bool):
        raise TypeError("commanded must be true or false")
    at = read_time(line, "at")
    received_at = read_time(line, "received_at") if line.get("received_at") else at
    return ReadingLine(event_id, _READINGS[word], device, account, commanded, at, received_at)


def telemetry(lines: Iterable[ReadingLine], served: Served) -> tuple[list[tuple[str, TelemetryReceived]], list[str]]:
    """Return event and message of each reading, by arrival, and what lines name that the network does not have."""
    found: list[tuple[str, TelemetryReceived]] = []
    unknown: list[str] = []
    for line in sorted(lines, key=attrgetter("received_at")):
        device = line.device or served.homes.get(line.account_id or "")
        if device is None or device not in served.tree:
            unknown.append(line.device or line.account_id or "")
            continue
        message = TelemetryReceived(
            area=served.tree.area_of(device),
            source=_SOURCE,
            source_event_id=line.event_id,
            reading=line.reading,
            device=device,
            account_id=line.account_id,
            commanded=line.commanded,
            at=min(line.at, line.received_at),
            received_at=line.received_at,
        )
        found.append((line.event_id, message))
    return found, unknown
