"""Every metric a service has is on the page of metrics, under the name Prometheus stores it by."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import REGISTRY

from services.cli.metrics_document import document

ROW = re.compile(r"^\| `(gridline_\w+)` \| (\w+) \| (.*?) \| (.+?) \|$", re.MULTILINE)
ROOT = Path(__file__).parents[3]
PAGES = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]


def test_every_metric_is_told_once_with_its_kind_labels_and_meaning():
    rows = {name: (kind, labels, meaning) for name, kind, labels, meaning in ROW.findall(document())}
    served = {
        f"{one.name}_total" if one.type == "counter" else one.name: one.type
        for one in REGISTRY.collect()
        if one.name.startswith("gridline_")
    }
    assert {name: kind for name, (kind, _, _) in rows.items()} == served
    assert len(ROW.findall(document())) == len(rows)
    assert rows["gridline_records_total"][1] == "`topic`, `outcome`"


def test_metrics_that_pages_speak_of_exist():
    told = {name for name, *_ in ROW.findall(document())}
    families = {name.removesuffix(part) for name in told for part in ("", "_total")}
    for page in PAGES:
        for name in re.findall(r"`(gridline_[a-z_]+)(?:\{[^`]*\})?`", page.read_text(encoding="utf-8")):
            assert name in told or name.removesuffix("_") in families, f"{page.name} speaks of {name}"
