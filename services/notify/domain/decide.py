"""Whom to tell; pure.

Decided here: which customers an incident has, which of what they were told counts, and of which of their reports the
next word is. Never here: I/O, the clock, what is said (``comparison``); a second notice to one customer of the same
incident, stage and revision, in whatever order, batches or number of copies the snapshots come.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from services.notify.domain.comparison import Occasion, next_word, waits_in_vain
from services.notify.domain.incident import Subscription
from services.notify.domain.notice import FAILED, Held, Quiet, Reach, Stage, Told, Unsaid, make_notice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.notify.domain.comparison import Calm
    from services.notify.domain.incident import News, Settled, Standing
    from services.notify.domain.notice import Notice, Reporter, Tell


@dataclass(frozen=True, slots=True)
class Book:
    """What was known before the batch of everyone it may concern.

    Attributes:
        reporters: Of every subscription here, where the report was ever seen.
        subscriptions: Of the announced incidents, all; of the others, those of the reports in the batch, joined or
            left, and of their customers. Of each of these reports, those in other incidents too.
        told: Per recipient, the notices made of those incidents, oldest first.
        settled: How these reports, and those that joined, were last settled.
    """

    reporters: Mapping[UUID, Reporter] = field(default_factory=dict)
    subscriptions: Mapping[tuple[UUID, UUID], Subscription] = field(default_factory=dict)
    told: Mapping[UUID, Sequence[Told]] = field(default_factory=dict)
    settled: Mapping[UUID, Settled] = field(default_factory=dict)


@dataclass(slots=True)
class Decision:
    """What to save: subscriptions that changed, notices to make, what is not said any more, why others are silent.

    Attributes:
        held: Of the customers who are told that power is back, how many had been told a time that held.
        may_pass_at: When the first of those whose time has not passed yet may have to hear that it has; None of nobody.
    """

    subscriptions: list[Subscription] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unsaid: list[Unsaid] = field(default_factory=list)
    quiet: Counter[Quiet] = field(default_factory=Counter)
    held: Counter[Held] = field(default_factory=Counter)
    may_pass_at: datetime | None = None


def decide(news: News, book: Book, *, calm: Calm, now: datetime, occasion: Occasion = Occasion.NEWS) -> Decision:
    """Decide what to tell whom after a batch.

    A batch is judged by its end: a customer whose incident was opened and restored within it is told once, that the
    power is back.

    Args:
        news: What the batch changes.
        book: What was known before.
        calm: What is worth telling again.
        now: The instant of the batch.
        occasion: Why customers are looked at.
    """
    decision = Decision(quiet=Counter(news.quiet))
    reporters = {**book.reporters, **news.reporters}
    subscriptions = _subscribe(news, book, decision)
    homes = _homes(subscriptions.values(), book.settled)
    by_incident: defaultdict[UUID, list[Subscription]] = defaultdict(list)
    been_in: defaultdict[UUID, list[Subscription]] = defaultdict(list)
    for one in subscriptions.values():
        been_in[one.report_id].append(one)
        if one.active and one.joined_at == homes.get(one.report_id):
            by_incident[one.incident_id].append(one)
    told = {who: list(made) for who, made in book.told.items()}
    parted = {(incident, reporters[report].recipient_id) for incident, report in news.left if report in reporters}
    for incident in sorted(news.standings):
        customers = _customers(by_incident[incident], reporters, news.joined, decision)
        for who, theirs in sorted(customers.items()):
            new = sum((incident, one.report_id) in news.joined for one in theirs)
            if not new and incident not in news.announced and (incident, who) not in parted:
                continue
            decision.quiet[Quiet.SAME_CUSTOMER] += max(0, new - 1)
            ways = [one for mine in theirs for one in been_in[mine.report_id]]
            said = [one for one in told.get(who, ()) if any(_was_of(one, way) for way in ways)]
            standing = news.standings[incident]
            revisions = theirs[0].joined_revision, theirs[-1].joined_revision
            verdict = next_word(standing, said, joined=revisions, calm=calm, now=now, occasion=occasion)
            said = [one for one in said if one.reach not in FAILED]
            if isinstance(verdict, Quiet):
                decision.quiet[verdict] += 1
                if verdict is Quiet.ETR_NOT_PASSED:
                    at = _may_pass_at(said, calm, now)
                    decision.may_pass_at = min(at, decision.may_pass_at or at)
                if waits_in_vain(verdict, said):
                    decision.unsaid.append(Unsaid(who, said[-1].incident_id, incident))
                continue
            mine = _news_of(theirs, said)
            about = {one.incident_id for one in ways}
            decision.notices.append(_address(verdict, standing, mine, theirs, reporters, about))
            if standing.restored_at is not None:
                decision.held[_held(said, standing.restored_at)] += 1
            told.setdefault(who, []).append(Told(incident, mine, verdict.stage, verdict.revision, verdict.etr))
    return decision


def _may_pass_at(said: Sequence[Told], calm: Calm, now: datetime) -> datetime:
    """When a customer may have to hear that a time has passed: now, where one is about to leave or lost.

    Of several times it is the first that has not, as the later may turn out to have been told to nobody.
    """
    if calm.passed is None or any(one.reach is Reach.LEAVING for one in said):
        return now
    due = [one.etr + calm.passed for one in said if one.etr is not None]
    return min((at for at in due if at > now), default=now)


def _held(said: Sequence[Told], restored_at: datetime) -> Held:
    """Tell whether the last time that a customer was told, of an outage that has gone on since, held."""
    for one in reversed(said):
        if one.stage == Stage.RESTORED:
            break
        if one.etr is not None and one.reach is Reach.OUT:
            return Held.HELD if restored_at <= one.etr else Held.MISSED
    return Held.NONE


def _customers(
    subscriptions: Iterable[Subscription],
    reporters: Mapping[UUID, Reporter],
    joined: Collection[tuple[UUID, UUID]],
    decision: Decision,
) -> dict[UUID, list[Subscription]]:
    """Group an incident's subscriptions by customer, the first to join first; leave out those who cannot be told."""
    customers: defaultdict[UUID, list[Subscription]] = defaultdict(list)
    for one in sorted(subscriptions, key=_by_joining):
        who = reporters[one.report_id].recipient_id
        if who is not None:
            customers[who].append(one)
        elif (one.incident_id, one.report_id) in joined:
            decision.quiet[Quiet.NO_RECIPIENT] += 1
    return customers


