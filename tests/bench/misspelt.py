"""``python -m tests.bench.misspelt``: places whose words are misspelt or misheard, and how many of them are found.

By kind of slip, over the address books of ``gridline storm --preset``: one customer's address or transformer, spoilt in
one way and said with nothing beside it. Found is the customer's transformer, wrong another one. The last rows are no
slips: streets as they are, in a book that lacks a tenth of the streets, those among them. ``--without`` counts what is
found where no street stands for another.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter, defaultdict
from random import Random
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from services.grid.address import parse
from services.grid.book import CustomerBook
from services.grid.evidence import PlaceEvidence
from services.grid.houses import HouseIndex
from services.simulator.misspelt import SLIPS, in_letters
from services.simulator.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.simulator.faults import Network

_STREET = re.compile(r"(\d+区)?(\D+?)(路|花园|新村|家园|小区)(\d.*)")
_NAMES = {"as it is": lambda name, _: name} | {kind: slip for kind, (slip, _) in SLIPS.items() if kind != "in letters"}
_IDS: dict[str, Callable[[str, Random], str]] = {
    "id as it is": lambda one, _: one,
    "id without its dash": lambda one, _: one.replace("-", ""),
    "id with blanks, small": lambda one, _: one.replace("-", " ").lower(),
    "id in full width": lambda one, _: "".join(chr(ord(char) + 0xFEE0) for char in one),
    "id with O for 0": lambda one, _: re.sub(r"(?<=\d)0", "O", one),
    "id without zeros": lambda one, _: re.sub(r"(?<=[A-Z])0+", "", one),
}
KINDS: Final = {"路": "lu", "花园": "huayuan", "新村": "xincun", "家园": "jiayuan", "小区": "xiaoqu"}
"""What street and estate names end in, in the letters of pinyin."""


def said(kind: str, address: str, rng: Random) -> str | None:
    """Return an address with its street spoilt in one way; None where it cannot be."""
    found = _STREET.fullmatch(address)
    if found is None:
        return None
    district, stem, street, rest = found.groups("")
    if kind == "a street nobody has":
        return address
    if kind in _NAMES:
        spoilt = _NAMES[kind](stem, rng)
        return None if spoilt == stem and kind != "as it is" else f"{district}{spoilt}{street}{rest}"
    plain = rest.replace("号", " hao ").replace("栋", " dong ").replace("单元", " danyuan ").replace("室", " shi ")
    name = in_letters(stem, apart=kind == "pinyin, apart")
    return f"{district.replace('区', ' qu ')}{name} {KINDS[street]} {plain}"


def measure(network: Network, tries: int, counts: dict[str, Counter[str]]) -> None:
    """Count what is found of each kind of slip."""
    book = CustomerBook(network.tree, network.customers)
    rng = Random(7)
    streets = sorted({site.street for home in network.customers for site in parse(home.address).sites})
    absent = set(rng.sample(streets, len(streets) // 10))
    lacking, covered = [], []
    for home in network.customers:
        (lacking if any(site.street in absent for site in parse(home.address).sites) else covered).append(home)
    less = CustomerBook(network.tree, covered)
    for kind in (*_NAMES, "pinyin, apart", "pinyin, together", *_IDS, "a street nobody has"):
        if kind == "a street nobody has":
            book = less
        for home in rng.choices(lacking if book is less else network.customers, k=tries):
            if kind in _IDS:
                evidence = PlaceEvidence(text=f"变压器{_IDS[kind](home.transformer_id, rng)}没电")
                forms = [("", evidence)]
            else:
                spoilt = said(kind, home.address, rng)
                if spoilt is None:
                    continue
                bare = re.sub(r"^\d+(?:区| qu )", "", spoilt)
                forms = [("", PlaceEvidence(address=spoilt)), (", no district", PlaceEvidence(text=f"{bare}停电了"))]
            for more, evidence in forms:
                began = time.process_time()
                place = book.resolve(evidence)
                count = counts[f"{kind}{more}"]
                count["spent"] += round(1e9 * (time.process_time() - began))
                count["tries"] += 1
                count["found"] += place.transformer_id == home.transformer_id
                count["wrong"] += place.transformer_id not in {None, home.transformer_id}
                if place.transformer_id not in {None, home.transformer_id}:
                    count["elsewhere"] += place.feeder != network.tree.feeder_of(home.transformer_id)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.misspelt", description=__doc__)
    parser.add_argument("--presets", default="suburb,valley,town")
    parser.add_argument("--tries", type=int, default=300)
    parser.add_argument("--without", action="store_true")
    arguments = parser.parse_args()
    if arguments.without:
        HouseIndex.alike = lambda *_: None  # type: ignore[method-assign, assignment]
    console = Console(width=160)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name in arguments.presets.split(","):
        measure(PRESETS[name].network(), arguments.tries, counts)
    table = Table("slip", "tries", "found", "wrong", "of it on another feeder", "left to people", "µs")
    for kind, count in counts.items():
        tries = count["tries"]
        shares = [100 * count[one] / tries for one in ("found", "wrong", "elsewhere")]
        table.add_row(
            kind,
            f"{tries:,}",
            *(f"{one:.1f} %" for one in shares),
            f"{100 - shares[0] - shares[1]:.1f} %",
            f"{count['spent'] / tries / 1e3:.0f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
