"""An operators' file that is garbage is refused with its line, and ends nothing: whatever reads it may be running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.runtime.watched import watched_file
from services.runtime.yaml_reading import Reader, RulesError, read_text

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "a: " + "[" * 500 + "]" * 500], ids=lambda text: text[:4])
def test_what_nests_without_end_is_refused(text: str):
    """It ended the service that read it again."""
    with pytest.raises(RulesError, match=r"file.yaml:1: .*deeper than 40 levels"):
        Reader("file.yaml", text)


def test_a_letter_that_no_yaml_has_is_told_with_its_line():
    with pytest.raises(RulesError) as refused:
        Reader("file.yaml", "a: b\nc: d\ne: f\0g\n")
    assert str(refused.value) == "file.yaml:3: not YAML: the character '\\x00' may not stand there"


def test_a_file_that_is_no_file_of_rules_is_not_read_into_memory(tmp_path: Path):
    """Four megabytes of YAML took half a gigabyte and a minute, and whoever names a log by mistake has more."""
    file = tmp_path / "rules.yaml"
    file.write_text("a: b\n")
    rules = watched_file(file, lambda _, text: text)
    with file.open("w") as log:
        log.writelines("2026-11-29 something was logged\n" for _ in range(100_000))
    rules.look()
    assert not rules.look()
    assert rules() == "a: b\n"
    with pytest.raises(RulesError, match="larger than 2 MB"):
        read_text(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(RulesError, match=r"gone\.yaml: cannot be read: No such file"):
        read_text(tmp_path / "gone.yaml")


def test_a_letter_that_is_no_utf_8_is_told_with_its_line_wherever_it_stands(tmp_path: Path):
    file = tmp_path / "rules.yaml"
    file.write_bytes(b"a: b\r\n" * 9_999 + "停: 电".encode("gbk"))
    with pytest.raises(RulesError) as refused:
        read_text(file)
    assert str(refused.value) == f"{file}:10000: is not UTF-8"


def test_a_tab_is_told_with_what_to_do():
    with pytest.raises(RulesError, match=r"^rules\.yaml:2: not YAML: .*; indent with spaces$"):
        Reader("rules.yaml", "a:\n\tb: c\n")
