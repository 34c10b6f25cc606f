"""How many contacts a second the intake accepts, against the least endpoint that puts a body on the same Kafka.

The two run by turns, A B B A, in closed loop; the figure is the ratio within each pair, so that a neighbour who comes
and goes falls on both. Then both get the same open load at half the floor's capacity, for latency.

Fair in both directions: the floor gets the very bytes that the product gets, signature headers included, though it
looks at none of them; only the path differs. All is rendered and signed before the clock starts, so the generator,
which shares the machine's cores, has the same work for both. A signature is good for minutes: those of one figure are
made right before it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import yaml

from services.contracts.topics import CONTACT_RECEIVED
from services.contracts.values import Channel
from services.intake.credentials import signing_key
from services.intake.settings import IntakeSettings
from services.runtime import clock
from services.runtime.cluster import apply_topics
from services.simulator.shape import Shape
from tests.bench import http_load
from tests.bench.grids import SMALL
from tests.bench.machine import Spell, processor_seconds, watched
from tests.bench.report import Figure, Reach, percentile
from tests.bench.workload import START, Storms, as_http, requests_of

if TYPE_CHECKING:
    from pathlib import Path

    from services.simulator.payloads import Request
    from tests.bench.http_load import Load
    from tests.bench.plan import Plan
    from tests.bench.servers import Process

GROUP = "intake: contacts accepted over HTTP (202 after acks=all)"
REACH = Reach("at least", 80.0)
CONNECTIONS = 64
_DISTINCT = 12_000
_WARM_SECONDS = 1.0
_FLOOR_PATH = "/v1/reports"
_DOORS = {"app": Channel.APP, "phone": Channel.PHONE}


def measure(plan: Plan) -> None:
    """Measure the app's and the phone's door, with keys and with signatures."""
    servers = plan.servers
    prefix = servers.prefix()
    settings = servers.settings("postgresql://nowhere", prefix)
    asyncio.run(apply_topics(settings))
    bodies = requests_of_doors()
    floor_topic = {"FLOOR_TOPIC": f"{prefix}{CONTACT_RECEIVED.name}"}
    with ExitStack() as running:
        start = servers.running
        floor = running.enter_context(
            start("floor", None, prefix, "-m", "tests.bench.floor_endpoint", ready="/openapi.json", **floor_topic)
        )
        sources = _with_secret(servers.folder / "sources.json")
        intake = running.enter_context(start("intake", None, prefix, GRIDLINE_SOURCES_FILE=str(sources)))
        for door, requests in bodies.items():
            _capacity(plan, door, floor, intake, requests)
            _capacity(plan, f"{door}, signed", floor, intake, list(map(_signed, requests)))


def _with_secret(path: Path) -> Path:
    """Write the shipped sources, of which those of the doors here may sign as well."""
    shipped = yaml.safe_load(IntakeSettings().sources_file.read_text(encoding="utf-8"))
    for door in _DOORS:
        for source in shipped[door].values():
            source["webhook_secrets"] = [_secret(door)]
    path.write_text(json.dumps(shipped), encoding="utf-8")
    return path


def _secret(door: str) -> str:
    """Return a secret that is good for this run's sources alone."""
    return "whsec_" + base64.b64encode(hashlib.sha256(door.encode()).digest()).decode()


def _signed(request: Request) -> Request:
    """Return it signed by Standard Webhooks in place of its key."""
    headers = {name: value for name, value in request.headers.items() if name != "X-API-Key"}
    event = headers.get("Idempotency-Key") or json.loads(request.body).get("event_id") or str(request.contact_id)
    stamp = str(int(clock.now().timestamp()))
    covered = b".".join((event.encode(), stamp.encode(), request.body))
    made = hmac.digest(signing_key(_secret(request.channel.value)), covered, "sha256")
    shown = {
        "webhook-id": event,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(made).decode(),
    }
    return replace(request, headers={**headers, **shown})


def requests_of_doors() -> dict[str, list[Request]]:
    """Return by door what is sent."""
    storms = Storms(SMALL, Shape(faults=150))
    made: dict[str, list[Request]] = {}
    for door, channel in _DOORS.items():
        requests: list[Request] = []
        for copy in range(100):
            if len(requests) >= _DISTINCT:
                break
            requests += [
                one
                for one in requests_of(storms.drawn(1), START + timedelta(days=copy), copy=copy)
                if one.channel is channel and not one.resend
            ]
        made[door] = requests[:_DISTINCT]
    return made


def _capacity(plan: Plan, door: str, floor: Process, ours: Process, requests: list[Request]) -> None:
    """Pairs in closed loop, then both in open loop at half the floor's median."""
    seconds = plan.scaled(4.0, quick=2.0)
    loads: dict[str, list[Load]] = {"floor": [], "product": []}
    spells: dict[str, list[Spell]] = {"floor": [], "product": []}
    cores: dict[str, list[float]] = {"floor": [], "product": []}
    sides = {"floor": (floor, as_http(requests, _FLOOR_PATH)), "product": (ours, as_http(requests))}
    for side, (process, ready) in sides.items():
        plan.tell(f"{door}: warming the {side}")
        plan.run(http_load.closed(process.port, ready, connections=CONNECTIONS, seconds=_WARM_SECONDS))
    for number in range(plan.rounds):
        for side, (process, ready) in sorted(sides.items(), reverse=number % 2 > 0):
            plan.tell(f"{door}: {side}, round {number + 1} of {plan.rounds}")
            used = processor_seconds(process.pid)
            with watched() as spell:
                load = plan.run(http_load.closed(process.port, ready, connections=CONNECTIONS, seconds=seconds))
            loads[side].append(load)
            spells[side].append(spell)
            cores[side].append((processor_seconds(process.pid) - used) / load.seconds)
    ratios = [100 * own.rate / base.rate for base, own in zip(loads["floor"], loads["product"], strict=True)]
    generators = max(load.generator_cores for both in loads.values() for load in both)
    note = f"{CONNECTIONS} connections; generator used at most {generators:.2f} of a core"
    plan.results.add(
        GROUP,
        Figure(f"{door} door / floor", "%", ratios, REACH, note, spells["product"]),
        Figure(f"{door}: floor", "requests/s", [one.rate for one in loads["floor"]], spells=spells["floor"]),
        Figure(f"{door}: product", "requests/s", [one.rate for one in loads["product"]], spells=spells["product"]),
        Figure(f"{door}: floor, processor", "µs/request", _each(cores["floor"], loads["floor"])),
        Figure(f"{door}: product, processor", "µs/request", _each(cores["product"], loads["product"])),
    )
    rate = 0.5 * sorted(one.rate for one in loads["floor"])[len(loads["floor"]) // 2]
    for side, (process, ready) in sides.items():
        plan.tell(f"{door}: {side} at {rate:,.0f} requests/s")
        sent = ready[: int(rate * seconds)]
        with watched() as spell:
            load = plan.run(http_load.opened(process.port, sent, rate=rate, connections=4 * CONNECTIONS))
        behind = f"open loop at {rate:,.0f}/s, half the floor; generator {load.generator_cores:.2f} of a core"
        plan.results.add(
            GROUP,
            Figure(f"{door}: {side} p50", "ms", [1000 * percentile(load.latencies, 0.50)], note=behind, spells=[spell]),
            Figure(f"{door}: {side} p99", "ms", [1000 * percentile(load.latencies, 0.99)]),
        )


def _each(cores: list[float], loads: list[Load]) -> list[float]:
    return [1e6 * busy / load.rate for busy, load in zip(cores, loads, strict=True)]
