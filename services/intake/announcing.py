"""What a caller can be told at once: asked of notify over HTTP within a deadline, in the caller's language.

Decided here: how long to wait, how many questions to batch, when not to ask at all. Without an answer in time the
caller is told that nothing is known. Never here: delaying or failing the acceptance of a contact.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import httpx
import orjson
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from services.intake.channels.spoken import OutageAnswer, Spoken
from services.intake.metrics import ANNOUNCE_SECONDS, ANNOUNCED
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from services.contracts.messages import ContactReceived

_AT_ONCE: Final = 100  # questions in one request
_MOST_WAITING: Final = 500
_REST_S: Final = 2.0
_FAILURES: Final = 3  # in a row before it rests: one slow answer must not silence everybody's
_REPORT_S: Final = 3.0
_log = structlog.get_logger()


class _Answers(BaseModel):
    model_config = ConfigDict(extra="ignore")

    answers: list[OutageAnswer]


class Outages:
    """Asks notify what is known of places. Questions that come while it answers go together in the next request."""

    def __init__(self, url: str, *, deadline_s: float) -> None:
        self._url = f"{url.rstrip('/')}/v1/status/places"
        self._reports_url = f"{url.rstrip('/')}/v1/status"
        self._deadline_s = deadline_s
        self._client: httpx.AsyncClient | None = None
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[OutageAnswer | None]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._failures = 0
        self._resting_until = float("-inf")

    async def at(self, question: dict[str, Any]) -> OutageAnswer | None:
        """Return what is known of a place; None where there is no answer in time. It never raises."""
        if clock.monotonic() < self._resting_until or len(self._waiting) >= _MOST_WAITING:
            return None
        answer: asyncio.Future[OutageAnswer | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadline_s):
                return await answer
        return None

    async def report(self, ticket_ref: str, language: str | None) -> tuple[int, bytes] | None:
        """Return notify's answer of a report, its status and body; None where there is none in time."""
        query = {"ticket_ref": ticket_ref, **({"language": language} if language else {})}
        try:
            async with asyncio.timeout(_REPORT_S):
                response = await self._http().get(self._reports_url, params=query, timeout=_REPORT_S)
        except (httpx.HTTPError, TimeoutError):
            return None
        return response.status_code, response.content

    def open(self) -> None:
        """Make the client now: it reads certificates, for longer than a caller may wait."""
        self._http()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._asking is not None:
            self._asking.cancel()
        if self._client is not None:
            await self._client.aclose()

    async def _ask_all(self) -> None:
        while self._waiting:
            asked = [one for one in self._waiting[:_AT_ONCE] if not one[1].done()]
            del self._waiting[:_AT_ONCE]
            if not asked:
                continue
            answers = await self._ask([question for question, _ in asked])
            for number, (_, answer) in enumerate(asked):
                if not answer.done():
                    answer.set_result(answers[number] if answers else None)

    async def _ask(self, questions: list[dict[str, Any]]) -> list[OutageAnswer] | None:
        """Ask; after failures in a row let notify rest, so that a storm of callers does not hold it down."""
        try:
            async with asyncio.timeout(self._deadline_s):
                response = await self._http().post(
                    self._url,
                    content=orjson.dumps({"questions": questions}),
                    headers={"Content-Type": "application/json"},
                )
            response.raise_for_status()
            answers = _Answers.model_validate_json(response.content).answers
            if len(answers) == len(questions):
                self._failures = 0
                return answers
            reason = "answers do not match the questions"
        except (httpx.HTTPError, TimeoutError, ValidationError) as error:
            reason = type(error).__name__
        self._failures += 1
        if self._failures >= _FAILURES:
            self._failures = 0
            self._resting_until = clock.monotonic() + _REST_S
            _log.warning("outages_not_known", reason=reason)
        return None

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._deadline_s, trust_env=False)
        return self._client


class Announcer:
    """Finds the words for the answer to a call's event."""

    def __init__(self, outages: Outages, spoken: Callable[[], Spoken]) -> None:
        self._outages = outages
        self._spoken = spoken

    def begin(self, contact: ContactReceived) -> Awaitable[Mapping[str, str]] | None:
        """Begin to find out what the caller can be told; None where the event is no moment to tell anything.

        A call's start is one, and an account keyed in: then the place may be another.
        """
        if contact.event != "started" and not (contact.event == "dtmf" and contact.account_id):
            return None
        question = {"account_id": contact.account_id, "phone": contact.phone}
        return asyncio.ensure_future(self._say(question, contact.language))

    async def report(self, ticket_ref: str, language: str | None) -> tuple[int, bytes] | None:
        """Return what is happening to a report, as notify answers it; None where it does not in time."""
        return await self._outages.report(ticket_ref, language)

    async def run(self) -> None:
        """Hold the connections for the life of the service."""
        self._outages.open()
        try:
            await asyncio.Event().wait()
        finally:
            await self._outages.close()

    async def _say(self, question: dict[str, Any], language: str | None) -> Mapping[str, str]:
        begun = clock.monotonic()
        asked = {name: value for name, value in question.items() if value}
        answer = await self._outages.at(asked) if asked else OutageAnswer()
        said = self._spoken().say(answer or OutageAnswer(), language, clock.now())
        ANNOUNCED.labels(said["outage"] if answer else "unanswered").inc()
        ANNOUNCE_SECONDS.observe(clock.monotonic() - begun)
        return said
