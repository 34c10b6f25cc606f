"""``python -m tests.hearing``: how right ``deploy/classify.yaml`` and ``likeness.txt`` read what people say.

``--misread`` also shows what of half A is misread. Of half B only figures are shown: no word is added because of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from services.router.tree.beside import beside
from services.router.tree.keywords import read_keywords
from services.router.tree.likeness import FILE as LIKENESS
from services.router.tree.likeness import read_likeness
from tests.hearing.labelled import FILES, HALVES, read_said
from tests.hearing.measure import Figures, measure, share

if TYPE_CHECKING:
    from services.router.domain.reading import Keywords
    from tests.hearing.labelled import Said
    from tests.hearing.measure import Found

SHIPPED = Path(__file__).parents[2] / "deploy" / "classify.yaml"


def main() -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m tests.hearing", description=__doc__)
    parser.add_argument("--classify", type=Path, default=SHIPPED, help="the file of words (default: the shipped one)")
    parser.add_argument("--words-alone", action="store_true", help="leave out what contacts only sound like")
    parser.add_argument("--misread", action="store_true", help="show what of half A is misread")
    arguments = parser.parse_args()
    weights = beside(arguments.classify, LIKENESS)
    heard = {} if arguments.words_alone else read_likeness(weights.name, weights.read_text(encoding="utf-8"))
    keywords = read_keywords(arguments.classify.name, arguments.classify.read_text(encoding="utf-8"), heard)
    console = Console(width=None if sys.stdout.isatty() else 120)
    for author, file in FILES.items():
        _show(console, author, keywords, read_said(file.read_text(encoding="utf-8")), misread=arguments.misread)
    return 0


def _show(console: Console, author: str, keywords: Keywords, said: list[Said], *, misread: bool) -> None:
    halves = {half: measure(keywords, (one for one in said if one.half == half)) for half in HALVES}
    console.print(_all(author, halves))
    console.print(_taken(halves["B"]))
    languages = list(dict.fromkeys(one.language for one in said))
    by_language = {
        name: measure(keywords, (one for one in said if (one.half, one.language) == ("B", name))) for name in languages
    }
    console.print(_by_language(by_language))
    if misread:
        for text, what in halves["A"].misread:
            console.print(f"{what}: {text[:80]}", markup=False, soft_wrap=True)


def _all(author: str, halves: dict[str, Figures]) -> Table:
    table = Table(f"author {author}", *(f"half {half}" for half in halves))
    found = halves.values()
    table.add_row("utterances judged", *(str(one.said) for one in found))
    for name in ("danger", "noticed", "outage", "alone"):
        table.add_row(f"{name}: recall, precision", *(_shown(getattr(one, name)) for one in found))
    table.add_row("business type", *(f"{share(one.types):.1%} of {one.types.total()}" for one in found))
    table.add_row("kind of fault", *(f"{share(one.kinds):.1%} of {one.kinds.total()}" for one in found))
    table.add_row("no business, taken for one", *(f"{one.astray[True]} of {one.astray.total()}" for one in found))
    return table


def _taken(figures: Figures) -> Table:
    table = Table("half B: business type", "taken for", "times")
    for (right, taken), times in sorted(figures.taken.items()):
        table.add_row(right, taken, str(times))
    return table


def _by_language(languages: dict[str, Figures]) -> Table:
    table = Table("half B: language, manner", "judged", "danger: recall, precision", "outage: recall, precision")
    for name, figures in languages.items():
        table.add_row(name, str(figures.said), _shown(figures.danger), _shown(figures.outage))
    return table


def _shown(found: Found) -> str:
    of = found.right + found.missed
    return f"{found.recall:.1%} of {of}, {found.precision:.1%} of {found.right + found.false}"


if __name__ == "__main__":
    sys.exit(main())
