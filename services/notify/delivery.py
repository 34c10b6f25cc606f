"""The loop that sends notices: claim, call the sender, record the outcome.

Decided here: how many calls run at once, how long each may take, when to retry, that nothing leaves at night which may
wait (``morning`` looks at it again), and that an ETR which passed while its notice waited is not told: both by the
database's clock, as a wrong one here would give up every estimate. A notice's row
says ``sending`` before anything leaves this process. If the process dies before the outcome is recorded, the claim
expires and any instance settles it: if the sender's receivers drop repeats it is sent again (at least once), otherwise
it stays ``unknown`` (at most once), as does what they may have forgotten by now.

Never here: two calls for one notice at once. An attempt whose claim has expired (the process was paused) is not made.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.values import Channel
from services.notify import fan_out, metrics, pending
from services.notify.domain.notice import Quiet, Turn, without_etr
from services.notify.pace import Pace, Refusals, Rest, Trouble
from services.notify.pending import Attempt, Outcome
from services.notify.senders import Delivered, Letter, Refused, Retry
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from uuid import UUID

    from services.notify.pending import Became, Claimed, Waiting
    from services.notify.senders import Answer, Sender
    from services.notify.wording import Wording
    from services.runtime.postgres import Pool

_CLAIM_MARGIN_SECONDS: Final = 20.0
"""A claim outlasts the longest call by this, so that a slow outcome is still written by who made the call."""
_IDLE_SECONDS: Final = 1.0
_WATCH_SECONDS: Final = 5.0
_UNAVAILABLE_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 5.0
_SPREAD: Final = 0.2
_LONGEST_ASKED_SECONDS: Final = 3600.0
"""Receivers know when they can be asked again (a quota of the day), but none keeps customers waiting for longer."""
_RENDERED: Final = frozenset({"language", "text"})
"""What of a letter is not its notice's."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """How patiently to send.

    Attributes:
        calls: Most calls at once of one sender.
        call_s: Longest one attempt may take.
        attempts: Attempts before a notice has failed.
        first_s: Wait after the first attempt; it doubles with each.
        longest_s: Longest wait, unless the receiver asks for a longer one.
        per_second: Most attempts of one sender that begin in a second; None is no limit.
    """

    calls: int
    call_s: float
    attempts: int
    first_s: float
    longest_s: float
    per_second: float | None = None

    def wait(self, notice: UUID, attempt: int, asked: float | None) -> float:
        """Return the seconds to wait after ``attempt``; ``asked`` is what the receiver asked for, an hour at most.

        Spread over a fifth by the notice's id, so that notices which failed together do not come back together.
        """
        doubled = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 30))
        wait = max(doubled, min(asked or 0.0, _LONGEST_ASKED_SECONDS))
        return wait * (1.0 + _SPREAD * (notice.int % 1000) / 1000)


class Delivery:
    """Sends pending notices for the life of the service, through one lane a sender."""

    def __init__(
        self,
        pool: Pool,
        templates: Callable[[], Wording],
        carriers: Iterable[tuple[Sender, Sequence[Channel]]],
        how: Patience,
    ) -> None:
        """Make it; ``carriers`` are the senders and the channels each serves."""
        self._pool = pool
        self._how = how
        self._lanes = [Lane(pool, templates, sender, channels, how) for sender, channels in carriers if channels]

    def wake(self) -> None:
        """Tell the lanes that notices have been committed."""
        for lane in self._lanes:
            lane.wake()

    async def run(self) -> None:
        """Send for ever. When cancelled, let the calls under way end, for a bounded time."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run())
            group.create_task(self._watch())

    async def _watch(self) -> None:
        """Settle what died instances left behind, and keep the gauges."""
        while True:
            with suppress(UnavailableError), translated():
                await self.recover()
                _observe(await pending.drop_unlinked(self._pool))
                metrics.HELD.set(await pending.held(self._pool))
                reports, idle_s = await fan_out.to_do(self._pool)
                metrics.IN_PIECES.set(reports)
                metrics.IN_PIECES_IDLE.set(idle_s)
                self._show(await pending.backlog(self._pool))
            await asyncio.sleep(_WATCH_SECONDS)

    def _show(self, waiting: Sequence[Waiting]) -> None:
        metrics.PENDING.set(sum(one.count for one in waiting))
        for channel in Channel:
            oldest = max((one.oldest_s for one in waiting if one.channel is channel), default=0.0)
            metrics.OLDEST.labels(channel).set(oldest)
        for turn in Turn:
            oldest = max((one.oldest_s for one in waiting if one.turn is turn), default=0.0)
            metrics.WAITING.labels(turn.name.lower()).set(oldest)
        for lane in self._lanes:
            lane.show({one.channel for one in waiting})

    async def recover(self) -> list[Became]:
        """Settle attempts whose claim has ended without an outcome."""
        repeatable = [lane.sender.name for lane in self._lanes if lane.sender.repeatable]
        became = await pending.recover(self._pool, repeatable=repeatable, most_attempts=self._how.attempts)
        if became:
            _log.warning("claims_ended_without_outcome", notices=len(became))
            _observe(became)
            self.wake()
        return became


