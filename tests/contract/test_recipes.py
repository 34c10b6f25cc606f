"""CONTRIBUTING's recipes: the files they name are there, and who adds a thing as they say has all of it.

What is added by data alone is added here, to a copy of the shipped files. Of what is added by code, the lists that it
must be in are held against what there is, so that a test says which was forgotten.
"""

from __future__ import annotations

import importlib
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from services.cli import route_cases
from services.contracts.values import Channel
from services.intake.channels.phrases import Phrases, Prompt
from services.intake.channels.spoken import Spoken
from services.intake.page import FormTexts
from services.intake.yaml_file import read_model
from services.notify.wording import read_wording
from services.router.domain import repeats
from services.router.domain.desk import CLOCK_ATTRIBUTES
from services.router.tree.book import load_desk, load_rules
from services.router.tree.desk import kinds_of_no_ticket, queues_of_no_tree
from tests.unit.intake.knocking import DOORS

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
RECIPES = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
INTAKE = json.loads((PROJECT / "docs" / "contracts" / "openapi" / "intake.json").read_text(encoding="utf-8"))
MESSAGES = [path for path, asked in INTAKE["paths"].items() if "post" in asked and not path.endswith("/photos")]
PARSERS = sorted(
    path.stem
    for path in (PROJECT / "services" / "intake" / "channels").glob("*.py")
    if hasattr(importlib.import_module(f"services.intake.channels.{path.stem}"), "accept")
)


def named_files() -> list[str]:
    words = re.findall(r"`([^`\s]+)`", RECIPES) + re.findall(r"\]\(([^)#\s]+)\)", RECIPES)
    return sorted(
        {
            word
            for word in words
            if ("/" in word[1:] and word[0] != "/") or re.search(r"\.(py|ya?ml|md|txt|toml)$", word)
        }
    )


@cache
def project_files() -> tuple[str, ...]:
    there = [path for top in ("services", "deploy", "docs", "tests") for path in (PROJECT / top).rglob("*")]
    return tuple(path.relative_to(PROJECT).as_posix() for path in [*there, *PROJECT.glob("*")])


@pytest.mark.parametrize("name", named_files())
def test_a_file_that_a_recipe_names_is_there(name: str) -> None:
    shape = re.sub(r"<[a-z]+>", "[^/]+", re.escape(name.rstrip("/")).replace(r"\<", "<").replace(r"\>", ">"))
    assert any(re.search(f"(^|/){shape}(\\.py)?$", path) for path in project_files())


@pytest.mark.parametrize("parser", PARSERS)
def test_every_parser_is_tried_with_repeats(parser: str) -> None:
    text = (PROJECT / "tests" / "unit" / "intake" / "test_counted_once.py").read_text(encoding="utf-8")
    assert f" {parser}.accept(" in text, "what it makes of any two deliveries of one event: a line of CHANNELS there"


@pytest.mark.parametrize("path", MESSAGES)
def test_every_door_of_the_intake_is_knocked_at_with_anything(path: str) -> None:
    door = re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path) + "(/[^/]+)?")  # a key may stand in the address
    knocked = {knock(b"")[0] for knock in DOORS.values()}
    assert any(door.fullmatch(one) for one in knocked), "a line of DOORS in tests/unit/intake/knocking.py"


def test_of_every_channel_it_is_said_whether_people_write_on_in_it() -> None:
    once = {Channel.PHONE, Channel.API}  # a call, and a system that names the conversation
    assert repeats._TALKS | once == set(Channel), "what somebody writes next in it: _TALKS of repeats.py, or here"


def grown(file: str, tag: str) -> str:
    """A shipped file of texts with one language more."""
    top = yaml.safe_load((DEPLOY / file).read_text(encoding="utf-8"))
    top["languages"][tag] = top["languages"]["en"]
    return yaml.safe_dump(top, allow_unicode=True)


def notices(text: str, asked: str) -> object:
    return read_wording("templates.yaml", text).language_for(asked)


def conversations(text: str, asked: str) -> object:
    said = read_model("phrases.yaml", text, model=Phrases).say(Prompt.STOPPED, asked)
    return "lo" if said == SAID["languages"]["en"]["stopped"] else said


def announcements(text: str, asked: str) -> object:
    spoken = read_model("ivr.yaml", text, model=Spoken)
    return next(tag for tag in reversed(spoken.languages) if spoken.languages[tag] == spoken.language_for(asked))


def page(text: str, asked: str) -> object:
    return read_model("form.yaml", text, model=FormTexts).language_for("", asked)


SAID = yaml.safe_load((DEPLOY / "phrases.yaml").read_text(encoding="utf-8"))
TEXTS: dict[str, Callable[[str, str], object]] = {
    "templates.yaml": notices,
    "phrases.yaml": conversations,
    "ivr.yaml": announcements,
    "form.yaml": page,
}


@pytest.mark.parametrize("asked", ["lo", "lo-LA"])
@pytest.mark.parametrize("file", TEXTS)
def test_a_language_of_customers_is_added_by_data(file: str, asked: str) -> None:
    assert f"`{file}`" in RECIPES
    assert TEXTS[file](grown(file, "lo"), asked) == "lo"


def test_a_file_with_texts_by_language_is_in_the_recipe() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in DEPLOY.glob("*.yaml")}
    there = {name for name, text in texts.items() if "\nlanguages:\n" in text}
    assert there - {"classify.yaml"} == TEXTS.keys()  # that one has what customers' words are in


ADDED = {
    "classify.yaml": {
        "business_types": "  charging: 充电服务",
        "rules": "  - charging: {words: [充电站退款]}",
    },
    "routes.yaml": {
        "queues": "  charging: {title: 充电服务, description: Charging stations}",
        "  routes": "    - {name: charging, match: {business_type: charging}, queue: charging}",
    },
    "desk.yaml": {
        "calendars": '  stations: {hours: ["08:00-20:00"], offset: "+08:00"}',
        "clocks": "  - name: charging\n    match: {business_type: charging}\n"
        "    stages: {answer: {within: 2d, calendar: stations, met_by: [completed]}}",
    },
    "holidays.yaml": {},
}
"""By file and section: the line that comes to stand first in it."""


def test_a_business_type_is_added_by_data(tmp_path: Path) -> None:
    for file, lines in ADDED.items():
        text = (DEPLOY / file).read_text(encoding="utf-8")
        for section, line in lines.items():
            text, found = re.subn(f"^{section}:\n", f"{section}:\n{line}\n", text, count=1, flags=re.MULTILINE)
            assert found == 1, f"{file} has a section {section}"
        (tmp_path / file).write_text(text, encoding="utf-8")

    rules = load_rules(tmp_path / "routes.yaml", tmp_path / "classify.yaml")
    desk = load_desk(str(tmp_path / "desk.yaml"), (tmp_path / "desk.yaml").read_text(encoding="utf-8"))
    assert (kinds_of_no_ticket(desk, rules.keywords), queues_of_no_tree(desk, rules.tree.queues)) == ([], [])
    case = "{name: x, text: 充电站退款, expect: {business_type: charging, queue: charging}}"
    [result] = route_cases.run("cases.yaml", f"version: 1\ncases:\n  - {case}\n", rules)
    assert result.wrong == ()
    clock = desk.clock({**dict.fromkeys(CLOCK_ATTRIBUTES), "business_type": "charging"})
    assert clock is not None
    assert clock.name == "charging"
