"""One agent's desktop at the doors of a real router, and what the tests of its work share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from services.contracts.ids import report_id
from services.contracts.messages import ContactReceived, OutageReported, ReportSettled, TicketRouted
from services.contracts.topics import OUTAGE_INPUT, TICKET_ROUTED
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.unit.router.making import contact

if TYPE_CHECKING:
    import httpx

    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk


class Seat:
    """One agent's desktop."""

    def __init__(self, doors: httpx.AsyncClient, agent: str) -> None:
        self.doors, self.agent = doors, agent

    async def ask(self, path: str, *, method: str = "POST", key: str = "supervisor-dev", **body: Any) -> httpx.Response:
        headers = {"X-API-Key": DEVELOPMENT_KEYS[key], **body.pop("headers", {})}
        return await self.doors.request(method, f"/v1/{path}", json=body, headers=headers)

    async def begin(self, *queues: str, capacity: int = 1, languages: tuple[str, ...] = ("zh",)) -> Seat:
        profile = {"queues": list(queues), "capacity": capacity, "languages": list(languages)}
        assert (await self.ask(f"agents/{self.agent}", method="PUT", **profile)).status_code == 200
        assert (await self.presence("available")).status_code == 200
        return self

    async def presence(self, presence: str) -> httpx.Response:
        return await self.ask(f"agents/{self.agent}/presence", method="PUT", presence=presence)

    async def claim(self, **body: Any) -> httpx.Response:
        return await self.ask(f"agents/{self.agent}/claims", key="desktop-dev", **body)

    async def offer(self, wait: float = 0) -> httpx.Response:
        return await self.ask(f"agents/{self.agent}/offers?wait={wait}", key="desktop-dev")

    async def do(self, act: str, ticket: Any, **body: Any) -> httpx.Response:
        return await self.ask(f"tickets/{ticket}/{act}", agent_id=self.agent, **body)


def question(event: str, *, ago: float = 60, **told: Any) -> ContactReceived:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return contact(event, **{"text": "查电费", "occurred_at": at, "received_at": at, **told})


async def at_work(doors: httpx.AsyncClient, desk: Desk, **told: Any) -> tuple[Seat, ContactReceived]:
    """Return an agent, and the question that she has taken and works on."""
    said = question("1", **told)
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim()
    return ann, said


async def let_pass(people: People, moment: str, which: str = "true") -> None:
    """Let a moment of the work on tickets (``until``, ``held_until``) be over since a second."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    work = f"jsonb_set(body::jsonb, '{{work,{moment}}}', to_jsonb($2::text))"
    sql = f"UPDATE ticket SET wake_at = $1, body = {work} WHERE {which}"  # noqa: S608 - names of this file
    await people.pool.execute(sql, past, past.isoformat())


async def published(people: People) -> list[TicketRouted]:
    rows = await people.pool.fetch("SELECT value FROM outbox WHERE topic = $1 ORDER BY id", TICKET_ROUTED.name)
    return [TicketRouted.model_validate_json(row["value"]) for row in rows]


async def reported(people: People) -> list[OutageReported]:
    rows = await people.pool.fetch("SELECT value FROM outbox WHERE topic = $1 ORDER BY id", OUTAGE_INPUT.name)
    return [OutageReported.model_validate_json(row["value"]) for row in rows]


def given_back(of: ContactReceived) -> ReportSettled:
    return ReportSettled(
        report_id=report_id(of.ticket_id),
        ticket_id=of.ticket_id,
        ticket_ref=of.ticket_ref,
        area="S1",
        outcome="needs_person",
        reason="device_unknown",
        language="zh-Hans-CN",
        settled_at=of.received_at,
    )
