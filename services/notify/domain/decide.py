"""Whom to tell what; pure.

Two things are kept apart, as in Alertmanager's notification log: what is true of an incident (``Standing``) and what a
customer was already told (``Told``). ``needs_notice`` compares them and returns a stage, or the reason for no notice.
Every notice carries the complete current state, so a customer always knows what the last one says.

Never here: I/O, the clock, wording; a second notice to one customer of the same incident, stage and revision, in
whatever order, batches or number of copies the snapshots come.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from services.contracts.values import IncidentState
from services.notify.domain.incident import Standing, Subscription
from services.notify.domain.notice import (
    Held,
    Notice,
    Quiet,
    Reach,
    Reporter,
    Stage,
    Tell,
    Template,
    Told,
    Unsaid,
    make_notice,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from services.notify.domain.incident import News

    _Compare = Callable[[Told | None], Tell | Quiet]


@dataclass(frozen=True, slots=True)
class Book:
    """What was known before the batch of everyone it may concern.

    Attributes:
        reporters: Of every subscription here, where the report was ever seen.
        subscriptions: Of the announced incidents, all; of the others, those of the reports in the batch, joined or
            left, and of their customers. Of each of these reports, those in other incidents too.
        told: Per recipient, the notices made of those incidents, oldest first.
    """

    reporters: Mapping[UUID, Reporter] = field(default_factory=dict)
    subscriptions: Mapping[tuple[UUID, UUID], Subscription] = field(default_factory=dict)
    told: Mapping[UUID, Sequence[Told]] = field(default_factory=dict)


@dataclass(slots=True)
class Decision:
    """What to save: subscriptions that changed, notices to make, what is not said any more, why others are silent.

    Attributes:
        held: Of the customers who are told that power is back, how many had been told a time that held.
    """

    subscriptions: list[Subscription] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unsaid: list[Unsaid] = field(default_factory=list)
    quiet: Counter[Quiet] = field(default_factory=Counter)
    held: Counter[Held] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Calm:
    """By how much an estimate must have moved since a customer was told one, to be told again.

    In a storm estimates move with every look at the work ahead: who is told each of them believes none.

    Attributes:
        passed: How long after the time that they were told customers hear that it has passed; None where they do not.
    """

    usual: timedelta
    in_storm: timedelta
    passed: timedelta | None = None

    def of(self, standing: Standing) -> timedelta:
        """Return what holds for an incident."""
        return self.in_storm if standing.storm else self.usual


def needs_notice(
    standing: Standing,
    told: Told | None,
    *,
    joined: tuple[int, int],
    etr_moved_by: timedelta,
    now: datetime,
    passed: timedelta | None = None,
) -> Tell | Quiet:
    """Compare what is true of an incident with what a customer was last told of it.

    The revision of what is told is the incident's revision that made it true for this customer: the one that brought
    the ETR or the restoration, or the one with which their report joined, if that is later.

    Args:
        standing: The incident.
        told: The last notice made to the customer, of this incident or of one that their report came from.
        joined: Revisions with which the customer's first and last report joined.
        etr_moved_by: An ETR must have moved by more than this since the customer was told one.
        now: An ETR that is not after this is not told.
        passed: Who was told one this long ago hears that it has passed; None where that is not looked at.
    """
    first, last = joined
    if standing.state is IncidentState.CANCELLED:
        return Quiet.INCIDENT_CANCELLED
    if standing.state is IncidentState.RESTORED:
        if told is not None and told.stage == Stage.RESTORED:
            return Quiet.ALREADY_TOLD
        return Tell(Stage.RESTORED, max(standing.state_since, last), Template.RESTORED)
    etr = standing.etr if standing.etr is not None and standing.etr > now else None
    if told is None:
        knew = standing.known_since is not None and standing.known_since <= first
        return _first_word(standing, etr, last, knew=knew)
    if told.stage == Stage.RESTORED:  # it did not hold, or their report went to an outage that goes on
        return _first_word(standing, etr, last, knew=True)
    if etr is None and standing.etr is not None and passed is not None:
        return _has_passed(standing, last, told, now - passed)
    return _next_word(standing, etr, last, told, etr_moved_by)


def _first_word(standing: Standing, etr: datetime | None, joined: int, *, knew: bool) -> Tell:
    """Return what to tell a customer who knows of no outage that is going on. ``knew``: we did when they joined."""
    revision = max(standing.state_since, joined)
    if etr is not None:
        if knew:
            return Tell(Stage.JOINED_KNOWN, max(standing.etr_since, revision), Template.JOINED_KNOWN_ETR, etr)
        return Tell(Stage.ETR_SET, max(standing.etr_since, revision), Template.ETR_SET, etr)
    if knew:
        return Tell(Stage.JOINED_KNOWN, revision, Template.JOINED_KNOWN)
    return Tell(Stage.RECEIVED, revision, Template.RECEIVED_STORM if standing.storm else Template.RECEIVED)


def _next_word(
    standing: Standing, etr: datetime | None, joined: int, told: Told, etr_moved_by: timedelta
) -> Tell | Quiet:
    """Return what to tell a customer who knows of the outage: only what its estimate has become."""
    if etr is None:
        if told.etr is None:
            return Quiet.ETR_PAST if standing.etr else Quiet.ALREADY_TOLD
        if standing.etr is None:
            return Quiet.ETR_WITHDRAWN
        return Quiet.ALREADY_TOLD if standing.etr == told.etr else Quiet.ETR_PAST
    revision = max(standing.etr_since, joined)
    if told.etr is None:
        return Tell(Stage.ETR_SET, revision, Template.ETR_SET, etr)
    if etr == told.etr:
        return Quiet.ALREADY_TOLD
    if abs(etr - told.etr) <= etr_moved_by:
        return Quiet.ETR_MOVED_LITTLE
    return Tell(Stage.ETR_CHANGED, revision, Template.ETR_CHANGED, etr)


def _has_passed(standing: Standing, joined: int, told: Told, until: datetime) -> Tell | Quiet:
    """Return what to tell a customer of an estimate that has passed: that it has, if they may have been told one.

    What is about to leave may turn out to be told to nobody, as its time has passed: then what they were told before
    holds, and that may pass later.
    """
    if told.etr is None:
        return Quiet.ALREADY_TOLD
    if told.reach is Reach.KEPT:
        return Quiet.ALREADY_TOLD
    if told.reach is Reach.LEAVING or told.etr > until:
        return Quiet.ETR_NOT_PASSED
    # They may have been told it as news of a later revision; those of another incident count something else.
    at_least = told.revision if told.incident_id == standing.incident_id else 0
    revision = max(standing.etr_since, joined, at_least)
    return Tell(Stage.ETR_PASSED, revision, Template.ETR_PASSED)


def decide(
    news: News,
    book: Book,
    *,
    calm: Calm,
    now: datetime,
    passed: timedelta | None = None,
    afresh: bool = False,
) -> Decision:
    """Decide what to tell whom after a batch.

    A batch is judged by its end: a customer whose incident was opened and restored within it is told once, that the
    power is back. Whether an estimate had passed is judged as of the change: a clock here that is hours ahead would
    keep every estimate from everybody. One that passes later is not sent (``delivery``).

    Args:
        news: What the batch changes.
        book: What was known before.
        calm: What is worth telling again.
        now: The instant of the batch.
        passed: Where estimates that have passed are looked at: who was told one this long ago hears of it.
        afresh: Whether what waits, as it was held over night, is given up: all is decided again, as of ``now``.
    """
    decision = Decision(quiet=Counter(news.quiet))
    reporters = {**book.reporters, **news.reporters}
    subscriptions = _subscribe(news, book, decision)
    homes = _homes(subscriptions.values())
    by_incident: defaultdict[UUID, list[Subscription]] = defaultdict(list)
    been_in: defaultdict[UUID, list[Subscription]] = defaultdict(list)
    for one in subscriptions.values():
        been_in[one.report_id].append(one)
        if one.active and one.joined_at == homes.get(one.report_id):
            by_incident[one.incident_id].append(one)
    joined_reports: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for incident, report in news.joined:
        joined_reports[incident].add(report)
    told = {who: list(made) for who, made in book.told.items()}
    parted = {(incident, reporters[report].recipient_id) for incident, report in news.left if report in reporters}
    for incident in sorted(news.standings):
        joined = joined_reports[incident]
        customers = _customers(by_incident[incident], reporters, joined, decision)
        for who, theirs in sorted(customers.items()):
            new = sum(one.report_id in joined for one in theirs)
            if not new and incident not in news.announced and (incident, who) not in parted:
                continue
            decision.quiet[Quiet.SAME_CUSTOMER] += max(0, new - 1)
            ways = [one for mine in theirs for one in been_in[mine.report_id]]
            said = [one for one in told.get(who, ()) if any(_was_of(one, way) for way in ways)]
            standing = news.standings[incident]
            compare = partial(
                needs_notice,
                standing,
                joined=(theirs[0].joined_revision, theirs[-1].joined_revision),
                etr_moved_by=calm.of(standing),
                now=now if afresh else min(now, standing.changed_at),
                passed=passed,
            )
            verdict = (_compare_afresh if afresh else _compare)(standing, said, compare)
            if isinstance(verdict, Quiet):
                decision.quiet[verdict] += 1
                if _waits_in_vain(verdict, said):
                    decision.unsaid.append(Unsaid(who, said[-1].incident_id, incident))
                continue
            mine = _news_of(theirs, said)
            about = {one.incident_id for one in ways}
            decision.notices.append(_address(verdict, standing, mine, theirs, reporters, about))
            if standing.restored_at is not None:
                decision.held[_held(said, standing.restored_at)] += 1
            told.setdefault(who, []).append(Told(incident, mine, verdict.stage, verdict.revision, verdict.etr))
    return decision


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
    joined: Collection[UUID],
    decision: Decision,
) -> dict[UUID, list[Subscription]]:
    """Group an incident's subscriptions by customer, the first to join first; leave out those who cannot be told."""
    customers: defaultdict[UUID, list[Subscription]] = defaultdict(list)
    for one in sorted(subscriptions, key=_by_joining):
        who = reporters[one.report_id].recipient_id
        if who is not None:
            customers[who].append(one)
        elif one.report_id in joined:
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


