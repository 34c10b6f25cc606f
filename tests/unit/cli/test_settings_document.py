"""Every setting is on the page of settings, with what it is for and without anything of this machine."""

from __future__ import annotations

import re
from pathlib import Path

from services.cli.settings_document import document
from services.dedup.settings import DedupSettings
from services.intake.settings import IntakeSettings
from services.notify.settings import NotifySettings
from services.router.settings import RouterSettings

ROW = re.compile(r"^\| `(GRIDLINE_\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)


def test_every_setting_is_told_with_its_meaning():
    rows = ROW.findall(document())
    told = {name for name, _, _ in rows}
    for kind in (IntakeSettings, RouterSettings, DedupSettings, NotifySettings):
        assert {f"GRIDLINE_{name.upper()}" for name in kind.model_fields} <= told
    assert "GRIDLINE_STACK_KAFKA_PORT" in told
    assert [name for name, _, meaning in rows if not meaning] == []
    assert all(document().count(line) == 1 for line in document().splitlines() if line.startswith("| `GRIDLINE_STACK"))


def test_nothing_of_this_machine_or_of_its_environment_is_on_it(monkeypatch):
    before = document()
    monkeypatch.setenv("GRIDLINE_KAFKA_BOOTSTRAP", "elsewhere:9092")
    monkeypatch.setenv("GRIDLINE_STACK_RUN_FOLDER", "/nowhere")
    assert document() == before
    assert str(Path.home()) not in before
    assert "**" not in before, "a default that is a secret is published, and shown"
