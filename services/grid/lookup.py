"""The places of a batch of reports, from the network model in Postgres.

Decided here: nothing; ``place`` decides. Two queries a batch (``queries``). The first asks for whom and what the
reports name; the second searches around positions and addresses that no named customer explains. Two more look for
addresses of which no house was found in the streets that may be meant instead (``alike`` decides which); most batches
need none. Who places by what was reported lately asks once more, for what feeds the places (``chains_of``).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from services.grid.alike import alike, said_keys
from services.grid.candidates import search
from services.grid.evidence import DEFAULT_RULES, ask, latitude
from services.grid.fitting import as_read, believed, without_known_road
from services.grid.found import (
    MOST_HOUSES,
    Around,
    Customer,
    House,
    Named,
    Search,
    Spot,
    meant_of,
)
from services.grid.lately import Chain
from services.grid.place import decide, weigh
from services.grid.queries import (
    FIND_ALIKE,
    FIND_AROUND,
    FIND_CHAINS,
    FIND_NAMED,
    around_arguments,
    named_arguments,
    slipped,
)
from services.grid.records import customer_of, named_by, spot_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import asyncpg

    from services.grid.address import Address
    from services.grid.evidence import PlaceEvidence, Question
    from services.grid.place import ResolvedPlace, Weighed
    from services.runtime.postgres import Connection

MOST_ALIKE: Final = 128
"""Addresses of one batch whose streets are looked for: who sends many that nobody has is not paid for by everybody."""


async def resolve_places(connection: Connection, evidence: Sequence[PlaceEvidence]) -> list[ResolvedPlace]:
    """Return the place of each report by its evidence alone, in order, by at most four queries."""
    return [decide(*one) for one in await _found(connection, evidence)]


async def weigh_places(connection: Connection, evidence: Sequence[PlaceEvidence]) -> list[Weighed]:
    """Return each report weighed by its evidence alone, in order, by at most four queries."""
    return [weigh(*one) for one in await _found(connection, evidence)]


async def chains_of(connection: Connection, weighed: Iterable[Weighed]) -> dict[str, Chain]:
    """Return what feeds the devices at which reports are sure or open, by at most one query."""
    devices = {device for one in weighed for device in (one.sure, *one.open) if device is not None}
    if not devices:
        return {}
    found = await connection.fetch(FIND_CHAINS, sorted(devices))
    return {device: Chain(tuple(chain), tuple(customers)) for device, chain, customers in found}


async def _found(connection: Connection, evidence: Sequence[PlaceEvidence]) -> list[tuple[Question, Named, Around]]:
    questions = [ask(one) for one in evidence]
    named = await _named(connection, questions)
    wants = [search(question, one, DEFAULT_RULES) for question, one in zip(questions, named, strict=True)]
    around = await _around(connection, wants)
    return list(zip(questions, named, around, strict=True))


async def _named(connection: Connection, questions: Sequence[Question]) -> list[Named]:
    if not any(q.account_id or q.phone or q.devices or q.numbers or q.id_keys for q in questions):
        return [Named()] * len(questions)
    rows: list[list[asyncpg.Record]] = [[] for _ in questions]
    for record in await connection.fetch(FIND_NAMED, *named_arguments(questions)):
        rows[record["n"]].append(record)
    return [named_by(question, found) for question, found in zip(questions, rows, strict=True)]


async def _around(connection: Connection, wants: Sequence[Search]) -> list[Around]:
    found = await _search(connection, wants)
    unknown: dict[int, Address] = {}
    for n, want in enumerate(wants):
        if want.address is not None:
            one = without_known_road(want.address, found[n].houses, crowded=found[n].crowded)
            if one is not None:
                unknown[n] = one
    if unknown:
        again = await _in_streets_alike(connection, unknown.values())
        for (n, address), other in zip(unknown.items(), await _search(connection, again), strict=True):
            if other.alike is None:
                continue
            houses = believed(address, other.alike, other.houses)
            if houses or not (found[n].houses or found[n].crowded):
                found[n] = replace(
                    found[n],
                    houses=houses,
                    rooms=other.rooms_at(houses),
                    crowded=other.crowded,
                    alike=other.alike,
                )
    return found


async def _in_streets_alike(connection: Connection, said: Collection[Address]) -> list[Search]:
    """Return what to search for instead: the addresses, in the streets that may be meant; nothing where there is none.

    No more streets are looked up than a batch may cost, each once.
    """
    keys = {address: said_keys(address.streets) for address in islice(dict.fromkeys(said), MOST_ALIKE)}
    asked = list(dict.fromkeys(key for found in keys.values() for key in found))
    streets: dict[str, list[str]] = {}
    for key, street in await connection.fetch(FIND_ALIKE, asked):
        streets.setdefault(key, []).append(street)
    meant = {
        address: alike(address.streets, ((key, street) for key in looked for street in streets.get(key, ())))
        for address, looked in keys.items()
    }
    return [Search(address=address, alike=found) if (found := meant.get(address)) else Search() for address in said]


async def _search(connection: Connection, wants: Sequence[Search]) -> list[Around]:
    if not any(want.point or want.address or want.slipped for want in wants):
        return [Around()] * len(wants)
    points: dict[int, list[tuple[int, Spot]]] = {}
    houses: dict[int, list[House]] = {}
    rooms: dict[int, list[Customer]] = {}
    accounts = slipped(wants)
    meant: dict[str, dict[str, Customer]] = {}
    crowded: dict[int, set[int]] = {}
    for record in await connection.fetch(FIND_AROUND, *around_arguments(wants)):
        via, n = record["via"], record["n"]
        if via == "room":
            rooms.setdefault(n, []).append(customer_of(record))
            continue
        if via == "slip":
            meant.setdefault(accounts[n], {})[record["account_id"]] = customer_of(record)
            continue
        if record["found"] > MOST_HOUSES:
            crowded.setdefault(n, set()).add(record["step"])
        elif via == "point":
            points.setdefault(n, []).append((record["step"], spot_of(record, latitude(record["lat"]))))
        else:
            house = House(
                record["step"],
                spot_of(record, record["lat"]),
                record["street"],
                record["number"],
                record["building"],
                record["customers"],
            )
            houses.setdefault(n, []).append(house)
    around = []
    for n, want in enumerate(wants):
        read, is_crowded = tuple(houses.get(n, ())), n in crowded
        if want.address is not None:
            read, is_crowded = as_read(want.address, read, crowded.get(n, ()))
        around.append(
            Around(
                tuple(spot for _, spot in sorted(points.get(n, ()))),
                read,
                tuple(sorted(rooms.get(n, ()), key=_by_transformer)),
                crowded=is_crowded,
                slips=meant_of(meant.get(want.slipped or "", {})),
                alike=want.alike,
            )
        )
    return around


def _by_transformer(customer: Customer) -> tuple[str, str]:
    return customer.transformer_id, customer.account_id
