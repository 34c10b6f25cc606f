"""How good merging is: figures by hand, baselines and bounds on a small network, and the page that is published."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.contracts.values import Channel
from services.dedup.replay_files import Restoration
from services.dedup.replay_reports import Served, load_served
from services.dedup.rules_file import load_rules
from services.grid.network_file import write_customers, write_devices
from services.quality import baselines
from services.quality.asked import asked
from services.quality.hearing import hearing
from services.quality.instrumented import EQUIPPED
from services.quality.judge import Order, Outcome, judge
from services.quality.losses import Cause, losses
from services.quality.matrix import SEEDS, Job, read_runs, run, run_all, write_runs
from services.quality.methods import ASKED, ENGINE, METHODS, ORACLES, compare, outcome_of, prepare, run_engine
from services.quality.oracles import Known, by_known_faults
from services.quality.placed import Placed, first_arrivals, placed, says_where
from services.quality.plot import holds_plot, methods_plot
from services.quality.spread import spread
from services.quality.storms import TrueFault, Truth, read_storm
from services.quality.table import document
from services.simulator.files import write_storm
from services.simulator.presets import PRESETS, Purpose
from services.simulator.words import Kind

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
RULES = ROOT / "deploy" / "dedup.yaml"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
FEEDER = ROOT / "deploy" / "networks" / "ieee123"


@pytest.fixture(scope="module")
def served() -> Served:
    return load_served(FEEDER / "network.csv", FEEDER / "customers.csv")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def says(
    event: str, minutes: float, transformer: str | None, account: str | None = None, *, danger: bool = False
) -> Placed:
    feeder = None if transformer is None else "A0BR00001"
    return Placed(event, at(minutes), at(minutes), transformer, feeder, account, 31.19, 118.36, danger)


class Told:
    """Truth and outcome, written down case by case."""

    def __init__(self, served: Served) -> None:
        self.tree = served.tree
        self.truth: dict[str, Truth] = {}
        self.faults: dict[str, TrueFault] = {}
        self.arrivals: dict[str, datetime] = {}
        self.outcome = Outcome({}, {}, {})

    def fault(self, name: str, device: str) -> None:
        self.faults[name] = TrueFault(device, service=False, shows_at=at(0), ended_at=None)

    def report(self, event: str, minutes: float, fault: str, *orders: str, kind: Kind = Kind.OUTAGE) -> None:
        self.truth[event] = Truth(fault, kind, event, "", at(minutes))
        self.arrivals[event] = at(minutes)
        self.outcome.ever[event] = orders
        if orders:
            self.outcome.clusters[event] = orders[-1]

    def order(self, name: str, minutes: float, *places: tuple[float, str]) -> None:
        self.outcome.orders[name] = Order(at(minutes), [(at(when), device) for when, device in places])

    def figures(self):
        return judge(self.outcome, self.truth, self.faults, self.arrivals, self.tree)


@pytest.fixture
def told(served: Served) -> Told:
    return Told(served)


def test_one_order_for_one_fault_at_the_right_device_is_all_one_can_ask(told: Told) -> None:
    told.fault("F", "A0SW00015")
    told.order("O", 0, (0, "A0TR00023"), (4, "A0SW00015"))
    for n in range(3):
        told.report(f"E{n}", 2 * n, "F", "O")
    found = told.figures()
    assert (found.b3_f1, found.spare_per_fault, found.hidden, found.device_hops, found.churn) == (1, 0, 0, 0, 0)
    assert (found.to_order_p50, found.to_device_p50, found.named_device, found.unplaced) == (0, 240, 1, 0)


def test_a_fault_merged_into_another_is_hidden_and_one_nobody_could_place_is_told_apart(told: Told) -> None:
    for name in ("big", "small", "silent"):
        told.fault(name, "A0SW00015")
    told.order("O", 0, (0, "A0SW00015"))
    told.report("a", 0, "big", "O")
    told.report("b", 1, "big", "O")
    told.report("c", 2, "small", "O")
    told.report("d", 3, "silent")
    found = told.figures()
    assert found.hidden == pytest.approx(2 / 3)
    assert found.hidden_in_another == pytest.approx(1 / 3)
    assert found.unplaced == 0.25
    assert found.b3_precision == pytest.approx((2 * 2 / 3 + 1 / 3 + 1) / 4)
    assert found.b3_f1_placed < 1


def test_an_order_taken_over_and_one_of_arrears_are_spare_and_one_of_danger_is_not(told: Told) -> None:
    told.fault("F", "A0TR00023")
    for name in ("first", "second", "arrears", "danger"):
        told.order(name, 0, (0, "A0TR00023"))
    told.report("a", 0, "F", "first")
    told.report("b", 1, "F", "second", "first")
    told.report("c", 2, "", "arrears", kind=Kind.ARREARS)
    told.report("d", 0, "F", "danger", kind=Kind.HAZARD)
    found = told.figures()
    assert (found.orders_per_fault, found.spare_per_fault) == (3, 2)
    assert found.duplicate_rate == pytest.approx(2 / 3)
    assert found.churn == 0.5
    assert (found.hazards, found.hazards_own, found.hazards_absorbed) == (1, 1, 0)


@pytest.mark.parametrize(("minutes", "absorbed"), [(0, 1), (10, 2)])
def test_danger_in_an_order_of_others_or_too_late_is_absorbed(told: Told, minutes: float, absorbed: int) -> None:
    told.fault("F", "A0TR00023")
    told.order("O", 0, (0, "A0TR00023"))
    told.order("own", minutes, (minutes, "A0TR00023"))
    told.report("a", 0, "F", "O")
    told.report("b", 0, "F", "O", kind=Kind.HAZARD)
    told.report("c", 0, "F", "own", kind=Kind.HAZARD)
    assert told.figures().hazards_absorbed == absorbed


def test_the_device_error_is_counted_in_steps_of_the_tree(told: Told) -> None:
    told.fault("F", "A0SW00015")
    told.order("O", 0, (0, "A0FU00016"))
    told.report("a", 0, "F", "O")
    assert told.figures().device_hops == told.tree.depth("A0FU00016") - told.tree.depth("A0SW00015")
    told.order("O", 0, (0, "cell:8a"))
    assert math.isnan(told.figures().device_hops)


def test_nothing_to_measure_is_no_figure(told: Told) -> None:
    found = told.figures()
    assert (found.reports, found.hidden, found.spare_per_fault) == (0, 0, 0)
    assert math.isnan(found.to_order_p50)


def test_a_group_ends_when_nobody_has_reported_for_half_an_hour() -> None:
    reports = [says("a", 0, "T"), says("b", 29, "T"), says("c", 58, "T"), says("d", 89, "T"), says("e", 89, None)]
    found = baselines.by_key(reports, baselines.transformer, baselines.HALF_AN_HOUR)
    assert found.clusters == {"a": "O0", "b": "O0", "c": "O0", "d": "O1"}
    assert len(baselines.no_merging(reports).orders) == 4


def test_danger_has_its_own_order_in_every_baseline(served: Served) -> None:
    reports = [says("a", 0, "A0TR00023"), says("b", 1, "A0TR00023", danger=True), says("c", 2, "A0TR00023")]
    for found in (
        baselines.by_key(reports, baselines.feeder, baselines.HALF_AN_HOUR),
        baselines.Thresholds(served, 2, 0.1, baselines.HALF_AN_HOUR).run(reports, []),
        by_known_faults(reports, [Known("F", "A0SW00015", at(0), at(60))], served.tree),
    ):
        assert found.clusters["a"] == found.clusters["c"] != found.clusters["b"]


def test_thresholds_lift_to_the_lowest_device_that_explains_and_let_go_when_power_is_back(served: Served) -> None:
    reports = [
        says("a", 0, "A0TR00026", "1"),
        says("b", 1, "A0TR00023", "2"),
        says("c", 2, "A0TR00030", "3"),
        says("d", 40, "A0TR00026", "1"),
    ]
    run = baselines.Thresholds(served, 3, 0.1, baselines.HALF_AN_HOUR).run
    found = run(reports, [Restoration(at(30), "A0SW00015")])
    assert len({found.clusters[event] for event in "abc"}) == 1
    assert found.orders[found.clusters["a"]].places[-1] == (at(2), "A0SW00015")
    assert found.ever["b"] == ("O1", "O0")
    assert found.clusters["d"] != found.clusters["a"]
    assert run(reports, []).clusters["d"] == found.clusters["a"]


def test_who_knows_the_faults_gives_each_report_to_the_one_that_darkens_it(served: Served) -> None:
    known = [
        Known("outer", "A0SW00015", at(0), at(60)),
        Known("nested", "A0TR00023", at(60), at(120)),
        Known("home", "A0TR00024", at(70), at(90), account="7"),
    ]
    reports = [
        says("a", 5, "A0TR00023"),
        says("b", 65, "A0TR00023"),
        says("c", 80, "A0TR00024", "7"),
        says("d", 81, "A0TR00024", "8"),
        says("e", 300, "A0TR00023"),
    ]
    found = by_known_faults(reports, known, served.tree)
    assert len(set(found.clusters.values())) == 5
    assert [order.places[0][1] for order in found.orders.values()][:2] == ["A0SW00015", "A0TR00023"]


def test_a_figure_over_seeds_has_an_interval_around_its_mean() -> None:
    found = spread([0.9, 0.92, 0.95, None, math.nan, 0.97])
    assert found == spread([0.9, 0.92, 0.95, 0.97])
    assert found.mean == pytest.approx(0.935)
    assert (found.low, found.high) == pytest.approx((0.88553, 0.98447), abs=1e-5)  # 3.182 * 0.03109 / 2
    assert math.isnan(spread([None]).mean)
    assert spread([1.0])[0] == 1
    assert math.isnan(spread([1.0]).low)


@pytest.mark.parametrize("seeds", [3, 10])
def test_the_interval_of_a_mean_holds_the_true_one_as_often_as_it_says(seeds: int) -> None:
    rng = random.Random(1)
    trials = [spread([rng.gauss(0.9, 0.02) for _ in range(seeds)]) for _ in range(2000)]
    assert sum(one.low <= 0.9 <= one.high for one in trials) / len(trials) == pytest.approx(0.95, abs=0.015)


def test_no_seed_is_for_tuning_and_for_reporting() -> None:
    assert not set(SEEDS[Purpose.TUNING]) & set(SEEDS[Purpose.REPORTING])


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("mini")
    storm = PRESETS["mini"].storm(1)
    write_devices(folder / "network.csv", storm.network.devices)
    write_customers(folder / "customers.csv", storm.network.customers)
    write_storm(storm, NOON, folder)
    return read_storm(folder)


def test_who_knows_more_merges_better_and_doing_less_is_worse(mini) -> None:
    found = compare(mini, load_rules(RULES), hearing()).figures
    assert tuple(found) == METHODS
    bound, places_lost = found[ORACLES[0]], found[ORACLES[1]]
    assert bound.b3_f1 > 0.97
    assert bound.unplaced == 0
    said = found["places that were said, true faults"]
    assert bound.b3_f1 >= said.b3_f1 >= places_lost.b3_f1
    assert 0 < said.unplaced < 0.1
    assert found[ENGINE].b3_f1_placed > found["transformer + 30 min"].b3_f1_placed > found["no merging"].b3_f1_placed
    assert found["no merging"].spare_per_fault > found[ENGINE].spare_per_fault
    assert found["feeder + 30 min"].hidden_in_another > found[ENGINE].hidden_in_another
    assert found[ENGINE].hazards_absorbed == 0
    assert found[ASKED].hazards_absorbed == 0
    assert 0 < found[ASKED].unplaced < found[ENGINE].unplaced / 2, "most are asked"
    assert found[ENGINE].b3_f1 < found[ASKED].b3_f1 <= found["true places, Gridline online"].b3_f1
    assert found[ENGINE].hidden >= found[ASKED].hidden


def test_who_is_asked_where_they_live_is_heard_later_and_nobody_else_is_asked(mini) -> None:
    by_themselves = prepare(mini, mini.lines, hearing())
    answered = {one.event_id: one for one in asked(mini, by_themselves, hearing())}
    lines = {line.event_id: line for line in mini.lines}
    counts = Counter()
    for one in by_themselves:
        found, truth = answered[one.event_id], mini.truth[one.event_id]
        if found == one:
            counts["as they were"] += 1
            if one.message is None:
                silent = lines[one.event_id].channel is Channel.WEB and lines[one.event_id].phone is None
                counts["not asked"] += 1
                assert silent or truth.kind is Kind.HAZARD or hearing()(lines[one.event_id].text).other_fault
            continue
        counts["asked"] += 1
        assert one.message is None or one.message.place.transformer_id is None
        assert found.message.place.account_id == truth.account
        assert found.message.place.transformer_id == truth.transformer
        assert found.received_at == found.message.received_at == one.received_at + timedelta(minutes=10)
        assert found.message.reported_at <= one.received_at
    assert min(counts["asked"], counts["not asked"]) > 0
    assert [one.received_at for one in answered.values()] == sorted(one.received_at for one in answered.values())


def test_the_causes_of_what_is_lost_add_up_to_what_the_figures_lack(mini) -> None:
    rules = load_rules(RULES)
    lines = {line.event_id: line for line in mini.lines}
    prepared = prepare(mini, mini.lines, hearing())
    arrivals = {line.event_id: line.received_at for line in first_arrivals(mini.lines)}
    for outcome in (
        outcome_of(run_engine(mini, prepared, rules)),
        baselines.by_key(placed(mini, prepared), baselines.feeder, timedelta(minutes=30)),
    ):
        figures = judge(outcome, mini.truth, mini.faults, arrivals, mini.served.tree)
        lost = losses(mini, prepared, outcome, lambda event: says_where(mini, lines[event]))
        lacking = (1 - figures.b3_recall, 1 - figures.b3_precision, figures.spare_per_fault, figures.hidden)
        assert [sum(one.values()) for one in lost] == pytest.approx(lacking)
        assert lost.recall[Cause.NOTHING_SAID] > 0
        assert Cause.NOTHING_SAID not in lost.precision, "what is in no incident is with nobody else"
    assert lost.precision[Cause.BESIDE] > lost.precision.get(Cause.MISPLACED, 0), "a feeder takes in what is beside"


def test_a_run_is_the_same_run_again_and_survives_its_file(tmp_path: Path) -> None:
    job = Job("mini", 2, RULES, (ENGINE, "no merging"), holds=(0, 300))
    runs = run(job)
    assert run_all([job], 1, lambda _: None) == runs
    assert [one.method for one in runs] == [ENGINE, "no merging", "hold 0", "hold 300"]
    assert runs[0].figures == runs[2].figures
    write_runs(tmp_path / "runs.json", runs, command="this")
    assert read_runs(tmp_path / "runs.json") == (runs, {"command": "this"})
    for other in ('{"runs": [1]}', "no JSON"):
        (tmp_path / "other.json").write_text(other)
        with pytest.raises(ValueError, match=r"other\.json is not what"):
            read_runs(tmp_path / "other.json")


def test_the_same_storm_is_judged_with_instruments_too_and_they_have_a_table_of_their_own() -> None:
    runs = run(Job("mini", 2, RULES, (ENGINE,), instruments=True))
    found = {one.method: one.figures for one in runs}
    assert list(found) == [ENGINE, *(f"with {name}" for name in EQUIPPED)]
    alone, metered = found["with people alone"], found["with 90 % of homes"]
    assert {name: alone[name] for name in found[ENGINE]} == found[ENGINE], "nothing was added to that storm"
    assert alone["untold"] == 0
    assert (metered["from_fault_p50"] or 0) < (alone["from_fault_p50"] or 0) / 2
    page = document(runs, {})
    assert "\n## With meters and telemetry\n" in page
    assert f"\n| 90 % of homes | {metered['b3_f1']:.3f} |" in page


def test_a_figure_of_one_seed_is_shown_without_an_interval_and_one_of_none_as_nothing() -> None:
    assert (spread([0.5]).shown(3), spread([0.5]).percent()) == ("0.500", "50.0 %")
    assert (spread([]).shown(3), spread([]).percent()) == ("–", "–")
    assert spread([0.9, 1.0]).shown(3, most=1.0) == "0.950 (0.315–1.000)"


def test_a_plot_shows_the_engine_among_the_baselines_and_again_among_its_bounds_where_they_were_run() -> None:
    runs, _ = read_runs(DOCS / "merging.json")
    presets = len({one.preset for one in runs})
    assert methods_plot(runs).count('class="frame"') == 2 * presets
    assert all(methods_plot(runs).count(f">{name}</text>") == presets for name in ("feeder", "people ask", "at once"))
    for only in ((ENGINE, "no merging"), (ENGINE,), (ASKED,)):
        assert methods_plot([one for one in runs if one.method in only]).count('class="frame"') == presets


def test_the_published_page_is_what_the_recorded_runs_say() -> None:
    runs, about = read_runs(DOCS / "merging.json")
    assert {one.preset for one in runs} == {p.name for p in PRESETS.values() if p.purpose is Purpose.REPORTING}
    assert {one.seed for one in runs} <= set(SEEDS[Purpose.REPORTING])
    assert (DOCS / "merging.md").read_text(encoding="utf-8") == document(runs, about)
    assert (DOCS / "merging-methods.svg").read_text(encoding="utf-8") == methods_plot(runs)
    assert (DOCS / "merging-holds.svg").read_text(encoding="utf-8") == holds_plot(runs)
    first = next(one for one in runs if one.method == ENGINE)
    first.figures["b3_f1"] = 0.123
    assert (DOCS / "merging.md").read_text(encoding="utf-8") != document(runs, about)
