"""The shipped cases, and what the table and the drawings do with what they are given."""

from __future__ import annotations

import pytest
from defusedxml.ElementTree import fromstring

from services.cli import route_cases, route_drawing
from services.router.tree.routes import read_tree
from services.runtime.yaml_reading import RulesError
from tests.unit.router.making import DEPLOY, ROUTES, SHIPPED

CASES = (DEPLOY / "routes.cases.yaml").read_text(encoding="utf-8")


def test_the_shipped_tree_does_what_the_shipped_cases_say() -> None:
    results = route_cases.run("routes.cases.yaml", CASES, SHIPPED)
    assert {result.name: result.wrong for result in results if result.wrong} == {}
    lines = ROUTES.read_text(encoding="utf-8").splitlines()
    danger = next(result for result in results if result.name == "danger before everything")
    assert lines[danger.route_line - 1].strip() == "- name: danger"


def test_a_case_that_is_not_as_expected_says_what_it_is() -> None:
    text = "version: 1\ncases:\n  - {name: x, text: 停电了, expect: {queue: general, priority: high}}\n"
    [result] = route_cases.run("cases.yaml", text, SHIPPED)
    assert (result.line, result.queue, result.wrong) == (3, "repair", ("queue is repair, expected general",))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("{text: x, expect: {queue: a}}", "cases.yaml:3: a case has no 'name'"),
        ("{name: x, expect: {}}", "cases.yaml:3: a case that expects nothing shows nothing"),
        ("{name: x, chanel: web, expect: {queue: a}}", "cases.yaml:3: unknown key 'chanel' in a case; did you mean"),
        ("{name: x, at: 2026-10-01, expect: {queue: a}}", "cases.yaml:3: at '2026-10-01' must be an instant"),
        ("{name: x, business_type: complant, expect: {queue: a}}", "is no business_type; did you mean 'complaint'?"),
        ("{name: x, repeats: ２, expect: {queue: a}}", "cases.yaml:3: repeats must be a whole number, not '２'"),
        ("{name: x, repeats: many, expect: {queue: a}}", "cases.yaml:3: repeats must be a whole number, not 'many'"),
    ],
)
def test_a_fault_in_the_cases_is_named_with_its_line(case: str, reason: str) -> None:
    with pytest.raises(RulesError) as refused:
        route_cases.run("cases.yaml", f"version: 1\ncases:\n  - {case}\n", SHIPPED)
    assert reason in str(refused.value)


def test_cases_in_the_format_of_another_release_are_refused() -> None:
    with pytest.raises(RulesError, match="version must be 1"):
        route_cases.run("cases.yaml", "version: 2\ncases: [{name: x, expect: {queue: general}}]\n", SHIPPED)


def test_the_hours_of_a_calendar_decide_by_the_instant_of_the_case() -> None:
    tree = read_tree(
        "routes.yaml",
        "version: 1\nqueues: {office: Office, general: All}\ncalendars:\n"
        "  office: {hours: ['08:30-17:00'], offset: '+08:00', weekend: [sat, sun]}\n"
        "route:\n  queue: general\n  routes:\n    - name: complaints\n      match: {business_type: complaint}\n"
        "      targets: [{queue: office, open: office, for: 1h}]\n",
        SHIPPED.keywords,
    )
    rules = type(SHIPPED)(keywords=SHIPPED.keywords, tree=tree, hash="x")
    cases = "version: 1\ncases:\n" + "".join(
        f"  - {{name: x, text: 我要投诉, at: '{at}', expect: {{queue: {queue}}}}}\n"
        for at, queue in (("2026-11-26T09:00:00+08:00", "office"), ("2026-11-28T09:00:00+08:00", "general"))
    )
    assert [result.wrong for result in route_cases.run("cases.yaml", cases, rules)] == [(), ()]


def test_what_is_too_long_for_the_drawing_ends_before_its_edge_and_is_told_whole() -> None:
    tags = [f"night_shift_follows_up_in_group_{n}" for n in range(12)]
    tree = read_tree(
        "routes.yaml",
        "version: 1\nqueues: {general: All}\nroute:\n  queue: general\n  routes:\n    - name: night\n"
        f"      match: {{business_type: complaint}}\n      add_tags: [{', '.join(tags)}]\n",
        SHIPPED.keywords,
    )
    space = "{http://www.w3.org/2000/svg}"
    texts = fromstring(route_drawing.svg(tree)).iter(f"{space}text")
    (shown,) = [one for one in texts if one.find(f"{space}title") is not None]
    assert (shown.text or "").endswith("…")
    assert float(shown.get("x", "0")) + 6.5 * len(shown.text or "") < 1180
    assert all(f"tag {tag}" in (shown[0].text or "") for tag in tags)


def test_the_drawings_show_every_route_once_in_the_order_it_is_tried() -> None:
    text = route_drawing.mermaid(SHIPPED.tree)
    assert text.startswith("flowchart LR\n")
    picture = route_drawing.svg(SHIPPED.tree)
    shown = [each.text for each in fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    names = [route.path.rpartition("/")[2] for route, _ in route_drawing._walk(SHIPPED.tree.root, None)]
    assert len(shown) == 3 * len(names)
    assert shown[::3] == names
    assert sum(" -- " in line for line in text.splitlines()) == len(names) - 1
