"""One command of a person as it is carried out: what it names, what it moves, and what the field is told of it.

Decided here: what can be named and what cannot, with the field and the reason. Never here: what an action does
(``commands``, ``undo``, ``placing``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.values import DeviceRef, OrderStatus
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.done import Closed, Done
from services.dedup.domain.incident import Standing
from services.dedup.domain.orders import Subject, last_version, version_of
from services.dedup.domain.rules import CELL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import OutageCommanded
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState

SHOWN: Final = 5
"""Reasons against one command that are told at most."""
MOST_MOVED: Final = 10_000
"""Reports that a command takes out of an incident. They go in one transaction, which ends after 30 s, and orders of the
area wait for it: with 10,000 less than a second, or two to take it back. Of 100,000 it took up to 28 s."""


class RefusedError(Exception):
    """The command cannot be carried out."""

    def __init__(self, *wrong: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in wrong))
        self.wrong = tuple(a.Wrong(*one) for one in wrong)


def standing_at(
    state: AreaState, closed: Closed, returning: Mapping[str, UUID] | None = None
) -> Iterator[tuple[str, UUID]]:
    """Yield each place of a closed incident where one stands by now, or is ``returning`` to, and which."""
    for known, names in ((state.by_device, closed.devices), (state.by_premises, closed.premises)):
        for name in names:
            there = (returning or {}).get(name) or known.get(name)
            if there is not None:
                yield name, there


def lowest_above(state: AreaState, leaves: set[str | None]) -> str | None:
    """Return the lowest device above all these that can open; None where there is none, or a place is unknown."""
    known = sorted(leaf for leaf in leaves if leaf is not None)
    if len(known) != len(leaves) or not known:
        return None
    if len(known) == 1:
        return known[0]
    if state.tree is None or any(leaf not in state.tree for leaf in known):
        return None
    common = state.tree.common_ancestor(known)
    return None if common is None else state.tree.protective_at_or_above(common)


class Acting:
    """The events of one command, as they come together."""

    def __init__(self, state: AreaState, command: OutageCommanded, now: datetime) -> None:
        self.events: list[e.Event] = []
        self.state = state
        self.command = command
        self.now = now
        self._seq = state.next_seq
        self._after: dict[UUID, dict[UUID, Report]] = {}

    def number(self) -> int:
        """Return the number of the next ledger row."""
        self._seq += 1
        return self._seq - 1

    @property
    def why(self) -> e.Evidence:
        """What the ledger says of the person and their reason."""
        said = self.command
        return {"by": said.author, "said": said.reason, "command": str(said.command_id)}

    def done(self) -> Done:
        """Return what is kept of every command; the caller adds what it takes to undo this one."""
        said = self.command
        pinned = tuple(event.incident_id for event in self.events if isinstance(event, a.IncidentPinned))
        return Done(said.command_id, said.action, said.author, said.accepted_at, self.number(), pinned=pinned)

    # --- what a command names ---

    def incident(self, key: UUID | None, field: str) -> Incident:
        """Return an open incident of this area.

        Raises:
            RefusedError: it is missing, closed, merged, unknown or of another area.
        """
        if key is None:
            raise RefusedError((field, "is needed for this action"))
        found = self.state.incidents.get(key)
        if found is not None:
            return found
        aside = self.state.set_aside.get(key)
        if aside is not None:
            raise RefusedError((field, f"incident {key} was merged into {aside.merged_into}: name that one"))
        raise RefusedError((field, f"incident {key} is not open in area {self.state.area}"))

    def outage(self, key: UUID | None, field: str) -> Incident:
        """Return an open outage that can take reports in.

        Raises:
            RefusedError: see ``incident``; or it is no outage.
        """
        found = self.incident(key, field)
        if found.kind is not e.Kind.OUTAGE:
            why = (
                "danger keeps an incident and an order of its own"
                if found.kind is e.Kind.HAZARD
                else "it is one customer's own"
            )
            raise RefusedError((field, f"incident {key} takes no other reports in: {why}; relate the two instead"))
        return found

    def device(self, name: str, field: str = "device") -> tuple[DeviceRef, int]:
        """Return a device of this area that an incident can be at, and the customers under it.

        Raises:
            RefusedError: there is none of that name, or it can never have opened.
        """
        tree = self.state.tree
        if tree is None or name not in tree:
            raise RefusedError((field, f"area {self.state.area} has no device {name!r}"))
        if self.state.leaf(name) != name:
            raise RefusedError((field, f"device {name!r} is a {tree.type_of(name).value}, which cannot open"))
        return self.reference(name, None)

    def reference(self, name: str, report: Report | None) -> tuple[DeviceRef, int]:
        """Return what an order says of a device that is known, and the customers under it."""
        tree = self.state.tree
        if tree is None or name not in tree:
            lat, lon = (report.lat, report.lon) if report is not None else (None, None)
            return DeviceRef(id=name, type=CELL, lat=lat, lon=lon), 0
        return self.state.ref(name, tree), self.state.customers_under(name)

    def members(self, reports: Sequence[UUID]) -> list[tuple[UUID, Incident]]:
        """Return reports of open incidents with where they are.

        Raises:
            RefusedError: none is named, one is named twice, is in no open incident, or is of danger.
        """
        if not reports:
            raise RefusedError(("reports", "at least one report is needed for this action"))
        if len(set(reports)) != len(reports):
            raise RefusedError(("reports", "a report is named twice"))
        found, wrong = [], []
        for key in reports:
            home = self.state.members.get(key)
            if home is None:
                waits = "waits for a place: place it" if key in self.state.waiting else "is in no open incident here"
                wrong.append(("reports", f"report {key} {waits}"))
            elif self.state.incidents[home].kind is e.Kind.HAZARD:
                wrong.append(("reports", f"report {key} is of danger: it keeps its own incident and order"))
            else:
                found.append((key, self.state.incidents[home]))
        if wrong:
            raise RefusedError(*wrong[:SHOWN])
        return found

    def free(self, device: str, *, but: Iterable[UUID] = (), field: str = "device") -> None:
        """Refuse a device at which another incident stands.

        Raises:
            RefusedError: one does.
        """
        there = self.state.by_device.get(device)
        if there is not None and there not in set(but):
            raise RefusedError((field, f"incident {there} stands at {device!r} already"))

    # --- regrouping ---

    def pin(self, incident: UUID) -> None:
        """Let inference leave an incident alone."""
        known = self.state.incidents.get(incident)
        if known is None or not known.pinned:
            self.events.append(a.IncidentPinned(incident))

    def inside(self, key: UUID) -> dict[UUID, Report]:
        """Return the reports of an incident as they are after the moves so far."""
        if key not in self._after:
            known = self.state.incidents.get(key)
            self._after[key] = {} if known is None else dict(known.reports)
        return self._after[key]

    def move(self, report: UUID, source: UUID, target: UUID, rule: Rule) -> None:
        """Move one report: two ledger rows."""
        self.inside(target)[report] = self.inside(source).pop(report)
        seq = self.number()
        self.number()
        self.events.append(e.ReportMoved(report, source, target, seq, rule, self.why, author=self.command.author))

    def movable(self, field: str, large: Incident, other: Incident) -> None:
        """Refuse to move more reports than can be moved at once, and say how the same is reached.

        Args:
            field: Of the command.
            large: Whose reports would all move.
            other: Where to.

        Raises:
            RefusedError: they are too many.
        """
        if len(large.reports) <= MOST_MOVED:
            return
        why = f"incident {large.incident_id} has {len(large.reports)} reports, of which {MOST_MOVED} can move at once"
        way = "relate the two instead"
        if len(other.reports) <= MOST_MOVED and large.kind is e.Kind.OUTAGE and other.kind is not e.Kind.HAZARD:
            way = f"merge incident {other.incident_id} into it instead, and confirm it at the device that is right"
        raise RefusedError((field, f"{why}: {way}"))

    def settle(self, target: Incident | Subject, sources: Iterable[Incident], rule: Rule) -> tuple[Closed, ...]:
        """Count anew what was regrouped, bring the orders in line, and set aside what is empty.

        The target's order goes out first, so that a cancelled one names an order that exists.
        """
        sources = list(sources)
        empty = [one for one in sources if not self.inside(one.incident_id)]
        self.events.append(a.IncidentRecounted(target.incident_id))
        if isinstance(target, Subject):
            self.events.append(e.OrderIssued(version_of(target, 1, rule, self.now)))
        else:
            self.tell_field(target, rule, must_go=any(one.order is not None for one in empty))
        for one in sources:
            if one not in empty:
                self.events.append(a.IncidentRecounted(one.incident_id))
                self.tell_field(one, rule)
        return tuple(self.set_aside(one, target.incident_id, target.order_id, rule) for one in empty)

    def set_aside(
        self, one: Incident, successor: UUID | None, order: UUID | None, rule: Rule, *, returns: bool = True
    ) -> Closed:
        """Close an incident that a command emptied, and cancel its order with the one that took over."""
        self.call_back(one, rule, superseded_by=order)
        self.events.append(a.IncidentSetAside(one.incident_id, successor, rule, returns))
        devices = (one.device.id, *one.also) if one.kind is e.Kind.OUTAGE else ()
        own = () if one.premises is None else (one.premises,)
        return Closed(one.incident_id, one.state, devices, (*own, *one.also_premises))

    def call_back(self, one: Incident, rule: Rule, *, superseded_by: UUID | None = None) -> None:
        """Cancel the order of an incident that is about to be closed, and clear its timers."""
        if one.order is not None:
            cancelled = last_version(one.order, OrderStatus.CANCELLED, rule, self.now, superseded_by=superseded_by)
            self.events.append(e.OrderCancelled(cancelled))
        for timer in (one.hold, one.relook):
            if timer is not None:
                self.events.append(e.TimerCleared(timer.timer_id, one.incident_id))

    def tell_field(
        self,
        incident: Incident,
        rule: Rule,
        *,
        device: tuple[DeviceRef, int] | None = None,
        must_go: bool = False,
        again: bool = False,
    ) -> None:
        """Make the next version of an order; a held one goes out where it must.

        Args:
            incident: Whose order.
            rule: Why.
            device: Device and customers under it, where they change.
            must_go: Whether a held order must wait no longer.
            again: Whether the order was cancelled and is issued again.
        """
        ref, served = device or (incident.device, incident.customers_served)
        subject = self.subject(incident.incident_id, incident.order_id, incident.kind, ref, served)
        if incident.order is not None:
            version = version_of(subject, incident.order.version + 1, rule, self.now)
            if again:
                version = version.model_copy(update={"status": OrderStatus.ISSUED})
            self.events.append(e.OrderUpdated(version))
        elif must_go or again or subject.never_waits:
            if incident.hold is not None:
                self.events.append(e.TimerCleared(incident.hold.timer_id, incident.incident_id))
            self.events.append(e.OrderIssued(version_of(subject, 1, rule, self.now)))

    def subject(self, incident: UUID, order: UUID, kind: e.Kind, device: DeviceRef, served: int) -> Subject:
        """Return what an order is about once the reports are where they will be."""
        standing = Standing.of(self.inside(incident).values())
        return Subject(incident, order, self.state.area, kind, device, served, standing)
