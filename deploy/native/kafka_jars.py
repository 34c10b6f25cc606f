"""Kafka's jars, and where they are kept.

Decided here: only the jars of `jars_lock` are fetched, and only with their sums are they put in place. So a start
resolves nothing, and a jar that was changed or cut short on the way never runs.
Never here: the network. `fetch_jars` knows it, and is imported only when something is missing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.jars_lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Callable


def default_cache() -> Path:
    """A room of our own in jgo's cache folder: JGO_CACHE_DIR, else ~/.cache/jgo."""
    chosen = os.environ.get("JGO_CACHE_DIR")
    return (Path(chosen) if chosen else Path.home() / ".cache" / "jgo") / "gridline"


def ensure_jars(
    cache: Path,
    repository: str | None = None,
    on_progress: Callable[[int, int], None] = lambda _here, _total: None,
) -> list[Path]:
    """The class path, every jar in place; fetches what is missing.

    Args:
        cache: folder to keep the jars in; shared by every clone and every session of this user.
        repository: address of a Maven repository to use instead of the one jgo is set to.
        on_progress: called with (jars here, jars in all), only while something is being fetched.

    Raises:
        DownloadError: a jar is missing and could not be fetched, or what came had another sum.
    """
    jars = read_lock()
    # Their sums were checked before they were put in place; they are not computed again at every start.
    if any(not (cache / jar.path).exists() for jar in jars):
        from deploy.native.fetch_jars import fetch_jars  # noqa: PLC0415 - 0.5 s of imports, needed once a machine

        fetch_jars(cache, jars, repository, on_progress)
    return [cache / jar.path for jar in jars]
