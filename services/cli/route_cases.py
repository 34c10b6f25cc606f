"""A table of test cases for a route tree: contacts, and where they must go.

Decided here: what a case may say. A case goes through words and tree, by the code the router runs; nothing is looked
up, so its place is as the case says. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from services.contracts.envelope import parse_time
from services.contracts.values import (
    Channel,
    CustomerClass,
    CustomerStatus,
    Place,
)
from services.router.domain.attributes import Standing, attributes
from services.router.domain.classify import classify, priority_of
from services.router.domain.routes import take
from services.runtime.yaml_reading import Reader, line_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from yaml.nodes import Node

    from services.router.domain.ticket import Rules

_TOP: Final = ("version", "cases")
_WORDS: Final = ("text", "language", "needs_person", "area", "feeder", "at", "name")
_CLOSED: Final = {
    "channel": tuple(Channel),
    "customer_class": tuple(CustomerClass),
    "customer_status": tuple(CustomerStatus),
}
_TRUTHS: Final = ("placed", "final", "unconfirmed", "single_premise")
_NUMBERS: Final = ("repeats", "urges")
_KILOVOLTS: Final = "voltage_kv"
_EXPECTED: Final = ("queue", "priority", "route", "business_type", "language", "hazards", "tags", "then")
_NOON: Final = datetime(2026, 7, 1, 2, tzinfo=UTC)  # ten in the morning of a working Wednesday


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case; ``wrong`` names each thing that is not as expected."""

    name: str
    line: int
    queue: str
    route: str
    route_line: int
    wrong: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {name: getattr(self, name) for name in self.__slots__}


def run(file: str, text: str, rules: Rules) -> list[Result]:
    """Run every case.

    Raises:
        RulesError: the table has faults; each is named with its line.
    """
    reader = Reader(file, text)
    top = reader.top(_TOP, _TOP)
    parsed = (
        [_case(reader, item, rules.keywords.business_types) for item in reader.items(top["cases"], "cases")]
        if "cases" in top
        else []
    )
    reader.finish()
    return [_result(rules, line, given, expected) for line, given, expected in parsed]


def _case(reader: Reader, node: Node, types: Collection[str]) -> tuple[int, dict[str, Any], dict[str, Any]]:
    closed = {**_CLOSED, "business_type": types}
    known = (*_WORDS, *closed, *_TRUTHS, *_NUMBERS, _KILOVOLTS, "expect")
    fields = reader.fields(node, "a case", known, ("name", "expect"))
    given: dict[str, Any] = {}
    for key, value in fields.items():
        if key in _WORDS:
            given[key] = reader.text(value, key)
        elif key in closed:
            given[key] = reader.word(value, key, closed[key])
        elif key in _TRUTHS:
            given[key] = reader.truth(value, key)
        elif key == _KILOVOLTS:
            given[key] = reader.number(value, key, 0.001, 1500)
        elif key in _NUMBERS:
            given[key] = reader.whole(value, key)
    if "at" in given:
        given["at"] = _instant(reader, fields["at"], given["at"])
    told = reader.fields(fields["expect"], "expect", _EXPECTED) if "expect" in fields else {}
    if "expect" in fields and not told:
        reader.fault(line_of(fields["expect"]), "a case that expects nothing shows nothing")
    lists = {"hazards", "tags", "then"}
    expected = {
        key: sorted(word for word, _ in reader.texts(value, key))
        if key in lists and key != "then"
        else [word for word, _ in reader.texts(value, key)]
        if key in lists
        else reader.text(value, key)
        for key, value in told.items()
    }
    return line_of(node), given, expected


def _instant(reader: Reader, node: Node, text: str | None) -> datetime | None:
    try:
        return parse_time(text or "")
    except ValueError:
        reader.fault(
            line_of(node), f"at {text!r} must be an instant with its offset, such as 2026-10-01T09:00:00+08:00"
        )
        return None


def _result(rules: Rules, line: int, given: dict[str, Any], expected: dict[str, Any]) -> Result:
    text = given.get("text") or ""
    about = classify(
        rules.keywords,
        choice=given.get("business_type"),
        language=given.get("language"),
        customer_language=None,
        text=text,
        hazards=rules.keywords.read(text).hazards,
        single_premise=given.get("single_premise", False),
    )
    customer_class = CustomerClass(given.get("customer_class", "normal"))
    placed = given.get("placed", True)
    place = Place(
        area=given.get("area") or ("S1" if placed else None),
        feeder=given.get("feeder"),
        customer_class=customer_class,
        voltage_kv=given.get(_KILOVOLTS),
        customer_status=CustomerStatus(given.get("customer_status", "active")),
    )
    standing = Standing(
        channel=Channel(given.get("channel", "web")),
        priority=priority_of(about, customer_class)[0],
        final=given.get("final", True),
        unconfirmed=given.get("unconfirmed", False),
        needs_person=given.get("needs_person"),
        repeats=given.get("repeats", 0),
        urges=given.get("urges", 0),
    )
    seen = attributes(about, place, standing)
    taken = take(rules.tree, seen, given.get("at") or _NOON)
    route = rules.tree.find(seen).route
    got: dict[str, Any] = {
        "queue": taken.queue,
        "priority": taken.priority.value,
        "route": taken.path,
        "business_type": about.business_type,
        "language": about.language,
        "hazards": sorted(about.hazards),
        "tags": sorted(taken.tags),
        "then": list(dict.fromkeys(step.queue for step in taken.plan[1:] if step.queue != taken.queue)),
    }
    wrong = tuple(f"{key} is {got[key]}, expected {value}" for key, value in expected.items() if got[key] != value)
    return Result(given["name"] or "", line, taken.queue, taken.path, route.line, wrong)
