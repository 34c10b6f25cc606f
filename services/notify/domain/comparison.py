"""What a customer is told of an incident: what is true of it, compared with what they were told. Pure.

Two things are kept apart, as in Alertmanager's notification log: what is true of an incident (``Standing``) and what a
customer was already told (``Told``). ``needs_notice`` compares them and returns a stage, or the reason for no notice.
Every notice carries the complete current state, so a customer always knows what the last one says.

Never here: I/O, the clock, wording; whom to tell (``decide``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from services.contracts.values import IncidentState
from services.notify.domain.notice import FAILED, Quiet, Reach, Stage, Tell, Template, of_danger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime, timedelta

    from services.notify.domain.incident import Standing
    from services.notify.domain.notice import Told

    _Compare = Callable[[Told | None], Tell | Quiet]

_DANGER: Final = "hazard"
"""Kind of an incident (``incident.changed.v1``): danger to life, whether or not power is out."""
_MOST_IN_VAIN: Final = 3
"""After so many words in a row that failed, a gateway that refuses is asked again only with what is other news."""


class Occasion(Enum):
    """Why customers are looked at."""

    NEWS = auto()
    """The incident has changed. Whether an estimate had passed is judged as of the change: a clock here that is hours
    ahead would keep every estimate from everybody. One that passes later is not sent (``delivery``)."""
    PASSED = auto()
    """An estimate has passed, of which nobody has said so."""
    MORNING = auto()
    """The quiet hours are over: what was held is given up, and all is decided again."""


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


def next_word(
    standing: Standing,
    told: Sequence[Told],
    *,
    joined: tuple[int, int],
    calm: Calm,
    now: datetime,
    occasion: Occasion,
) -> Tell | Quiet:
    """Return what a customer is told of an incident now that they were not told before.

    Args:
        standing: The incident.
        told: What was made for the customer of it and of those that their reports came from, oldest first.
        joined: Revisions with which the customer's first and last report joined.
        calm: What is worth telling again.
        now: The instant of the decision.
        occasion: Why they are looked at.
    """
    news = occasion is Occasion.NEWS
    compare = partial(
        needs_notice,
        standing,
        joined=joined,
        etr_moved_by=calm.of(standing),
        now=min(now, standing.changed_at) if news else now,
        passed=None if news else calm.passed,
    )
    unsure = FAILED
    if occasion is Occasion.MORNING:  # what waits counts as never made
        told = [one for one in told if one.reach not in {Reach.KEPT, Reach.LEAVING}]
        unsure |= {Reach.DOUBTED}
    sure = [one for one in told if one.reach not in unsure]
    verdict = _after_all(standing, sure, compare)
    perhaps = next((one for one in reversed(told) if one.reach is not Reach.LOST), None)
    if perhaps is not None and perhaps.reach in unsure:
        verdict = _if_in_doubt(standing, perhaps, verdict, compare)
    if isinstance(verdict, Tell):
        verdict = _unless_in_vain(standing, verdict, told, unsure, compare)
    return _worded(standing, verdict) if isinstance(verdict, Tell) else verdict


def _after_all(standing: Standing, told: Sequence[Told], compare: _Compare) -> Tell | Quiet:
    """Compare what is true with all that was made, which goes out unless something newer takes its place."""
    verdict = compare(told[-1] if told else None)
    if isinstance(verdict, Quiet) and waits_in_vain(verdict, told):
        heard = [one for one in told if one.reach is Reach.OUT]
        first = compare(heard[-1] if heard else None)
        # Under a revision of its own: the same word may have been made before, and not been sent either.
        verdict = replace(first, revision=standing.revision) if isinstance(first, Tell) else verdict
    return verdict


def _if_in_doubt(standing: Standing, perhaps: Told, verdict: Tell | Quiet, compare: _Compare) -> Tell | Quiet:
    """Return what is told of whom it is not known whether they have the last word.

    A word that they may have been told all the same makes no other needless. Where it holds no more, they hear that as
    who was told it does; and nothing comes after it under an older revision.
    """
    if_told = compare(perhaps)
    if isinstance(if_told, Tell):
        return if_told
    if isinstance(verdict, Tell) and perhaps.incident_id == standing.incident_id:
        return replace(verdict, revision=max(verdict.revision, perhaps.revision))
    return verdict


def _unless_in_vain(
    standing: Standing, verdict: Tell, told: Sequence[Told], unsure: Collection[Reach], compare: _Compare
) -> Tell | Quiet:
    """Return what is told, as far as it was not made yet, nor fails as all has failed that was made at last.

    A word that failed was told to nobody: it is made once more if news bring it up, under their own revision.
    """
    failed = list(takewhile(lambda one: one.reach in FAILED, reversed(told)))
    if len(failed) >= _MOST_IN_VAIN and isinstance(if_heard := compare(failed[0]), Quiet):
        return if_heard
    made = {
        (one.stage, one.revision): one.reach
        for one in told
        if one.incident_id == standing.incident_id and (one.reach in FAILED or one.reach not in unsure)
    }
    if made.get((verdict.stage, verdict.revision)) in FAILED:
        verdict = replace(verdict, revision=standing.revision)
    return Quiet.ALREADY_TOLD if (verdict.stage, verdict.revision) in made else verdict


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
    if told.etr is None or told.reach is Reach.KEPT:
        return Quiet.ALREADY_TOLD
    if told.reach is Reach.LEAVING or told.etr > until:
        return Quiet.ETR_NOT_PASSED
    # They may have been told it as news of a later revision; those of another incident count something else.
    at_least = told.revision if told.incident_id == standing.incident_id else 0
    revision = max(standing.etr_since, joined, at_least)
    return Tell(Stage.ETR_PASSED, revision, Template.ETR_PASSED)


def waits_in_vain(verdict: Quiet, told: Sequence[Told]) -> bool:
    """Tell whether what waits to be sent is an estimate that does not hold, where no other takes its place."""
    last = told[-1] if told else None
    gone = verdict in {Quiet.ETR_WITHDRAWN, Quiet.ETR_PAST}
    return gone and last is not None and last.reach is not Reach.OUT and last.etr is not None


def present(standing: Standing, *, joined_revision: int, now: datetime) -> Tell:
    """Return what is true of a report's incident now, for a customer who asks."""
    knew = standing.state_since > 0 or (standing.known_since is not None and standing.known_since <= joined_revision)
    if standing.state is IncidentState.RESTORED:
        tell = Tell(Stage.RESTORED, standing.state_since, Template.RESTORED)
    elif standing.etr is not None and standing.etr > now:
        tell = Tell(Stage.ETR_SET, standing.etr_since, Template.ETR_SET, standing.etr)
    else:
        tell = _first_word(standing, None, joined_revision, knew=knew)
    return _worded(standing, tell)


def _worded(standing: Standing, tell: Tell) -> Tell:
    """Say of a danger nothing about power, which may be on at the same home, or out by an outage of its own."""
    return replace(tell, template=of_danger(tell.template)) if standing.kind == _DANGER else tell
