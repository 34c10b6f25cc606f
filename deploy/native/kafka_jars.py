"""Kafka's jars: which ones, and where they are kept.

Decided here: the exact jars and their SHA-256 sums (`kafka-jars.lock`). Only the listed files are fetched and only
with the listed sums are they put in place, so a start resolves nothing, and a jar that was changed or cut short on the
way never runs.
Never here: the network. `fetch_jars` knows it, and is imported only when something is missing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KAFKA_VERSION = "4.1.0"
LOCK = Path(__file__).with_name("kafka-jars.lock")


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock: a Maven coordinate and the file's SHA-256 in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it sits in a cache folder (the layout of a Maven repository)."""
        name = f"{self.artifact}-{self.version}.jar"
        return Path(*self.group.split("."), self.artifact, self.version, name)


def default_cache() -> Path:
    """A room of our own in jgo's cache folder: JGO_CACHE_DIR, else ~/.cache/jgo."""
    chosen = os.environ.get("JGO_CACHE_DIR")
    return (Path(chosen) if chosen else Path.home() / ".cache" / "jgo") / "gridline"


def read_lock() -> list[Jar]:
    """The jars of this version of Kafka, sorted by coordinate."""
    jars = []
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            coordinate, sha256 = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(group, artifact, version, sha256))
    return jars


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
