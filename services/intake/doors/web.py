"""The web site's doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import Channel
from services.intake.channels import web
from services.intake.credentials import Credentials
from services.intake.doors.describing import json_door
from services.intake.doors.front import JsonDoor

if TYPE_CHECKING:
    from fastapi import APIRouter

    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front


def add(router: APIRouter, front: Front, sources: Sources) -> None:
    """Open them."""
    door = JsonDoor(front, Channel.WEB, Credentials(sources.web), web.accept)
    described = json_door("web", "A report from the web site", web.WebReport)
    router.add_api_route("/web/reports", door.take, name="web_report", methods=["POST"], **described)
