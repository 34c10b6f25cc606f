"""``python -m services.intake``: take contacts in over HTTP and put them on Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import structlog

from services.intake.announcing import Announcer, Outages
from services.intake.api import routes
from services.intake.channels.spoken import Spoken
from services.intake.origins import allow_origins
from services.intake.page import FormTexts, page_routes
from services.intake.security import development_credentials, load_sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import read_yaml
from services.runtime.service import Parts, run

if TYPE_CHECKING:
    from services.runtime.service import Runtime


async def build(runtime: Runtime) -> Parts:
    """Make the doors from the settings and the sources file."""
    settings = cast("IntakeSettings", runtime.settings)
    sources = load_sources(settings.sources_file)
    if public := development_credentials(sources):
        structlog.get_logger().warning("development_credentials_accepted", sources=public)
    announcer = None
    spoken = read_yaml(settings.ivr_file, Spoken)
    if settings.notify_url is not None:
        announcer = Announcer(Outages(settings.notify_url, deadline_s=settings.notify_deadline_s), spoken)
    routers = [routes(settings, sources, runtime.producer, announcer)]
    texts = read_yaml(settings.form_file, FormTexts)
    if sources.form:
        routers.append(page_routes(texts, photos=settings.photos_folder is not None))
    return Parts(
        routers=tuple(routers),
        background=(announcer.run,) if announcer else (),
        wrap=(lambda app: allow_origins(app, settings.cors_origins)) if settings.cors_origins else None,
    )


if __name__ == "__main__":
    run("intake", IntakeSettings, build, wants_producer=True)