def _was_of(told: Told, way: Subscription) -> bool:
    """Whether what was told of an incident was told of a report that is or was in it.

    It is not, where the report had left by then and another of the customer's was there.
    """
    if told.incident_id != way.incident_id:
        return False
    return way.active or told.revision < way.left_revision or told.report_id == way.report_id


def _by_joining(one: Subscription) -> tuple[int, UUID]:
    return one.joined_revision, one.report_id


def _subscribe(news: News, book: Book, decision: Decision) -> dict[tuple[UUID, UUID], Subscription]:
    """Fold who joined and left into the subscriptions; note those that changed."""
    subscriptions = dict(book.subscriptions)
    for key in sorted(news.joined.keys() | news.left.keys()):
        before = subscriptions.get(key, Subscription(*key))
        after = before
        if key in news.joined and news.joined[key][0] > before.joined_revision:
            after = replace(after, joined_revision=news.joined[key][0], joined_at=news.joined[key][1])
        if news.left.get(key, 0) > before.left_revision:
            after = replace(after, left_revision=news.left[key])
            decision.quiet[Quiet.LEFT] += 1
        if after != before:
            subscriptions[key] = after
            decision.subscriptions.append(after)
    return subscriptions


def _homes(subscriptions: Iterable[Subscription], settled: Mapping[UUID, Settled]) -> dict[UUID, datetime]:
    """When each report joined the incident it is in now.

    A report is in one incident at a time, but the record of its leaving comes on another partition than that of its
    joining elsewhere, or of its being answered; until both are here, the latest holds.
    """
    homes: dict[UUID, datetime] = {}
    for one in subscriptions:
        if one.active and one.joined_at is not None:
            apart = settled.get(one.report_id)
            if apart is None or not apart.is_after(one.joined_at):
                homes[one.report_id] = max(one.joined_at, homes.get(one.report_id, one.joined_at))
    return homes


def _news_of(theirs: Sequence[Subscription], said: Sequence[Told]) -> UUID:
    """Return the report of a customer that the next word names: the last that they read of, or else the first to join.

    Of another that has come from elsewhere they may have read the same before, under that one's reference.
    """
    mine = [one.report_id for one in theirs]
    return said[-1].report_id if said and said[-1].report_id in mine else mine[0]


def _address(
    tell: Tell,
    standing: Standing,
    mine: UUID,
    theirs: Sequence[Subscription],
    reporters: Mapping[UUID, Reporter],
    about: Collection[UUID],
) -> Notice:
    """Make the notice to one customer of ``mine``, who has ``theirs`` in the incident, the first to join first."""
    return make_notice(
        reporters[mine],
        tell,
        incident_id=standing.incident_id,
        language=reporters[theirs[-1].report_id].language,
        restored_at=standing.restored_at,
        caused_at=standing.changed_at,
        turn=min(reporters[one.report_id].turn for one in theirs),
        replaces=(*sorted(about), *(one.report_id for one in theirs)),
    )
