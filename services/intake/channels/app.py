"""The mobile app: its back end's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from services.contracts.values import Channel, Name
from services.intake.channels.contact import reply_to
from services.intake.channels.report import ReportPayload, read_report

if TYPE_CHECKING:
    from datetime import datetime

    from services.intake.channels.contact import Accepted
    from services.intake.channels.source import ReportSource


class AppReport(ReportPayload):
    """A report from the mobile app."""

    installation_id: Name | None = Field(default=None, description="Where the app can be sent a push message")
    app_version: Name | None = None


def accept(source: ReportSource, body: bytes, idempotency_key: str | None, now: datetime) -> Accepted:
    """Turn an app report into a contact; the installation is answered if it is known, else the phone.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    heard = read_report(AppReport, body, idempotency_key)
    payload = heard.payload
    push = reply_to(Channel.APP, payload.installation_id, source.name)
    recipient = push or reply_to(Channel.SMS, payload.phone)
    facts: dict[str, Any] = {"app_version": payload.app_version} if payload.app_version else {}
    return heard.accepted(source, Channel.APP, now, recipient=recipient, facts=facts)
