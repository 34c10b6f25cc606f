"""``python -m services.dedup``: which reports are one outage, and its one order."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import FunctionType
from typing import Final, NoReturn

import structlog

from services.dedup.api import make_router
from services.dedup.domain import decide
from services.dedup.ground import Ground
from services.dedup.handler import DedupHandler, imbalance
from services.dedup.indices import watch_reliability
from services.dedup.keys import DEVELOPMENT_KEYS, read_keys
from services.dedup.metrics import COMPILED
from services.dedup.network_watch import watch_network
from services.dedup.settings import DedupSettings
from services.dedup.timers import watch_levels, watch_timers
from services.grid.store import SCHEMA as GRID_SCHEMA
from services.runtime.migration import migrate
from services.runtime.parts import Parts, Runtime
from services.runtime.service import run
from services.runtime.settings import SettingsError
from services.runtime.watched import watched_file
from services.runtime.yaml_reading import RulesError

_log: Final = structlog.get_logger()
SCHEMA: Final = Path(__file__).parent / "schema.sql"


async def build(runtime: Runtime) -> Parts:
    """Make the parts.

    Raises:
        SettingsError: the rules or the keys cannot be used; every fault has its line.
    """
    settings = runtime.settings
    if not isinstance(settings, DedupSettings):
        raise TypeError("dedup runs on DedupSettings")
    try:
        lag = None if settings.trusted_lag_minutes is None else timedelta(minutes=settings.trusted_lag_minutes)
        ground = Ground(settings.thresholds_file, settings.levels_file, trusted_lag=lag)
        keys = watched_file(settings.keys_file, read_keys)
    except RulesError as error:
        raise SettingsError(f"rules that do not fit:\n{error}") from None
    if published := keys().published(DEVELOPMENT_KEYS):
        _log.warning("development_credentials_accepted", holders=published)
    compiled = not isinstance(decide, FunctionType)  # docs/compiled.md
    COMPILED.set(compiled)
    _log.info("core", compiled=compiled)
    # Every area looks for its tree; the tables are empty until a network is imported.
    await migrate(settings.postgres_dsn.get_secret_value(), "grid", GRID_SCHEMA, kernel=False)
    await ground.look_at_network(runtime.pool)
    return Parts(
        handler=DedupHandler(ground, cached_areas=settings.cached_areas),
        side_by_side=True,  # all of an area is in one partition
        routers=(make_router(runtime.pool, runtime.outbox, keys, ground),),
        background=(
            lambda: ground.watch(runtime.pool, settings.reload_seconds),
            lambda: watch_timers(runtime.pool, runtime.outbox, settings.timer_seconds),
            lambda: watch_levels(runtime.pool, runtime.outbox, ground, settings.reload_seconds),
            lambda: watch_network(runtime.pool, runtime.outbox, ground, settings.reload_seconds),
            lambda: watch_reliability(runtime.pool, ground, 30 * settings.timer_seconds),
        ),
        watched=(keys,),
        imbalance=imbalance,
    )


def main() -> NoReturn:
    """Run dedup until it is told to stop."""
    run("dedup", DedupSettings, build, schema_sql=SCHEMA)


if __name__ == "__main__":
    main()
