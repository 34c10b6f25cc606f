"""What must hold of what customers were told by the end of a story. Never here: what goes on in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from services.contracts.messages import IncidentChanged
from services.contracts.values import IncidentState
from tests.unit.dedup.timeline import minute

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import Message, ReportSettled
    from services.notify.senders import Letter
    from tests.integration.notify.town import Heard

    Letters = Mapping[str, list[Heard]]
    """By address, what customers were told unasked, in that order."""


_NEAR: Final = timedelta(minutes=60)
"""In a storm no time is told again that moved by less."""
_IN_VAIN: Final = 3
"""So many words in a row that failed."""


def letters_of(taken: Iterable[Heard]) -> Letters:
    """Sort what a receiver took by whom it told."""
    by_address: defaultdict[str, list[Heard]] = defaultdict(list)
    for one in taken:
        if one.letter.stage != "asked":
            by_address[one.letter.address].append(one)
    return by_address


def each_letter_is_news(letters: Letters, answered: Collection[Any], is_awake: Callable[[str, float], bool]) -> None:
    """Nothing twice, nothing older after what is newer, no time that has passed, nobody woken.

    What was taken but never answered for may have reached nobody: where another word took its place before it was
    tried again, the same may be said under another revision. Customers rather hear it twice than never. Who has two
    reports and was told a time of one hears it of the other, by its reference, once that is in the same outage.
    Whose report went to another outage and came back hears anew what holds again, after what they read meanwhile.
    """
    for who, heard in letters.items():
        last: dict[UUID | None, Letter] = {}
        read: dict[str, Letter] = {}
        for letter, at, quiet_until, _ in heard:
            assert letter.etr is None or letter.etr > minute(at), "a time that has passed"
            if quiet_until is not None:
                assert is_awake(who, at), f"woken by {letter.stage}: {who} at {at}"
            before = last.get(letter.incident_id)
            if before is not None and letter.incident_id is not None:
                unsure = before.notice_id not in answered
                anew = _says(before) != _says(letter) or read[letter.ticket_ref] is not before
                assert unsure or anew, f"twice {letter.stage}: {who} {letter.incident_id}"
                assert before.revision <= letter.revision, (
                    f"older after newer, {before.stage}, {letter.stage}: {who} {letter.incident_id}"
                )
            last[letter.incident_id] = read[letter.ticket_ref] = letter


def everybody_reads_of_their_own(
    taken: Iterable[Heard],
    changed: Sequence[IncidentChanged],
    settled: Sequence[ReportSettled],
    numbers: Mapping[UUID, str],
) -> None:
    """Of a report of theirs, in its language; of an outage that it is or was in; and no time that nobody gave."""
    been: defaultdict[tuple[str | None, str], set[UUID]] = defaultdict(set)
    languages: dict[str, str] = {}
    times: defaultdict[UUID | None, set[datetime | None]] = defaultdict(set)
    for change in changed:
        times[change.incident_id].add(change.etr and change.etr.at)
        for member in change.joined:
            been[numbers.get(member.report_id), member.ticket_ref].add(change.incident_id)
            languages[member.ticket_ref] = member.language
    for one in settled:
        _ = been[numbers.get(one.report_id), one.ticket_ref]
        languages[one.ticket_ref] = one.language
        times[None].add(one.expected_at)
    times[None] |= set[Any]().union(*times.values())
    for letter, at, *_ in taken:
        who = letter.address
        theirs = been.get((who, letter.ticket_ref))
        assert theirs is not None, f"told of another's report: {who} at {at}"
        assert letter.incident_id in {None, *theirs}, f"told of an outage that their report was never in: {who} at {at}"
        assert letter.language == languages[letter.ticket_ref], f"told in another language: {who} at {at}"
        given = letter.etr is None or letter.etr in times[letter.incident_id]
        assert given, f"told a time that nobody gave: {who} at {at}"


def what_is_told_is_so(taken: Iterable[Heard], come: Sequence[Message]) -> None:
    """As far as notify knew when it was sent: power is back of whom that is said, and of nobody who hears otherwise.

    Whose report has left the outage hears of the next one, once that is known.
    """
    stands: dict[UUID, IncidentChanged] = {}
    inside: defaultdict[tuple[UUID | None, UUID | None], int] = defaultdict(int)
    reports: dict[str, UUID] = {}
    known = 0
    for letter, at, _, after in taken:
        for change in come[known:after]:
            if isinstance(change, IncidentChanged):
                stands[change.incident_id] = change
                reports |= {member.ticket_ref: member.report_id for member in change.joined}
                inside |= {(change.incident_id, member.report_id): 1 for member in change.joined}
                inside |= {(change.incident_id, report): 0 for report in change.left}
        known = after
        if letter.incident_id is None or not inside[letter.incident_id, reports.get(letter.ticket_ref)]:
            continue
        over = stands[letter.incident_id].state is IncidentState.RESTORED
        said = f"{letter.stage}: {letter.address} {letter.incident_id} at {at}"
        assert over or letter.stage != "restored", f"told that power is back while it is out: {said}"
        assert not over or letter.stage == "restored", f"told that it is out while power is back: {said}"
        assert stands[letter.incident_id].state is not IncidentState.CANCELLED, f"told of what was closed: {said}"


def nobody_hears_a_time_again_that_moved_little(
    letters: Letters,
    come: Sequence[Message],
    answered: Collection[Any],
    least: Callable[[float, float], timedelta],
) -> None:
    """Unless another was given meanwhile that was to be told, or power was back for a while.

    Args:
        letters: What was told.
        come: What notify was told of.
        answered: Of which letters it was told that they were taken.
        least: By how much a time must have moved to be told, the least that was in force in a while.
    """
    for who, heard in letters.items():
        for (before, at, _, since), (after, then, _, until) in pairwise(heard):
            same = (before.incident_id, before.ticket_ref) == (after.incident_id, after.ticket_ref)
            known = before.incident_id is not None and before.notice_id in answered
            if not same or not known or before.etr is None or after.etr is None:
                continue
            most = least(at, then)
            said = [
                one
                for one in come[since:until]
                if isinstance(one, IncidentChanged) and one.incident_id == before.incident_id
            ]
            if any(one.state is IncidentState.RESTORED for one in said):
                continue
            given = [one.etr.at for one in said if one.etr]
            assert any(abs(one - before.etr) > most for one in given), f"told the same time again: {who} at {then}"


def nobody_hears_that_a_time_has_passed_who_was_told_none(
    letters: Letters, answered: Collection[Any], begun: Iterable[tuple[str, datetime]]
) -> None:
    """Since they last heard so of the outage or their report; ``begun``: whom a process that ended may have told."""
    perhaps: defaultdict[str, list[datetime]] = defaultdict(list)
    for who, etr in begun:
        perhaps[who].append(etr)
    for who, heard in letters.items():
        letters_so_far: list[Letter] = []
        for letter, at, *_ in heard:
            letters_so_far.append(letter)
            if letter.stage != "etr_passed":
                continue
            times = list(perhaps[who])
            for before in letters_so_far[:-1]:
                about = letter.incident_id == before.incident_id or letter.ticket_ref == before.ticket_ref
                if about and before.stage == "etr_passed" and before.notice_id in answered:
                    times = list(perhaps[who])
                if before.etr is not None and before.incident_id is not None:
                    times.append(before.etr)
            assert any(one <= minute(at) for one in times), f"an apology for a time that nobody told: {who} at {at}"


def nobody_gone_is_told(taken: Iterable[Heard], gone: Mapping[str, int]) -> None:
    """``gone``: who may not be told, and how many letters there were by then."""
    every = [one.letter.address for one in taken]
    for who, n in gone.items():
        assert who not in every[n:], "told after a STOP"


@dataclass
class Homes:
    """Where reports are and have been, as incidents said.

    Attributes:
        home: The incident that each report is in.
        been: Those that it has been in.
        left: With which revision it left one.
        stands: How each incident stands.
        since: When it joined that.
        refs: The reference of each report.
    """

    home: dict[UUID, UUID] = field(default_factory=dict)
    since: dict[UUID, datetime] = field(default_factory=dict)
    been: defaultdict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    left: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    stands: dict[UUID, IncidentChanged] = field(default_factory=dict)
    refs: dict[UUID, str] = field(default_factory=dict)

    @classmethod
    def after(cls, changes: Iterable[IncidentChanged]) -> Homes:
        """Follow the reports. One that leaves is in its next incident by then, or comes there later."""
        known = cls()
        joined: dict[tuple[UUID, UUID], datetime] = {}
        for change in changes:
            known.stands[change.incident_id] = change
            for member in change.joined:
                joined[change.incident_id, member.report_id] = change.changed_at
                known.been[member.report_id].add(change.incident_id)
                known.refs[member.report_id] = member.ticket_ref
            for report in change.left:
                joined.pop((change.incident_id, report), None)
                known.left[change.incident_id, report] = change.revision
        for (incident, report), at in joined.items():
            if report not in known.home or known.since[report] < at:
                known.home[report], known.since[report] = incident, at
        return known

    def leaves(self, settled: ReportSettled) -> None:
        """A report that was answered, or is a person's, is in none, though that it left may not have come yet."""
        report = settled.report_id
        if settled.outcome != "in_incident" and report in self.home and self.since[report] <= settled.settled_at:
            del self.home[report]

    def of(self, who: str, incident: UUID, numbers: Mapping[UUID, str]) -> set[UUID]:
        """Return an incident and those that a customer's reports there came from."""
        here = [report for report, home in self.home.items() if home == incident and numbers.get(report) == who]
        return {incident}.union(*(self.been[report] for report in here))

    def told(self, report: UUID, numbers: Mapping[UUID, str], letters: Letters) -> list[Letter]:
        """Return what its customer was told of a report's incident, or of one that their reports there came from."""
        who, incident = numbers[report], self.home[report]
        theirs = {one for one in self.home if numbers.get(one) == who}
        here = {one for one in theirs if self.home[one] == incident}
        about = set.union(*(self.been[one] for one in here))
        mine = {self.refs[one] for one in here}
        until = {one: max(self.left.get((one, report), 0) for report in here) for one in about - {incident}}
        if theirs != here and any(one.letter.incident_id == incident for one in letters[who]):
            about = {incident}  # what was told of the others is not of these alone
        return [
            one.letter
            for one in letters[who]
            if _is_about(one.letter, about, self.stands[incident]) and not _is_of_others(one.letter, mine, until)
        ]


