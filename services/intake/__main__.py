"""``python -m services.intake``: take contacts in over HTTP and put them on Kafka."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import structlog

from services.intake.announcing import Announcer, Outages
from services.intake.api import routes
from services.intake.channels.phrases import Phrases
from services.intake.channels.spoken import Spoken
from services.intake.origins import allow_origins
from services.intake.page import FormTexts, page_routes
from services.intake.security import development_credentials, load_sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import read_model
from services.runtime.service import Parts, run
from services.runtime.settings import SettingsError
from services.runtime.watched import watched_file
from services.runtime.yaml_reading import RulesError

if TYPE_CHECKING:
    from services.runtime.service import Runtime


async def build(runtime: Runtime) -> Parts:
    """Make the doors from the settings, the senders and the texts.

    Raises:
        SettingsError: one of the files cannot be used; every fault has its line.
    """
    settings = cast("IntakeSettings", runtime.settings)
    sources = load_sources(settings.sources_file)
    if public := development_credentials(sources):
        structlog.get_logger().warning("development_credentials_accepted", sources=public)
    try:
        phrases = watched_file(settings.phrases_file, partial(read_model, model=Phrases))
        spoken = watched_file(settings.ivr_file, partial(read_model, model=Spoken))
        texts = watched_file(settings.form_file, partial(read_model, model=FormTexts))
    except RulesError as error:
        raise SettingsError(f"texts that do not fit:\n{error}") from None
    announcer = None
    if settings.notify_url is not None:
        announcer = Announcer(Outages(settings.notify_url, deadline_s=settings.notify_deadline_s), spoken)
    routers = [routes(settings, sources, runtime.producer, phrases, announcer)]
    if sources.form:
        routers.append(page_routes(texts, photos=settings.photos_folder is not None))
    return Parts(
        routers=tuple(routers),
        background=(announcer.run,) if announcer else (),
        watched=(phrases, spoken, texts),
        wrap=(lambda app: allow_origins(app, settings.cors_origins)) if settings.cors_origins else None,
    )


if __name__ == "__main__":
    run("intake", IntakeSettings, build, wants_producer=True)
