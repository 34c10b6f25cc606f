"""``python -m tests.bench.ways``: how many ways to write one place are found, and how many lead to another one.

By way of writing, over the address books of ``gridline storm --preset``, each also as other regions number houses:
lanes (路弄号室), hutongs, 甲 and 乙 and 之1 behind a number, villages with 组. One customer's address is written in
one way, with nothing beside it. Found is the customer's transformer, wrong another one, elsewhere another feeder's.
What leaves the district out may be in several towns, and is right to be left open.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from services.grid.book import CustomerBook
from services.grid.evidence import PlaceEvidence
from services.simulator.misspelt import in_letters
from services.simulator.presets import PRESETS
from tests.bench.misspelt import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.simulator.faults import Network

_ADDRESS: Final = re.compile(r"(\d+)区(\D+?)(路|花园|新村|家园)(?:(\d+)号)?(\d+)栋(?:(\d+)单元)?(\d+)室")
_FULL_WIDTH: Final = {char: chr(ord(char) + 0xFEE0) for char in map(chr, range(0x21, 0x7F))}
_DIGITS: Final = "零一二三四五六七八九"
_BELOW: Final = 100  # from here on a number has hundreds


class Home(NamedTuple):
    """The parts of a customer's address, as texts."""

    district: str
    stem: str
    kind: str
    number: str
    building: str
    unit: str
    room: str

    @property
    def street(self) -> str:
        """Return the name of the street or the estate."""
        return self.stem + self.kind

    @property
    def floor(self) -> str:
        """Return the floor that the room is on."""
        return self.room[:-2]

    @property
    def letter(self) -> str:
        """Return 甲, 乙, 丙 … for the building."""
        return "甲乙丙丁戊己庚辛壬癸"[(int(self.building) - 1) % 10]


def spoken(number: str) -> str:
    """Return a number as it is read out: 二百二十七."""
    value = int(number)
    hundreds, tens, ones = value // 100 % 10, value // 10 % 10, value % 10
    if value >= 10 * _BELOW:
        return one_by_one(number)
    said = f"{_DIGITS[hundreds]}百" if hundreds else ""
    if tens:
        said += ("" if tens == 1 and not hundreds else _DIGITS[tens]) + "十"
    elif hundreds and ones:
        said += "零"
    return said + (_DIGITS[ones] if ones else "")


def one_by_one(number: str) -> str:
    """Return a number digit by digit: 二二七."""
    return "".join(_DIGITS[int(char)] for char in number)


def _wide(said: str) -> str:
    return "".join(_FULL_WIDTH.get(char, char) for char in said)


