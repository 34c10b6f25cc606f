"""The dashboard's file: whole, explained, and free of what ties it to one Grafana."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

BOARD = json.loads(
    (Path(__file__).parents[3] / "deploy" / "grafana" / "dashboards" / "overview.json").read_text(encoding="utf-8")
)
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def test_panels_have_ids_of_their_own_and_do_not_overlap():
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    taken = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in BOARD["panels"])
    ]
    assert all(not one & other for one, other in itertools.combinations(taken, 2))
    assert max(x for cells in taken for x, _ in cells) < 24


def test_every_panel_says_what_it_shows_and_in_which_unit():
    for panel in PANELS:
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_every_query_asks_the_chosen_prometheus():
    [variable] = BOARD["templating"]["list"]
    assert variable["type"] == "datasource"
    for panel in PANELS:
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]


def test_rates_fit_whatever_the_scrape_interval_is():
    for panel in PANELS:
        for target in panel["targets"]:
            # One number of a quiet system would be none at all over a few scrapes: five minutes, as its alert has.
            time = "[5m]" if panel["type"] == "stat" else "[$__rate_interval]"
            assert ("rate(" in target["expr"]) == (time in target["expr"]), panel["title"]
