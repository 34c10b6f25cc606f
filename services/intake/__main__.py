"""``python -m services.intake``: take contacts in over HTTP and put them on Kafka."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from services.intake.announcing import Announcer, Outages
from services.intake.api import routes
from services.intake.channels.phrases import Phrases
from services.intake.channels.spoken import Spoken
from services.intake.origins import allow_origins
from services.intake.page import FormTexts, page_routes
from services.intake.security import Senders
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import read_model
from services.runtime.parts import Parts
from services.runtime.service import run
from services.runtime.settings import SettingsError
from services.runtime.watched import watched_file
from services.runtime.yaml_reading import RulesError

if TYPE_CHECKING:
    from services.runtime.parts import Runtime


async def build(runtime: Runtime) -> Parts:
    """Make the doors from the settings, the senders and the texts.

    Raises:
        SettingsError: one of the files cannot be used; every fault has its line.
    """
    settings = cast("IntakeSettings", runtime.settings)
    try:
        senders = Senders(settings.sources_file)
        phrases = watched_file(settings.phrases_file, partial(read_model, model=Phrases))
        spoken = watched_file(settings.ivr_file, partial(read_model, model=Spoken))
        texts = watched_file(settings.form_file, partial(read_model, model=FormTexts))
    except RulesError as error:
        raise SettingsError(f"files that do not fit:\n{error}") from None
    announcer = None
    if settings.notify_url is not None:
        announcer = Announcer(Outages(settings.notify_url, deadline_s=settings.notify_deadline_s), spoken)
    page = page_routes(texts, lambda: bool(senders().form), photos=settings.photos_folder is not None)
    return Parts(
        routers=(routes(settings, senders, runtime.producer, phrases, announcer), page),
        background=(announcer.run,) if announcer else (),
        watched=(senders, phrases, spoken, texts),
        wrap=(lambda app: allow_origins(app, settings.cors_origins)) if settings.cors_origins else None,
    )


if __name__ == "__main__":
    run("intake", IntakeSettings, build, wants_producer=True)
