"""Batches of what other systems know about devices and accounts: each entry goes to the areas it concerns.

Decided here: which areas those are. The current network names one; an outage that opened at the device before the
network changed is in another, and must get the entry too. Never here: what comes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from services.contracts.envelope import fingerprint
from services.contracts.publication import Publication
from services.contracts.values import Name
from services.dedup.store import network
from services.runtime import clock
from services.runtime.postgres import connected
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.contracts.messages import Message
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

MOST: Final = 500
"""Entries in one batch."""


class Posted(BaseModel):
    """One entry: of a device, or of an account and what it hangs on."""

    model_config = ConfigDict(extra="forbid")

    event_id: Name = Field(description="Your own id of the event: the same again changes nothing")
    device: Name | None = None
    account_id: Name | None = None


_Entry = TypeVar("_Entry", bound=Posted)


class At(NamedTuple):
    """Where an entry goes; ``in_force``: the network in force has the device in that area."""

    area: str
    device: str
    in_force: bool


class BatchAccepted(BaseModel):
    """What was taken in, and what belongs to nothing in the network in force."""

    accepted: int
    unknown: list[str] = Field(description="event_id of those whose device or account the network does not have")


def check(what: str, posted: Sequence[Posted], wrong: Callable[[Posted], bool], reason: str) -> None:
    """Refuse a batch with entries that name the wrong number of things.

    Raises:
        Problem: every such entry, by its place.
    """
    errors = [{"field": f"{what}.{n}", "reason": reason} for n, one in enumerate(posted) if wrong(one)]
    if errors:
        raise Problem(422, "some fields do not fit", errors=errors)


async def take_in(
    pool: Pool,
    outbox: Outbox,
    posted: Sequence[_Entry],
    made: Callable[[_Entry, At, datetime], Message],
    *,
    everywhere: bool,
) -> BatchAccepted:
    """Publish what was posted to the areas it concerns.

    Args:
        pool: The database.
        outbox: Where messages go out.
        posted: The entries.
        made: The message of an entry, where it goes, and now.
        everywhere: Whether an area that has an open outage at the device hears of it too, whatever feeds it now.
    """
    now = clock.now()
    async with connected(pool) as connection, connection.transaction():
        accounts = {one.account_id for one in posted if one.device is None and one.account_id}
        known = await network.meters(connection, accounts)
        devices = {one.device for one in posted if one.device}
        areas = await network.areas_of_devices(connection, devices)
        homes = await network.homes_of_outages(connection, devices) if everywhere and devices else {}
        reported = await network.homes_of_accounts(connection, accounts) if everywhere and accounts else {}
        publications, unknown = [], []
        for one in posted:
            same = fingerprint(one)  # of what was said: when it arrived, and where that goes, may change meanwhile
            device, area = known.get(one.account_id or "", (None, None))
            elsewhere = reported.get(one.account_id or "", [])
            if one.device is not None:
                device, area = one.device, areas.get(one.device)
                elsewhere = [(home, one.device) for home in homes.get(one.device, ())]
            at = [] if device is None or area is None else [At(area, device, in_force=True)]
            at += [At(home, there, in_force=False) for home, there in elsewhere if (home, there) != (area, device)]
            if not at:
                unknown.append(one.event_id)
                continue
            publications += [Publication(made(one, place, now), None, same) for place in at]
        await outbox.publish(connection, publications, now)
    outbox.wake()
    return BatchAccepted(accepted=len(posted) - len(unknown), unknown=unknown)
