"""Sends nothing: writes a log line for each notice. For trying things out, and for channels without a gateway yet.

At most once: a reader of logs cannot recognise repeats, so an attempt whose line may or may not have been written is
not repeated. Never here: an address, a text or anything else of a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from services.notify.senders import Delivered

if TYPE_CHECKING:
    from datetime import datetime

    from services.notify.senders import Letter

_log = structlog.get_logger()


class LogSender:
    """Writes ``notice_sent`` with the notice's id, stage, channel and language."""

    name = "log"
    repeatable = False
    forgets_s = None

    async def send(self, letter: Letter, now: datetime) -> Delivered:  # noqa: ARG002 - the protocol's argument
        """Write the line."""
        _log.info(
            "notice_sent",
            notice_id=str(letter.notice_id),
            incident_id=str(letter.incident_id) if letter.incident_id else None,
            stage=letter.stage,
            revision=letter.revision,
            channel=letter.channel.value,
            language=letter.language,
        )
        return Delivered()
