"""What is known of everyone whom news may concern: where they are, and what they were told. They are locked already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.notify import customers, notices
from services.notify.domain.decide import Book

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from services.notify.domain.incident import News
    from services.runtime.postgres import Connection


async def load(tx: Connection, news: News, of: Collection[UUID] | None = None) -> Book:
    """Load it; or ``of`` these customers alone, where they are in the incidents that the news are of."""
    everyone = {who for one in news.reporters.values() if (who := one.recipient_id)} if of is None else set(of)
    announced = news.announced if of is None else ()
    reporters, subscriptions, settled = await customers.load_members(tx, news, announced, everyone)
    everyone |= {who for one in reporters.values() if (who := one.recipient_id)}
    incidents = news.standings.keys() | {incident for incident, _ in subscriptions}
    return Book(reporters, subscriptions, await notices.load_told(tx, incidents, everyone), settled)
