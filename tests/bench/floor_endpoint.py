"""The floor of intake: the least a FastAPI endpoint can do to put a body on Kafka with acks=all and say 202.

No credential, no parsing, no id, no key. The same libraries and the same producer settings as the product.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold a producer while the server runs."""
    app.state.producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["GRIDLINE_KAFKA_BOOTSTRAP"],
        acks="all",
        enable_idempotence=True,
        max_batch_size=256 * 1024,
    )
    app.state.topic = os.environ["FLOOR_TOPIC"]
    await app.state.producer.start()
    yield
    await app.state.producer.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/v1/reports")
async def report(request: Request) -> Response:
    """Put the body on Kafka."""
    await request.app.state.producer.send_and_wait(request.app.state.topic, await request.body())
    return Response(b'{"status":"accepted"}', 202, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["GRIDLINE_HTTP_PORT"]), log_level="error", access_log=False)
