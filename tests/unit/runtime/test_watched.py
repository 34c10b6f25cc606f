"""Operators' files that change while a service runs."""

from __future__ import annotations

import asyncio
import errno
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


@pytest.mark.parametrize("why", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_what_cannot_be_read_for_a_look_is_read_at_the_next(
    path: Path, why: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the file changes when its disk or the right to read it comes back."""
    watched = watched_file(path, read_number)
    before = loads(path.name, "refused")
    write(path, "n: 2")
    watched.look()

    def fails(*_: object) -> None:
        raise OSError(why, os.strerror(why))

    with monkeypatch.context() as away, capture_logs() as logs:
        away.setattr("pathlib.Path.open", fails)
        assert not any(watched.look() for _ in range(3))
    assert [each["faults"] for each in logs] == [[f"{path}: cannot be read: {os.strerror(why)}"]], "told, once"
    assert (watched(), stale(path.name), loads(path.name, "refused") - before) == (1, 1, 1)
    assert (watched.look(), watched(), stale(path.name)) == (True, 2, 0)


def test_a_directory_in_its_place_changes_nothing_and_the_file_that_comes_back_counts(path: Path) -> None:
    watched = watched_file(path, read_number)
    path.rename(path.with_suffix(".old"))
    path.mkdir()
    assert not any(watched.look() for _ in range(3))
    assert (watched(), stale(path.name)) == (1, 1)
    path.rmdir()
    path.with_suffix(".old").rename(path)
    assert any(watched.look() for _ in range(3))
    assert (watched(), stale(path.name)) == (1, 0)


def test_what_is_written_with_its_old_age_and_size_counts(path: Path) -> None:
    """As ``cp -p`` and ``rsync -t`` leave it."""
    watched = watched_file(path, read_number)
    age = path.stat().st_mtime_ns
    path.write_text("n: 2", encoding="utf-8")
    os.utime(path, ns=(age, age))
    watched.look()
    assert (watched.look(), watched()) == (True, 2)


def test_files_that_are_exchanged_while_they_are_read_never_count_half(tmp_path: Path) -> None:
    """As Kubernetes does: another folder under one name, with all files at once."""
    for folder, text in (("first", "n: 1"), ("second", "n: 2"), ("third", "n: 3")):
        (tmp_path / folder).mkdir()
        for file in "ab":
            write(tmp_path / folder / file, text)
    files = [tmp_path / "..data" / file for file in "ab"]
    meanwhile: list[str] = []

    def switch(folder: str) -> None:
        (tmp_path / "next").symlink_to(folder)
        (tmp_path / "next").rename(tmp_path / "..data")

    def load() -> list[int]:
        first = read_number("a", files[0].read_text())
        if meanwhile:
            switch(meanwhile.pop())
        return [first, read_number("b", files[1].read_text())]

    switch("first")
    watched = Watched("both", load, lambda: files)
    switch("second")
    meanwhile.append("third")
    with capture_logs() as logs:
        seen = [watched() for _ in range(6) if watched.look() or True]
    assert seen[-1] == [3, 3]
    assert [one for one in seen if one not in ([1, 1], [3, 3])] == []
    assert [each["event"] for each in logs] == ["file_reloaded"]


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


def test_a_change_is_seen_where_kubernetes_mounts_it(tmp_path: Path) -> None:
    """A ConfigMap's files are links through ``..data``, which is turned to a new folder; no file itself changes."""
    for version in "12":
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "number.yaml").write_text(f"n: {version}", encoding="utf-8")
        os.utime(tmp_path / f"..{version}" / "number.yaml", ns=(1, 1))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "number.yaml").symlink_to("..data/number.yaml")
    watched = watched_file(tmp_path / "number.yaml", read_number)
    (tmp_path / "..next").symlink_to("..2")
    (tmp_path / "..next").replace(tmp_path / "..data")
    assert (watched.look(), watched()) == (False, 1)
    assert (watched.look(), watched()) == (True, 2)


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
