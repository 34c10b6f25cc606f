"""Who uses the stack while it breaks: customers, agents, dispatchers and crews, and somebody hostile.

Decided here: what they do; everything is tried again after 502, 503 and no answer, under the same id. Never here: what
must become of it (``checks``).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import httpx

from services.cli.commands.storm import development_senders
from services.dedup.keys import DEVELOPMENT_KEYS as DEDUP_KEYS
from services.router.tree.keys import DEVELOPMENT_KEYS as ROUTER_KEYS
from services.runtime import clock
from services.simulator.generate import draw_storm
from services.simulator.payloads import at_steady_rate, begun_before, events_of, render
from services.simulator.shape import Shape
from tests.soak.dispatchers import DISPATCHERS, Dispatcher

if TYPE_CHECKING:
    from services.simulator.payloads import Request
    from tests.soak.stack import Stack

FAULTS_A_SECOND = 8
ACTS = (
    ["complete"],
    ["contact", "wrap-up", "complete"],
    ["contact", "wrap-up"],  # whoever never ends it loses it to its limit
    ["place", "complete"],
    ["merge"],
    ["merge", "unmerge", "complete"],
    ["urge", "complete"],
    ["return"],
    ["transfer"],
    ["decline"],
    [],
)
SAID = {
    "complete": {"outcome": "solved"},
    "contact": {"outcome": "reached"},
    "return": {"reason": "wrong_queue"},
    "transfer": {"to_queue": "general", "reason": "busy"},
    "urge": {"reason": "customer"},
    "decline": {"reason": "busy"},
    "unmerge": {"reason": "other_matter"},
}
STAGES = ("assigned", "en_route", "arrived", "restored", "restored", "unfounded")
DOORS = ("web/reports", "app/reports", "phone/events", "events", "wechat/gh_gridline_dev", "sms/generic/x", "nothing")
RUBBISH = (
    *(
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 50_000,
        b"null",
        b"<xml/>",
        b'{"event_id": NaN}',
        b'{"event_id":"h","text":"\\u0000"}',
    ),
    b'{"event_id":"x","text":"' + b"x" * 2_000_000 + b'"}',
)
OPEN = """
SELECT order_id::text FROM dedup.incident WHERE state NOT IN ('restored', 'cancelled')
ORDER BY md5(incident_id::text || $1) LIMIT 1
"""


def contacts(stack: Stack, seed: int, seconds: float) -> list[Request]:
    """A storm on every channel: a tenth of it sent again at any time, an eighth out of order."""
    storm = draw_storm(stack.network, Shape(faults=int(FAULTS_A_SECOND * seconds)), seed=seed)
    events = events_of(storm)
    made = render(storm, events, begun_before(clock.now(), events), development_senders())
    for again in stack.rng.sample(made, len(made) // 10):
        made.insert(stack.rng.randrange(len(made)), replace(again, resend=True))
    for _ in range(len(made) // 8):
        one, other = stack.rng.randrange(len(made)), stack.rng.randrange(len(made))
        made[one], made[other] = made[other], made[one]
    return at_steady_rate(made, seconds)


class People:
    """Everybody but the customers. ``odd`` are answers that nobody should ever get."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._stack = stack
        self._seed = seed
        self._dice = random.Random(f"{seed} people")
        self.statuses: Counter[str] = Counter()
        self.acts: Counter[str] = Counter()
        self.odd: list[str] = []

    async def work(self, seconds: float) -> None:
        """Do all of it for a while."""
        ends = clock.monotonic() + seconds
        async with httpx.AsyncClient(timeout=8, trust_env=False) as self._client, asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(self._agent(number, ends))
            for number in range(DISPATCHERS):
                dispatcher = Dispatcher(self._stack, f"{self._seed}-d{number}", self._ask, self._count)
                group.create_task(dispatcher.work(ends))
            group.create_task(self._field(ends))
            group.create_task(self._hostile(ends))

    async def _ask(self, method: str, name: str, path: str, key: str, **said) -> httpx.Response | None:
        headers = {"X-API-Key": key, **said.pop("headers", {})}
        for _ in range(5):
            url = f"{self._stack.url(name, self._dice.randrange(9))}/v1/{path}"
            try:
                answer = await self._client.request(method, url, headers=headers, **said)
            except httpx.HTTPError:
                await asyncio.sleep(0.5)
                continue
            self.statuses[f"{name} {answer.status_code}"] += 1
            if answer.status_code in {502, 503}:
                await asyncio.sleep(0.5)
                continue
            if answer.status_code >= 500:
                self.odd.append(f"{method} {path} is answered {answer.status_code} {answer.text[:200]}")
            return answer
        return None

    def _count(self, act: str) -> None:
        self.acts[act] += 1

    async def _agent(self, number: int, ends: float) -> None:
        dice, name, key = random.Random(f"{self._seed} {number}"), f"a{number}", ROUTER_KEYS["supervisor-dev"]

        async def ask(method: str, path: str, **body):
            return await self._ask(method, "router", path, key, **({"json": body} if body else {}))

        while clock.monotonic() < ends:
            await ask("PUT", f"agents/{name}", queues=["*"], languages=["*"], capacity=1 + number % 3)
            await ask("PUT", f"agents/{name}/presence", presence="available")
            other = ""
            for _ in range(dice.randint(3, 12)):
                offered = dice.random() < 0.5
                answer = await ask("POST", f"agents/{name}/{'offers?wait=2' if offered else 'claims'}")
                if answer is None or answer.status_code != 200:
                    await asyncio.sleep(0.3)
                    continue
                ticket, account = answer.json()["ticket_id"], dice.choice(self._stack.network.customers).account_id
                about = {
                    "place": {"account_id": account},
                    "merge": {"into": other or ticket, "reason": "same_matter", "across_customers": True},
                }
                for act in (*(["accept"] if offered else []), *dice.choice(ACTS)):
                    said = {**SAID.get(act, {}), **about.get(act, {})}
                    if act not in {"merge", "unmerge"}:
                        said["agent_id"] = name
                    for _ in range(1 + (dice.random() < 0.1)):
                        told = await ask("POST", f"tickets/{ticket}/{act}", **said)
                        self.acts[f"{act} {told.status_code if told else 'no answer'}"] += 1
                other = ticket
            if dice.random() < 0.2:
                await ask("PUT", f"agents/{name}/presence", presence="offline")

    async def _field(self, ends: float) -> None:
        dice, number = random.Random(f"{self._seed} field"), 0
        while clock.monotonic() < ends:
            await asyncio.sleep(0.4)
            number += 1
            try:
                connection = await self._stack.connect()
                found = await connection.fetch(OPEN, str(number))
                await connection.close()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                continue
            if not found:
                continue
            now, what = clock.now().isoformat(), dice.random()
            if what < 0.7:
                body = {"progress_id": f"p{number}", "stage": dice.choice(STAGES), "at": now}
                path = f"orders/{found[0]['order_id']}/progress"
            else:
                device, account = dice.choice(self._stack.network.devices), dice.choice(self._stack.network.customers)
                where = {"device": device.id} if dice.random() < 0.7 else {"account_id": account.account_id}
                path, body = "restorations", {"restorations": [{"event_id": f"r{number}", "restored_at": now, **where}]}
            for _ in range(dice.choice([1, 1, 2])):
                await self._ask("POST", "dedup", path, DEDUP_KEYS["field-dev"], json=body)

    async def _hostile(self, ends: float) -> None:
        dice = random.Random(f"{self._seed} hostile")
        keys = [f"gridline-dev-{name}-key" for name in ("web", "app", "ivr", "nobody")]
        while clock.monotonic() < ends:
            await asyncio.sleep(dice.uniform(0.1, 0.6))
            body, kind = dice.choice(RUBBISH), {"content-type": "application/json"}
            answer = await self._ask(
                "POST", "intake", dice.choice(DOORS), dice.choice(keys), content=body, headers=kind
            )
            if answer is not None and answer.status_code == 202:
                self.odd.append(f"rubbish is accepted: {json.dumps(body[:80].decode('latin-1'))}")
