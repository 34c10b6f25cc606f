"""Snapshots of incidents, a small dedup that makes them, and a memory of what was decided on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import strategies as st

from services.contracts.messages import IncidentChanged, Member, ReportSettled
from services.contracts.values import Channel, DeviceRef, Etr, IncidentState, ProgressStage, Recipient
from services.notify.domain.comparison import Calm
from services.notify.domain.decide import Book, Decision, _homes, decide
from services.notify.domain.incident import Standing, Subscription, fold
from services.notify.domain.notice import Held, Notice, Quiet, Reach, Reporter, Stage, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SETTLED = set(ReportSettled.model_fields)
"""What of a member a settlement of its report says, too."""
CALM = Calm(timedelta(minutes=20), timedelta(minutes=60))


@dataclass
class Memory:
    """Holds everything, where the store loads what a batch needs; what waits is sent at once while it ``sends``.

    Attributes:
        fails: What becomes of what is sent while it fails for good.
    """

    now: datetime = NOW
    calm: Calm = CALM
    standings: dict[UUID, Standing] = field(default_factory=dict)
    reporters: dict[UUID, Reporter] = field(default_factory=dict)
    subscriptions: dict[tuple[UUID, UUID], Subscription] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    sends: bool = True
    waiting: list[Notice] = field(default_factory=list)
    asleep: list[Notice] = field(default_factory=list)
    sent: list[Notice] = field(default_factory=list)
    fails: Reach | None = None
    failed: dict[UUID, Reach] = field(default_factory=dict)
    quiet: Counter[Quiet] = field(default_factory=Counter)
    held: Counter[Held] = field(default_factory=Counter)

    def take(self, batch: Iterable[IncidentChanged]) -> list[Notice]:
        """Decide a batch and keep what came of it; return the notices."""
        news = fold(self.standings, batch)
        book = Book(self.reporters, self.subscriptions, self.told())
        decision = decide(news, book, calm=self.calm, now=self.now)
        self.standings |= news.standings
        self.reporters = news.reporters | self.reporters
        self.subscriptions |= {(one.incident_id, one.report_id): one for one in decision.subscriptions}
        self.notices += decision.notices
        self._queue(decision)
        self.quiet += decision.quiet
        self.held += decision.held
        return decision.notices

    def told(self) -> dict[UUID, list[Told]]:
        """Return by customer what was sent and what still waits, oldest first."""
        told: dict[UUID, list[Told]] = {}
        for one in self.notices:
            failed = self.failed.get(one.notice_id)
            if one.incident_id is not None and (failed or one in (*self.sent, *self.waiting, *self.asleep)):
                reach = failed or (Reach.OUT if one in self.sent else Reach.KEPT)
                made = Told(one.incident_id, one.report_id, one.stage, one.revision, one.etr, reach)
                told.setdefault(one.recipient_id, []).append(made)
        return told

    def _queue(self, decision: Decision) -> None:
        """Keep what waits: of a customer's words of an incident the newest, until it is not said any more."""
        gone = {(one.recipient_id, one.subject, one.incident_id) for one in decision.unsaid}
        gone |= {(one.recipient_id, subject, one.incident_id) for one in decision.notices for subject in one.replaces}
        outdated = {
            (who, subject) for who, subject, by in gone if by == subject or not self._has_another_in(who, subject)
        }
        self.waiting, self.asleep = (
            [one for one in some if (one.recipient_id, one.incident_id) not in outdated]
            for some in (self.waiting, self.asleep)
        )
        self.waiting += decision.notices
        if self.sends:
            self.send()

    def _has_another_in(self, who: UUID, incident: UUID) -> bool:
        """Tell whether a report of the customer is in the incident: what it has to say stays said, then."""
        homes = _homes(self.subscriptions.values(), {})
        return any(
            one.active
            and one.incident_id == incident
            and one.joined_at == homes[one.report_id]
            and self.reporters[one.report_id].recipient_id == who
            for one in self.subscriptions.values()
        )

    def send(self) -> None:
        """Send what waits."""
        if self.fails is None:
            self.sent += self.waiting
        else:
            self.failed |= {one.notice_id: self.fails for one in self.waiting}
        self.waiting = []


