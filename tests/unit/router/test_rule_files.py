"""What is wrong with a rule file is said with its line and with what is allowed; and a running book keeps the old."""

from __future__ import annotations

import os
import random
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from yaml.nodes import MappingNode, SequenceNode

from services.router.domain.targets import Ring, Target
from services.router.tree.book import RuleBook, load_rules
from services.router.tree.calendars import read_holidays
from services.router.tree.desk import read_desk
from services.router.tree.keywords import read_keywords
from services.router.tree.routes import read_tree
from services.runtime import metrics, yaml_reading
from services.runtime.yaml_reading import RulesError
from tests.unit.router.making import CLASSIFY, ROUTES, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from yaml.nodes import Node

HEAD = "version: 1\nqueues: {general: G, repair: R}\n"


def refused(text: str) -> list[str]:
    with pytest.raises(RulesError) as error:
        read_tree("routes.yaml", text, SHIPPED.keywords)
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "routes.yaml:1: the file is empty"),
        ("a: [1,\n b", "routes.yaml:2: not YAML: "),
        ("version: 1\n\tqueues: x", "routes.yaml:2: not YAML: "),
        ("- 1", "routes.yaml:1: the file must be a mapping (key: value)"),
        ("version: 1\nqueues: {g: G}\n", "routes.yaml:1: the file has no 'route'"),
        ("version: 2\nqueues: {g: G}\nroute: {queue: g}\n", "routes.yaml:1: version must be 1"),
        (
            f"{HEAD}rout: x\nroute: {{queue: general}}\n",
            "routes.yaml:3: unknown key 'rout' in the file; did you mean 'route'?",
        ),
        ("version: 1\nqueues: {}\nroute: {queue: g}\n", "routes.yaml:2: queues must declare at least one queue"),
        (
            "version: 1\nqueues:\n  General Desk: G\nroute: {queue: g}\n",
            "routes.yaml:3: queue name 'General Desk' must be",
        ),
        (
            "version: 1\nqueues:\n  g: G\n  g: H\nroute: {queue: g}\n",
            "routes.yaml:4: 'g' stands twice in queues, first on line 3",
        ),
        ("version: 1\nqueues:\n  g:\nroute: {queue: g}\n", "routes.yaml:3: the title of queue 'g' must be a text"),
        (f"{HEAD}route: {{routes: []}}\n", "routes.yaml:3: the root route has no 'queue'"),
        (f"{HEAD}route: general\n", "routes.yaml:3: the root route must be a mapping"),
        (
            f"{HEAD}route: {{queue: genral}}\n",
            "routes.yaml:3: 'genral' is no declared queue; did you mean 'general'? allowed: general, repair",
        ),
        (f"{HEAD}route:\n  queue: general\n  match: {{area: x}}\n", "routes.yaml:5: the root route catches everything"),
        (f"{HEAD}route:\n  queue: general\n  routes: {{}}\n", "routes.yaml:5: routes of 'root' must be a list"),
        (
            f"{HEAD}route:\n  queue: general\n  routes:\n    - {{match: {{area: x}}}}\n",
            "routes.yaml:6: a route has no 'name'",
        ),
        (f"{HEAD}route:\n  queue: general\n  routes:\n    - {{name: a}}\n", "routes.yaml:6: a route has no 'match'"),
        (
            f"{HEAD}route:\n  queue: general\n  routes:\n    - {{name: a, match: {{}}}}\n",
            "routes.yaml:6: match of 'root/a' is empty",
        ),
    ],
)
def test_a_faulty_file_is_refused_with_the_line(text: str, expected: str) -> None:
    assert refused(text)[0].startswith(expected)


LATE = "[{after: 70s, drop: [area]}]"


