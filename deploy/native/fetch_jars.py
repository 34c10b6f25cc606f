"""Fetching Kafka's jars with jgo, and making their lock (`python -m deploy.native.fetch_jars`).

Decided here: a jar takes its place in the cache by a rename, after its sum was checked.
Never here: a write outside the cache folder, or a wait that Ctrl-C cannot end.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import queue
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from jgo.config import GlobalSettings
from jgo.maven import MavenContext, PythonResolver

from deploy.native.errors import DownloadError
from deploy.native.jars_lock import KAFKA_VERSION, LOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deploy.native.jars_lock import Jar

_COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",  # without it Kafka's own log goes nowhere
)
_PARALLEL = 8
_TIMEOUT_SECONDS = 30
_LEAVE_SECONDS = 2.0


def fetch_jars(cache: Path, jars: list[Jar], repository: str | None, on_progress: Callable[[int, int], None]) -> None:
    """Bring the missing ones of `jars` into `cache`. Arguments and errors: `kafka_jars.ensure_jars`."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one(cache):
            for leftover in cache.glob(".fetch-*"):  # of a fetch that was killed; we hold the lock
                shutil.rmtree(leftover, ignore_errors=True)
            staging = Path(tempfile.mkdtemp(prefix=".fetch-", dir=cache))
            try:
                _fetch_missing(cache, jars, staging, repository, on_progress)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise DownloadError(
            f"The folder for Kafka's jars, {cache}, cannot be written: {error.strerror}. "
            "Set GRIDLINE_STACK_JAR_CACHE to a folder you may write to."
        ) from error


@contextlib.contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    """Two first starts at once: the second waits for the first and finds the jars there."""
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_missing(
    cache: Path, jars: list[Jar], staging: Path, repository: str | None, on_progress: Callable[[int, int], None]
) -> None:
    missing = [jar for jar in jars if not (cache / jar.path).exists()]
    todo: queue.SimpleQueue[Jar] = queue.SimpleQueue()
    outcomes: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    for jar in missing:
        todo.put(jar)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                jar = todo.get_nowait()
                try:
                    _fetch_one(jar, cache, staging, repository)
                except Exception as error:  # noqa: BLE001 - carried to the thread that waits, which raises it
                    outcomes.put(error)
                    return
                outcomes.put(None)

    # Daemon threads: Ctrl-C must not wait for a slow download.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(_PARALLEL)]
    for thread in threads:
        thread.start()
    here = len(jars) - len(missing)
    try:
        on_progress(here, len(jars))
        for _ in missing:
            failure = outcomes.get()
            if failure is not None:
                raise DownloadError(_no_download(cache, len(jars) - here, failure)) from failure
            here += 1
            on_progress(here, len(jars))
    finally:
        with contextlib.suppress(queue.Empty):  # nothing more to do: the threads end with the file they are at
            while True:
                todo.get_nowait()
        deadline = time.monotonic() + _LEAVE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _fetch_one(jar: Jar, cache: Path, staging: Path, repository: str | None) -> None:
    component = _maven(staging, repository).project(jar.group, jar.artifact).at_version(jar.version)
    fetched = Path(component.artifact().resolve())
    actual = _sha256(fetched)
    if actual != jar.sha256:
        raise DownloadError(
            f"{fetched.name} came with SHA-256 {actual} instead of {jar.sha256}: it was changed or cut short"
        )
    target = cache / jar.path
    target.parent.mkdir(parents=True, exist_ok=True)
    fetched.replace(target)


def _maven(folder: Path, repository: str | None) -> MavenContext:
    """Where to fetch from: what the caller says, else what jgo's own configuration says, else jgo's default."""
    remote = {"chosen": repository.rstrip("/")} if repository else GlobalSettings.load().repositories or None
    return MavenContext(resolver=PythonResolver(), repo_cache=folder, remote_repos=remote, timeout=_TIMEOUT_SECONDS)


def _no_download(cache: Path, missing: int, reason: Exception) -> str:
    return (
        f"{missing} of Kafka's jar files are not on this machine yet and could not be fetched: {_in_short(reason)}.\n"
        "The first start needs the network (42 MB, once). Connect and try again; or set "
        "GRIDLINE_STACK_MAVEN_REPOSITORY to a Maven repository you can reach; or copy the folder "
        f"{cache} from a machine that has it (GRIDLINE_STACK_JAR_CACHE names another place)."
    )


def _in_short(reason: Exception) -> str:
    if isinstance(reason, requests.Timeout):
        return f"the repository did not answer within {_TIMEOUT_SECONDS} s"
    if isinstance(reason, requests.ConnectionError):
        return "the repository cannot be reached (no network, or a proxy that is not set)"
    return str(reason)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_lock() -> None:
    """Resolve the coordinates anew and write the lock; for whoever raises Kafka's version."""
    with tempfile.TemporaryDirectory() as folder:
        context = _maven(Path(folder), None)
        # One at a time, the first one's choice of a version stands: resolved together, jgo lets the second
        # coordinate's own version rules lower Kafka's jackson.
        chosen: dict[str, str] = {}
        for coordinate in _COORDINATES:
            inputs, transitive = context.resolver.resolve([context.create_dependency(coordinate)])
            for each in [*inputs, *(one for one in transitive if one.scope in {"compile", "runtime"})]:
                jar = Path(each.artifact.resolve())
                project = f"{each.groupId}:{each.artifactId}"
                chosen.setdefault(project, f"{project}:{each.version} {_sha256(jar)}")
    header = f"# Kafka {KAFKA_VERSION}: coordinate, SHA-256. Made by: python -m deploy.native.fetch_jars\n"
    LOCK.write_text(header + "\n".join(sorted(chosen.values())) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_lock()
