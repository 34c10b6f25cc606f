"""Which of the houses that were found fit an address: of its readings, or in a street that is like the one it names.

Never here: how far to believe them (``candidates``), I/O.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from services.grid.address import STREET_ROW
from services.grid.alike import BY_SHORT_NAME, Alike, How, is_road
from services.grid.parts import apart, is_in
from services.grid.short_names import is_village
from services.grid.steps import ANYWHERE, HOUSE_STEPS, NEIGHBOUR_STEPS, STREET_STEPS
from services.grid.streets import street_names

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from services.grid.address import Address
    from services.grid.found import House


def as_read(said: Address, houses: Sequence[House], crowded: Collection[int]) -> tuple[tuple[House, ...], bool]:
    """Return the houses that an address may mean, and whether there are too many of them.

    Of readings those count that the network has, building and all; where it has none, the street is all that is known.

    Args:
        said: The address.
        houses: What was found.
        crowded: Steps in which more than ``MOST_HOUSES`` were found.
    """
    if said.is_village:
        return _of_a_village(said, houses, crowded)
    if said.part and said.building:
        return _of_a_part(said, houses, crowded)
    if not said.readings:
        return _nearest(houses, crowded)
    if not HOUSE_STEPS.isdisjoint(crowded):
        return (), True
    read = [one for one in houses if one.step in HOUSE_STEPS and (one.number, one.building) in said.readings]
    best = min((one.step for one in read), default=None)
    if best is not None:
        return tuple(one for one in read if one.step == best), False
    return tuple(dict.fromkeys(one for one in houses if one.step in STREET_STEPS)), bool(crowded)


def _nearest(houses: Sequence[House], crowded: Collection[int]) -> tuple[tuple[House, ...], bool]:
    """Return the houses of the first step that found any."""
    best = min((one.step for one in houses), default=None)
    if best is None or (crowded and min(crowded) < best):
        return (), bool(crowded)
    return tuple(dict.fromkeys(one for one in houses if one.step == best)), False


def _of_a_part(said: Address, houses: Sequence[House], crowded: Collection[int]) -> tuple[tuple[House, ...], bool]:
    """Return the houses of the part of an estate that was said.

    A file that has the part has the house in it or not: the house of that number elsewhere is another one. A file that
    names no part has it under its number alone.
    """
    building = said.part + said.building
    if known := [one for one in houses if is_in(said.part, one.building)]:
        its = [one for one in known if one.step not in STREET_STEPS and not apart(building, one.building)]
        return _nearest(its or [one for one in known if one.step in STREET_STEPS], crowded)
    numbered = [one for one in houses if one.step not in STREET_STEPS and not apart(building, one.building)]
    return _nearest(numbered or [one for one in houses if one.step in STREET_STEPS], crowded)


def _of_a_village(said: Address, houses: Sequence[House], crowded: Collection[int]) -> tuple[tuple[House, ...], bool]:
    """Return the houses of the group that was said; in the district that was said rather the village than none."""
    group = street_names(said.estate)
    for only in (
        lambda one: one.step < ANYWHERE and one.street in group,
        lambda one: one.step < ANYWHERE,
        lambda one: one.street in group,
    ):
        if found := tuple(filter(only, houses)):
            return found, False
    return tuple(houses), bool(crowded)


def believed(said: Address, alike: Alike, houses: Sequence[House]) -> tuple[House, ...]:
    """Return the houses by which a street may be meant that is like the one that was said, the likeliest way first.

    The rest of the address must bear it out: the street has the house that was said, in the district that was said. Who
    says no house but the name of an estate may mean one that sounds the same, or is called so for short; not if both an
    estate and a village are called so. Villages alone are: 白桥 is 白桥村.
    """
    numbered = any(site.number for site in said.sites)
    steps = (HOUSE_STEPS | NEIGHBOUR_STEPS if said.near else HOUSE_STEPS) if numbered else STREET_STEPS
    known = (one for one in houses if one.step in steps and _may_lie_there(said, alike, one))
    fit = [one for one in known if said.near or _has_building(said, one)]
    if not numbered:
        fit = [one for one in fit if not is_road(one.street) and alike.how(one.street) in {*BY_SHORT_NAME, How.SOUND}]
    best = min((alike.how(one.street) for one in fit), default=How.SOUND)
    likeliest = tuple(one for one in fit if alike.how(one.street) is best)
    estates = tuple(one for one in likeliest if not is_village(one.street))
    if best is How.SHORT and len(estates) < len(likeliest) and (numbered or estates):
        return estates if numbered else ()
    return likeliest


def _may_lie_there(said: Address, alike: Alike, house: House) -> bool:
    """Tell whether a house may lie in the district that was said; a village without its 村 is by its own name."""
    if not said.district or house.step < ANYWHERE:
        return True
    return alike.how(house.street) is How.SHORT and is_village(house.street)


def without_known_road(said: Address, houses: Sequence[House], *, crowded: bool) -> Address | None:
    """Return the address in which a street may be meant that is like the one it names; None where none need be.

    Nobody has what it names; or they have its road, and not the estate there whose building it names.
    """
    if said.road and said.estate and said.building and not said.is_village:
        if any(one.step not in STREET_STEPS for one in houses):
            return None
        return replace(said, road="", number=STREET_ROW) if houses or crowded else said
    return None if houses or crowded else said


def _has_building(said: Address, house: House) -> bool:
    return not apart(said.part + said.building, house.building)
