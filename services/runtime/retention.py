"""How long the kernel's rows are kept, and their deletion in bounded steps.

An id must be remembered for longer than its record can come again: longer than any topic keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.topics import TOPICS

if TYPE_CHECKING:
    from services.runtime.postgres import Connection

PUBLISHED_DAYS: Final = 14
SEEN_DAYS: Final = 15 + max(topic.retention_ms for topic in TOPICS) // (24 * 3600 * 1000)

_ROWS: Final = 10_000
# The oldest by an index: most of the time nothing is past its time, and no table is read through to learn that. Ids of
# the outbox are drawn in the order of time.
_OUTBOX: Final = """
DELETE FROM outbox WHERE id IN (
    SELECT id FROM (
        SELECT id, created_at FROM outbox AS o
        WHERE NOT EXISTS (SELECT FROM outbox_waiting AS w WHERE w.id = o.id)
        ORDER BY id LIMIT $2
    ) AS published
    WHERE created_at < now() - $1 * interval '1 day'
)
"""
_INBOX: Final = """
DELETE FROM inbox WHERE id IN (
    SELECT id FROM inbox WHERE seen_at < now() - $1 * interval '1 day' ORDER BY seen_at LIMIT $2
)
"""


async def prune(connection: Connection) -> bool:
    """Delete some of what is past its time: published outbox rows, and ids whose records are long gone.

    Returns:
        Whether there is more: then come again soon, as more may be made in the meantime than one step deletes.
    """
    said = [
        await connection.execute(_OUTBOX, PUBLISHED_DAYS, _ROWS),
        await connection.execute(_INBOX, SEEN_DAYS, _ROWS),
    ]
    return f"DELETE {_ROWS}" in said
