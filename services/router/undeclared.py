"""Queues that no tree has any more: the tickets left in one are decided again (ADR 30), a rule for one is told.

Decided here: which queues are declared: those of the tree in force here, and of the trees of other processes that run,
for a tree is rolled out one process after another. Never here: where a ticket goes instead; the tree says that.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from services.router import metrics, store
from services.router.domain.log import GRIDLINE, Did, Event
from services.router.tree.desk import kinds_of_no_ticket, queues_of_no_tree
from services.runtime import clock
from services.runtime.postgres import connected, later_if_away

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.router.acting import Change, Desk

LEASE: Final = timedelta(seconds=15)
"""A tree counts for so long after a process that has it said so. One that is new, or was silent for longer, decides
nothing again before it has listened for as long: two trees never take tickets from each other in turn."""
QUEUE_GONE: Final = "queue_gone"
"""Why a ticket was decided again."""
_EVERY_S: Final = 2.0
_PAGE: Final = 25
"""Decided in one go, in which the process does nothing else: some milliseconds."""
# By the database's clock, which all processes share; a rehearsal of a storm leaves it alone.
_SAY: Final = """
INSERT INTO tree_in_force AS said (tree_hash, queues, since, until) VALUES ($1, $2, now(), now() + $3)
ON CONFLICT (tree_hash) DO UPDATE SET until = excluded.until,
    since = CASE WHEN said.until < now() THEN now() ELSE said.since END
RETURNING since + $3 <= now() AS has_listened
"""
_DECLARED: Final = "SELECT DISTINCT unnest(queues) AS queue FROM tree_in_force WHERE until > now()"
_FORGET: Final = "DELETE FROM tree_in_force WHERE until < now() - interval '1 day'"
# A loose index scan: a look-up a queue, whatever waits in them.
_WAITED_IN: Final = """
WITH RECURSIVE waited_in AS (
    (SELECT queue FROM ticket WHERE state = 'queued' ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT following.queue FROM waited_in CROSS JOIN LATERAL (
        SELECT t.queue FROM ticket AS t WHERE t.state = 'queued' AND t.queue > waited_in.queue ORDER BY t.queue LIMIT 1
    ) AS following
)
SELECT queue FROM waited_in
"""
# Of one queue, so that an index has them in order: of several, all that waits would be sorted for each page.
LEFT: Final = """
SELECT body::text AS body FROM ticket
WHERE state = 'queued' AND queue = $1 ORDER BY rank_at, ticket_id LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_log = structlog.get_logger()


async def watch_queues(desk: Desk, every_s: float = _EVERY_S) -> None:
    """Look again and again, for the life of the service."""
    told: list[str] = []
    while True:
        with later_if_away():
            while await look(desk):
                continue
            told = tell_unknown(desk, told)
        await asyncio.sleep(every_s)


def tell_unknown(desk: Desk, told: list[str]) -> list[str]:
    """Say which queues and types of desk.yaml no rules in force have, once and again when it changes; return them."""
    rules = desk.rules()
    queues, kinds = queues_of_no_tree(rules, desk.book.declared), kinds_of_no_ticket(rules, desk.book.rules.keywords)
    unknown = [*queues, *kinds]
    metrics.DESK_UNKNOWN.set(len(unknown))
    for fault in queues if unknown != told else ():
        _log.warning("desk_names_a_queue_of_no_tree", fault=fault)
    for fault in kinds if unknown != told else ():
        _log.warning("desk_names_a_kind_of_no_ticket", fault=fault)
    return unknown


async def look(desk: Desk, lease: timedelta = LEASE) -> int:
    """Say which queues there are here, hear of others', and for a while decide again what is left; return how many."""
    rules = desk.book.rules
    async with connected(desk.pool) as connection:
        has_listened = await connection.fetchval(_SAY, rules.hash, list(rules.tree.queues), lease)
        declared = {row["queue"] for row in await connection.fetch(_DECLARED)}
        left = {row["queue"] for row in await connection.fetch(_WAITED_IN)} - declared
        await connection.execute(_FORGET)
    desk.book.note_declared(declared)
    return await _decide_again(desk, sorted(left), rules.hash) if left and has_listened else 0


async def _decide_again(desk: Desk, queues: Sequence[str], tree: str) -> int:
    """Decide what waits in these queues by the tree in force, page by page, until it is time to say and hear again.

    What is with an agent stays with them. Between two pages there is as much time for contacts and agents as one took:
    tens of thousands may wait, and nobody else is to wait for them.
    """
    ends, done = clock.monotonic() + _EVERY_S, 0
    for queue in queues:
        moved = 1
        while moved and (began := clock.monotonic()) < ends and desk.book.rules.hash == tree:
            changes = await _page(desk, queue)
            moved = sum(change.after.queue not in queues for change in changes)  # what stays is not looked at at once
            done += moved
            await asyncio.sleep(clock.monotonic() - began)
    if done:
        _log.info("queue_gone", queues=queues, tickets=done, tree_hash=tree)
    return done


async def _page(desk: Desk, queue: str) -> list[Change]:
    now = clock.now()
    again = Event(did=Did.REROUTED, at=now, by=GRIDLINE, reason=QUEUE_GONE)
    async with desk.transaction() as tx:
        rows = await tx.fetch(LEFT, queue, _PAGE)
        changes = [desk.change(store.read(row["body"]), again) for row in rows]
        changes = await desk.keep(tx, changes, now)
    desk.committed(changes)
    return changes
