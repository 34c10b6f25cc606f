"""The endpoints of the web site and of the mobile app: a report, and its photos. The report form has them too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.contracts.values import Channel
from services.intake.channels import app, web
from services.intake.credentials import Credentials
from services.intake.doors.json_door import JsonDoor, json_door
from services.intake.doors.photo import PhotoDoor, photo_door

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from services.intake.channels.report import ReportPayload
    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front


def add(router: APIRouter, front: Front, sources: Callable[[], Sources]) -> None:
    """Open them."""
    site = JsonDoor(front, Channel.WEB, Credentials(lambda: sources().web), web.accept, recent=True)
    add_reports(router, site, "web", "A report from the web site", web.WebReport)
    mobile = JsonDoor(front, Channel.APP, Credentials(lambda: sources().app), app.accept, recent=True)
    add_reports(router, mobile, "app", "A report from the mobile app", app.AppReport)


def add_reports(router: APIRouter, door: JsonDoor[Any], tag: str, summary: str, model: type[ReportPayload]) -> None:
    """Open a door for reports, and one for their photos to whom it is open."""
    described = json_door(tag, summary, model, keyed=not door.anonymous, recent=True)
    router.add_api_route(f"/{tag}/reports", door.take, name=f"send_{tag}_report", methods=["POST"], **described)
    photos = PhotoDoor(door.front, door.channel, door.credentials, anonymous=door.anonymous)
    described = photo_door(tag, keyed=not door.anonymous)
    path = f"/{tag}/reports/{{contact_id}}/photos"
    router.add_api_route(path, photos.take, name=f"send_{tag}_photo", methods=["POST"], **described)
