"""The rows that Postgres reads for each statement of a connection, by the plan it ran."""

from __future__ import annotations

import json


class Read:
    """A connection that has each statement explained before it runs, and keeps the most rows of one step."""

    def __init__(self, connection):
        self._connection = connection
        self.most = (0, "")

    def __getattr__(self, name):
        attribute = getattr(self._connection, name)
        if name not in {"fetch", "fetchrow", "fetchval", "execute"}:
            return attribute

        async def explained(query, *args):
            if args or query.strip().startswith(("SELECT ", "SELECT\n", "WITH ")):
                back = self._connection.transaction()
                await back.start()
                said = await self._connection.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}", *args)
                await back.rollback()
                self.most = max(self.most, (steps_most(json.loads(said)[0]["Plan"]), query))
            return await attribute(query, *args)

        return explained


def steps_most(plan):
    """Return the most rows that a step of a plan read, handed on or not."""
    removed = sum(plan.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Join Filter", "Index Recheck"))
    here = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return max(here, *map(steps_most, plan.get("Plans", ())), 0)
