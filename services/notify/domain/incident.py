"""Incidents as notify knows them, and which reports belong to them.

Decided here: how snapshots are folded, in any order. Never here: I/O, the clock, whom to tell.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from services.contracts.values import IncidentState
from services.notify.domain.notice import Quiet, Reporter, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import IncidentChanged


@dataclass(frozen=True, slots=True)
class Standing:
    """An incident as notify knows it, from the highest revision it has seen.

    Attributes:
        etr_since: Revision that brought this ETR; 0 where there is none.
        state_since: Revision in which it was last restored or reopened; 0: neither yet.
        known_since: Lowest revision seen in which a crew had spoken or an ETR stood; None: not yet.
        area: Area of the device; None in what was saved before it was kept.
        device: Device believed to be out.
        progress: Last thing the crew said.
        storm: Whether its area was in a storm when this was said.
        kind: What it is if no outage of all under the device: one customer's premises, or a danger.
        account_id: Whose premises.
    """

    incident_id: UUID
    revision: int
    state: IncidentState
    etr: datetime | None
    etr_since: int
    restored_at: datetime | None
    state_since: int
    known_since: int | None
    changed_at: datetime
    area: str | None = None
    device: str | None = None
    progress: str | None = None
    storm: bool = False
    kind: str | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A report's belonging to an incident. The higher of the two revisions holds, whichever arrived first."""

    incident_id: UUID
    report_id: UUID
    joined_revision: int = 0
    left_revision: int = 0
    joined_at: datetime | None = None

    @property
    def active(self) -> bool:
        """Whether the report is in the incident."""
        return self.joined_revision > self.left_revision


@dataclass(frozen=True, slots=True)
class Settled:
    """How a report was settled without an incident; or last, that it is in one after all.

    Attributes:
        at: When; None of a ticket that never had a report.
    """

    outcome: str
    reason: str
    at: datetime | None
    expected_at: datetime | None = None

    def is_after(self, joined_at: datetime) -> bool:
        """Whether a report that joined an incident then is in it no more, though that may not have said so yet.

        Of one instant this came later: that it is in one again would have been said as well.
        """
        return self.outcome != "in_incident" and self.at is not None and self.at >= joined_at


@dataclass(slots=True)
class News:
    """What a batch of snapshots changes.

    Attributes:
        standings: The incidents touched, as they stand after the batch.
        announced: Those of which every subscriber must be looked at: the state or the ETR changed.
        reporters: Who joined.
        joined: Per incident and report, the highest revision it joined with, and when.
        left: Per incident and report, the highest revision it left with.
    """

    standings: dict[UUID, Standing] = field(default_factory=dict)
    announced: set[UUID] = field(default_factory=set)
    reporters: dict[UUID, Reporter] = field(default_factory=dict)
    joined: dict[tuple[UUID, UUID], tuple[int, datetime]] = field(default_factory=dict)
    left: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    quiet: Counter[Quiet] = field(default_factory=Counter)

    @classmethod
    def about(cls, standings: Mapping[UUID, Standing]) -> News:
        """Return none, so that everybody who is in these incidents is looked at all the same."""
        return cls(standings=dict(standings), announced=set(standings))


def evolve(standing: Standing | None, change: IncidentChanged) -> Standing:
    """Fold a snapshot in. A revision that is not above the one held changes nothing but ``known_since``."""
    known_since = standing.known_since if standing else None
    if change.stage is not None or change.etr is not None:
        known_since = min(change.revision, known_since or change.revision)
    if standing is not None and change.revision <= standing.revision:
        return replace(standing, known_since=known_since)
    etr = change.etr.at if change.etr else None
    same_etr = standing is not None and etr == standing.etr
    restored = change.state is IncidentState.RESTORED
    was_restored = standing is not None and standing.state is IncidentState.RESTORED
    return Standing(
        incident_id=change.incident_id,
        revision=change.revision,
        state=change.state,
        etr=etr,
        etr_since=standing.etr_since if standing and same_etr else change.revision if etr else 0,
        restored_at=(change.restored_at or change.changed_at) if restored else None,
        state_since=change.revision if restored != was_restored else standing.state_since if standing else 0,
        known_since=known_since,
        changed_at=change.changed_at,
        area=change.area,
        device=change.device.id,
        progress=change.stage,
        storm=bool(change.storm),
        kind=change.kind,
        account_id=change.account_id,
    )


def fold(standings: Mapping[UUID, Standing], changes: Iterable[IncidentChanged]) -> News:
    """Fold a batch of snapshots over the incidents as they stood."""
    news = News()
    for change in changes:
        incident = change.incident_id
        before = news.standings.get(incident) or standings.get(incident)
        after = news.standings[incident] = evolve(before, change)
        if before is not None and change.revision <= before.revision:
            news.quiet[Quiet.STALE_REVISION] += 1
        elif before is None or (before.state, before.etr) != (after.state, after.etr):
            news.announced.add(incident)
        elif not change.joined and not change.left:
            news.quiet[Quiet.NOTHING_TO_TELL] += 1
        for member in change.joined:
            news.reporters.setdefault(
                member.report_id,
                Reporter(
                    member.report_id,
                    member.ticket_id,
                    member.ticket_ref,
                    member.language,
                    member.recipient,
                    turn_of(member.customer_class, danger=bool(change.hazards)),
                    contacted_at=member.contacted_at,
                ),
            )
            key = (incident, member.report_id)
            news.joined[key] = max(news.joined.get(key, (0, change.changed_at)), (change.revision, change.changed_at))
        back = {member.report_id for member in change.joined}
        for report in change.left:
            if report in back:
                continue  # dedup told both of a report that left and came back in one batch
            key = (incident, report)
            news.left[key] = max(news.left.get(key, 0), change.revision)
    return news
