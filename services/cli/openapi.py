"""The OpenAPI document of each service, from its own endpoints.

Never here: a server. The endpoints are described, never called, so they get no database; settings are the defaults,
whatever the environment says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from services.dedup.api import make_router as dedup_doors
from services.dedup.settings import DedupSettings
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
from services.runtime.openapi import operations, reached
from services.runtime.outbox import Outbox
from services.runtime.producer import Producer
from services.runtime.watched import watched_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter, FastAPI

    from services.runtime.postgres import Pool
    from services.runtime.settings import ServiceSettings


def documents() -> dict[str, dict[str, Any]]:
    """Return the document of each service by its name, with what a generator of clients wants to know beside it."""
    found = {service: app.openapi() for service, app in applications().items()}
    for service, document in found.items():
        for one in operations(document):
            one.setdefault("security", [])  # a door for all: said, not left out
        told = {tag for one in operations(document) for tag in one["tags"]}
        document["info"] |= {"description": _ABOUT, "license": _LICENCE}
        port = _SETTINGS[service].model_fields["http_port"].default
        document["servers"] = [{"url": f"http://127.0.0.1:{port}", "description": "The stack of `make up`"}]
        if undescribed := told - _TAGS.keys():
            raise AssertionError(f"_TAGS of {__name__} must describe {', '.join(sorted(undescribed))}")
        document["tags"] = [{"name": tag, "description": _TAGS[tag]} for tag in sorted(told)]
    _pass_on(found["notify"], found["intake"], "Status", "/v1/form/status")
    return found


def _pass_on(there: dict[str, Any], here: dict[str, Any], name: str, path: str) -> None:
    """Describe what one service passes on of another's answer as the other describes it."""
    known, theirs = here["components"]["schemas"], there["components"]["schemas"]
    known.update((one, theirs[one]) for one in sorted(reached(theirs, [name]) - known.keys()))
    answer = here["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    answer["schema"] = {"$ref": f"#/components/schemas/{name}"}


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


_ABOUT: Final = """\
Errors are RFC 9457 problems (`application/problem+json`), which name every wrong field. `503` and `429` carry
`Retry-After`: send the same again with the same id, it is counted once. Ignore fields you do not know, and expect new
words in enumerations. Times have an offset. How to generate a client, and to sign: docs/clients.md."""
_LICENCE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
_SETTINGS: Final[dict[str, type[ServiceSettings]]] = {
    "intake": IntakeSettings,
    "router": RouterSettings,
    "dedup": DedupSettings,
    "notify": NotifySettings,
}
_TAGS: Final = {
    "agents": "Agents' profiles, presence and offers",
    "app": "Reports from the mobile app",
    "customers": "What customers are told",
    "dispatching": "Dispatchers' commands, each of which can be undone",
    "events": "Contacts from any other system, as CloudEvents",
    "figures": "What is measured over a time",
    "form": "The public report form",
    "incidents": "Outages as they stand",
    "operations": "Health, metrics, and what only the hotline's own systems ask",
    "orders": "What crews say of their orders",
    "phone": "Events of calls, from IVRs and call centres",
    "planned outages": "Work that is announced",
    "queues": "Skill queues and what waits in them",
    "reports": "Why a report is where it is, and which wait for a person",
    "restorations": "Power that is back",
    "routes": "What the route tree does, and why",
    "sms": "Text messages from customers, and receipts of ours",
    "telemetry": "Readings of meters and breakers",
    "tickets": "Tickets and their logs",
    "web": "Reports from the web site",
    "wechat": "Messages of WeChat official accounts",
    "work": "What agents and supervisors do with a ticket",
}
_DOORS: dict[str, Callable[[], APIRouter]] = {
    "intake": _intake,
    "router": _router,
    "dedup": _dedup,
    "notify": _notify,
}
