"""How many contacts may wait for Kafka and how long: beyond that nobody is asked to wait, and Kafka is not asked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from services.contracts.envelope import Refusal, RefusedError, encode, open_record
from services.contracts.values import Channel
from services.intake.accepting import Acceptance
from services.intake.channels.contact import contact_fingerprint, contact_of
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import FormSource
from services.intake.metrics import ACCEPTED, UNRESOLVED
from services.intake.settings import IntakeSettings
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.partitioning import partition_of
from services.runtime.producer import Producer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.contracts.envelope import Outgoing
    from services.contracts.messages import ContactReceived

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LONGEST_S = 2.0


def contact(name: str) -> ContactReceived:
    return contact_of(
        FormSource(name="form"),
        Channel.WEB,
        name,
        thread=None,
        now=NOW,
        event="report",
        occurred_at=NOW,
        raw_sha256="0" * 64,
    )


class Kafka(Producer):
    """Acknowledges a record when it is told to, or fails it with what it is told."""

    def __init__(self) -> None:
        super().__init__(IntakeSettings())
        self.asked: dict[str, asyncio.Future[None]] = {}

    async def send(self, outgoing: Outgoing, *, deadline_s: float | None = None) -> None:
        answer = asyncio.get_running_loop().create_future()
        self.asked[str(open_record(outgoing.value, outgoing.headers).id)] = answer
        await answer

    def answer(self, name: str, error: Exception | None = None) -> None:
        waiting = self.asked[str(contact(name).contact_id)]
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)


class Scene:
    def __init__(self, most: int) -> None:
        self.kafka = Kafka()
        self.acceptance = Acceptance(self.kafka, most_unresolved=most, longest_s=LONGEST_S)
        self.sends: dict[str, asyncio.Task[None]] = {}

    async def send(self, name: str) -> None:
        """Begin to send; return when Kafka was asked, or raise what it is refused with."""
        one = self.sends[name] = asyncio.ensure_future(self.acceptance.accept(contact(name), None))  # type: ignore[assignment]
        while not one.done() and str(contact(name).contact_id) not in self.kafka.asked:
            await asyncio.sleep(0)
        if one.done():
            one.result()

    async def refusal_of(self, name: str) -> Reason:
        with pytest.raises(PayloadRefusedError) as refused:
            await self.send(name)
        assert str(contact(name).contact_id) not in self.kafka.asked
        return refused.value.reason


@asynccontextmanager
async def scene(most: int = 100) -> AsyncIterator[Scene]:
    made = Scene(most)
    try:
        yield made
    finally:
        for waiting in made.kafka.asked.values():
            if not waiting.done():
                waiting.set_result(None)
        await asyncio.gather(*made.sends.values(), return_exceptions=True)


async def test_beyond_the_bound_kafka_is_not_asked_and_the_next_free_place_is_taken() -> None:
    async with scene(most=3) as here:
        for name in "abc":
            await here.send(name)
        assert [sample.value for metric in UNRESOLVED.collect() for sample in metric.samples] == [3]
        assert await here.refusal_of("d") is Reason.BUSY
        with pytest.raises(PayloadRefusedError):
            here.acceptance.refuse_if_busy()  # and it is said before a body is read
        here.kafka.answer("b")
        await here.sends["b"]
        await here.send("d")
        assert await here.refusal_of("e") is Reason.BUSY


async def test_while_the_oldest_waits_too_long_and_nobody_is_answered_nobody_else_is_asked_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: seconds)
    async with scene() as here:
        await here.send("answered")
        here.kafka.answer("answered")
        await here.sends["answered"]
        await here.send("oldest")
        seconds += 1.25 * LONGEST_S
        assert await here.refusal_of("next") is Reason.BUSY
        with pytest.raises(PayloadRefusedError):
            here.acceptance.refuse_if_busy()  # and it is said before a body is read
        here.kafka.answer("oldest", UnavailableError("kafka: no acknowledgement"))
        with pytest.raises(PayloadRefusedError) as unknown:
            await here.sends["oldest"]
        assert unknown.value.reason is Reason.OUTCOME_UNKNOWN
        await here.send("next")  # the next is a new try: a broker that is back is noticed


async def test_where_one_partition_lets_wait_too_long_only_what_is_for_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For as long as one of many partitions was away, everybody was refused most of the time."""
    seconds = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: seconds)
    names = list("abcdefghijklmnopqrstuvwxyz")
    async with scene() as here:
        monkeypatch.setattr(here.kafka, "place_of", lambda one: (one.topic, partition_of(one.key, (0, 1), (0, 1))))
        keys = {
            name: encode(contact(name), topic="t", source="s", content=contact_fingerprint(contact(name))).key
            for name in names
        }
        there = [name for name in names if partition_of(keys[name], (0, 1), (0, 1)) == 0]
        others = [name for name in names if name not in there]
        await here.send(there[0])
        seconds += 0.75 * LONGEST_S
        await here.send(others[0])
        await here.send(there[1])  # it may only be slow
        here.kafka.answer(others[0])
        await here.sends[others[0]]
        seconds += 0.5 * LONGEST_S
        here.acceptance.refuse_if_busy()
        await here.send(others[1])
        assert await here.refusal_of(there[2]) is Reason.BUSY
        here.kafka.answer(there[0])
        await here.sends[there[0]]
        await here.send(there[2])


async def test_a_contact_too_large_for_kafka_is_its_senders_trouble_alone() -> None:
    async with scene(most=2) as here:
        await here.send("other")
        await here.send("large")
        here.kafka.answer("large", RefusedError(Refusal.OVERSIZE, "1200000 bytes"))
        with pytest.raises(PayloadRefusedError) as refused:
            await here.sends["large"]
        assert refused.value.reason is Reason.OVERSIZE
        await here.send("next")
        for name in ("other", "next"):
            here.kafka.answer(name)
            await here.sends[name]


async def test_that_kafka_is_away_and_back_is_logged_once_and_what_it_has_is_counted() -> None:
    counted = ACCEPTED.labels("web", "form")._value
    before = counted.get()
    async with scene() as here:
        with capture_logs() as logged:
            for name, error in (
                ("a", UnavailableError("away")),
                ("b", UnavailableError("away")),
                ("c", None),
                ("d", None),
            ):
                await here.send(name)
                here.kafka.answer(name, error)
                await asyncio.wait([here.sends[name]])
    assert [one["event"] for one in logged] == ["contacts_not_accepted", "contacts_accepted_again"]
    assert counted.get() - before == 2


async def test_a_sender_that_goes_away_frees_its_place() -> None:
    async with scene(most=1) as here:
        await here.send("gone")
        here.sends["gone"].cancel()
        with pytest.raises(asyncio.CancelledError):
            await here.sends["gone"]
        await here.send("next")
