"""An incident on its feeder as a picture. The one in the documents is drawn from a story that the core tells here.

``python -m tests.unit.cli.test_incident_drawing`` draws it anew.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from services.cli.incident_drawing import svg
from services.dedup.domain import surroundings as view
from services.dedup.domain.surroundings import surroundings
from tests.unit.dedup.timeline import Timeline, rules_of_tests, shipped_tree

PICTURE = Path(__file__).parents[3] / "docs" / "outage.svg"
SWITCH, ELSEWHERE = "A0SW00015", "A0TR00290"
SPACE = "{http://www.w3.org/2000/svg}"


def seen() -> dict[str, Any]:
    """Forty calls within a quarter of an hour from under one switch of EPRI's ckt5, and one from elsewhere."""
    tree = shipped_tree("ckt5")
    storm = Timeline("A0SU00000", tree, rules_of_tests())
    transformers, rng = tree.transformers_under(SWITCH), random.Random(5)
    for n in range(40):
        storm.at(n * 0.4).report(rng.choice(transformers), f"call {n}", account=f"A{n}")
    storm.at(20).report(ELSEWHERE, "elsewhere", account="B1")
    incident = max(storm.state.incidents.values(), key=lambda one: len(one.reports))
    reports = Counter(report.device for report in incident.reports.values() if report.device)
    standing = {one.device.id: one.incident_id for one in storm.state.incidents.values()}
    around = surroundings(tree, incident.device.id, reports, standing)
    return {
        "incident_id": incident.incident_id,
        "device": incident.device.id,
        "state": incident.state.value,
        "customers_served": incident.customers_served,
        "reports": len(incident.reports),
        "devices": [one._asdict() for one in around],
    }


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return seen()


def marks(picture: str, fill: str) -> int:
    return sum(1 for one in ET.fromstring(picture).iter() if one.get("fill") == fill and list(one))  # noqa: S314 - ours


def test_what_is_around_is_the_feeder_and_the_way_up(found: dict[str, Any]) -> None:
    devices = found["devices"]
    placed: set[str] = set()
    for one in devices:
        assert one["parent"] is None or one["parent"] in placed, "a parent comes before its children"
        placed.add(one["id"])
    tree = shipped_tree("ckt5")
    assert placed == {*tree.under(tree.feeder_of(SWITCH)), *tree.ancestors(SWITCH)}
    assert {one["id"] for one in devices if one["dark"]} == set(tree.under(SWITCH))
    assert sum(one["reports"] for one in devices) == found["reports"] == 40
    assert {one["id"] for one in devices if one["incident"]} == {SWITCH, ELSEWHERE}


def test_a_feeder_that_is_too_large_is_shown_from_the_device_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "MOST", 100)
    tree = shipped_tree("ckt5")
    shown = {one.id for one in surroundings(tree, SWITCH, {}, {})}
    assert shown == {*tree.under(SWITCH), *tree.ancestors(SWITCH)}


def test_the_picture_has_a_mark_for_each_transformer_that_called_and_each_that_kept_silent(
    found: dict[str, Any],
) -> None:
    picture = svg(found)
    dark = [one for one in found["devices"] if one["dark"] and one["type"] == "transformer"]
    called = [one for one in dark if one["reports"]]

    assert marks(picture, "#dc2626") == len(called) + 1, "and the switch that the crew is sent to"
    assert marks(picture, "#fecaca") == len(dark) - len(called)
    assert marks(picture, "#f59e0b") == 1
    assert f"40 reports from {len(called)} of {len(dark)} transformers; 368 customers without power" in picture


def test_what_is_over_does_not_say_that_anybody_is_without_power(found: dict[str, Any]) -> None:
    assert "without power" not in svg({**found, "state": "restored"})


def test_one_device_alone_can_be_drawn_and_no_name_breaks_the_picture(found: dict[str, Any]) -> None:
    [alone] = [{**one, "id": "<&>", "parent": None} for one in found["devices"] if one["id"] == SWITCH]
    root = ET.fromstring(svg({**found, "device": "<&>", "devices": [alone]}))  # noqa: S314 - our own picture
    assert [one.text for one in root.iter(f"{SPACE}text") if one.get("class") == "device"] == ["<&>"]


def test_a_long_name_at_the_right_edge_is_written_to_the_left_and_a_screen_reader_hears_what_is_over_it(
    found: dict[str, Any],
) -> None:
    west, east = (next(one for one in found["devices"] if one["id"] == each) for each in (SWITCH, ELSEWHERE))
    far = [{**west, "parent": None, "lon": 118.0, "lat": 31.0}, {**east, "parent": None, "lon": 119.0, "lat": 31.1}]
    picture = ET.fromstring(svg({**found, "device": ELSEWHERE, "devices": far}))  # noqa: S314 - ours
    (label,) = [one for one in picture.iter(f"{SPACE}text") if one.get("class") == "device"]
    assert float(label.get("x", "0")) > 900
    assert label.get("text-anchor") == "end"
    assert picture.get("role") == "img"
    assert picture[0].tag == f"{SPACE}title"
    assert (picture[0].text or "").startswith(f"transformer {ELSEWHERE}, predicted. 40 reports from ")


def test_a_transformer_that_called_is_never_the_smallest_mark(found: dict[str, Any]) -> None:
    circles = [one for one in ET.fromstring(svg(found)).iter(f"{SPACE}circle") if list(one)]  # noqa: S314 - ours
    called = [float(one.get("r", "0")) for one in circles if one.get("fill") == "#dc2626"]
    assert min(called) >= 5.0 > min(float(one.get("r", "0")) for one in circles)


def test_the_picture_of_the_documents_is_the_one_that_is_drawn_now(found: dict[str, Any]) -> None:
    assert PICTURE.read_text(encoding="utf-8") == svg(found), "python -m tests.unit.cli.test_incident_drawing"


def test_what_another_outage_darkens_is_not_shown_as_having_power(found: dict[str, Any]) -> None:
    devices = [dict(one) for one in found["devices"]]
    top = next(one for one in devices if one["type"] == "switch" and not one["dark"])
    assert marks(svg(found), "#fde68a") == 0
    top["incident"] = "6f1e8c52-95b9-5980-9e00-0095598c0de5"
    under, lit = {top["id"]}, 0
    for one in devices:
        if one["parent"] in under:
            under.add(one["id"])
            lit += one["type"] == "transformer" and not (one["dark"] or one["reports"] or one["incident"])
    assert marks(svg(found | {"devices": devices}), "#fde68a") == lit > 0


if __name__ == "__main__":
    PICTURE.write_text(svg(seen()), encoding="utf-8")
