"""The telephone's doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import Channel
from services.intake.channels import phone
from services.intake.doors.describing import json_door
from services.intake.doors.front import JsonDoor
from services.intake.security import KeyRing

if TYPE_CHECKING:
    from fastapi import APIRouter

    from services.intake.channels.source import Sources
    from services.intake.doors.front import Front


def add(router: APIRouter, front: Front, sources: Sources) -> None:
    """Open them."""
    door = JsonDoor(front, Channel.PHONE, KeyRing(sources.phone), phone.accept)
    described = json_door("phone", "One event of a call", phone.PhoneEvent)
    router.add_api_route("/phone/events", door.take, name="phone_event", methods=["POST"], **described)
