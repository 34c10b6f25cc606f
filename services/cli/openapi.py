"""The OpenAPI document of each service, from its own endpoints.

Never here: a server. The endpoints are described, never called, so they get no database; settings are the defaults,
whatever the environment says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from services.dedup.api import make_router as dedup_doors
from services.intake.api import routes as intake_doors
from services.intake.security import load_sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases
from services.notify.api import make_router as notify_doors
from services.notify.settings import NotifySettings
from services.notify.wording import read_wording
from services.router.acting import Desk
from services.router.api import make_router as router_doors
from services.router.bell import Bell
from services.router.domain.desk import DeskRules
from services.router.settings import RouterSettings
from services.router.tree.book import RuleBook
from services.runtime.http import make_app
from services.runtime.keys import KeyRing
from services.runtime.outbox import Outbox
from services.runtime.producer import Producer
from services.runtime.watched import watched_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter, FastAPI

    from services.runtime.postgres import Pool


def documents() -> dict[str, dict[str, Any]]:
    """Return the document of each service by its name."""
    return {service: app.openapi() for service, app in applications().items()}


def applications() -> dict[str, FastAPI]:
    """Return each service's application with all its endpoints, to be looked at, not served."""
    return {service: _application(service, doors()) for service, doors in _DOORS.items()}


def _application(service: str, doors: APIRouter) -> FastAPI:
    app = make_app(service, ready=_unasked)
    app.include_router(doors)
    return app


async def _unasked() -> list[str]:
    raise AssertionError("a description is not served")


def _intake() -> APIRouter:
    settings = IntakeSettings.model_construct()
    phrases = load_phrases(settings.phrases_file)
    sources = load_sources(settings.sources_file)
    return intake_doors(settings, lambda: sources, Producer(settings), lambda: phrases)


def _router() -> APIRouter:
    settings = RouterSettings.model_construct()
    book = RuleBook(settings.routes_file, settings.classify_file)
    desk = Desk(_no_pool(), Outbox("gridline/router", shards=1), book, DeskRules, Bell())
    return router_doors(desk, lambda: KeyRing(()))


def _dedup() -> APIRouter:
    return dedup_doors(_no_pool(), Outbox("gridline/dedup", shards=1), lambda: KeyRing(()), None)


def _notify() -> APIRouter:
    return notify_doors(_no_pool(), watched_file(NotifySettings.model_construct().notify_templates, read_wording))


def _no_pool() -> Pool:
    return cast("Pool", None)


_DOORS: dict[str, Callable[[], APIRouter]] = {
    "intake": _intake,
    "router": _router,
    "dedup": _dedup,
    "notify": _notify,
}
