"""The four services as processes on the real servers, and a small storm with everything that ops want to see."""

from __future__ import annotations

import csv
import hashlib
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer

from deploy.native.ports import free_port
from services.contracts.topics import CONTACT_RECEIVED
from services.grid import store as grid
from services.intake.security import DEVELOPMENT_KEYS, DEVELOPMENT_WECHAT
from services.runtime.cluster import apply_topics
from tests.service_process import ROOT, Service

if TYPE_CHECKING:
    import httpx

    from deploy.native.kafka import KafkaBroker

NETWORK = ROOT / "deploy" / "networks" / "ieee123"
SERVICES = ("intake", "router", "dedup", "notify")
HOUSES = 80


class Scene:
    """The four services, on the topics and in the database of one of them."""

    def __init__(self, bootstrap: str, dsn: str, prefix: str, folder: Path) -> None:
        own = {
            "session_timeout_ms": "10000",
            "produce_deadline_s": "0.5",
            "queue_gauge_seconds": "0.5",
            # Nobody answers there: every notice to the app is tried again and again.
            "notify_senders": "app=webhook",
            "notify_webhook_url": f"http://127.0.0.1:{free_port()}/notices",
            "notify_webhook_secrets": "whsec_" + "QUJD" * 8,
        }
        self.services = {name: Service(name, bootstrap, dsn, prefix, folder, own) for name in SERVICES}
        self.bootstrap, self.dsn, self.prefix = bootstrap, dsn, prefix
        self.sent = self.waves = 0

    @property
    def ports(self) -> dict[str, int]:
        return {name: service.port for name, service in self.services.items()}

    def url(self, service: str) -> str:
        return self.services[service].url

    async def start(self) -> None:
        await apply_topics(self.services["intake"].settings(), partitions=2)
        connection = await asyncpg.connect(self.dsn)
        try:
            await grid.migrate(connection)
            await grid.import_network(connection, NETWORK / "network.csv", NETWORK / "customers.csv")
        finally:
            await connection.close()
        for service in self.services.values():
            service.start()
        for service in self.services.values():
            await service.wait_ready()

    def alive(self) -> None:
        for name, service in self.services.items():
            assert service.process.poll() is None, f"{name} ended by itself\n{self.log(name)}"

    def log(self, name: str) -> str:
        return self.services[name].log[-3000:]

    def stop(self) -> None:
        for service in self.services.values():
            service.end()

    async def wave(self, client: httpx.AsyncClient) -> None:
        """Reports by four channels from all over a feeder, other business, a hazard, and what must be refused."""
        with (NETWORK / "customers.csv").open(encoding="utf-8", newline="") as file:
            houses = [row["account_id"] for row in csv.DictReader(file)]
        # Others each time: what the same people say again joins their open tickets and is no new report.
        accounts = houses[self.waves :: 352 // HOUSES][:HOUSES]
        random.Random(self.waves).shuffle(accounts)
        self.waves += 1
        # The first two call minutes before the others, from places apart: two outages, until the others make them one.
        await self.call(client, accounts[0], minutes_ago=5)
        await self.call(client, accounts[1], minutes_ago=2.5)
        for number, account in enumerate(accounts[2:], start=1000 * self.waves):
            await self._post(client, number, account)
        await self.report(client, "web", text="电费单算错了两次", business_type="complaint")
        await self.report(client, "app", text="电线掉在地上冒火花", hazard=True, account_id=accounts[0])
        refused = await client.post(f"{self.url('intake')}/v1/web/reports", json={}, headers={"X-API-Key": "wrong"})
        assert refused.status_code == 401
        await self._poison()

    async def _post(self, client: httpx.AsyncClient, number: int, account: str) -> None:
        match number % 5:
            case 0:
                await self.report(client, "app", text="家里停电了", account_id=account, installation_id=f"i-{account}")
            case 1:
                await self.call(client, account)
            case 2:
                await self.wechat(client, number)
            case _:
                await self.report(client, "web", text="整栋楼都停电了", account_id=account, phone=f"+8610{number:09}")

    async def report(self, client: httpx.AsyncClient, channel: str, **fields: Any) -> int:
        body = {"event_id": str(uuid4()), "business_type": "fault_report", **fields}
        headers = {"X-API-Key": DEVELOPMENT_KEYS[f"{channel}-dev"]}
        answer = await client.post(f"{self.url('intake')}/v1/{channel}/reports", json=body, headers=headers)
        self.sent += answer.status_code == 202
        return answer.status_code

    async def call(self, client: httpx.AsyncClient, account: str, *, minutes_ago: float = 0) -> None:
        event = {
            "event": "dtmf",
            "event_id": str(uuid4()),
            "external_call_id": str(uuid4()),
            "occurred_at": (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat(),
            "menu_path": ["1"],
            "account_no": account,
        }
        headers = {"X-API-Key": DEVELOPMENT_KEYS["ivr-dev"]}
        answer = await client.post(f"{self.url('intake')}/v1/phone/events", json=event, headers=headers)
        assert answer.status_code == 202, answer.text
        self.sent += 1

    async def wechat(self, client: httpx.AsyncClient, number: int) -> None:
        account, token = next(iter(DEVELOPMENT_WECHAT.items()))
        stamp, nonce = str(int(time.time())), str(number)
        signature = hashlib.sha1("".join(sorted((token, stamp, nonce))).encode()).hexdigest()  # noqa: S324 - WeChat's
        body = (
            f"<xml><ToUserName>{account}</ToUserName><FromUserName>openid-{number}</FromUserName>"
            f"<CreateTime>{stamp}</CreateTime><MsgType>text</MsgType>"
            f"<Content>停电了</Content><MsgId>{uuid4().int >> 65}</MsgId></xml>"
        )
        answer = await client.post(
            f"{self.url('intake')}/v1/wechat/{account}",
            params={"signature": signature, "timestamp": stamp, "nonce": nonce},
            content=body.encode(),
            headers={"Content-Type": "text/xml"},
        )
        assert answer.text.startswith(("success", "<xml>")), answer.text
        self.sent += 1

    async def _poison(self) -> None:
        """A record that no consumer can read."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        try:
            headers = [("ce_id", str(uuid4()).encode()), ("ce_type", b"gridline.contact.received.v1")]
            await producer.send_and_wait(self.prefix + CONTACT_RECEIVED.name, b"{}", key=b"k", headers=headers)
        finally:
            await producer.stop()

    async def crews(self, client: httpx.AsyncClient, *stages: str) -> None:
        """Crews report on every open order."""
        field = {"X-API-Key": "gridline-dev-field-key"}
        answer = await client.get(f"{self.url('dedup')}/v1/incidents", params={"limit": 200}, headers=field)
        open_ones = [one for one in answer.json()["incidents"] if one["state"] in {"predicted", "confirmed"}]
        assert open_ones, answer.text[:500]
        for incident in open_ones:
            for stage in stages:
                body = {"progress_id": str(uuid4()), "stage": stage, "at": datetime.now(UTC).isoformat()}
                path = f"{self.url('dedup')}/v1/orders/{incident['order_id']}/progress"
                answer = await client.post(path, json=body, headers={"X-API-Key": "gridline-dev-field-key"})
                assert answer.status_code == 202, answer.text

    async def outage_of(self, broker: KafkaBroker, client: httpx.AsyncClient) -> None:
        """Kafka stands still for a moment: the intake answers 503."""
        broker.pause()
        try:
            assert await self.report(client, "web", text="停电") == 503
        finally:
            broker.resume()
