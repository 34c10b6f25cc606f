"""Posts a storm to the intake, open loop: each request is due at its time, whatever became of those before it.

Decided here: how a sender behaves: it waits a bounded time, and sends again what got 503 or no answer, with the same
id. Latency counts from the time a request was due, so that a slow server cannot hide behind a waiting sender.
Never here: what is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from services.runtime import clock
from services.simulator.connection import Answer, Connections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from services.simulator.payloads import Request

_ACCEPTED: Final = 202
_OK: Final = 200
_WECHAT_OK: Final = (b"success", b"<xml>")
"""How the intake answers the platform: the word, or what the citizen is told."""
_BUSY: Final = (429, 502, 503, 504)
_CONNECTIONS: Final = 64
_TIMEOUT_SECONDS: Final = 10.0
_ATTEMPTS: Final = 8
_LONGEST_WAIT_SECONDS: Final = 5.0


@dataclass(slots=True)
class Answers:
    """What the senders were told: the client's side of the count.

    Attributes:
        accepted: Contacts answered 202 (WeChat: ``success`` or a passive reply), each once however often it was sent.
        unknown: Contacts never answered so: they may exist or not, but never twice.
        refused: Requests answered with an error that sending again cannot mend: status and text.
        requests: Answered requests by channel.
        attempts: Posts in all, repeated ones included.
        latencies: Seconds from due to accepted, of each request.
        wrong_ids: Contacts whose answer named another id than the contract derives.
    """

    accepted: set[UUID] = field(default_factory=set)
    unknown: set[UUID] = field(default_factory=set)
    refused: list[tuple[int, str]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    contacts: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    resent: int = 0
    latencies: list[float] = field(default_factory=list)
    wrong_ids: list[UUID] = field(default_factory=list)
    behind: float = 0.0
    """Longest a request came to be posted after it was due, seconds: the load generator's own lateness."""


async def send(
    requests: Sequence[Request],
    intake_url: str,
    answers: Answers,
    on_answer: Callable[[Request], None] = lambda _: None,
) -> None:
    """Post the requests at their times; return when each has been answered or given up.

    Args:
        requests: By due time, seconds from now.
        intake_url: Where the intake is, without a slash at the end.
        answers: Filled in while it runs, so that a display can look at it.
        on_answer: Called after each request is settled.
    """
    connections = Connections(intake_url, _CONNECTIONS, _TIMEOUT_SECONDS)
    sender = _Sender(connections, answers, on_answer)
    begun = clock.monotonic()
    try:
        async with asyncio.TaskGroup() as group:
            for request in requests:
                due = begun + request.at
                wait = due - clock.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                group.create_task(sender.settle(request, due))
    finally:
        connections.close()
    answers.unknown -= answers.accepted


class _Sender:
    """Settles requests, one at a time each."""

    def __init__(self, connections: Connections, answers: Answers, on_answer: Callable[[Request], None]) -> None:
        self._connections = connections
        self._answers = answers
        self._on_answer = on_answer

    async def settle(self, request: Request, due: float) -> None:
        """Post until accepted, refused, or out of attempts."""
        answers = self._answers
        for attempt in range(_ATTEMPTS):
            if attempt == 0:
                answers.behind = max(answers.behind, clock.monotonic() - due)
            answers.attempts += 1
            response: Answer | None = None
            with contextlib.suppress(OSError, TimeoutError):
                response = await self._connections.post(request.path, request.headers, request.body)
            if response is not None and response.status not in _BUSY:
                self._answered(request, response, due)
                self._on_answer(request)
                return
            after = None if response is None else response.headers.get("retry-after")
            wait = float(after) if after and after.isdigit() else 0.2 * 2**attempt
            await asyncio.sleep(min(wait, _LONGEST_WAIT_SECONDS))
        answers.unknown.add(request.contact_id)
        self._on_answer(request)

    def _answered(self, request: Request, response: Answer, due: float) -> None:
        answers = self._answers
        wechat = response.status == _OK and response.body.startswith(_WECHAT_OK)
        if response.status != _ACCEPTED and not wechat:
            answers.refused.append((response.status, response.body[:300].decode("utf-8", "replace")))
            return
        if not wechat and json.loads(response.body)["contact_id"] != str(request.contact_id):
            answers.wrong_ids.append(request.contact_id)
        answers.requests[request.channel.value] += 1
        answers.latencies.append(clock.monotonic() - due)
        if request.contact_id in answers.accepted:
            answers.resent += 1
        else:
            answers.accepted.add(request.contact_id)
            answers.contacts[request.channel.value] += 1
