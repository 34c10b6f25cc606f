"""Every metric a service has is on the page of metrics, under the name Prometheus stores it by."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.metrics import Histogram
from prometheus_client.utils import floatToGoString

from services.cli.metrics_document import INVENTORIES, document

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


def test_bounds_that_pages_and_alerts_ask_for_are_served_as_they_spell_them():
    """A query with le="300" finds nothing where the bucket is le="300.0": no error, no figure."""
    served = {
        f"gridline_{metric._name.removeprefix('gridline_')}": {floatToGoString(bound) for bound in metric._upper_bounds}
        for _, module in INVENTORIES
        for metric in vars(module).values()
        if isinstance(metric, Histogram)
    }
    asked = [
        (file.name, *found)
        for file in [*PAGES, *(ROOT / "deploy").rglob("*.yml"), *(ROOT / "deploy" / "grafana").rglob("*.json")]
        for found in re.findall(r'(gridline_\w+)_bucket\{[^}]*?le=\\?"([^"\\]+)', file.read_text(encoding="utf-8"))
    ]
    assert asked
    assert [(page, name, bound) for page, name, bound in asked if bound not in served[name]] == []
