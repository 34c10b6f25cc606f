"""``python -m services.intake``: take contacts in over HTTP and put them on Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import structlog

from services.intake.api import routes
from services.intake.security import development_credentials, load_sources
from services.intake.settings import IntakeSettings
from services.runtime.service import Parts, run

if TYPE_CHECKING:
    from services.runtime.service import Runtime


async def build(runtime: Runtime) -> Parts:
    """Make the doors from the settings and the sources file."""
    settings = cast("IntakeSettings", runtime.settings)
    sources = load_sources(settings.sources_file)
    if public := development_credentials(sources):
        structlog.get_logger().warning("development_credentials_accepted", sources=public)
    return Parts(routers=(routes(settings, sources, runtime.producer),))


if __name__ == "__main__":
    run("intake", IntakeSettings, build, wants_producer=True)
