"""The mobile app's doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import Channel
from services.intake.channels import app
from services.intake.credentials import Credentials
from services.intake.doors.describing import json_door
from services.intake.doors.front import JsonDoor

if TYPE_CHECKING:
    from fastapi import APIRouter

    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front


def add(router: APIRouter, front: Front, sources: Sources) -> None:
    """Open them."""
    door = JsonDoor(front, Channel.APP, Credentials(sources.app), app.accept)
    described = json_door("app", "A report from the mobile app", app.AppReport)
    router.add_api_route("/app/reports", door.take, name="app_report", methods=["POST"], **described)
