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
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from services.grid.address import parse
from services.grid.book import CustomerBook
from services.grid.evidence import PlaceEvidence
from services.grid.houses import HouseIndex
from services.grid.syllables import SYLLABLES
from services.simulator.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.simulator.faults import Network

_STREET = re.compile(r"(\d+区)?(\D+?)(路|花园|新村|家园|小区)(\d.*)")
_COMMON = [bytes((high, low)).decode("gb2312") for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF)]
_BY_SOUND: dict[str, list[str]] = defaultdict(list)
for _char in _COMMON:
    for _one in SYLLABLES[_char]:
        _BY_SOUND[_one].append(_char)
_ACCENTS = (
    ("zh", "z"),
    ("ch", "c"),
    ("sh", "s"),
    ("n", "l"),
    ("ing", "in"),
    ("eng", "en"),
    ("fa", "hua"),
    ("fe", "hui"),
)
_KIND_LETTERS = {"路": "lu", "花园": "huayuan", "新村": "xincun", "家园": "jiayuan", "小区": "xiaoqu"}


def _other(char: str, syllables: list[str], rng: Random) -> str:
    return rng.choice([one for name in syllables for one in _BY_SOUND.get(name, ()) if one != char] or [char])


def _accented(char: str) -> list[str]:
    found = []
    for syllable in SYLLABLES[char]:
        for one, other in _ACCENTS:
            for a, b in ((one, other), (other, one)):
                if a.endswith("ng") or b.endswith("ng"):
                    spoilt = syllable.removesuffix(a) + b if syllable.endswith(a) else syllable
                else:
                    spoilt = b + syllable.removeprefix(a) if syllable.startswith(a) else syllable
                if spoilt != syllable and spoilt in _BY_SOUND:
                    found.append(spoilt)
    return found


def _homophone(stem: str, rng: Random) -> str:
    n = rng.randrange(len(stem))
    return stem[:n] + _other(stem[n], list(SYLLABLES[stem[n]]), rng) + stem[n + 1 :]


def _homophones(stem: str, rng: Random) -> str:
    return "".join(_other(char, list(SYLLABLES[char]), rng) for char in stem)


def _accent(stem: str, rng: Random) -> str:
    at = [n for n, char in enumerate(stem) if _accented(char)]
    if not at:
        return stem
    n = rng.choice(at)
    return stem[:n] + _other(stem[n], _accented(stem[n]), rng) + stem[n + 1 :]


def _missing(stem: str, rng: Random) -> str:
    n = rng.randrange(len(stem))
    return stem[:n] + stem[n + 1 :] if len(stem) > 2 else stem


def _doubled(stem: str, rng: Random) -> str:
    n = rng.randrange(len(stem))
    return stem[: n + 1] + stem[n:]


def _swapped(stem: str, rng: Random) -> str:
    n = rng.randrange(len(stem) - 1)
    return stem[:n] + stem[n + 1] + stem[n] + stem[n + 2 :]


def _wrong(stem: str, rng: Random) -> str:
    n = rng.randrange(len(stem))
    return stem[:n] + rng.choice(_COMMON) + stem[n + 1 :]


_NAMES: dict[str, Callable[[str, Random], str]] = {
    "as it is": lambda stem, _: stem,
    "one character, same sound": _homophone,
    "all characters, same sound": _homophones,
    "one character, an accent's sound": _accent,
    "a character missing": _missing,
    "a character twice": _doubled,
    "two swapped": _swapped,
    "any other character": _wrong,
}
_IDS: dict[str, Callable[[str, Random], str]] = {
    "id as it is": lambda one, _: one,
    "id without its dash": lambda one, _: one.replace("-", ""),
    "id with blanks, small": lambda one, _: one.replace("-", " ").lower(),
    "id in full width": lambda one, _: "".join(chr(ord(char) + 0xFEE0) for char in one),
    "id with O for 0": lambda one, rng: re.sub(r"(?<=\d)0", "O", one) if rng.random() < 1 else one,
    "id without zeros": lambda one, _: re.sub(r"(?<=[A-Z])0+", "", one),
}


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
    letters = [SYLLABLES[char][0] for char in stem]
    plain = rest.replace("号", " hao ").replace("栋", " dong ").replace("单元", " danyuan ").replace("室", " shi ")
    name = " ".join(letters) if kind == "pinyin, apart" else "".join(letters)
    return f"{district.replace('区', ' qu ')}{name} {_KIND_LETTERS[street]} {plain}"


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
