"""What must hold of what customers were told by the end of a story. Never here: what goes on in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.contracts.values import IncidentState
from tests.unit.dedup.timeline import minute

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import IncidentChanged, ReportSettled
    from services.notify.senders import Letter
    from tests.integration.notify.town import Heard

    Letters = Mapping[str, list[Heard]]
    """By address, what customers were told unasked, in that order."""


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
        for letter, at, quiet_until in heard:
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
        refs: The reference of each report.
    """

    home: dict[UUID, UUID] = field(default_factory=dict)
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
            if report not in known.home or joined[known.home[report], report] < at:
                known.home[report] = incident
        return known

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


def everybody_has_the_last_word(
    changed: Iterable[IncidentChanged],
    settled: Iterable[ReportSettled],
    numbers: Mapping[UUID, str],
    letters: Letters,
    exempt: Collection[str],
) -> None:
    """The last word that everybody has is true.

    Args:
        changed: What was said of incidents.
        settled: What was said of reports without one.
        numbers: The address that each report left, where it is still known whose it is.
        letters: What was told.
        exempt: Who is owed nothing.
    """
    known = Homes.after(changed)
    for report, incident in known.home.items():
        stand = known.stands[incident]
        if (who := numbers.get(report)) is None or who in exempt or stand.state is IncidentState.CANCELLED:
            continue
        told = known.told(report, numbers, letters)
        assert told, f"never told of what is {stand.state}: {who} {incident}"
        assert (told[-1].stage == "restored") == (stand.state is IncidentState.RESTORED), (
            f"the last word of what is {stand.state} was {told[-1].stage}: {who} {incident}"
        )
        if stand.state is not IncidentState.RESTORED and stand.etr is not None:
            assert told[-1].etr is None, f"that their time has passed nobody told: {who} {incident}"
    for one in settled:
        if one.report_id in numbers and one.report_id not in known.home and numbers[one.report_id] not in exempt:
            assert letters[numbers[one.report_id]], f"never told of what was settled: {one.outcome}"


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
