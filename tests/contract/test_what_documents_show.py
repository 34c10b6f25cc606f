"""What README and docs show is there: commands with their options, linked pages and headings, modules, targets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from services.cli.__main__ import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def commands(text: str) -> Iterator[str]:
    """Yield what is said to the command line, in examples and in sentences: ``storm --preset mini``."""
    for example in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in example.replace("\\\n", " ").splitlines():
            if (found := re.match(r"(?:.*\| *)?gridline ([^#|>;]*)", line)) is not None:
                yield found[1]
    yield from re.findall(r"`gridline ([^`]+)`", text)


def wrong_in(command: str) -> str | None:
    """Return what the command line says if it has no such command or option: asked for help, it runs nothing."""
    result = CliRunner().invoke(app, [*shlex.split(command), "--help"])
    return None if result.exit_code == 0 else result.output


def heads(text: str) -> set[str]:
    """Return the anchors of a page's headings."""
    return {
        re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-")
        for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def broken_in(text: str, folder: Path) -> list[str]:
    """Return the links to files and headings that are not there."""
    broken = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        page = folder / target
        if not page.exists():
            broken.append(target)
        elif anchor and anchor not in heads(page.read_text(encoding="utf-8") if target else text):
            broken.append(f"{target}#{anchor}")
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_is_there(page: Path):
    text = page.read_text(encoding="utf-8")
    each = (one for said in commands(text) for one in alternatives(said))
    assert {one: wrong for one in each if (wrong := wrong_in(one)) is not None} == {}
    assert broken_in(text, page.parent) == []
    modules = set(re.findall(r"python -m ((?:services|tests)[\w.]*)", text))
    places = {name: ROOT.joinpath(*name.split(".")) for name in modules}
    assert {
        name for name, at in places.items() if not ((at / "__main__.py").exists() or at.with_suffix(".py").exists())
    } == set()
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= TARGETS


def alternatives(command: str) -> list[str]:
    """Return the commands that one names together: ``incidents merge|split INCIDENT``."""
    words = command.split(" ")
    at = next((n for n, word in enumerate(words) if "|" in word), None)
    if at is None:
        return [command]
    return [" ".join([*words[:at], one, *words[at + 1 :]]) for one in words[at].split("|")]


def test_the_pages_show_a_hundred_commands_and_as_many_links():
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    assert sum(len(list(commands(text))) for text in texts) > 80
    assert sum(len(re.findall(r"\]\((?!https?:)", text)) for text in texts) > 100


def test_control_what_is_not_there_is_found(tmp_path: Path):
    (tmp_path / "there.md").write_text("# A heading\n", encoding="utf-8")
    links = "[a](there.md) [b](there.md#a-heading) [c](gone.md) [d](there.md#gone) [e](https://x.example/y) [f](#gone)"
    assert broken_in(links, tmp_path) == ["gone.md", "there.md#gone", "#gone"]
    shown = "```sh\ngridline storm --gone 1 # why\nmake up | gridline gone\n```\nand `gridline incidents mrge A B`"
    assert list(commands(shown)) == ["storm --gone 1 ", "gone", "incidents mrge A B"]
    assert [wrong_in(one) is None for one in commands(shown)] == [False, False, False]
    assert wrong_in("incidents merge A B -r why") is None
    assert alternatives("incidents a|b X") == ["incidents a X", "incidents b X"]
