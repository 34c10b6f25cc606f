"""A file is written whole or not at all, wherever its name leads."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from services.runtime.whole_file import write_whole, written_whole

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("broken", [KeyboardInterrupt, OSError])
def test_what_was_there_stays_where_writing_is_broken_off(broken: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("good", encoding="utf-8")

    def write() -> None:
        with written_whole(path) as file:
            file.write("ha")
            raise broken

    with pytest.raises(broken):
        write()
    assert path.read_text(encoding="utf-8") == "good"
    assert [*tmp_path.iterdir()] == [path]


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path, there = tmp_path / "latest.csv", tmp_path / "elsewhere" / "table.csv"
    path.symlink_to(there)
    for text in ("made", "made again"):
        write_whole(path, text)
        assert path.is_symlink()
        assert there.read_text(encoding="utf-8") == text


def test_a_pipe_is_written_into_and_not_replaced(tmp_path: Path) -> None:
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_text(encoding="utf-8")))
    reader.start()
    write_whole(path, "passed on")
    reader.join()
    assert read == ["passed on"]
    assert path.is_fifo()


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OSError) as refused:
        write_whole(tmp_path / "nowhere" / "table.csv", "")
    assert refused.value.filename == str(tmp_path / "nowhere" / "table.csv")