class Lane:
    """Sends the notices of a sender's channels, so that one slow sender holds up no other."""

    def __init__(
        self, pool: Pool, templates: Callable[[], Wording], sender: Sender, channels: Sequence[Channel], how: Patience
    ) -> None:
        self.sender = sender
        self._pool = pool
        self._templates = templates
        self._channels = channels
        self._how = how
        self._pace = Pace(how.per_second)
        self._rest = Rest()
        self._refusals: defaultdict[str | None, Refusals] = defaultdict(Refusals)
        self._trouble = Trouble()
        self._claim_s = how.call_s + _CLAIM_MARGIN_SECONDS
        self._woken = asyncio.Event()
        self._calls: set[asyncio.Task[Attempt]] = set()
        self._ended: list[Attempt] = []

    def wake(self) -> None:
        """Something has changed: look again."""
        self._woken.set()

    def show(self, waiting: Collection[Channel]) -> None:
        """Keep the gauge of a receiver that fails; ``waiting`` are the channels of which notices wait."""
        someone = any(channel in waiting for channel in self._channels)
        lasts = self._trouble.lasts(clock.monotonic()) if someone else 0.0
        metrics.FAILING.labels(self.sender.name).set(lasts)

    async def run(self) -> None:
        """Send for ever."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self.step()
                except UnavailableError as error:
                    _log.warning("delivery_waits", sender=self.sender.name, reason=str(error)[:200])
                    await asyncio.sleep(_UNAVAILABLE_SECONDS)
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.wait() or _IDLE_SECONDS):
                        await self._woken.wait()
        finally:
            await self._drain()

    async def step(self) -> None:
        """Write down what has ended, begin what is due.

        Raises:
            UnavailableError: Postgres cannot answer; ended attempts are kept for the next step.
        """
        await self._settle()
        asked_at = clock.monotonic()
        most = self._rest.most(asked_at)
        free = (self._how.calls if most is None else most) - len(self._calls)
        if (allowed := self._pace.free(asked_at)) is not None:
            free = min(free, allowed)
        if free <= 0:
            return
        with translated():
            claimed = await pending.claim(
                self._pool, self._channels, sender=self.sender.name, most=free, claim_s=self._claim_s
            )
        held = self._held(claimed)
        if held:
            self._ended += held.values()
            self._woken.set()
        self._pace.begun(len(claimed) - len(held))
        for one in claimed:
            if one.notice_id in held:
                continue
            call = asyncio.create_task(self._call(one, asked_at))
            self._calls.add(call)
            call.add_done_callback(lambda _: self._woken.set())

    def _held(self, claimed: Iterable[Claimed]) -> dict[UUID, Attempt]:
        """Return what must not be sent at this hour, as attempts that were not made."""
        if (quiet := self._templates().quiet) is None:
            return {}
        held: dict[UUID, Attempt] = {}
        for one in claimed:
            if (until := quiet.holds(one.stage, one.turn, one.contacted_at, one.claimed_at)) is not None:
                unsent = Attempt(one.notice_id, one.attempt, Outcome.HELD, Quiet.QUIET_HOURS, doubted_at=one.doubted_at)
                wait = (until - one.claimed_at).total_seconds()
                held[one.notice_id] = replace(unsent, held_until=until, delay_s=wait)
        return held

    async def _settle(self) -> None:
        done = {call for call in self._calls if call.done()}
        self._calls -= done
        self._ended += [call.result() for call in done]
        if self._ended:
            with translated():
                became = await pending.settle(self._pool, self._ended, most_attempts=self._how.attempts)
            self._ended.clear()
            _observe(became)

    async def _call(self, one: Claimed, claimed_at: float) -> Attempt:
        """Make one attempt, unless the claim is about to end: then it is another's to make."""
        now = clock.now()
        if one.etr is not None and one.etr <= one.claimed_at:  # it waited until it became untrue
            left = without_etr(one.stage, one.template, first_word=one.first_word)
            if left is None:
                # Perhaps it was taken before that: then they were told a time, and hear that it has passed.
                perhaps = one.doubted_at is not None and one.doubted_at < one.etr
                outcome = Outcome.UNKNOWN if perhaps else Outcome.REFUSED
                return Attempt(one.notice_id, one.attempt, outcome, "etr_past")
            one = replace(one, template=left, etr=None)
        letter = self._write(one)
        unsent = Attempt(one.notice_id, one.attempt, Outcome.RETRY, "late", doubted_at=one.doubted_at)
        if clock.monotonic() - claimed_at > _CLAIM_MARGIN_SECONDS / 2:
            return unsent
        forgets_s = self.sender.forgets_s
        doubted_s = 0.0 if one.doubted_at is None else (one.claimed_at - one.doubted_at).total_seconds()
        if one.doubted_at is not None and forgets_s is not None and doubted_s + self._claim_s > forgets_s:
            return replace(unsent, outcome=Outcome.UNKNOWN, reason="too_late_to_repeat")
        answer: Answer
        try:
            async with asyncio.timeout(self._how.call_s):
                answer = await self.sender.send(letter, now)
        except TimeoutError:
            if not self.sender.repeatable:
                return Attempt(one.notice_id, one.attempt, Outcome.UNKNOWN, "timeout")
            answer = Retry("timeout", doubtful=True)
        return self._came(one, unsent, answer)

    def _came(self, one: Claimed, unsent: Attempt, answer: Answer) -> Attempt:
        """Return what came of an attempt; note whether the receiver asks for a wait, and whether it takes anything."""
        if isinstance(answer, Refused) and answer.perhaps_all and not self._refusals[one.account].believed():
            answer = Retry(answer.reason)
        self._note(answer)
        match answer:
            case Delivered(delivery_id):
                self._rest.taken()
                self._refusals[one.account].taken()
                return replace(unsent, outcome=Outcome.DELIVERED, reason=None, delivery_id=delivery_id)
            case Refused(reason):
                self._rest.taken()
                return Attempt(one.notice_id, one.attempt, Outcome.REFUSED, reason)
            case Retry(reason, asked, doubtful, of_all):
                if asked is not None and of_all:
                    self._rest.asked(min(asked, _LONGEST_ASKED_SECONDS), clock.monotonic())
                delay = self._how.wait(one.notice_id, one.attempt, asked)
                return replace(unsent, reason=reason, delay_s=delay, doubtful=doubtful)

    def _note(self, answer: Answer) -> None:
        if isinstance(answer, Retry):
            if reasons := self._trouble.failed(answer.reason, clock.monotonic()):
                _log.warning("receiver_fails", sender=self.sender.name, attempts=reasons.total(), reasons=dict(reasons))
        elif (seconds := self._trouble.answered(clock.monotonic())) is not None:
            _log.warning("receiver_answers_again", sender=self.sender.name, seconds=round(seconds))

    def _write(self, one: Claimed) -> Letter:
        rendered = self._templates().render(
            one.template,
            one.language,
            ref=one.ticket_ref,
            etr=one.etr,
            restored_at=one.restored_at,
            closed_at=one.closed_at,
        )
        return Letter(
            **{field.name: getattr(one, field.name) for field in fields(Letter) if field.name not in _RENDERED},
            language=rendered.language,
            text=rendered.text,
        )

    async def _drain(self) -> None:
        """Let the calls under way end and write their outcomes; what does not end in time stays ``sending``."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=_DRAIN_SECONDS)
        for call in self._calls:
            call.cancel()  # does nothing to those that have ended
        self._calls = {call for call in self._calls if call.done()}
        try:
            async with asyncio.timeout(_DRAIN_SECONDS / 2):
                await self._settle()
        except (UnavailableError, TimeoutError) as error:
            _log.warning("outcomes_not_written", sender=self.sender.name, reason=str(error)[:200])


def _observe(became: Iterable[Became]) -> None:
    """Put outcomes into the metrics, and into the log those that will not be delivered."""
    for one in became:
        if one.state == "pending" and one.reason == Quiet.QUIET_HOURS:
            metrics.QUIET.labels(one.reason).inc()
            continue
        metrics.BECAME.labels(one.stage, one.channel, one.state).inc()
        if one.state == "sent":
            metrics.SECONDS.labels(one.stage).observe(max(0.0, one.seconds))
        elif one.state in {"failed", "unknown"} and one.reason != "unlinked":  # what the customer wants is no fault
            _log.error(
                "notice_not_delivered",
                notice_id=str(one.notice_id),
                stage=one.stage,
                channel=one.channel,
                state=one.state,
                reason=one.reason,
            )
