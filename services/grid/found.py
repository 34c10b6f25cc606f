"""What the network model has for a report's evidence: customers, devices, houses, and what is still to be searched for.

Decided here: how many of each are looked at; of more, none is named. Never here: the looking (``book`` in memory,
``lookup`` in Postgres), or how strongly any of it speaks for a place (``candidates``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.frozen import frozen
from services.contracts.values import CustomerClass, CustomerStatus
from services.grid.address import Address
from services.grid.alike import Alike
from services.grid.evidence import Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_PHONES: Final = 3
"""A number of more customers than this says nothing."""
MOST_HOUSES: Final = 64
"""An address that fits more places than this says nothing."""
MOST_COUNTED: Final = 512
"""Houses of one number that are counted for their transformers, where they are more than that."""
MOST_POINTS: Final = 24
"""Service points around a position that are weighed."""
MOST_ROOMS: Final = 8
MOST_SLIPS: Final = 64
"""Accounts a slip away from the one that was said; of more of them none is meant."""
MOST_SLIPPED: Final = 128
"""Accounts that nobody has whose slips are looked up in one batch. A storm's batch has some tens of them; a sender that
names nothing else would make each batch take five times as long for everybody."""
MOST_DEVICES: Final = 4

Span = tuple[int, int]
_NO_SPAN: Final = (-1, -1)


@frozen()
class Customer:
    """A customer that was found, with the place in the network.

    ``phone`` is as ``phone_key`` gives it, ``span`` is the transformer's (see ``Spot``).
    """

    account_id: str
    transformer_id: str
    feeder: str
    area: str
    phone: str | None
    status: CustomerStatus
    priority: CustomerClass
    language: str | None
    point: Point
    address: str = ""
    span: Span = _NO_SPAN
    voltage_kv: float | None = None


class Spot(NamedTuple):
    """A service point of a transformer, or a device itself.

    ``span`` is that of the transformer or device in the network's depth-first order: what is under it stands between.
    """

    transformer_id: str
    feeder: str
    area: str
    point: Point
    span: Span = _NO_SPAN

    def feeds(self, other: Spot) -> bool:
        """Tell whether another device is fed through this one; no device through itself."""
        return self.span[0] < other.span[0] < self.span[1]


class House(NamedTuple):
    """The customers of one house that one transformer feeds.

    ``step`` says how it was found (see ``steps``): the lowest is the best.
    """

    step: int
    spot: Spot
    street: str
    number: int
    building: str
    customers: int


@frozen()
class Named:
    """Whom and what the evidence names.

    Attributes:
        account: The customer with this account, else the only one whose account is among the numbers in the words.
        phones: Customers with this phone, else with one among those numbers; ``MOST_PHONES`` + 1 stand for any number
            above that.
        devices: Devices that the words name, at most ``MOST_DEVICES``, by name as it was said.
    """

    account: Customer | None = None
    phones: tuple[Customer, ...] = ()
    devices: tuple[Spot, ...] = ()


@frozen()
class Search:
    """What is still to be searched for, once ``Named`` is known: see ``search``.

    ``slipped`` is the key of an account that nobody has: who has one that is a slip away may be meant. ``alike`` are
    the streets to look for the address in, instead of the one it names, which nobody has.
    """

    point: Point | None = None
    address: Address | None = None
    slipped: str | None = None
    alike: Alike | None = None


@frozen()
class Around:
    """What a search found.

    Attributes:
        points: The service points nearest to the position, at most ``MOST_POINTS``.
        houses: Houses the address may mean, of the first step that finds any.
        rooms: Customers with the room that was said, at the transformers of those houses.
        crowded: There are more houses than ``MOST_HOUSES``, so none is named.
        slips: Customers whose account is a slip away from the one that was said; none of more than ``MOST_SLIPS``.
        alike: The streets the houses are of, where nobody has the one that was said.
    """

    points: tuple[Spot, ...] = ()
    houses: tuple[House, ...] = ()
    rooms: tuple[Customer, ...] = ()
    crowded: bool = False
    slips: tuple[Customer, ...] = ()
    alike: Alike | None = None

    def rooms_at(self, houses: Iterable[House]) -> tuple[Customer, ...]:
        """Return the rooms at the transformers of some of the houses."""
        at = {house.spot.transformer_id for house in houses}
        return tuple(one for one in self.rooms if one.transformer_id in at)


def meant_of(found: Mapping[str, Customer]) -> tuple[Customer, ...]:
    """Return who may have been meant of those whose account is a slip away from the one said; nobody of too many."""
    return tuple(found[one] for one in sorted(found)) if len(found) <= MOST_SLIPS else ()
