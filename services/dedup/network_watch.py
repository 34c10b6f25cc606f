"""Informing areas that the network now feeds their open outages differently.

Each finding becomes an ``OutageMoved`` in the area's own topic, once per incident and network, so that a replay of the
topic sees it too. Never here: what comes of it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.envelope import fingerprint
from services.contracts.messages import OutageMoved
from services.contracts.publication import Publication
from services.dedup.store import network
from services.runtime import clock
from services.runtime.postgres import connected, later_if_away

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from services.dedup.ground import Ground
    from services.dedup.store.network import Moved
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

_LOOKS: Final = 12
"""Looks after a change: a batch decided on the network of before may still be on its way to the database."""
_AGAIN: Final = 12
"""Rounds after which it is looked again although nothing changed: what was merged meanwhile may be open once more."""
_PAGE: Final = 5000
_log: Final = structlog.get_logger()


async def tell_moved(
    pool: Pool,
    outbox: Outbox,
    label: str,
    now: datetime,
    sent: set[UUID],
    *,
    areas: Collection[str] | None = None,
) -> int:
    """Tell the areas of incidents that network ``label`` has elsewhere; return how many messages that took.

    Args:
        pool: The database.
        outbox: Where messages go out.
        label: Version and revision of the network in force.
        now: By our clock.
        sent: What was told already of this network; it is not told again.
        areas: Those in which to look at the devices of every open report too, which costs by their number; None: all.
    """
    async with connected(pool) as connection, connection.transaction():
        moved = await network.moved_incidents(connection, label)
        steps = await network.refed_devices(connection, areas) if areas is None or areas else []
        messages = [_told(one, label, now, area=one.area, now_in=one.now_in) for one in moved]
        messages += [_told(one, label, now, area=one.now_in or one.area, now_in=one.area) for one in steps]
        fresh = [message for message in messages if message.message_id not in sent]
        # Several processes look, each in its own moment: what they find of one incident and network is one word.
        publications = [
            Publication(message, None, fingerprint(message, without=("noticed_at", "refed", "since")))
            for message in fresh
        ]
        await outbox.publish(connection, publications, now)
    sent.update(message.message_id for message in fresh)
    if fresh:
        outbox.wake()
        _log.info("network_moved_incidents", version=label, messages=len(fresh))
    return len(fresh)


def _told(one: Moved, label: str, now: datetime, *, area: str, now_in: str | None) -> OutageMoved:
    return OutageMoved(
        area=area,
        incident_id=one.incident_id,
        home=one.area,
        device=one.device,
        network=label,
        noticed_at=now,
        now_in=now_in,
        refed=one.devices[:_PAGE],
        since=one.since,
    )


async def watch_network(pool: Pool, outbox: Outbox, ground: Ground, every_s: float) -> None:
    """Look at open incidents once a network is in force that they may not have been opened in, for life."""
    label, looks, rounds, done = "", 0, 0, 0
    sent: set[UUID] = set()
    while True:
        rounds += 1
        ground.switched.clear()
        current, generation = ground.network, ground.generation
        if current is not None and str(current) != label:
            label, looks = str(current), _LOOKS
            sent.clear()
        with later_if_away():
            if looks or (label and rounds % _AGAIN == 0):
                areas = ground.changed_since(done) if looks in {_LOOKS, 1} else ()
                await tell_moved(pool, outbox, label, clock.now(), sent, areas=areas)
                looks = max(0, looks - 1)
                if not looks:
                    done = generation  # looked at whatever changed until then, to the end
        with suppress(TimeoutError):
            await asyncio.wait_for(ground.switched.wait(), every_s)
