"""Incidents, settled reports, plans, news of recipients and of tickets in, notices into the queue: load, decide, save.

Never here: sending. A notice is committed together with the position of the record that caused it, and only then
visible.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.messages import IncidentChanged, PlanChanged, RecipientHeard, ReportSettled, TicketRouted
from services.contracts.topics import INCIDENT_CHANGED, PLAN_CHANGED, RECIPIENT_HEARD, REPORT_SETTLED, TICKET_ROUTED
from services.notify import book, customers, fan_out, inquiries, metrics, notices
from services.notify.domain.asked import answer
from services.notify.domain.decide import Decision, decide
from services.notify.domain.incident import fold
from services.notify.domain.notice import Notice, Quiet, Unsaid, is_told, link_id, recipient_id, settle
from services.notify.domain.planned import (
    instead_of,
    is_moved_end,
    is_overtaken,
    promise,
    tell_moved_end,
    unsaid,
)
from services.notify.heard import note_contacts, save_arrivals, save_links, unlinked
from services.notify.plans import save_plans
from services.notify.tickets import save_tickets
from services.runtime.handling import Decided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.topics import Topic
    from services.notify.domain.incident import News
    from services.notify.domain.planned import Promises, Spoken
    from services.notify.wording import Wording
    from services.runtime.handling import Received, Transaction

_PRESENT: Final = frozenset({"linked", "asks_status"})
"""What only somebody who is there can cause, so that their address is known again."""
_log = structlog.get_logger()


def _contacts(
    news: News, settled: Iterable[ReportSettled], heard: Iterable[RecipientHeard], now: datetime
) -> Iterable[tuple[UUID, UUID | None, datetime, bool]]:
    """Return what may be a customer's own word: report or question, recipient, when (not ahead of now), and which.

    Of a report that is told of more than once here, it is the first time: the others are what became of it.
    """
    told: list[tuple[UUID, UUID | None, datetime]] = []
    for (_, report), (_, joined_at) in news.joined.items():
        who = news.reporters[report]
        told.append((report, who.recipient_id, who.contacted_at or joined_at))
    told += [(one.report_id, recipient_id(one.recipient), one.settled_at) for one in settled if one.recipient]
    # The earliest of a report comes last, and stays.
    first = {report: (whom, at) for report, whom, at in sorted(told, key=itemgetter(2), reverse=True) if whom}
    for report, (whom, at) in first.items():
        yield report, whom, min(at, now), True
    for asking in heard:
        if asking.heard in _PRESENT:
            yield asking.event_id, recipient_id(asking.recipient), min(asking.received_at, now), False


class NotifyHandler:
    """Decides what a batch's customers are told."""

    def __init__(
        self, templates: Callable[[], Wording], wake: Callable[[], None], *, whole: int = fan_out.WHOLE
    ) -> None:
        """Make it.

        Args:
            templates: The templates in force.
            wake: Called when notices, or that customers are to be looked at in pieces, have been committed.
            whole: Most reports of an incident whose customers are all looked at in the batch that brings its news.
        """
        self._templates = templates
        self._wake = wake
        self._whole = whole

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What it reads."""
        return INCIDENT_CHANGED, REPORT_SETTLED, RECIPIENT_HEARD, TICKET_ROUTED, PLAN_CHANGED

    async def handle(self, tx: Transaction, batch: Sequence[Received], now: datetime) -> Decided:
        """Load, decide, save."""
        routed = [one.message for one in batch if isinstance(one.message, TicketRouted)]
        await save_tickets(tx, routed)
        plans = [one.message for one in batch if isinstance(one.message, PlanChanged)]
        await save_plans(tx, plans)
        if len(routed) + len(plans) == len(batch):
            return Decided()
        changes = [one.message for one in batch if isinstance(one.message, IncidentChanged)]
        said = [one.message for one in batch if isinstance(one.message, ReportSettled)]
        settled = [one for one in said if one.outcome != "in_incident"]
        heard = [one.message for one in batch if isinstance(one.message, RecipientHeard)]
        wording = self._templates()
        news = fold(await customers.load_standings(tx, {change.incident_id for change in changes}), changes)
        large = await fan_out.begin(tx, news.announced, whole=self._whole)
        news.announced -= large
        named = [one.recipient for one in news.reporters.values()] + [one.recipient for one in said]
        known = [one for one in named if one is not None]
        known += [one.recipient for one in heard if one.heard in _PRESENT]
        await customers.lock_customers(tx, known, news, [link_id(one.recipient) for one in heard])
        await save_links(tx, heard)
        await note_contacts(tx, _contacts(news, settled, heard, now))
        await customers.save_reports(tx, news.reporters.values(), said)
        decision = Decision()
        if changes:
            decision = decide(news, await book.load(tx, news), calm=wording.calm, now=now)
            await customers.save_news(tx, news.standings.values(), decision.subscriptions)
        quiet = decision.quiet
        words: list[Notice | Unsaid] = [*decision.unsaid, *decision.notices]
        words += await self._words(tx, said, decision.notices, wording, quiet, now)
        words += await self._answers(tx, heard, quiet, now)
        gone = await unlinked(tx, {one.recipient_id for one in words if isinstance(one, Notice)})
        quiet[Quiet.UNLINKED] += sum(isinstance(one, Notice) and one.recipient_id in gone for one in words)
        words = [one for one in words if one.recipient_id not in gone]
        saved = await notices.add_notices(tx, words, rules=wording.digest, now=now)
        lost = await save_arrivals(tx, heard)  # last: notices are locked after customers, by every batch
        made = [one for one in words if isinstance(one, Notice)]
        quiet[Quiet.ALREADY_TOLD] += len(made) - len(saved.new)

        def committed() -> None:
            fan_out.observe(made, saved, decision)
            self._observe_heard(heard, lost)
            _log.debug(
                "notices_decided",
                notices=len(saved.new),
                superseded=len(saved.superseded),
                quiet={reason.value: n for reason, n in quiet.items() if n},
                incidents_in_pieces=len(large),
            )
            if saved.new or large:
                self._wake()

        return Decided(tally=Counter({"notices": len(saved.new)}), after_commit=committed)

    @staticmethod
    async def _answers(
        tx: Transaction, heard: Iterable[RecipientHeard], quiet: Counter[Quiet], now: datetime
    ) -> list[Notice]:
        """Return the answers to who asks; count who asks of nothing that is known."""
        answers = []
        for asking in heard:
            if asking.heard == "asks_status":
                found = await inquiries.report_of(tx, asking)
                if found is None:
                    quiet[Quiet.NOTHING_TO_TELL] += 1
                else:
                    answers.append(answer(asking, *found, now=now))
        return answers

    async def _words(
        self,
        tx: Transaction,
        said: Sequence[ReportSettled],
        spoke: Sequence[Notice],
        wording: Wording,
        quiet: Counter[Quiet],
        now: datetime,
    ) -> list[Notice | Unsaid]:
        """Return what is told of settlements, and what is not said any more, in their order.

        Args:
            tx: The batch's transaction.
            said: The settlements.
            spoke: What the batch's incidents tell.
            wording: The templates in force.
            quiet: Where to count why nothing is told.
            now: The batch's instant.
        """
        told = [one for one in said if is_told(one)]
        promises = await notices.load_promises(tx, [one for one in told if is_moved_end(one)])
        spoken = await notices.load_spoken(tx, told, spoke)
        words: list[Notice | Unsaid] = []
        for message in said:
            verdict: Notice | Quiet | None = None
            if is_told(message):
                verdict = self._settled(message, promises, spoken.get(message.report_id, ()), wording, now)
            if isinstance(verdict, Notice):
                words.append(verdict)
                promise(promises, verdict)
                continue
            if verdict is not None:
                quiet[verdict] += 1
            if (gone := unsaid(message)) is not None:
                words.append(gone)
        return words

    @staticmethod
    def _settled(
        message: ReportSettled, promises: Promises, spoken: Sequence[Spoken], wording: Wording, now: datetime
    ) -> Notice | Quiet:
        """Decide what is told of a report's settlement."""
        if is_overtaken(message, spoken):
            return Quiet.STALE_REVISION
        if not is_moved_end(message) or message.planned_id is None or message.recipient is None:
            verdict = settle(message)
        else:
            known = promises.get((recipient_id(message.recipient), message.planned_id))
            verdict = tell_moved_end(message, known, moved_by=wording.calm.usual, now=min(now, message.settled_at))
        return verdict if isinstance(verdict, Quiet) else instead_of(verdict, message, spoken)

    def forget(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Nothing is cached."""

    @staticmethod
    def _observe_heard(heard: Iterable[RecipientHeard], lost: Iterable[tuple[str, str]]) -> None:
        for one in heard:
            metrics.HEARD.labels(one.recipient.channel, one.heard).inc()
        for stage, channel in lost:
            metrics.BECAME.labels(stage, channel, "failed").inc()
