"""What lies around an incident in the network: its feeder, who called where, what else is open there.

For a picture. Never here: a decision, a customer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.grid.tree import Tree

MOST: Final = 5000
"""A feeder of more devices is shown only from the incident's own device down."""


class Around(NamedTuple):
    """One device of the feeder.

    Attributes:
        dark: Whether it is at or under the incident's device.
        reports: Of the incident, at this device.
        incident: An open outage that is predicted here.
    """

    id: str
    parent: str | None
    type: str
    normally_open: bool
    lat: float
    lon: float
    customers: int
    dark: bool
    reports: int
    incident: UUID | None


def surroundings(tree: Tree, device: str, reports: Mapping[str, int], standing: Mapping[str, UUID]) -> list[Around]:
    """Return the incident's feeder and the way up to the substation, a parent before its children.

    Args:
        tree: The network, which has ``device``.
        device: Where the incident stands.
        reports: Its reports by device.
        standing: Open outages of the area by device.
    """
    top = tree.feeder_of(device)
    first, last = tree.span(top)
    if last - first > MOST:
        top = device
    shown = [*reversed(tree.ancestors(top)), *(one for one in tree.under(top))]
    return [
        Around(
            known.id,
            known.parent,
            known.type.value,
            known.normally_open,
            known.lat,
            known.lon,
            known.customer_count,
            tree.is_under(one, device),
            reports.get(one, 0),
            standing.get(one),
        )
        for one in shown
        for known in (tree.device(one),)
    ]
