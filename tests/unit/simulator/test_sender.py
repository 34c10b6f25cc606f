"""The storm's sender against a server on loopback that answers as a busy, broken or wrong intake would."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import UUID, uuid5

import pytest

from services.contracts.values import Channel
from services.simulator.connection import Connections
from services.simulator.payloads import Request
from services.simulator.sender import Answers, send

SPACE = UUID(int=7)


def request(number: int, *, at: float = 0.0, channel: Channel = Channel.WEB, resend: bool = False) -> Request:
    contact = uuid5(SPACE, str(number))
    return Request(
        at=at,
        case=number,
        channel=channel,
        path="/v1/web/reports",
        headers={"Content-Type": "application/json", "X-API-Key": "key"},
        body=str(contact).encode(),
        contact_id=contact,
        ticket_id=contact,
        resend=resend,
    )


class Intake:
    """Answers each request with the next of its answers; a status, ``cut`` for a cut connection, or ``wechat``."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.seen: list[str] = []
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(
                    next(line for line in head.split("\r\n") if line.startswith("Content-Length")).split(":")[1]
                )
                body = (await reader.readexactly(length)).decode()
                self.heads.append(head)
                self.seen.append(body)
                answer = self.answers.pop(0) if self.answers else 202
                if answer == "cut":
                    break
                writer.write(self.render(answer, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    def render(answer: object, body: str) -> bytes:
        if answer == "wechat":
            return b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsuccess"
        said = json.dumps({"contact_id": "somebody else" if answer == "wrong" else body}).encode()
        status = 202 if answer == "wrong" else answer
        return f"HTTP/1.1 {status} X\r\nRetry-After: 0\r\nContent-Length: {len(said)}\r\n\r\n".encode() + said


@asynccontextmanager
async def running(intake: Intake):
    server = await asyncio.start_server(intake.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)  # let the connections' tasks see the end


async def sent(intake: Intake, *requests: Request) -> Answers:
    answers = Answers()
    async with running(intake) as url:
        await send(requests, url, answers)
    return answers


async def test_an_accepted_request_is_counted_once_by_channel():
    answers = await sent(Intake(), request(1), request(2, channel=Channel.APP))
    assert answers.accepted == {request(1).contact_id, request(2).contact_id}
    assert (answers.contacts["web"], answers.contacts["app"]) == (1, 1)
    assert (answers.refused, answers.unknown, answers.wrong_ids) == ([], set(), [])


async def test_the_same_event_sent_again_is_another_request_and_the_same_contact():
    answers = await sent(Intake(), request(1), request(1, at=0.05, resend=True))
    assert len(answers.accepted) == 1
    assert (answers.requests["web"], answers.contacts["web"], answers.resent) == (2, 1, 1)


@pytest.mark.parametrize("trouble", [503, 429, 502, "cut"])
async def test_what_gets_no_clear_answer_is_sent_again_with_the_same_body(trouble):
    intake = Intake(trouble, trouble)
    answers = await sent(intake, request(1))
    assert intake.seen == [str(request(1).contact_id)] * 3
    assert answers.accepted == {request(1).contact_id}
    assert answers.unknown == set()
    assert answers.attempts == 3


async def test_a_refusal_is_not_sent_again():
    intake = Intake(422)
    answers = await sent(intake, request(1))
    assert len(intake.seen) == 1
    assert answers.refused[0][0] == 422
    assert answers.accepted == set()


async def test_an_answer_with_another_id_is_noted():
    answers = await sent(Intake("wrong"), request(1))
    assert answers.wrong_ids == [request(1).contact_id]


async def test_wechats_success_is_an_acceptance():
    answers = await sent(Intake("wechat"), request(1, channel=Channel.WECHAT))
    assert answers.contacts["wechat"] == 1


async def test_nobody_there_leaves_the_outcome_unknown(monkeypatch):
    monkeypatch.setattr("services.simulator.sender._ATTEMPTS", 2)
    answers = Answers()
    async with running(Intake()) as url:
        pass  # closed again: nobody listens there now
    await send([request(1)], url, answers)
    assert answers.unknown == {request(1).contact_id}


async def test_requests_leave_at_their_times_whatever_the_answers_do():
    loop = asyncio.get_running_loop()
    begun = loop.time()
    answers = await sent(Intake("cut", "cut", "cut"), *(request(n, at=n * 0.05) for n in range(6)))
    assert len(answers.accepted) == 6
    assert loop.time() - begun >= 0.25
    assert max(answers.latencies) >= 0.15  # what was sent again counts from when it was due


async def test_headers_and_path_are_sent_as_given():
    intake = Intake()
    await sent(intake, request(1))
    assert intake.heads[0].startswith("POST /v1/web/reports HTTP/1.1\r\n")
    assert "X-API-Key: key" in intake.heads[0]


async def test_a_slow_server_is_given_up_on_and_the_connection_not_used_again():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await asyncio.sleep(0.3)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    connections = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", 1, 0.1)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await connections.post("/", {}, b"x")
    connections.close()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.4)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "127.0.0.1:1", "ftp://x"])
def test_an_address_that_is_no_http_is_refused(url):
    with pytest.raises(ValueError, match="no http address"):
        Connections(url, 1, 1.0)
