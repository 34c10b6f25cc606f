"""Operators' files that change while a service runs."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from services.runtime import metrics
from services.runtime.watched import Watched, watched_file
from services.runtime.yaml_reading import Reader, RulesError

if TYPE_CHECKING:
    from pathlib import Path


def read_number(file: str, text: str) -> int:
    reader = Reader(file, text)
    fields = reader.fields(reader.root, "the file", ("n",), ("n",))
    number = reader.number(fields["n"], "n", 0, 9) if "n" in fields else None
    reader.finish()
    assert number is not None
    return int(number)


def stale(file: str) -> float:
    return float(metrics.FILE_STALE.labels(file)._value.get())


def loads(file: str, result: str) -> float:
    return float(metrics.FILE_LOADS.labels(file, result)._value.get())


def write(path: Path, text: str) -> None:
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "number.yaml"
    write(made, "n: 1")
    return made


def test_a_change_counts_once_it_stands_still(path: Path) -> None:
    watched = watched_file(path, read_number)
    write(path, "n: 2")
    assert (watched.look(), watched()) == (False, 1), "an editor may be half way through"
    assert (watched.look(), watched()) == (True, 2)
    assert (watched.look(), watched()) == (False, 2), "and once"


def test_what_has_a_fault_is_told_once_and_stays_up_until_it_is_mended(path: Path) -> None:
    watched = watched_file(path, read_number)
    before = loads(path.name, "refused")
    write(path, "n: many")
    with capture_logs() as logs:
        assert not any(watched.look() for _ in range(5))
    [told] = [each for each in logs if each["log_level"] == "error"]
    assert (told["event"], told["file"]) == ("file_refused_old_one_holds", "number.yaml")
    assert "number.yaml:1:" in told["faults"][0]
    assert (watched(), stale(path.name), loads(path.name, "refused") - before) == (1, 1, 1)
    write(path, "n: 3")
    watched.look()
    watched.look()
    assert (watched(), stale(path.name)) == (3, 0)


def test_a_file_that_vanishes_changes_nothing(path: Path) -> None:
    watched = watched_file(path, read_number)
    path.unlink()
    assert not any(watched.look() for _ in range(3))
    assert (watched(), stale(path.name)) == (1, 1)


def test_several_files_count_together_and_each_may_change(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    write(other, "n: 5")
    watched = Watched(
        "both", lambda: [read_number(str(one), one.read_text()) for one in (path, other)], lambda: (path, other)
    )
    write(other, "n: 6")
    watched.look()
    watched.look()
    assert watched() == [1, 6]


def test_nothing_starts_on_a_file_with_a_fault(path: Path) -> None:
    write(path, "n: many")
    with pytest.raises(RulesError, match=r"number\.yaml:1:"):
        watched_file(path, read_number)


async def test_it_is_looked_at_for_the_life_of_the_service(path: Path) -> None:
    watched = watched_file(path, read_number)
    task = asyncio.create_task(watched.watch(0.001))
    write(path, "n: 4")
    async with asyncio.timeout(30):
        while watched() != 4:
            await asyncio.sleep(0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
