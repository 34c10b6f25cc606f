"""The mobile app's endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import Channel
from services.intake.channels import app
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
    credentials = Credentials(lambda: sources().app)
    door = JsonDoor(front, Channel.APP, credentials, app.accept, recent=front.recent)
    described = json_door("app", "A report from the mobile app", app.AppReport, recent=True)
    router.add_api_route("/app/reports", door.take, name="app_report", methods=["POST"], **described)
    photos = PhotoDoor(front, Channel.APP, credentials)
    path = "/app/reports/{contact_id}/photos"
    router.add_api_route(path, photos.take, name="app_photo", methods=["POST"], **photo_door("app"))
