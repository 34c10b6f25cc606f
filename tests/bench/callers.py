"""How soon a caller hears whether the outage is known: calls start at a steady rate beside other contacts.

Intake, notify, Kafka and Postgres as they are, over a network of 100,000 customers of whom every second feeder is out.
Each caller's place is looked up by the number; latency counts from when the call's start was due. Decided here: that
what a caller hears is right is checked before and after, since the answer in time that says nothing is known is cheap.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer

from services.cli.commands.storm import development_senders
from services.contracts.envelope import encode
from services.contracts.ids import derive
from services.contracts.messages import IncidentChanged
from services.contracts.topics import INCIDENT_CHANGED
from services.contracts.values import Channel, DeviceRef, Etr, IncidentState
from services.runtime import clock
from services.runtime.cluster import apply_topics
from tests.bench import http_load
from tests.bench.grids import MEDIUM
from tests.bench.intake import requests_of_doors
from tests.bench.machine import watched
from tests.bench.report import Figure, Reach, percentile
from tests.bench.workload import as_http

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.runtime.settings import ServiceSettings
    from tests.bench.http_load import Load
    from tests.bench.plan import Plan
    from tests.bench.servers import Process

GROUP = "callers: from a call's start to what the IVR says, beside 300 other contacts/s"
REACH = Reach("under", 150.0)
_CALLS_PER_S = 25.0  # of each kind
_BESIDE_PER_S = 300.0
_WARM_SECONDS = 2.0
_PATH = "/v1/phone/events"
_PLACES = """
SELECT c.phone, d.area, d.feeder FROM grid.customer AS c
JOIN grid.device AS d ON d.version = c.version AND d.id = c.transformer_id
WHERE c.version = (SELECT version FROM grid.network_version WHERE is_current) AND c.phone <> '' AND c.status = 'active'
ORDER BY c.account_id
"""


def measure(plan: Plan) -> None:
    """Measure callers who are told of a known outage, and callers who are asked to report, at once."""
    seconds = plan.scaled(30.0, quick=8.0)
    grid = plan.grids.imported(MEDIUM)
    prefix = plan.servers.prefix()
    settings = plan.servers.settings(grid.dsn, prefix)
    asyncio.run(apply_topics(settings))
    places = asyncio.run(_places(grid.dsn))
    feeders = sorted({(area, feeder) for _, area, feeder in places})
    out = {feeder for _, feeder in feeders[::2]}
    asyncio.run(_publish(settings, [_incident(area, feeder) for area, feeder in feeders[::2]]))
    callers = {
        "known": [phone for phone, _, feeder in places if feeder in out],
        "not_known": [phone for phone, _, feeder in places if feeder not in out],
    }
    with ExitStack() as running:
        plan.tell("callers: starting notify and intake")
        notify = running.enter_context(plan.servers.running("notify", grid.dsn, prefix))
        url = f"http://127.0.0.1:{notify.port}"
        intake = running.enter_context(plan.servers.running("intake", None, prefix, GRIDLINE_NOTIFY_URL=url))
        wanted = int(_CALLS_PER_S * (_WARM_SECONDS + seconds))
        calls = {kind: as_calls(_spread(phones, wanted)) for kind, phones in callers.items()}
        beside = as_http(requests_of_doors()["app"])[: int(_BESIDE_PER_S * (_WARM_SECONDS + seconds))]
        _until_heard(intake, {kind: phones[0] for kind, phones in callers.items()})
        plan.tell(f"callers: {2 * _CALLS_PER_S:g} calls/s beside {_BESIDE_PER_S:g} contacts/s for {seconds:g} s")
        with watched() as spell:
            loads = plan.run(_send(intake.port, calls, beside))
        _until_heard(intake, {kind: phones[-1] for kind, phones in callers.items()})
        unanswered = _unanswered(intake)
    warm = int(_CALLS_PER_S * _WARM_SECONDS)
    for kind, load in loads.items():
        latencies = load.latencies[warm:]
        plan.results.add(
            GROUP,
            Figure(f"{kind}, p50", "ms", [1000 * percentile(latencies, 0.50)], note=f"{len(latencies)} calls"),
            Figure(f"{kind}, p99", "ms", [1000 * percentile(latencies, 0.99)], REACH, spells=[spell]),
        )
    share = 100 * unanswered / (2 * wanted)
    plan.results.add(GROUP, Figure("not answered in time", "%", [share], None, "told that nothing is known"))


async def _places(dsn: str) -> list[tuple[str, str, str]]:
    """Return every customer's number, area and feeder."""
    connection = await asyncpg.connect(dsn)
    try:
        return [(row["phone"], row["area"], row["feeder"]) for row in await connection.fetch(_PLACES)]
    finally:
        await connection.close()


def _incident(area: str, feeder: str) -> IncidentChanged:
    now = clock.now()
    return IncidentChanged(
        incident_id=derive("bench incident", feeder),
        revision=1,
        state=IncidentState.CONFIRMED,
        area=area,
        reports=40,
        customers_served=300,
        device=DeviceRef(id=feeder, type="breaker"),
        opened_at=now,
        changed_at=now,
        etr=Etr(at=now + timedelta(hours=3)),
        reason="bench",
    )


async def _publish(settings: ServiceSettings, incidents: Sequence[IncidentChanged]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all") as producer:
        for one in incidents:
            record = encode(one, topic=INCIDENT_CHANGED.name, source="gridline/bench")
            topic = settings.topic_prefix + record.topic
            await producer.send_and_wait(topic, record.value, key=record.key, headers=list(record.headers))


def _spread(phones: Sequence[str], wanted: int) -> list[str]:
    """Return callers from all over the network."""
    return [phones[number * len(phones) // wanted] for number in range(wanted)]


def as_calls(phones: Sequence[str]) -> list[bytes]:
    """Return calls' starts, ready to send."""
    return [http_load.post(_PATH, _call(phone), _headers()) for phone in phones]


def _call(phone: str) -> bytes:
    event = {"external_call_id": f"call-{phone}", "event": "started", "occurred_at": clock.now().isoformat()}
    return json.dumps({**event, "ani": phone, "language": "zh-CN"}).encode()


def _headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "X-API-Key": development_senders().keys[Channel.PHONE]}


def _until_heard(intake: Process, callers: dict[str, str]) -> None:
    """Return once a caller of each kind hears what is so.

    Raises:
        RuntimeError: they do not.
    """
    heard: dict[str, str] = {}
    with httpx.Client(base_url=f"http://127.0.0.1:{intake.port}", headers=_headers(), timeout=10) as client:
        for _ in range(200):
            intake.check()
            heard = {kind: client.post(_PATH, content=_call(phone)).json()["outage"] for kind, phone in callers.items()}
            if all(kind == said for kind, said in heard.items()):
                return
    raise RuntimeError(f"callers hear {heard}")


def _unanswered(intake: Process) -> float:
    page = httpx.get(f"http://127.0.0.1:{intake.port}/metrics", timeout=10).text
    name = 'gridline_intake_announcements_total{outcome="unanswered"} '
    return float(page.partition(name)[2].partition("\n")[0] or 0)


async def _send(port: int, calls: dict[str, list[bytes]], beside: Sequence[bytes]) -> dict[str, Load]:
    """Send all three together; return the calls' loads."""
    kinds = [http_load.opened(port, one, rate=_CALLS_PER_S, connections=64) for one in calls.values()]
    *loads, _ = await asyncio.gather(*kinds, http_load.opened(port, beside, rate=_BESIDE_PER_S, connections=128))
    return dict(zip(calls, loads, strict=True))