Ways = dict[str, "Callable[[Home], str]"]
_ROADS: Final[Ways] = {
    "路12号3栋501室": lambda h: f"{h.street}{h.number}号{h.building}栋{h.room}室",
    # 号 left out
    "路12 3栋": lambda h: f"{h.street}{h.number} {h.building}栋",
    "路12 3栋501": lambda h: f"{h.street}{h.number} {h.building}栋{h.room}",
    "路12 3号楼": lambda h: f"{h.street}{h.number} {h.building}号楼",
    "路12，3栋": lambda h: f"{h.street}{h.number}，{h.building}栋",
    "路12、3栋": lambda h: f"{h.street}{h.number}、{h.building}栋",
    "路12的3栋": lambda h: f"{h.street}{h.number}的{h.building}栋",
    "路12院3栋": lambda h: f"{h.street}{h.number}院{h.building}栋",
    "路12-3栋": lambda h: f"{h.street}{h.number}-{h.building}栋",
    "路12－3幢": lambda h: f"{h.street}{h.number}－{h.building}幢",
    "路12-3栋501": lambda h: f"{h.street}{h.number}-{h.building}栋{h.room}",
    "路12-3号楼": lambda h: f"{h.street}{h.number}-{h.building}号楼",
    "路12/3栋": lambda h: f"{h.street}{h.number}/{h.building}栋",
    "路12-3": lambda h: f"{h.street}{h.number}-{h.building}",
    "路12-3号": lambda h: f"{h.street}{h.number}-{h.building}号",
    "路12-3-501": lambda h: f"{h.street}{h.number}-{h.building}-{h.room}",
    "路12/3/501": lambda h: f"{h.street}{h.number}/{h.building}/{h.room}",
    "路12号3-501": lambda h: f"{h.street}{h.number}号{h.building}-{h.room}",
    "路12号-3-501": lambda h: f"{h.street}{h.number}号-{h.building}-{h.room}",
    "路12-3#501": lambda h: f"{h.street}{h.number}-{h.building}#{h.room}",
    "路12号3#501": lambda h: f"{h.street}{h.number}号{h.building}#{h.room}",
    "路123栋": lambda h: f"{h.street}{h.number}{h.building}栋",
    "路123栋501": lambda h: f"{h.street}{h.number}{h.building}栋{h.room}",
    "路123号楼": lambda h: f"{h.street}{h.number}{h.building}号楼",
    "路十二三栋": lambda h: f"{h.street}{spoken(h.number)}{spoken(h.building)}栋",
    "路一二 三栋": lambda h: f"{h.street}{one_by_one(h.number)} {spoken(h.building)}栋",
    "路3栋": lambda h: f"{h.street}{h.building}栋",
    "路3栋501": lambda h: f"{h.street}{h.building}栋{h.room}",
    # rooms, floors, entrances
    "路12号3栋5楼": lambda h: f"{h.street}{h.number}号{h.building}栋{h.floor}楼",
    "路12号3号楼2门501": lambda h: f"{h.street}{h.number}号{h.building}号楼2门{h.room}",
    "路12号3楼2单元5层501": lambda h: f"{h.street}{h.number}号{h.building}栋2单元{h.floor}层{h.room}",
    "路12号三号楼五零一": lambda h: f"{h.street}{h.number}号{spoken(h.building)}号楼{one_by_one(h.room)}",
    "501室，3栋，路12号": lambda h: f"{h.room}室，{h.building}栋，{h.street}{h.number}号",
    "3栋501，路12号": lambda h: f"{h.building}栋{h.room}，{h.street}{h.number}号",
    "路12号501": lambda h: f"{h.street}{h.number}号{h.room}",
    "路12号第3栋": lambda h: f"{h.street}{h.number}号第{h.building}栋",
    "路12号院内3号楼": lambda h: f"{h.street}{h.number}号院内{h.building}号楼",
    "路12号大院3栋": lambda h: f"{h.street}{h.number}号大院{h.building}栋",
    "路12号小区3栋": lambda h: f"{h.street}{h.number}号小区{h.building}栋",
    "路12号3单元": lambda h: f"{h.street}{h.number}号3单元",
    # numerals and signs
    "路一百二十号三栋": lambda h: f"{h.street}{spoken(h.number)}号{spoken(h.building)}栋",
    "路一二零号三栋": lambda h: f"{h.street}{one_by_one(h.number)}号{spoken(h.building)}栋",
    "full width": lambda h: _wide(f"{h.street}{h.number}号{h.building}栋{h.room}室"),
    "路 12 号 3 栋": lambda h: f"{h.street} {h.number} 号 {h.building} 栋",
    "路(12号)3栋": lambda h: f"{h.street}（{h.number}号）{h.building}栋",
    "路No.12 3栋": lambda h: f"{h.street}No.{h.number} {h.building}栋",
    "路12号，第三栋，501": lambda h: f"{h.street}{h.number}号，第{spoken(h.building)}栋，{h.room}",
    # near it
    "路12号对面": lambda h: f"{h.street}{h.number}号对面",
    "路12号斜对面": lambda h: f"{h.street}{h.number}号斜对面",
    "路和X路路口": lambda h: f"{h.street}和解放大道路口",
    "路与X路交叉口": lambda h: f"{h.street}与解放大道交叉口",
    "路小学对面": lambda h: f"{h.street}小学对面",
    "路上": lambda h: f"{h.street}上",
    # letters
    "pinyin": lambda h: f"{in_letters(h.stem, apart=False)}lu {h.number}hao {h.building}dong {h.room}shi",
    "pinyin, no units": lambda h: f"{in_letters(h.stem, apart=True)} lu {h.number}-{h.building}-{h.room}",
    "No. 12 Xingfu Road": lambda h: f"No. {h.number}, {in_letters(h.stem, apart=False).title()} Road",
    "Building 3, No. 12 Xingfu Rd": lambda h: (
        f"Room {h.room}, Building {h.building}, No. {h.number} {in_letters(h.stem, apart=False).title()} Rd"
    ),
    "12 Xingfu Lu": lambda h: f"{h.number} {in_letters(h.stem, apart=False).title()} Lu",
    "Xingfu Lu No. 12": lambda h: f"{in_letters(h.stem, apart=False).title()} Lu No. {h.number}, Building {h.building}",
}
_ESTATES: Final[Ways] = {
    "花园3栋2单元501室": lambda h: f"{h.street}{h.building}栋{h.unit}单元{h.room}室",
    "花园3栋2门501": lambda h: f"{h.street}{h.building}栋{h.unit}门{h.room}",
    "花园3号楼2单元501": lambda h: f"{h.street}{h.building}号楼{h.unit}单元{h.room}",
    "花园3-2-501": lambda h: f"{h.street}{h.building}-{h.unit}-{h.room}",
    "花园3号2单元501": lambda h: f"{h.street}{h.building}号{h.unit}单元{h.room}",
    "花园3号501": lambda h: f"{h.street}{h.building}号{h.room}",
    "花园3号": lambda h: f"{h.street}{h.building}号",
    "花园3栋": lambda h: f"{h.street}{h.building}栋",
    "花园第3栋": lambda h: f"{h.street}第{h.building}栋",
    "花园三栋": lambda h: f"{h.street}{spoken(h.building)}栋",
    "花园3楼2单元": lambda h: f"{h.street}{h.building}楼{h.unit}单元",
    "花园里3栋": lambda h: f"{h.street}里面{h.building}栋",
    "花园小区3栋": lambda h: f"{h.street}小区{h.building}栋",
    "花园3栋附近": lambda h: f"{h.street}{h.building}栋附近",
    "花园3栋5楼": lambda h: f"{h.street}{h.building}栋{h.floor}楼",
    "花园3—501": lambda h: f"{h.street}{h.building}—{h.room}",
    "花园3#2单元": lambda h: f"{h.street}{h.building}#{h.unit}单元",
    "花园 3栋 2单元": lambda h: f"{h.street} {h.building}栋 {h.unit}单元",
    "501室3栋花园": lambda h: f"{h.room}室{h.building}栋{h.street}",
    "Building 3, Xingfu Huayuan": lambda h: (
        f"Building {h.building}, {in_letters(h.stem, apart=False).title()} {KINDS[h.kind].title()}"
    ),
}
_LANES: Final[Ways] = {
    "路12弄3号501室": lambda h: f"{h.street}{h.number}弄{h.building}号{h.room}室",
    "路12弄3号": lambda h: f"{h.street}{h.number}弄{h.building}号",
    "路12弄3号501": lambda h: f"{h.street}{h.number}弄{h.building}号{h.room}",
    "路12弄3号楼": lambda h: f"{h.street}{h.number}弄{h.building}号楼",
    "路12弄3-501": lambda h: f"{h.street}{h.number}弄{h.building}-{h.room}",
    "路12弄": lambda h: f"{h.street}{h.number}弄",
    "路十二弄三号": lambda h: f"{h.street}{spoken(h.number)}弄{spoken(h.building)}号",
    "路12弄3": lambda h: f"{h.street}{h.number}弄{h.building}",
    "路12-3号": lambda h: f"{h.street}{h.number}-{h.building}号",
    "路 12 弄 3 号": lambda h: f"{h.street} {h.number} 弄 {h.building} 号",
    "Lane 12, Xingfu Road": lambda h: (
        f"No. {h.building}, Lane {h.number}, {in_letters(h.stem, apart=False).title()} Road"
    ),
}
_HUTONGS: Final[Ways] = {
    "胡同12号": lambda h: f"{h.stem}胡同{h.number}号",
    "胡同12号院": lambda h: f"{h.stem}胡同{h.number}号院",
    "胡同十二号": lambda h: f"{h.stem}胡同{spoken(h.number)}号",
    "胡同12": lambda h: f"{h.stem}胡同{h.number}",
    "胡同12号旁门": lambda h: f"{h.stem}胡同{h.number}号旁门",
    "hutong 12 hao": lambda h: f"{in_letters(h.stem, apart=False)} hutong {h.number} hao",
}
_LETTERS: Final[Ways] = {
    "路12号甲": lambda h: f"{h.street}{h.number}号{h.letter}",
    "路12甲号": lambda h: f"{h.street}{h.number}{h.letter}号",
    "路甲12号": lambda h: f"{h.street}{h.letter}{h.number}号",
    "路12号之1": lambda h: f"{h.street}{h.number}号之{h.building}",
    "路12之1号": lambda h: f"{h.street}{h.number}之{h.building}号",
    "路12之一": lambda h: f"{h.street}{h.number}之{spoken(h.building)}",
    "路12号": lambda h: f"{h.street}{h.number}号",
}
_VILLAGES: Final[Ways] = {
    "村3组12号": lambda h: f"{h.stem}村{h.building}组{h.number}号",
    "村三组12号": lambda h: f"{h.stem}村{spoken(h.building)}组{h.number}号",
    "村3社12号": lambda h: f"{h.stem}村{h.building}社{h.number}号",
    "村3队12号": lambda h: f"{h.stem}村{h.building}队{h.number}号",
    "村第3组": lambda h: f"{h.stem}村第{h.building}组",
    "村3组": lambda h: f"{h.stem}村{h.building}组",
    "村三组": lambda h: f"{h.stem}村{spoken(h.building)}组",
    "村3社": lambda h: f"{h.stem}村{h.building}社",
    "村3队": lambda h: f"{h.stem}村{h.building}队",
    "村村民小组3组": lambda h: f"{h.stem}村第{h.building}村民小组",
    "村12号": lambda h: f"{h.stem}村{h.number}号",
    "村": lambda h: f"{h.stem}村",
    "村委会": lambda h: f"{h.stem}村委会旁边",
}
_STORED: Final[dict[str, tuple[bool, Callable[[Home], str], Ways]]] = {
    # what it is: whether of roads, how the customer file writes it, and how people do
    "road": (True, lambda h: f"{h.district}区{h.street}{h.number}号{h.building}栋{h.room}室", _ROADS),
    "estate": (False, lambda h: f"{h.district}区{h.street}{h.building}栋{h.unit}单元{h.room}室", _ESTATES),
    "lane": (True, lambda h: f"{h.district}区{h.street}{h.number}弄{h.building}号{h.room}室", _LANES),
    "hutong": (True, lambda h: f"{h.district}区{h.stem}胡同{h.number}号", _HUTONGS),
    "letter": (True, lambda h: f"{h.district}区{h.street}{h.number}号{h.letter}", _LETTERS),
    "sub-number": (True, lambda h: f"{h.district}区{h.street}{h.number}之{h.building}号", _LETTERS),
    "village": (
        True,
        lambda h: f"{_TOWNS[int(h.district) % len(_TOWNS)]}镇{h.stem}村{h.building}组{h.number}号",
        _VILLAGES,
    ),
}
_TOWNS: Final = tuple(f"{one}{two}" for one in "清云龙凤石" for two in "河山泉桥岭湖塘原")


