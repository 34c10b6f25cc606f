"""Dispatchers at work while the stack breaks: they merge, split, move, place and plan, and take back what they like.

Decided here: what they do, at a rate that gives every episode some dozens of each. Several work at once and do not ask
each other, so that commands meet incidents which another has just changed. Whatever is refused is refused: the answers
are counted. Never here: what must become of it (``checks``).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import asyncpg

from services.dedup.keys import DEVELOPMENT_KEYS
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from tests.soak.stack import Stack

DISPATCHERS: Final = 4
KEY: Final = DEVELOPMENT_KEYS["desk-dev"]
REMEMBERED: Final = 12
"""Commands of one dispatcher that may still be taken back: in any order, so that some have later ones on top."""
ACTS: Final = ("merge",) * 5 + ("split",) * 4 + ("move",) * 3 + ("undo",) * 7 + ("confirm", "relate", "place", "plan")
# Of one area, as what lies in two cannot be merged: the one that was hit, and those beside it.
OPEN: Final = """
WITH hit AS (
    SELECT area FROM dedup.incident WHERE state NOT IN ('restored', 'cancelled')
    ORDER BY md5(incident_id::text || $1) LIMIT 1
)
SELECT incident_id::text, device_id, ARRAY(
    SELECT report_id::text FROM dedup.membership AS m WHERE m.incident_id = i.incident_id
    GROUP BY report_id HAVING sum(CASE action WHEN 'joined' THEN 1 ELSE -1 END) > 0 ORDER BY report_id LIMIT 12
) AS reports
FROM dedup.incident AS i JOIN hit USING (area) WHERE state NOT IN ('restored', 'cancelled')
ORDER BY md5($1 || incident_id::text) LIMIT 3
"""
WAITING: Final = """
SELECT report_id::text, area FROM dedup.report
WHERE outcome = 'needs_person' ORDER BY md5(report_id::text || $1) LIMIT 1
"""


class Dispatcher:
    """One of them; ``ask`` posts a command to dedup and gives up after a while, ``counted`` is told of each answer."""

    def __init__(
        self,
        stack: Stack,
        name: str,
        ask: Callable[..., Awaitable[httpx.Response | None]],
        counted: Callable[[str], None],
    ) -> None:
        self._stack = stack
        self._name = name
        self._ask = ask
        self._counted = counted
        self._dice = random.Random(name)
        self._number = 0
        self._given: deque[str] = deque(maxlen=REMEMBERED)
        self._plans: deque[dict[str, str]] = deque(maxlen=REMEMBERED)

    async def work(self, ends: float) -> None:
        """Do it until then."""
        while clock.monotonic() < ends:
            await asyncio.sleep(self._dice.uniform(0.0, 0.4))
            self._number += 1
            try:
                connection = await self._stack.connect()
                try:
                    found = await connection.fetch(OPEN, f"{self._name} {self._number}")
                    waiting = await connection.fetch(WAITING, f"{self._name} {self._number}")
                finally:
                    await connection.close()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                continue  # it is being broken
            await self._act(self._dice.choice(ACTS), found, waiting)

    async def _act(self, act: str, found: list[asyncpg.Record], waiting: list[asyncpg.Record]) -> None:
        if act == "undo" and self._given:
            await self._command(f"commands/{self._dice.choice(self._given)}/undo", {}, remember=False)
        elif act == "place" and waiting:
            await self._place(waiting[0])
        elif act == "plan" and found:
            await self._plan(found[0])
        elif act in {"merge", "split", "move", "confirm", "relate"} and found:
            one, other = found[0], found[-1]
            some = self._some(one["reports"])
            said: dict[str, object] = {
                "merge": {"into": other["incident_id"]},
                "relate": {"to": other["incident_id"]},
                "move": {"to": other["incident_id"], "reports": some},
                "split": {"reports": some, **({"device": self._near(one)} if self._dice.random() < 0.3 else {})},
                "confirm": {"device": self._near(one)} if self._dice.random() < 0.6 else {},
            }[act]
            await self._command(f"incidents/{one['incident_id']}/{act}", said)

    async def _place(self, report: asyncpg.Record) -> None:
        tree = self._stack.network.tree
        there = [device for device in tree if tree.area_of(device) == report["area"]]
        if there:
            await self._command(f"reports/{report['report_id']}/place", {"device": self._dice.choice(there)})

    async def _plan(self, incident: asyncpg.Record) -> None:
        """Enter the planned outage that an incident was all along, say whether it is; move an end or cancel one."""
        begins = clock.now() - timedelta(hours=2)
        entered = {"device": incident["device_id"], "starts_at": begins.isoformat(), "ends_at": self._soon()}
        answer = await self._command("planned-outages", entered, remember=False)
        if answer is None or answer.status_code not in {200, 202}:
            return
        entered = {**entered, "planned_id": answer.json()["subject"]}
        self._plans.append(entered)
        await asyncio.sleep(self._dice.uniform(0, 1))
        act = self._dice.choice(["accept-plan", "accept-plan", "decline-plan"])
        await self._command(f"incidents/{incident['incident_id']}/{act}", {"planned_id": entered["planned_id"]})
        what, plan = self._dice.random(), dict(self._dice.choice(self._plans))
        path = f"planned-outages/{plan.pop('planned_id')}"
        if what < 0.3:
            await self._command(f"{path}/cancel", {}, remember=False)
        elif what < 0.6:
            await self._command(path, {**plan, "ends_at": self._soon()}, remember=False, method="PUT")

    def _soon(self) -> str:
        """When planned work ends: mostly after the episode, now and then at once."""
        return (clock.now() + timedelta(seconds=self._dice.choice([3, 7200, 7200, 9000]))).isoformat()

    def _some(self, reports: list[str]) -> list[str]:
        return self._dice.sample(reports, self._dice.randint(min(1, len(reports)), len(reports)))

    def _near(self, incident: asyncpg.Record) -> str:
        """The incident's device, or one above it."""
        tree, device = self._stack.network.tree, incident["device_id"]
        while device in tree and self._dice.random() < 0.5 and (above := tree.parent(device)) is not None:
            device = above
        return device

    async def _command(
        self, path: str, more: dict[str, object], *, remember: bool = True, method: str = "POST"
    ) -> httpx.Response | None:
        """Give a command; now and then again, as a desk does that heard nothing."""
        self._number += 1
        body = {"command_id": f"{self._name}-{self._number}", "reason": "soak", **more}
        what = "change-plan" if method == "PUT" else path.rsplit("/", 1)[-1]
        answer = None
        for _ in range(1 + (self._dice.random() < 0.1)):
            wait = self._dice.choice(["", "?wait=0", "?wait=0", "?wait=0"])
            answer = await self._ask(method, "dedup", path + wait, KEY, json=body, headers={"If-Match": "*"})
            self._counted(f"desk {what} {answer.status_code if answer else 'no answer'}")
        if remember and answer is not None and answer.status_code in {200, 202}:
            self._given.append(answer.json()["command_id"])
        return answer