class Snapshots:
    """Makes messages. Incidents, reports and customers are small numbers."""

    now = NOW

    @staticmethod
    def id(number: int) -> UUID:
        return UUID(int=number)

    @staticmethod
    def member(report: int, customer: int | None, language: str = "zh-Hans-CN") -> Member:
        recipient = None
        if customer is not None:
            recipient = Recipient(channel=Channel.SMS, address=f"1380000{customer:04}")
        return Member(
            report_id=UUID(int=report),
            ticket_id=UUID(int=report),
            ticket_ref=f"REF-{report}",
            language=language,
            recipient=recipient,
        )

    def changed(
        self,
        incident: int,
        revision: int,
        *,
        joined: Sequence[Member] = (),
        left: Sequence[int] = (),
        etr: datetime | None = None,
        minute: float | None = None,
        **fields: Any,
    ) -> IncidentChanged:
        return IncidentChanged(
            incident_id=UUID(int=incident),
            revision=revision,
            **{"state": IncidentState.PREDICTED, "area": "S1", "reports": 1, "customers_served": 1, **fields},
            device=DeviceRef(id="F1", type="breaker"),
            opened_at=NOW,
            changed_at=NOW + timedelta(minutes=revision if minute is None else minute),
            etr=None if etr is None else Etr(at=etr),
            joined=tuple(joined),
            left=tuple(UUID(int=report) for report in left),
            reason="test",
        )


CUSTOMER_OF = {1: 1, 2: 1, 3: 3, 4: 4, 5: None, 6: 6}  # customer 1 reports twice, report 5 leaves no address
SINGLE = {customer: report for report, customer in CUSTOMER_OF.items() if customer not in {1, None}}
INCIDENTS = (101, 102, 103)
FIRST_WORDS = {Stage.RECEIVED, Stage.JOINED_KNOWN}


@dataclass
class Dedup:
    """A small dedup: makes snapshots that agree with one another."""

    make: object
    minute: float = 0
    revision: Counter = field(default_factory=Counter)
    state: dict = field(default_factory=lambda: dict.fromkeys(INCIDENTS, IncidentState.PREDICTED))
    etr: dict = field(default_factory=lambda: dict.fromkeys(INCIDENTS))
    crew: dict = field(default_factory=lambda: dict.fromkeys(INCIDENTS))
    home: dict = field(default_factory=dict)
    sent: list = field(default_factory=list)

    @classmethod
    def after(cls, actions):
        """One that has done these."""
        made = cls(Snapshots())
        for action in actions:
            made.act(action)
        return made

    def emit(self, incident, *, joined=(), left=()):
        self.revision[incident] += 1
        members = [self.make.member(report, CUSTOMER_OF[report]) for report in joined]
        change = self.make.changed(
            incident,
            self.revision[incident],
            joined=members,
            left=left,
            etr=self.etr[incident],
            minute=self.minute,
            state=self.state[incident],
            stage=self.crew[incident],
        )
        self.sent.append(change)

    def act(self, action):
        self.minute += 1
        what, incident, number = action
        match what:
            case "report":
                report = 1 + number % len(CUSTOMER_OF)
                before = self.home.get(report)
                if before == incident:
                    return
                self.home[report] = incident
                if before is not None:
                    self.emit(before, left=[report])
                self.emit(incident, joined=[report])
            case "etr":
                hours = (None, 1.0, 1.2, 3.0)[number % 4]
                self.etr[incident] = None if hours is None else self.make.now + timedelta(days=1, hours=hours)
                self.emit(incident)
            case "crew":
                self.crew[incident] = ProgressStage.ARRIVED
                self.emit(incident)
            case "power":
                restored = self.state[incident] is IncidentState.RESTORED
                self.state[incident] = IncidentState.PREDICTED if restored else IncidentState.RESTORED
                self.emit(incident)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["report", "report", "report", "etr", "etr", "crew", "power"]),
        st.sampled_from(INCIDENTS),
        st.integers(0, 11),
    ),
    min_size=1,
    max_size=30,
)