def home_of(address: str) -> Home | None:
    """Return the parts of an address of the simulator's books."""
    found = _ADDRESS.fullmatch(address)
    return None if found is None else Home(*found.groups(""))


def evidence_of(home: Home, said: str, *, in_a_town: bool) -> tuple[tuple[bool, PlaceEvidence], ...]:
    """Return what is said as an address with its district, and as a sentence without one."""
    if said.isascii():
        return (
            (True, PlaceEvidence(address=f"{said}, District {home.district}")),
            (False, PlaceEvidence(text=f"There is no power at {said}")),
        )
    district = f"{_TOWNS[int(home.district) % len(_TOWNS)]}镇" if in_a_town else f"{home.district}区"
    return (True, PlaceEvidence(address=f"{district}{said}")), (False, PlaceEvidence(text=f"{said}停电了"))


def measure(network: Network, tries: int, seed: int, counts: dict[tuple[str, str, bool], Counter[str]]) -> None:
    """Count what is found of each way to write a place."""
    homes = [(row, home) for row in network.customers if (home := home_of(row.address)) is not None]
    roads = bool(homes) and homes[0][1].kind == "路"
    for style, (of_roads, stored, ways) in _STORED.items():
        if of_roads is not roads:
            continue
        book = CustomerBook(network.tree, [row._replace(address=stored(home)) for row, home in homes])
        for way, say in ways.items():
            for row, home in Random(seed).choices(homes, k=tries):
                for has_district, evidence in evidence_of(home, say(home), in_a_town=style == "village"):
                    began = time.process_time()
                    place = book.resolve(evidence)
                    count = counts.setdefault((style, way, has_district), Counter())
                    count["spent"] += round(1e9 * (time.process_time() - began))
                    count["tries"] += 1
                    if place.transformer_id is not None:
                        right = place.transformer_id == row.transformer_id
                        count["found" if right else "wrong"] += 1
                        count["elsewhere"] += place.feeder != network.tree.feeder_of(row.transformer_id)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ways", description=__doc__)
    parser.add_argument("--presets", default="suburb,valley,town")
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    counts: dict[tuple[str, str, bool], Counter[str]] = {}
    for name in arguments.presets.split(","):
        measure(PRESETS[name].network(), arguments.tries, arguments.seed, counts)
    table = Table("book", "way", "tries", *("found", "wrong", "elsewhere") * 2, "µs")
    for style, way, has_district in counts:
        if not has_district:
            continue
        pair = counts[style, way, True], counts[style, way, False]
        tries = pair[0]["tries"]
        shares = [f"{100 * count[one] / tries:.1f}" for count in pair for one in ("found", "wrong", "elsewhere")]
        table.add_row(style, way, f"{tries:,}", *shares, f"{sum(c['spent'] for c in pair) / tries / 2e3:.0f}")
    console = Console(width=140)
    console.print("In % of the tries, with the district, then without: found, wrong, wrong and on another feeder.")
    console.print(table)


if __name__ == "__main__":
    main()
