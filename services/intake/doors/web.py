"""The web site's endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import Channel
from services.intake.channels import web
from services.intake.credentials import Credentials
from services.intake.doors.describing import json_door
from services.intake.doors.front import JsonDoor
from services.intake.doors.photo import PhotoDoor, photo_door

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front


def add(router: APIRouter, front: Front, sources: Callable[[], Sources]) -> None:
    """Open them."""
    credentials = Credentials(lambda: sources().web)
    door = JsonDoor(front, Channel.WEB, credentials, web.accept, recent=front.recent)
    described = json_door("web", "A report from the web site", web.WebReport, recent=True)
    router.add_api_route("/web/reports", door.take, name="web_report", methods=["POST"], **described)
    photos = PhotoDoor(front, Channel.WEB, credentials)
    path = "/web/reports/{contact_id}/photos"
    router.add_api_route(path, photos.take, name="web_photo", methods=["POST"], **photo_door("web"))