def one_route(route: str) -> str:
    return f"{HEAD}route:\n  queue: general\n  routes:\n    - name: a\n{route}"


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (
            "      match: {area: x}\n      queue: nowhere\n",
            "8: 'nowhere' is no declared queue; allowed: general, repair",
        ),
        (
            "      match: {area: x}\n      queues: repair\n",
            "8: unknown key 'queues' in a route; did you mean 'queue'? allowed: ",
        ),
        (
            "      match: {buisness_type: x}\n",
            "7: unknown matcher 'buisness_type'; did you mean 'business_type'? allowed: ",
        ),
        (
            "      match: {business_type: fault_reprot}\n",
            "7: 'fault_reprot' is no business_type; did you mean 'fault_report'?",
        ),
        (
            "      match:\n        channel: [web, fax]\n",
            "8: 'fax' is no channel; allowed: api, app, phone, sms, web, wechat",
        ),
        (
            "      match: {priority: hihg}\n",
            "7: 'hihg' is no priority; did you mean 'high'? allowed: emergency, high, normal, urgent",
        ),
        (
            "      match: {customer_class: gold}\n",
            "7: 'gold' is no customer_class; allowed: important, life_support, normal, vip",
        ),
        ("      match: {hazards: fier}\n", "7: 'fier' is no hazards; did you mean 'fire'? allowed: "),
        ("      match: {fault: power}\n", "7: 'power' is no fault; allowed: facility, metering, outage, voltage"),
        ("      match: {placed: maybe}\n", "7: placed must be true or false"),
        ('      match: {area: "a\\nb"}\n', "7: area must be one line without control characters"),
        ("      match: {area: []}\n", "7: area has an empty list: it would never match"),
        ("      match: {area: }\n", "7: area must be a text"),
        ("      match: {area: {regex: '(('}}\n", "7: regex '((' does not compile: "),
        ("      match: {area: {regex: 'S{10000000000}'}}\n", "7: regex 'S{10000000000}' does not compile: "),
        (
            "      match: {business_type: {regex: 'complant.*'}}\n",
            "7: regex 'complant.*' fits no business_type; allowed: ",
        ),
        ("      match: {is_outage: {regex: 'yes'}}\n", "7: regex 'yes' fits no is_outage; allowed: false, true"),
        ("      match: {repeats: twice}\n", "7: repeats must be a whole number, not 'twice'"),
        ("      match: {tags: [late]}\n", "7: no route on the way here adds the tag 'late'; allowed: "),
        ("      match: {area: {regexp: x}}\n", "7: unknown key 'regexp' in the matcher area; did you mean 'regex'?"),
        ("      match: {area: {regex: x, present: true}}\n", "7: area needs one of regex, present and at_least"),
        ("      match: {area: {at_least: 3}}\n", "7: area is no number; allowed: repeats"),
        ("      match: {repeats: {at_least: few}}\n", "7: at_least must be a whole number, not 'few'"),
        ("      match: {area: x}\n      targets: []\n", "8: route 'root/a' has no targets"),
        (
            "      match: {area: x}\n      queue: repair\n      targets: [{queue: repair}]\n",
            "8: a route has a queue or targets, not both",
        ),
        (
            "      match: {area: x}\n      targets: [{queue: repair}, {queue: general}]\n",
            "8: a target before the last needs a time",
        ),
        (
            "      match: {area: x}\n      targets: [{queue: repair, skills: [language]}]\n",
            "8: a target that never ends would ask for language for ever: give it a time (for: 5m), or relax them",
        ),
        (
            "      match: {area: x}\n      targets: [{queue: repair, for: 1 minute}]\n",
            "8: for '1 minute' must be a number and a unit, such as 30s, 5m or 2h",
        ),
        (
            "      match: {area: x}\n      targets: [{queue: repair, for: 5m, open: offize}]\n",
            "8: 'offize' is no calendar; allowed: ",
        ),
        (
            "      match: {area: x}\n      targets: [{queue: repair, skills: [languages], for: 5m}]\n",
            "8: 'languages' is no attribute an agent can serve; did you mean 'language'?",
        ),
        (
            f"      match: {{area: x}}\n      targets: [{{queue: repair, skills: [area], for: 1m, relax: {LATE}}}]\n",
            "8: a ring after 70 s never comes: the target lasts 60 s",
        ),
        (
            f"      match: {{area: x}}\n      targets: [{{queue: repair, skills: [area], for: 70s, relax: {LATE}}}]\n",
            "8: a ring after 70 s never comes: the target lasts 70 s",
        ),
        (
            "      match: {area: x}\n      targets: [{queue: repair, skip_if: {waiting_over: ²}}]\n",
            "8: waiting_over must be a whole number",
        ),
        (
            "      match: {area: x}\n      targets: [{queue: repair, skip_if: {nobody: true}}]\n",
            "8: unknown key 'nobody' in skip_if; did you mean 'nobody_on_duty'?",
        ),
        ("      match: {area: {present: 7}}\n", "7: present must be true or false"),
        ("      match: {channel: {present: true}}\n", "7: every ticket has channel: match one of its values instead"),
        ("      match: {placed: {present: true}}\n", "7: every ticket has placed: match one of its values instead"),
        ("      match: {area: x}\n      continue: 1\n", "8: continue must be true or false"),
        ("      match: {area: x}\n      continue: true\n", "6: route 'root/a' continues and adds nothing"),
        (
            "      match: {area: x}\n      continue: true\n      add_tags: [t]\n      queue: repair\n",
            "10: a route with continue takes no ticket, so it has no 'queue'",
        ),
        ("      match: {area: x}\n      raise_priority: top\n", "8: 'top' is no priority; allowed: "),
        ("      match: {area: x}\n      add_tags: [Big Tag]\n", "8: tag 'Big Tag' must be small letters"),
        (
            "      match: {area: x}\n    - name: a\n      match: {area: y}\n",
            "8: route 'a' stands twice here, first on line 6",
        ),
        ("      match: {area: x, area: y}\n", "7: 'area' stands twice in match of 'root/a', first on line 7"),
    ],
)
def test_a_faulty_route_is_refused_with_the_line_and_what_is_allowed(route: str, expected: str) -> None:
    assert refused(one_route(route))[0].startswith(f"routes.yaml:{expected}")