def _homes(subscriptions: Iterable[Subscription]) -> dict[UUID, datetime]:
    """When each report joined the incident it is in now.

    A report is in one incident at a time, but the record of its leaving comes on another partition than that of its
    joining elsewhere; until both are here, the latest joining holds.
    """
    homes: dict[UUID, datetime] = {}
    for one in subscriptions:
        if one.active and one.joined_at is not None:
            homes[one.report_id] = max(one.joined_at, homes.get(one.report_id, one.joined_at))
    return homes


def _compare(standing: Standing, told: Sequence[Told], compare: _Compare) -> Tell | Quiet:
    """Compare what is true with all that was made, which goes out unless something newer takes its place."""
    verdict = compare(told[-1] if told else None)
    if isinstance(verdict, Quiet) and _waits_in_vain(verdict, told):
        heard = [one for one in told if one.reach is Reach.OUT]
        first = compare(heard[-1] if heard else None)
        # Under a revision of its own: the same word may have been made before, and not been sent either.
        verdict = replace(first, revision=standing.revision) if isinstance(first, Tell) else verdict
    return _unless_made(verdict, standing, told)


def _compare_afresh(standing: Standing, told: Sequence[Told], compare: _Compare) -> Tell | Quiet:
    """Compare what is true with what has left us.

    A word that they may have been told all the same makes no other needless. Where it holds no more, they hear that as
    who was told it does; and nothing comes after it under an older revision.
    """
    out = [one for one in told if one.reach is Reach.OUT]
    verdict = compare(out[-1] if out else None)
    perhaps = next((one for one in reversed(told) if one.reach in {Reach.OUT, Reach.DOUBTED}), None)
    if perhaps is not None and perhaps.reach is Reach.DOUBTED:
        if_told = compare(perhaps)
        if isinstance(if_told, Tell):
            verdict = if_told
        elif isinstance(verdict, Tell) and perhaps.incident_id == standing.incident_id:
            verdict = replace(verdict, revision=max(verdict.revision, perhaps.revision))
    return _unless_made(verdict, standing, out)


