"""docs/outage-scenarios.md names timelines that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "outage-scenarios.md"


def test_every_timeline_the_page_names_is_a_test() -> None:
    rows = re.findall(r"^\| .* \| \[(test_\w+\.py)\]\(.*?\): (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 20
    for file, names in rows:
        known = set(re.findall(r"^def test_(\w+)\(", (HERE / file).read_text(encoding="utf-8"), re.MULTILINE))
        named = set(re.findall(r"`(\w+)`", names))
        assert named, f"a row names no timeline of {file}"
        assert named <= known, f"{file} has no {sorted(named - known)}"
