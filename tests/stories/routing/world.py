"""The small world of the router's stories: its network, its people's words, what can be done, the rules in force.

Never here: what happens in it.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.values import Channel, Crs, Position
from services.router.tree.book import load_desk, load_rules
from tests.stories.routing.memory import served
from tests.unit.router.making import CLASSIFY, DEPLOY, DESK, ROUTES

if TYPE_CHECKING:
    from services.grid.book import CustomerBook
    from services.router.domain.desk import DeskRules
    from services.router.domain.ticket import Rules

NETWORK: Final = """\
id,parent,type,normally_open,lat,lon
S1,,substation,0,30.000,110.000
B1,S1,breaker,0,30.001,110.001
T1,B1,transformer,0,30.010,110.010
T2,B1,transformer,0,30.020,110.020
S2,,substation,0,31.000,111.000
T9,S2,transformer,0,31.010,111.010
"""
CUSTOMERS: Final = """\
account_id,transformer_id,lat,lon,address,phone,name,status,priority,language
0012345671,T1,30.0101,110.0101,1 Road,13800000001,,active,normal,
0012345672,T2,30.0201,110.0201,2 Road,13800000002,,active,life_support,
0012345673,T1,30.0102,110.0102,3 Road,13800000003,,suspended,normal,
0012345674,T9,31.0101,111.0101,4 Road,13800000004,,active,normal,en
"""
AGENTS: Final = ("ann", "bob", "cat")
SECRET: Final = "where the key lies"
TEXTS: Final = (
    None,
    "",
    "停电了",
    "停电了",
    "没电了，只有我家",
    "整栋楼都停电了",
    "着火了",
    "没有着火，停电了",
    "变压器冒烟",
    "电压低，灯很暗",
    "电表坏了",
    "快点来人",
    "催一下，还没有人来",
    "查电费",
    "查电费，什么时候到账",
    "我要投诉，电费太高",
    "我要举报偷电",
    "谢谢，表扬一下",
    "好的",
    "?",
    "我家在哪里",
    "户号 0012345671",
    "户号 0012345674 停电了",
    "The power is out",
    "there is a fire at the pole",
    "གློག་ཆད་སོང་།",
    "\u202egnihtemos 🔥 ¥$%",
    "有没有触电的危险" * 3,
    "停电 " * 1_300,
)
TELLS: Final = (
    "account",
    "phone",
    "address",
    "position",
    "photo",
    "language",
    "account",
    "position",
    "edge",
    "odd",
    "nobody",
    "interim",
    "one_home",
)
EDGES: Final = tuple(
    Position(lat=lat, lon=lon, crs=crs)
    for lat, lon in ((0, -180), (90, 180), (30, -180), (-90, 0))
    for crs in reversed(Crs)
)
"""Of the map."""
CHANNELS: Final = (Channel.PHONE, Channel.WEB, Channel.APP, Channel.WECHAT, Channel.SMS)
OWN: Final = (
    ("accept", {}),
    ("accept", {}),
    ("accept", {}),
    ("decline", {"reason": "busy"}),
    ("contact", {"outcome": "reached"}),
    ("contact", {"outcome": "not_reached"}),
    ("wrap-up", {}),
    ("wrap-up", {}),
    ("complete", {"outcome": "solved"}),
    ("complete", {"outcome": "solved"}),
    ("transfer", {"to_queue": "repair"}),
    ("transfer", {"to_queue": "opinion"}),
    ("transfer", {"to_agent": "bob"}),
    ("transfer", {"to_agent": "ann", "to_queue": "general"}),
    ("return", {"reason": "wrong_queue"}),
    ("return", {"reason": "wrong_type", "business_type": "complaint"}),
    ("return", {"reason": "wrong_type", "business_type": "fault_report"}),
    ("return", {"reason": "wrong_language", "language": "bo"}),
    ("return", {"reason": "missing_information"}),
)
ANYBODY: Final = (
    ("notes", {"note": SECRET}),
    ("pause", {"reason": "customer_away"}),
    ("pause", {"reason": "customer_away"}),
    ("resume", {"reason": "customer_back"}),
    ("urge", {"reason": "customer_asked"}),
    ("withdraw", {"reason": "gave_up"}),
    ("reopen", {"agent_id": "ann", "reason": "not_solved"}),
    ("place", {"agent_id": "ann", "account_id": "0012345671"}),
    ("place", {"account_id": "0012345674"}),
    ("place", {"device": "T2", "note": SECRET}),
    ("reprioritise", {"priority": "urgent", "reason": "press"}),
    ("reprioritise", {"priority": "normal", "reason": "press"}),
    ("requeue", {"reason": "lead"}),
    ("requeue", {"to_queue": "consultation", "reason": "lead"}),
)


class InForce(NamedTuple):
    """Sets of rules that a story exchanges."""

    rules: tuple[Rules, ...]
    desk: tuple[DeskRules, ...]


_TREES: Final = (
    {},
    {"  consultation: {title": "  questions: {title", "      queue: consultation\n": "      queue: questions\n"},
    {
        "      queue: complaint\n": (
            "      targets:\n        - {queue: complaint, skills: [language], requires: [senior], for: 2m,"
            " relax: [{after: 30s, drop: [senior]}]}\n        - {queue: opinion, for: 5m}\n        - {queue: general}\n"
        ),
    },
)
_DESKS: Final = (
    {},
    {"respond: {within: 5m,": "respond: {within: 1m,", "answer: {within: 24h,": "answer: {within: 2h,"},
    {"  usual: {limit: 10m, then: complete}\n": "", "known: 3d": "known: 0s", "hold: 30s": "hold: 5m"},
    {
        "limit: 10m, then: complete": "limit: 1m, then: requeue",
        "offer: 20s": "offer: 5m",
        "presence: 45s": "presence: 20m",
    },
)


@cache
def in_force() -> InForce:
    """Return the rules as shipped, and others."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        holidays = (DEPLOY / "holidays.yaml").read_text(encoding="utf-8")
        (folder / "holidays.yaml").write_text(holidays, encoding="utf-8")
        rules = []
        for tree in _TREES:
            (folder / "routes.yaml").write_text(_changed(ROUTES, tree), encoding="utf-8")
            rules.append(load_rules(folder / "routes.yaml", CLASSIFY))
        file = str(folder / "desk.yaml")
        return InForce(tuple(rules), tuple(load_desk(file, _changed(DESK, desk)) for desk in _DESKS))


def _changed(file: Path, changes: dict[str, str]) -> str:
    text = file.read_text(encoding="utf-8")
    for was, instead in changes.items():
        assert was in text, was
        text = text.replace(was, instead)
    return text


@cache
def customers() -> CustomerBook:
    with tempfile.TemporaryDirectory() as folder:
        return served(write_network(Path(folder)))


def write_network(folder: Path) -> Path:
    """Write the network of the stories into a folder."""
    (folder / "network.csv").write_text(NETWORK)
    (folder / "customers.csv").write_text(CUSTOMERS)
    return folder
