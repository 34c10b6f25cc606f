"""Where power is back, by the lines of a restorations file.

Decided here: which device or customer a line names, and what lines of one moment say together: a file that lists every
customer of an outage, or every transformer, says that its device is back. Never here: what a restoration closes.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from services.grid.accounts import account_spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from services.dedup.replay_files import Restoration
    from services.dedup.replay_reports import Served
    from services.grid.tree import Tree

_ALL: Final = 0.9
"""Share of the customers of a device that is all of them: some are cut off, or moved in since."""


class PowerBack(NamedTuple):
    """Power is back at a device and all under it; with ``account_id``, at that customer's alone."""

    at: datetime
    device: str
    account_id: str | None


def power_back(restored: Iterable[Restoration], served: Served) -> tuple[list[PowerBack], list[str]]:
    """Return where power came back, by time, and what the lines name that the network does not have."""
    found: list[PowerBack] = []
    unknown: list[str] = []
    for one in sorted(restored, key=attrgetter("restored_at")):
        said = one.device_or_account
        if (back := _named(said, one.restored_at, served)) is None:
            unknown.append(said)
        else:
            found.append(back)
    told: list[PowerBack] = []
    for _, at_once in groupby(found, key=attrgetter("at")):
        told += _as_one(list(at_once), served.tree)
    return told, unknown


def _named(said: str, at: datetime, served: Served) -> PowerBack | None:
    what = said
    if said not in served.homes and said not in served.tree:
        device = next((one for one in account_spellings(said) if one in served.tree), None)
        what = served.book.account(said) or device or said
    home = served.homes.get(what)
    if home is not None:
        return PowerBack(at, home, what)
    return PowerBack(at, what, None) if what in served.tree else None


def _as_one(told: Sequence[PowerBack], tree: Tree) -> Iterator[PowerBack]:
    """Yield what was told at one moment, with a device in place of all that was told under it where that is all of it.

    The lowest device that all of it is under: what lies between that and the ones above could not tell them apart.
    """
    if len(told) == 1:
        yield told[0]
        return
    under: dict[str, list[PowerBack]] = defaultdict(list)
    for one in dict.fromkeys(told):
        for device in tree.chain(one.device):
            under[device].append(one)
    whole = {device for device, places in under.items() if len(places) > 1 and _is_all_of(device, places, tree)}
    done: set[str] = set()
    for one in told:
        top = next((device for device in reversed(tree.chain(one.device)) if device in whole), None)
        if top is None:
            yield one
        elif top not in done:
            done.add(top)
            yield PowerBack(one.at, tree.common_ancestor(place.device for place in under[top]) or top, None)


def _is_all_of(device: str, told: Iterable[PowerBack], tree: Tree) -> bool:
    """Tell whether places under a device are all of its customers, but for a few."""
    back: dict[str, set[str | None]] = defaultdict(set)
    for one in told:
        back[one.device].add(one.account_id)
    customers = 0
    for place, accounts in back.items():
        if not any(above in back and None in back[above] for above in tree.chain(place)[1:]):
            customers += tree.customers_under(place) if None in accounts else len(accounts)
    return customers >= max(2, _ALL * tree.customers_under(device))