TAGGING = """      match: {area: x}
      add_tags: [late]
      continue: true
    - name: b
      match: {area: y}
      add_tags: [north]
      routes: [{name: c, match: {tags: late}}, {name: d, match: {tags: %s}}]
    - {name: e, match: {tags: {regex: "%s"}}}
"""


def test_a_tag_is_matched_where_a_route_on_the_way_adds_it() -> None:
    tree = read_tree("routes.yaml", one_route(TAGGING % ("north", "la.*")), SHIPPED.keywords)
    assert [route.path for route in tree.root.routes] == ["root/a", "root/b", "root/e"]


@pytest.mark.parametrize(
    ("below", "after", "expected"),
    [
        ("lait", "late", "13: no route on the way here adds the tag 'lait'; did you mean 'late'? allowed: late, north"),
        ("north", "north", "14: regex 'north' fits no tags; allowed: late"),
    ],
)
def test_a_tag_that_no_route_on_the_way_adds_is_refused_for_it_would_never_match(below: str, after: str, expected: str):
    """A sibling's tags are another ticket's: who was taken by it does not come here."""
    assert refused(one_route(TAGGING % (below, after)))[0] == f"routes.yaml:{expected}"


def test_a_day_that_is_off_and_worked_is_refused_with_the_line() -> None:
    off = "version: 1\nchina:\n  2026:\n    off: [10-01..10-07]\n    worked: [10-10,\n      {}]\n  otherwise: [10-10]\n"
    assert read_holidays("holidays.yaml", off.format("01-04"))
    for worked in ("10-04", "10-07..10-08", "09-30..10-01"):
        with pytest.raises(RulesError) as error:
            read_holidays("holidays.yaml", off.format(worked))
        assert "holidays.yaml:6: 10-0" in str(error.value)
        assert "of 2026 is off and worked" in str(error.value)


def test_a_number_is_matched_however_it_is_written() -> None:
    tree = read_tree("routes.yaml", one_route("      match: {repeats: [02, 3]}\n"), SHIPPED.keywords)
    assert tree.root.routes[0].matchers[0].values == {"2", "3"}


def spots(node: Node) -> Iterator[tuple[Any, int]]:
    """Yield every place of a file where something stands: a node, and which of those in it."""
    for n, each in enumerate(node.value if isinstance(node, MappingNode | SequenceNode) else ()):
        yield node.value, n
        yield from spots(each[1] if isinstance(node, MappingNode) else each)