@dataclass
class Missed:
    """Words that a receiver refused.

    Attributes:
        come: What notify was told of.
        lost: By address and incident, how many messages had come by each that was refused since the last one taken.
    """

    come: Sequence[Message] = ()
    lost: Mapping[tuple[str, UUID | None], Sequence[int]] = field(default_factory=dict)

    def excuse(self, who: str, incident: UUID, been: Collection[UUID]) -> bool:
        """Whether the last word of an outage, or of those before, failed: without news since, or as each time."""
        lost = [n for one in been for n in self.lost.get((who, one), ())]
        return len(lost) >= _IN_VAIN or bool(lost and not self._is_news(incident, max(lost)))

    def _is_news(self, incident: UUID, since: int) -> bool:
        """Whether there was another state or time."""
        stood: Any = None
        for n, one in enumerate(self.come):
            if isinstance(one, IncidentChanged) and one.incident_id == incident:
                stands = one.state, one.etr and one.etr.at
                if n >= since and stands != stood:
                    return True
                stood = stands
        return False

    def of(self, who: str) -> bool:
        """Whether any word failed."""
        return any(one == who for one, _ in self.lost)


def everybody_has_the_last_word(
    changed: Iterable[IncidentChanged],
    settled: Sequence[ReportSettled],
    numbers: Mapping[UUID, str],
    taken: Sequence[Heard],
    exempt: Collection[str],
    missed: Missed,
    now: datetime | None = None,
) -> None:
    """The last word that everybody has is true.

    Args:
        changed: What was said of incidents.
        settled: What was said of reports without one.
        numbers: The address that each report left, where it is still known whose it is.
        taken: What was told. Whoever asked has been told, too.
        exempt: Who is owed nothing.
        missed: What failed for good.
        now: None where all times have passed so long ago that everybody has heard so.
    """
    homes, letters = Homes.after(changed), letters_of(taken)
    told_anything = {one.letter.address for one in taken}
    for one in settled:
        homes.leaves(one)
    for report, incident in homes.home.items():
        stand = homes.stands[incident]
        if (who := numbers.get(report)) is None or who in exempt or stand.state is IncidentState.CANCELLED:
            continue
        if missed.excuse(who, incident, homes.of(who, incident, numbers)):
            continue
        told = homes.told(report, numbers, letters)
        assert told, f"never told of what is {stand.state}: {who} {incident}"
        assert (told[-1].stage == "restored") == (stand.state is IncidentState.RESTORED), (
            f"the last word of what is {stand.state} was {told[-1].stage}: {who} {incident}"
        )
        if stand.state is IncidentState.RESTORED or stand.etr is None:
            continue
        if now is None:
            by_ref = [one.letter for one in letters[who] if one.letter.ticket_ref == told[-1].ticket_ref]
            assert None in {told[-1].etr, by_ref[-1].etr}, f"that their time has passed nobody told: {who} {incident}"
        elif stand.etr.at > now:
            known = next((one.etr for one in reversed(told) if one.incident_id is not None), None)
            near = known is not None and abs(known - stand.etr.at) <= _NEAR
            assert near, f"the time that holds nobody told: {who} {incident}"
    for one in settled:
        if one.report_id in numbers and one.report_id not in homes.home and numbers[one.report_id] not in exempt:
            if missed.of(numbers[one.report_id]):
                continue
            assert numbers[one.report_id] in told_anything, f"never told of what was settled: {one.outcome}"


def _says(letter: Letter) -> tuple[str, datetime | None, str]:
    """Return what a customer reads: what has become of which report, and a time."""
    return letter.stage, letter.etr, letter.ticket_ref


def _is_about(letter: Letter, about: Collection[UUID], stand: IncidentChanged) -> bool:
    """Whether it is a word of these incidents; or that a report is in one again, which stands by itself."""
    if letter.incident_id is None:
        return letter.stage == "received" and stand.state is not IncidentState.RESTORED
    return letter.incident_id in about


def _is_of_others(letter: Letter, refs: Collection[str], until: Mapping[UUID, int]) -> bool:
    """Whether it is a word of an outage that these reports had left by then, under the reference of another report.

    Who has two reports reads of which one it is: "restored" of what a plan did not answer may come after "received" of
    what it answers no more.

    Args:
        letter: What was told.
        refs: The references of these reports.
        until: Of each outage that they left, with which revision the last of them did.
    """
    return letter.ticket_ref not in refs and letter.revision >= until.get(letter.incident_id, letter.revision + 1)
