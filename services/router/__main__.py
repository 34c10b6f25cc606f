"""``python -m services.router``: the router."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NoReturn

import structlog

from services.grid.store import SCHEMA as GRID_SCHEMA
from services.router.acting import Desk
from services.router.api import make_router
from services.router.bell import Bell
from services.router.clocks import watch_clocks
from services.router.domain.conservation import imbalance
from services.router.forgetting import forget_reporters
from services.router.handler import RouterHandler
from services.router.settings import RouterSettings
from services.router.timers import watch_time
from services.router.tree.book import RuleBook, load_desk
from services.router.tree.calendars import holidays_beside
from services.router.tree.keys import DEVELOPMENT_KEYS, read_keys
from services.router.undeclared import watch_queues
from services.runtime.migration import migrate
from services.runtime.parts import Parts, Runtime
from services.runtime.service import run
from services.runtime.settings import SettingsError
from services.runtime.watched import watched_file
from services.runtime.yaml_reading import RulesError

_log = structlog.get_logger()
SCHEMA: Final = Path(__file__).parent / "schema.sql"


async def build(runtime: Runtime) -> Parts:
    """Make the router's parts.

    Raises:
        SettingsError: the rule files cannot be used; every fault has its line.
    """
    settings = runtime.settings
    if not isinstance(settings, RouterSettings):
        raise TypeError("the router runs on RouterSettings")
    try:
        book = RuleBook(settings.routes_file, settings.classify_file)
        rules = watched_file(settings.desk_file, load_desk, holidays_beside)
        keys = watched_file(settings.keys_file, read_keys)
    except RulesError as error:
        raise SettingsError(f"rules that do not fit:\n{error}") from None
    # Every batch reads the network model; its tables are empty until a network is imported.
    await migrate(settings.postgres_dsn.get_secret_value(), "grid", GRID_SCHEMA, kernel=False)
    if published := keys().published(DEVELOPMENT_KEYS):
        _log.warning("development_credentials_accepted", holders=published)
    bell = Bell()
    desk = Desk(runtime.pool, runtime.outbox, book, rules, bell)
    return Parts(
        handler=RouterHandler(book, settings.bounds(), rules, bell.heard, desk.floor),
        routers=(make_router(desk, keys),),
        background=(
            lambda: bell.watch(runtime.pool, settings.bell_seconds),
            lambda: watch_time(desk, settings.timer_seconds),
            lambda: watch_queues(desk),
            lambda: watch_clocks(desk),
            lambda: desk.backlog.watch(book, settings.queue_gauge_seconds),
            lambda: forget_reporters(runtime.pool, settings.bounds(), rules),
        ),
        watched=(book, rules, keys),
        imbalance=imbalance,
        leaving=(bell.close,),
    )


def main() -> NoReturn:
    """Run the router until it is told to stop."""
    run("router", RouterSettings, build, schema_sql=SCHEMA)


if __name__ == "__main__":
    main()
