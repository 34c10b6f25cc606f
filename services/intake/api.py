"""All endpoints of the intake, under ``/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from services.intake.channels.conversation import Talk
from services.intake.doors import events, form, phone, reports, sms, wechat
from services.intake.doors.front import Front
from services.runtime.doors import BytesRoute

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.intake.announcing import Announcer
    from services.intake.channels.phrases import Phrases
    from services.intake.channels.source import Sources
    from services.intake.settings import IntakeSettings
    from services.runtime.producer import Producer


def routes(
    settings: IntakeSettings,
    sources: Callable[[], Sources],
    producer: Producer,
    phrases: Callable[[], Phrases],
    announcer: Announcer | None = None,
) -> APIRouter:
    """Return the doors; ``sources`` gives those in force."""
    talk = Talk.fresh(phrases)
    front = Front(settings, producer, talk, announcer)
    router = APIRouter(prefix="/v1", route_class=BytesRoute)
    for channel in (phone, reports, form, wechat, sms, events):
        channel.add(router, front, sources)
    return router
