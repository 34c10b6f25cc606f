"""The web site: a report form's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import Channel
from services.intake.channels.contact import reply_to
from services.intake.channels.report import ReportPayload, read_report

if TYPE_CHECKING:
    from datetime import datetime

    from services.intake.channels.contact import Accepted
    from services.intake.channels.source import Source


class WebReport(ReportPayload):
    """A report from the web site."""


def accept(source: Source, body: bytes, idempotency_key: str | None, now: datetime) -> Accepted:
    """Turn a web report into a contact; a customer who left a number is answered by text message.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    heard = read_report(WebReport, body, idempotency_key)
    return heard.accepted(source, Channel.WEB, now, recipient=reply_to(Channel.SMS, heard.payload.phone), facts={})
