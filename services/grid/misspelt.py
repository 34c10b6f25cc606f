"""The streets in Postgres that may be meant by addresses whose own street nobody has.

Decided here: nothing; ``alike`` decides which are meant. One query a batch, each key an index look-up. Never here:
where those streets are (``lookup``).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from services.grid.alike import MOST_STREETS, alike, said_keys
from services.grid.found import Search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.runtime.postgres import Connection

MOST_ALIKE: Final = 128
"""Addresses of one batch whose streets are looked for: who sends many that nobody has is not paid for by everybody."""
# ruff: noqa: S608 - the only text put into the query is ours, and constant
FIND_ALIKE: Final = f"""
SELECT asked.key, s.street
FROM unnest($1::text[]) AS asked (key) CROSS JOIN LATERAL (
    SELECT street FROM grid.street_key
    WHERE version = (SELECT version FROM grid.network_version WHERE is_current) AND key = asked.key
    ORDER BY street
    LIMIT {MOST_STREETS + 1}
) AS s
"""


async def in_streets_alike(connection: Connection, wants: Sequence[Search]) -> list[Search]:
    """Return what to search for instead: the addresses, in the streets that may be meant; nothing where there is none.

    No more streets are looked up than a batch may cost, each once.
    """
    addresses = list(islice(dict.fromkeys(want.address for want in wants if want.address is not None), MOST_ALIKE))
    keys = {address: said_keys(address.streets) for address in addresses}
    asked = list(dict.fromkeys(key for found in keys.values() for key in found))
    streets: dict[str, list[str]] = {}
    for key, street in await connection.fetch(FIND_ALIKE, asked):
        streets.setdefault(key, []).append(street)
    meant = {
        address: alike(address.streets, ((key, street) for key in keys[address] for street in streets.get(key, ())))
        for address in addresses
    }
    nothing = Search()
    return [
        Search(address=want.address, alike=found)
        if want.address is not None and (found := meant.get(want.address)) is not None
        else nothing
        for want in wants
    ]
