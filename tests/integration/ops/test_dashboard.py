"""What ops look at shows something: every query of the dashboard and every alert, on a real Prometheus that scraped the
real services while a small storm went through them."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from tests.integration.ops.prometheus import SHIPPED, Prometheus, binary, selectors
from tests.integration.ops.scene import SERVICES, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

DASHBOARDS = Path(__file__).parents[3] / "deploy" / "grafana" / "dashboards"
SECONDS = 60.0


def dashboard_queries() -> dict[str, str]:
    """Every query of every panel and annotation of every dashboard, by where it stands."""
    return {
        f"{board} / {panel['title']} / {target['refId']}": target["expr"]
        for board, panel in panels()
        for target in panel.get("targets", ())
    }


def panels() -> list[tuple[str, dict[str, Any]]]:
    """Every panel of every dashboard, behind its dashboard's name."""
    boards = [(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(DASHBOARDS.glob("*.json"))]
    return [(name, panel) for name, board in boards for panel in board["panels"]]


def alert_expressions() -> dict[str, str]:
    groups = yaml.safe_load((SHIPPED / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


@pytest.fixture
def scene(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> Iterator[Scene]:
    for name in ("prometheus", "promtool"):
        binary(name)
    made = Scene(kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path)
    yield made
    made.stop()


@pytest.fixture
def prometheus(scene: Scene, tmp_path: Path) -> Iterator[Prometheus]:
    made = Prometheus(tmp_path / "prometheus", scene.ports)
    yield made
    made.stop()


def without_data(prometheus: Prometheus) -> list[str]:
    """Queries that give nothing, or only NaN, and series that an alert reads and nobody has."""
    found = []
    for where, expression in dashboard_queries().items():
        values = prometheus.query(expression.replace("$__rate_interval", "3m"))
        if not any(math.isfinite(value) for _, value in values):
            found.append(f"{where}: {expression}")
    for where, expression in (alert_expressions() | dashboard_queries()).items():
        found += [f"{where}: {one}" for one in selectors(expression) if not prometheus.query(one)]
    return found


async def test_every_query_and_every_alert_finds_its_data(scene: Scene, prometheus: Prometheus, kafka_broker):
    await scene.start()
    prometheus.start()
    async with httpx.AsyncClient(timeout=30) as client:
        # Twice: a rate needs a counter that was there before it rose.
        await scene.wave(client)
        await settled(prometheus, scene)
        await scene.crews(client, "accepted", "arrived", "restored")
        await scene.outage_of(kafka_broker, client)
        await asyncio.sleep(3)
        await scene.wave(client)
        await settled(prometheus, scene)
        await scene.crews(client, "accepted", "restored")
        await settled(prometheus, scene)
        await scene.wave(client)  # so that some outages are open at the end
        await settled(prometheus, scene)
    end = time.monotonic() + SECONDS
    while (missing := without_data(prometheus)) and time.monotonic() < end:
        await asyncio.sleep(1)
    assert not missing, "\n".join(missing)

    rules = prometheus.ask("rules")["groups"][0]["rules"]
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert {rule["name"] for rule in rules} == set(alert_expressions())
    firing = {one["labels"]["alertname"] for one in prometheus.ask("alerts")["alerts"] if one["state"] == "firing"}
    assert firing & {"GridlineConservationImbalance", "GridlineServiceDown", "GridlineServiceMissing"} == set()
    assert "GridlineDeadLetters" in firing, "two records were poison"

    # The figures are the flow's own: nothing sent is missing from them.
    assert prometheus.query("sum(gridline_intake_contacts_accepted_total)") == [({}, scene.sent)]
    assert len(prometheus.query('up{job="gridline"} == 1')) == len(SERVICES)

    # And a query with a slip in it would be found.
    assert selectors("sum(rate(gridline_recrods_total[1m]))") == {"gridline_recrods_total"}
    assert prometheus.query("gridline_recrods_total") == []
    assert not prometheus.query('gridline_records_total{outcome="acepted"}')


async def test_before_the_first_call_a_panel_shows_something_or_says_what_its_emptiness_means(
    scene: Scene, prometheus: Prometheus
):
    """Whoever looks for the first time, or in a quiet night, must not take what is well for what is broken."""
    await scene.start()
    prometheus.start()
    end = time.monotonic() + SECONDS
    while len(prometheus.query('min_over_time(up{job="gridline"}[10s]) == 1')) < len(SERVICES):
        assert time.monotonic() < end, "not all four were scraped"
        await asyncio.sleep(1)
    await asyncio.sleep(10)
    unexplained, silent = [], []
    for name, panel in panels():
        queries = [target["expr"].replace("$__rate_interval", "1m") for target in panel.get("targets", ())]
        values = [value for query in queries for _, value in prometheus.query(query)]
        where = f"{name} / {panel['title']}"
        # A figure shows NaN as NaN; of a curve that is all NaN a panel shows its empty axes, and not its noValue.
        no_number = any if panel["type"] == "stat" else all
        nothing = bool(values) and no_number(math.isnan(value) for value in values)
        if queries and not any(math.isfinite(value) for value in values):
            silent.append(where)
            nothing = nothing or "noValue" not in panel["fieldConfig"]["defaults"]
        if nothing:
            unexplained.append(where)
    assert not unexplained, "\n".join(unexplained)
    assert silent, "the control: some are empty then"


def test_a_panel_shows_seconds_as_seconds_and_counts_as_counts() -> None:
    """On one axis of bare numbers, 400 rows that wait cannot be told from 400 seconds."""
    wrong, beside = [], 0
    for name, panel in panels():
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        own = {
            one["matcher"]["options"]: {each["id"]: each["value"] for each in one["properties"]}
            for one in panel.get("fieldConfig", {}).get("overrides", ())
            if one["matcher"]["id"] == "byFrameRefID"
        }
        assert own.keys() <= {target["refId"] for target in panel.get("targets", ())}
        for target in panel.get("targets", ()):
            unit = own.get(target["refId"], {}).get("unit", defaults["unit"])
            expression = target["expr"]
            measured = {one.partition("{")[0] for one in selectors(expression)}
            seconds = expression.startswith("histogram_quantile") or any(one.endswith("_seconds") for one in measured)
            if seconds != (unit == "s"):
                wrong.append(f"{name} / {panel['title']} / {target['refId']}: {unit}: {expression}")
            beside += seconds and defaults["unit"] != "s"
    assert not wrong, "\n".join(wrong)
    assert beside, "the control: some panels have both"


def test_a_service_that_is_away_is_not_made_up_for_by_two_of_another() -> None:
    (panel,) = [panel for _, panel in panels() if panel["title"] == "Services up"]
    assert all("sum(up" not in target["expr"] for target in panel["targets"])
    assert panel["targets"][0]["expr"].startswith("count(max by (service) (up")


async def settled(prometheus: Prometheus, scene: Scene) -> None:
    """Wait until everything sent was read and everything decided is published, as Prometheus sees it."""
    end = time.monotonic() + SECONDS
    rest = "(sum(gridline_lag_records) + sum(gridline_outbox_unpublished)) == 0"
    # Each service is looked at in a moment of its own: what the router has read, Prometheus may not yet have of intake.
    seen = (
        'sum(gridline_records_total{topic="contact.received.v1", outcome="accepted"})',
        "sum(gridline_intake_contacts_accepted_total)",
    )
    while time.monotonic() < end:
        scene.alive()
        read = [value for one in seen for _, value in prometheus.query(one)]
        if len(read) == len(seen) and min(read) >= scene.sent and prometheus.query(rest):
            return
        await asyncio.sleep(0.5)
    pytest.fail(f"sent {scene.sent}, read {read}\n" + "\n".join(scene.log(name) for name in SERVICES))


def test_the_test_reads_every_metric_of_an_expression():
    expression = (
        'sum by (a) (rate(gridline_x_total{b=~"c|d"}[5m])) / (up{job="gridline"} + {__name__=~"gridline_(e|f)"})'
    )
    assert selectors(expression) == {'gridline_x_total{b=~"c|d"}', 'up{job="gridline"}', '{__name__=~"gridline_(e|f)"}'}


def test_a_machine_without_prometheus_leaves_the_test_out_unless_it_is_required(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("GRIDLINE_REQUIRE_PROMETHEUS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install prometheus"):
        binary("prometheus")
    monkeypatch.setenv("GRIDLINE_REQUIRE_PROMETHEUS", "1")
    with pytest.raises(pytest.fail.Exception, match="requires it"):
        binary("prometheus")
    assert os.environ["PATH"] == "/nowhere"
