"""A service answers from its first moment on: alive, why it is not ready, and come again; or it says why it cannot."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from deploy.native.ports import free_port
from services.runtime.parts import Parts, Runtime
from services.runtime.service import _Service
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DDL = Path(__file__).parents[3] / "services" / "runtime" / "kernel.sql"


async def nothing(_runtime: Runtime) -> Parts:
    return Parts()


@asynccontextmanager
async def coming_up(**settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """A service whose Kafka and Postgres are away; it is told to stop at the end, and must."""
    port, away = free_port(), free_port()
    at = {"http_port": port, "kafka_bootstrap": f"127.0.0.1:{away}"}
    service = _Service(
        "test", ServiceSettings(**at, postgres_dsn=f"postgresql://a@127.0.0.1:{away}/a", **settings), "test"
    )
    running = asyncio.create_task(service.main(nothing, schema_sql=DDL, wants_producer=False))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client
    service._stop.set()
    assert await asyncio.wait_for(running, 5) == 0


async def asked(client: httpx.AsyncClient, path: str, *, says: str = "") -> httpx.Response:
    """Ask until it answers, and says so."""
    async with asyncio.timeout(10):
        while True:
            try:
                answer = await client.get(path)
                if says in answer.text:
                    return answer
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)


async def test_a_service_is_alive_and_not_ready_while_its_database_is_away():
    async with coming_up() as client:
        assert (await asked(client, "/healthz")).json() == {"status": "alive"}
        not_ready = await asked(client, "/readyz", says="postgres")
        assert not_ready.status_code == 503
        assert not_ready.json()["detail"] == "postgres answers with ConnectionRefusedError"
        assert "gridline_unavailable_total" in (await client.get("/metrics")).text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_until_its_doors_are_there_every_request_is_to_be_sent_again(method: str):
    async with coming_up() as client:
        await asked(client, "/healthz")
        answer = await client.request(method, "/v1/tickets/7K3M-9QPX-2HR")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("host", "why"), [("127.0.0.1", "already in use"), ("no such host", "")])
async def test_an_address_that_it_cannot_listen_on_is_told_with_its_settings(host: str, why: str):
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logged:
        service = _Service("test", ServiceSettings(http_host=host, http_port=taken.getsockname()[1]), "test")
        assert await asyncio.wait_for(service.main(nothing, schema_sql=None, wants_producer=False), 10) == 1
    assert logged[-1]["event"] == "starts_over"
    assert {"GRIDLINE_HTTP_HOST", "GRIDLINE_HTTP_PORT"} < set(re.findall(r"\w+", logged[-1]["reason"]))
    assert why in logged[-1]["reason"]