def _unless_made(verdict: Tell | Quiet, standing: Standing, told: Iterable[Told]) -> Tell | Quiet:
    """Return a word that was not made before."""
    made = {(one.incident_id, one.stage, one.revision) for one in told}
    if isinstance(verdict, Tell) and (standing.incident_id, verdict.stage, verdict.revision) in made:
        return Quiet.ALREADY_TOLD
    return verdict


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


def _waits_in_vain(verdict: Quiet, told: Sequence[Told]) -> bool:
    """Tell whether what waits to be sent is an estimate that does not hold, where no other takes its place."""
    last = told[-1] if told else None
    gone = verdict in {Quiet.ETR_WITHDRAWN, Quiet.ETR_PAST}
    return gone and last is not None and last.reach is not Reach.OUT and last.etr is not None


def present(standing: Standing, *, joined_revision: int, now: datetime) -> Tell:
    """Return what is true of a report's incident now, for a customer who asks."""
    if standing.state is IncidentState.RESTORED:
        return Tell(Stage.RESTORED, standing.state_since, Template.RESTORED)
    if standing.etr is not None and standing.etr > now:
        return Tell(Stage.ETR_SET, standing.etr_since, Template.ETR_SET, standing.etr)
    knew = standing.state_since > 0 or (standing.known_since is not None and standing.known_since <= joined_revision)
    return _first_word(standing, None, joined_revision, knew=knew)