@pytest.mark.parametrize(("name", "places"), [("routes", 10), ("desk", 150), ("holidays", 20), ("classify", 5)])
def test_whatever_stands_where_a_file_is_read_or_refused(
    name: str, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything else would end the routers that run."""
    text = ROUTES.with_name(f"{name}.yaml").read_text(encoding="utf-8")
    root, chance, refusals = yaml.compose(text, Loader=yaml.SafeLoader), random.Random(1), 0
    holidays = read_holidays("holidays.yaml", ROUTES.with_name("holidays.yaml").read_text(encoding="utf-8"))
    others = [yaml.compose(other, Loader=yaml.SafeLoader) for other in ("x", "~", "[]", "{}", "[x]", "{x: y}", "[[]]")]
    monkeypatch.setattr(yaml_reading.yaml, "compose", lambda *_, **__: root)
    for where, n in chance.sample(list(spots(root)), k=places):
        stood = where[n]
        for other in others:
            where[n] = (stood[0], other) if isinstance(stood, tuple) else other
            try:
                match name:
                    case "routes":
                        read_tree(name, "", SHIPPED.keywords, holidays)
                    case "desk":
                        read_desk(name, "", holidays, "")
                    case "holidays":
                        read_holidays(name, "")
                    case _:
                        read_keywords(name, "")
            except RulesError:
                refusals += 1
        where[n] = stood
    assert refusals > places


def test_every_fault_is_told_at_once_in_the_order_of_lines() -> None:
    lines = refused(one_route("      match: {nope: x}\n      queue: nowhere\n      colour: red\n"))
    assert [line.split(":")[1] for line in lines] == ["7", "8", "9"]


def test_an_alias_inside_what_it_stands_for_is_refused_and_not_followed_for_ever() -> None:
    text = f"{HEAD}route:\n  queue: general\n  routes: &again\n    - {{name: a, match: {{area: x}}, routes: *again}}\n"
    assert "nested deeper" in refused(text)[0]


def test_a_word_of_yaml_that_means_no_is_a_text_where_a_text_belongs() -> None:
    tree = read_tree("routes.yaml", one_route("      match: {area: no, feeder: 007}\n"), SHIPPED.keywords)
    area, feeder = tree.root.routes[0].matchers
    assert (area.values, feeder.values) == (frozenset({"no"}), frozenset({"007"}))


def test_targets_are_read_as_they_are_written() -> None:
    text = f"""{HEAD}calendars: {{office: {{hours: ["08:30-17:00"], offset: "+08:00", weekend: [sat, sun]}}}}
route:
  queue: general
  routes:
    - name: a
      match: {{business_type: enquiry}}
      targets:
        - queue: repair
          skills: [area, language]
          requires: [high_voltage]
          relax: [{{after: 30s, drop: [area]}}, {{after: 2m, drop: [language, high_voltage]}}]
          for: 1h
          open: office
          skip_if: {{nobody_on_duty: true, waiting_over: 200}}
        - {{queue: general, for: 121s, skip_if: {{nobody_on_duty: false}}}}
        - {{queue: repair, skip_if: {{waiting_over: 0}}}}
"""
    tree = read_tree("routes.yaml", text, SHIPPED.keywords)
    assert tree.root.routes[0].targets == (
        Target(
            line=10,
            queue="repair",
            skills=("language", "area"),
            requires=("high_voltage",),
            rings=(Ring(30, frozenset({"area"})), Ring(120, frozenset({"language", "high_voltage"}))),
            lasts_s=3600,
            open=("office", tree.calendars["office"]),
            unless_staffed=True,
            most_waiting=200,
        ),
        Target(line=17, queue="general", lasts_s=121),
        Target(line=18, queue="repair", most_waiting=0),
    )


def test_a_queue_has_the_title_and_the_description_that_wallboards_show() -> None:
    queues = "general: 综合\n  repair: {title: 报修, description: Faults}\n  locate: {title: 定位}"
    tree = read_tree("routes.yaml", f"version: 1\nqueues:\n  {queues}\nroute: {{queue: general}}\n", SHIPPED.keywords)
    assert [(each.name, each.title, each.description) for each in tree.queues.values()] == [
        ("general", "综合", ""),
        ("repair", "报修", "Faults"),
        ("locate", "定位", ""),
    ]


@pytest.mark.parametrize(("line", "seconds"), [("", 600), ("language_for: 90s\n", 90)])
def test_a_plain_queue_waits_for_the_language_as_long_as_the_file_says(line: str, seconds: int) -> None:
    tree = read_tree("routes.yaml", f"{HEAD}{line}route: {{queue: general}}\n", SHIPPED.keywords)
    [target] = tree.root.targets
    assert (target.skills, target.rings, target.lasts_s) == (
        ("language",),
        (Ring(seconds, frozenset({"language"})),),
        None,
    )


def test_a_route_asks_whether_there_is_any_value_or_none() -> None:
    placed, nowhere = (
        read_tree("r", one_route(f"      match: {{area: {{present: {there}}}}}\n"), SHIPPED.keywords).root.routes[0]
        for there in ("true", "false")
    )
    assert [(one.text, one.present) for one in (*placed.matchers, *nowhere.matchers)] == [
        ("area present", True),
        ("area absent", False),
    ]


def test_a_child_without_a_queue_has_its_parents() -> None:
    nested = "      match: {area: x}\n      queue: repair\n      routes:\n        - {name: b, match: {feeder: f}}\n"
    tree = read_tree("routes.yaml", one_route(nested), SHIPPED.keywords)
    assert tree.root.routes[0].routes[0].queue == "repair"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "default: consultation",
            "default: consulting",
            "'consulting' is no business type; did you mean 'consultation'?",
        ),
        ("  - whistleblow:\n", "  - whistle:\n", "'whistle' is no business type; did you mean 'whistleblow'?"),
        ("    outage:\n", "    blackout:\n", "kinds has no 'outage'"),
        ("    yi: ii-CN", "    yi: Yi language", "'Yi language' is no BCP 47 language tag"),
        ("{zh-Hant: zh-Hant}", "{zh-Hant: Han language}", "'Han language' is no BCP 47 language tag"),
        ("  doubts: [", "  doubt: [", "unknown key 'doubt' in denials; did you mean 'doubts'?"),
        ("  not_of: [complaint", "  not_of: [complain", "'complain' is no business type; did you mean 'complaint'?"),
        ("    latin:\n", "    latn:\n", "unknown key 'latn' in scripts; did you mean 'latin'?"),
        ("触电, 电击, ", "'*', ", "'*' has no letter to look for"),
        ("触电, 电击, ", "'* down', ", "'* down' begins with a wildcard"),
        ("  electric_shock:", "  reported_danger:", "'reported_danger' is the channel's own danger choice"),
        ("  business_type: fault_report", "  business_type: fault", "'fault' is no business type"),
        ("hazards:\n", "hazard:\n", "unknown key 'hazard' in the file; did you mean 'hazards'?"),
        ("触电, 电击, ", "<wires>*断, ", "'wires' is no set; did you mean 'wire'?"),
        ("变压气, ", "'变*气', ", "'变*气' is replaced wherever it stands"),
        ("变压气, ", "bian, ", "'bian' is replaced wherever it stands"),
        ("  ignore: [等着货, ", "  ignored: [等着货, ", "unknown key 'ignored' in misheard; did you mean 'ignore'?"),
        ("^又停$, ", "^$, ", "'' has no letter to look for"),
    ],
)
def test_a_fault_in_the_word_lists_is_refused_with_the_line(old: str, new: str, expected: str) -> None:
    text = CLASSIFY.read_text(encoding="utf-8")
    assert text.count(old) == 1, "the test must know the shipped file"
    where = text[: text.index(old)].count("\n") + 1
    with pytest.raises(RulesError) as error:
        read_keywords("classify.yaml", text.replace(old, new))
    faults = [str(fault.reason) for fault in error.value.faults if fault.line in range(where, where + 3)]
    assert any(reason.startswith(expected) for reason in faults), error.value


def test_a_fault_rule_is_needed_to_say_when_words_of_faults_decide() -> None:
    text = CLASSIFY.read_text(encoding="utf-8").replace("  - fault_report:\n", "  - enquiry:\n")
    with pytest.raises(RulesError, match="rules has none for 'fault_report'"):
        read_keywords("classify.yaml", text)


def test_a_set_stands_for_each_of_its_words() -> None:
    text = CLASSIFY.read_text(encoding="utf-8")
    assert "光缆" not in text
    assert SHIPPED.keywords.read("接户线被风刮断了").hazards == ("fallen_wire",)
    assert SHIPPED.keywords.read("光缆被风刮断了").hazards == ()
    more = read_keywords("classify.yaml", text.replace("  wire: [电线, ", "  wire: [电线, 光缆, "))
    assert more.read("光缆被风刮断了").hazards == ("fallen_wire",)


def test_a_list_of_words_may_stand_in_another_by_its_name() -> None:
    """What is a complaint is no outage: the words are in the file once, a fault in them is told by their line."""
    text = CLASSIFY.read_text(encoding="utf-8")
    [too_often] = re.findall(r"&too_often\s+\[(.*?)\]", text, re.DOTALL)
    assert text.count("频繁停电,") == 1
    keywords = read_keywords("classify.yaml", text)
    for word in too_often.split(","):
        reading = keywords.read(word.strip().strip('"').replace("*", ""))
        assert (reading.named or ("", ""))[0] == "complaint"
        assert reading.fault is None
    with pytest.raises(RulesError, match=r"classify.yaml:\d+"):
        read_keywords("classify.yaml", text.replace("[频繁停电,", "[{a: b},"))


def test_the_hash_follows_either_file(tmp_path: Path) -> None:
    routes, classify = copies(tmp_path)
    assert load_rules(routes, classify).hash == SHIPPED.hash
    write(routes, ROUTES.read_text(encoding="utf-8") + "# more\n")
    one = load_rules(routes, classify).hash
    write(classify, CLASSIFY.read_text(encoding="utf-8") + "# more\n")
    assert len({one, load_rules(routes, classify).hash, SHIPPED.hash}) == 3


def copies(folder: Path) -> tuple[Path, Path]:
    routes, classify = folder / "routes.yaml", folder / "classify.yaml"
    shutil.copy(ROUTES, routes)
    shutil.copy(CLASSIFY, classify)
    return routes, classify


def write(path: Path, text: str) -> None:
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(stamp + 1_000_000, stamp + 1_000_000))


def loads(result: str) -> float:
    return metrics.FILE_LOADS.labels("routes.yaml", result)._value.get()


def test_a_good_change_is_taken_in_once_it_stands_still(tmp_path: Path) -> None:
    routes, classify = copies(tmp_path)
    book = RuleBook(routes, classify)
    loaded = loads("loaded")
    write(routes, ROUTES.read_text(encoding="utf-8").replace("queue: general\n  routes", "queue: english\n  routes"))
    book.look()
    assert book.rules.hash == SHIPPED.hash  # it may still be being written
    book.look()
    assert book.rules.tree.root.queue == "english"
    assert loads("loaded") == loaded + 1


def test_words_the_tree_needs_cannot_be_taken_away_under_it(tmp_path: Path) -> None:
    routes, classify = copies(tmp_path)
    book = RuleBook(routes, classify)
    text = CLASSIFY.read_text(encoding="utf-8")
    write(classify, text.replace("  praise: 表扬\n", "  laud: 表扬\n").replace("  - praise:", "  - laud:"))
    book.look()
    book.look()
    assert book.rules.hash == SHIPPED.hash
    assert metrics.FILE_STALE.labels("routes.yaml")._value.get() == 1


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        ('{labels: [户号], number: "[0-9"}', "'[0-9' is no regular expression"),
        ('{labels: [户号], number: "([0-9]+)"}', "the number's expression has a group"),
        ('{labels: [户号], number: "[0-9]*"}', "or fits nothing at all"),
        ('{labels: [户号], number: "(?i)a[0-9]{7}"}', "'(?i)a[0-9]{7}' is no regular expression"),
        ('{labels: [户号], number: "[0-9]{10000000000}"}', "'[0-9]{10000000000}' is no regular expression"),
        ("{labels: [户号]}", "accounts has no 'number'"),
    ],
)
def test_an_expression_for_account_numbers_that_cannot_work_is_refused_with_its_line(accounts: str, expected: str):
    text = CLASSIFY.read_text(encoding="utf-8")
    start = text.index("accounts:\n")
    end = text.index("\n\n", start)
    with pytest.raises(RulesError, match=r"^classify\.yaml:\d+: ") as error:
        read_keywords("classify.yaml", f"{text[:start]}accounts: {accounts}{text[end:]}")
    assert expected in str(error.value)
