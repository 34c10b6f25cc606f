"""Times as input and output of the command line.

Decided here: a time is given and shown with its offset (shown in this machine's zone): without one it is eight hours
wrong for somebody. Never here: what time it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from services.contracts.envelope import parse_time


def shown(at: str | datetime | None, *, seconds: bool = True, here: bool = True) -> str:
    """Return an instant as a table shows it; nothing of none, and what is no time as it stands.

    Args:
        at: The instant.
        seconds: Down to seconds, else to minutes.
        here: By this machine's clock, else with the offset it has.
    """
    if not at:
        return ""
    try:
        when = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        return str(at)
    return (when.astimezone() if here else when).isoformat(sep=" ", timespec="seconds" if seconds else "minutes")


def given(text: str | None) -> str | None:
    """Return an option's time as it was given, if it is one.

    Raises:
        typer.BadParameter: it is not ISO 8601, or has no offset.
    """
    if text is None:
        return None
    try:
        parse_time(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time with its offset, such as 2026-12-01T08:00+08:00.") from None
    return text


From = Annotated[
    str | None, typer.Option("--from", callback=given, help="Begin, ISO 8601 with offset; 24 hours before the end.")
]
"""The begin of a period that is asked about."""
Until = Annotated[str | None, typer.Option("--until", callback=given, help="End; now.")]
"""Its end."""
