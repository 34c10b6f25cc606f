"""A storm told as a timeline, for tests: reports and crews at given minutes, and what must come of it.

Drives the core alone: every message through ``decide`` and ``Changes``, as the handler does.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.contracts.ids import derive
from services.contracts.messages import (
    FieldProgress,
    FieldProgressed,
    IncidentChanged,
    OrderVersion,
    OutageCommanded,
    OutageMoved,
    OutageReported,
    PlanChanged,
    PowerRestored,
    ReportSettled,
    TelemetryReceived,
    TimerFired,
)
from services.contracts.values import (
    Basis,
    Channel,
    CommandAction,
    CustomerClass,
    CustomerStatus,
    Etr,
    OrderStatus,
    Place,
    PlaceCandidate,
    ProgressStage,
    Reading,
)
from services.dedup.domain import AreaState, decide, evolve
from services.dedup.domain.acts import CommandRefused
from services.dedup.domain.changes import Changes
from services.dedup.domain.events import TimerCleared, TimerSet
from services.dedup.domain.indexing import on_other_ground
from services.dedup.rules_file import load_rules
from services.grid.device import DeviceRow
from services.grid.network_file import read_customers, read_devices
from services.grid.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.contracts.messages import OutageInput
    from services.dedup.domain.events import Event
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.rules import Rules

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
RULES = Path(__file__).with_name("rules.yaml")
NETWORKS = Path(__file__).parents[3] / "deploy" / "networks"
_numbers = itertools.count(1)


def rules_of_tests() -> Rules:
    return load_rules(RULES)


def shipped_tree(name: str) -> Tree:
    """The tree of a shipped network with its real customer counts."""
    folder = NETWORKS / name
    rows = read_devices(folder / "network.csv")
    customers: dict[str, int] = {}
    for row in read_customers(folder / "customers.csv", rows):
        customers[row.transformer_id] = customers.get(row.transformer_id, 0) + 1
    return Tree(rows, customers)


def minute(at: float) -> datetime:
    return NOON + timedelta(minutes=at)


def a_report(area: str, device: str | None, name: str, at: float, **said: Any) -> OutageReported:
    """A report of ``device`` at minute ``at``, which arrives at once unless ``arrives`` says later."""
    ticket = derive("test ticket", name)
    return OutageReported(
        area=area,
        report_id=derive("test report", name),
        ticket_id=ticket,
        ticket_ref="7K3M-9QPX-2HD",
        contact_id=derive("test contact", name),
        channel=Channel.PHONE,
        place=Place(
            area=area,
            feeder=said.get("feeder"),
            transformer_id=device,
            account_id=said.get("account"),
            candidates=tuple(
                PlaceCandidate(area=area, transformer_id=name, weight=weight) for name, weight in said.get("maybe", ())
            ),
            lat=said.get("lat"),
            lon=said.get("lon"),
            confidence=said.get("confidence", 0.9),
            basis=Basis.ACCOUNT,
            customer_class=said.get("customer_class", CustomerClass.NORMAL),
            customer_status=CustomerStatus.SUSPENDED if said.get("suspended") else CustomerStatus.ACTIVE,
        ),
        reported_at=minute(at),
        received_at=minute(said.get("arrives", at)),
        hazards=said.get("hazards", ()),
        single_premise=said.get("only_mine", False),
        unconfirmed=said.get("unconfirmed", False),
        address=said.get("address"),
        kept_back=said.get("kept_back"),
    )


class Timeline:
    """One area as time goes by."""

    def __init__(self, area: str, tree: Tree | None, rules: Rules) -> None:
        self.state = AreaState(area, tree, rules)
        self.events: list[Event] = []
        self.orders: list[OrderVersion] = []
        self.settled: list[ReportSettled] = []
        self.changed: list[IncidentChanged] = []
        self.sent_on: list[OutageMoved] = []
        self.plans: list[PlanChanged] = []
        self.inputs: list[tuple[OutageInput, datetime]] = []
        self._minute = 0.0
        self._timers: dict[UUID, TimerSet] = {}

    def at(self, at: float) -> Timeline:
        """Let time pass; holds that end on the way end, and second looks are taken, in their order."""
        while due := [timer for timer in self._timers.values() if timer.due_at <= minute(at)]:
            self.fire(min(due, key=lambda timer: (timer.due_at, timer.timer_id)))
        self._minute = at
        return self

    @property
    def moment(self) -> datetime:
        """What time it is."""
        return minute(self._minute)

    def fire(self, timer: TimerSet) -> None:
        """A moment that was waited for has come."""
        del self._timers[timer.timer_id]
        fired = TimerFired(
            area=self.state.area,
            timer_id=timer.timer_id,
            kind=timer.kind,
            subject=timer.incident_id,
            due_at=timer.due_at,
            fired_at=timer.due_at,
        )
        self.take(fired, timer.due_at)

    def report(self, device: str | None, name: str | None = None, **said: Any) -> UUID:
        """Somebody reports; ``made`` is the minute they did, if not now. Returns the report's id."""
        made = said.pop("made", self._minute)
        name = name or f"report {next(_numbers)}"
        message = a_report(self.state.area, device, name, made, arrives=self._minute, **said)
        self.take(message, minute(self._minute))
        return message.report_id

    def crew(self, order_id: UUID, stage: ProgressStage, etr: float | None = None, **said: Any) -> None:
        """A crew says where it stands, and perhaps the cause; ``made`` is the minute by its own clock."""
        incident = next(order.incident_id for order in self.orders if order.order_id == order_id)
        progress = FieldProgress(
            progress_id=derive("test progress", next(_numbers)),
            order_id=order_id,
            stage=stage,
            at=minute(said.get("made", self._minute)),
            etr=None if etr is None else Etr(at=minute(etr)),
            cause=said.get("cause"),
        )
        message = FieldProgressed(area=self.state.area, incident_id=incident, progress=progress)
        self.take(message, minute(self._minute))

    def dispatcher(
        self, action: CommandAction | str, *, by: str = "dispatcher Li", why: str = "seen", **told: Any
    ) -> UUID:
        """A dispatcher gives a command; returns its id. ``device``, ``reports`` … are the command's fields."""
        key = told.pop("command_id", None) or derive("test command", len(self.inputs))
        message = OutageCommanded(
            area=self.state.area,
            command_id=key,
            action=CommandAction(action),
            author=by,
            reason=why,
            accepted_at=minute(self._minute),
            **told,
        )
        self.take(message, minute(self._minute))
        return key

    def reading(self, reading: Reading | str, device: str, account: str | None = None, **said: Any) -> list[Event]:
        """A meter or a breaker speaks; ``made`` is the minute by its own clock."""
        message = TelemetryReceived(
            area=self.state.area,
            source=said.get("source", "head-end"),
            source_event_id=said.get("event_id", f"event {len(self.inputs)}"),
            reading=Reading(reading),
            device=device,
            account_id=account,
            at=minute(said.get("made", self._minute)),
            received_at=minute(self._minute),
        )
        return self.take(message, minute(self._minute))

    def refusals(self) -> list[tuple[str, str]]:
        """Field and reason of every refusal so far."""
        return [tuple(one) for event in self.events if isinstance(event, CommandRefused) for one in event.wrong]

    def power_back(self, device: str, account: str | None = None, made: float | None = None) -> None:
        """Somebody who knows says that power is back."""
        message = PowerRestored(
            area=self.state.area,
            restoration_id=derive("test restoration", next(_numbers)),
            device=device,
            account_id=account,
            restored_at=minute(self._minute if made is None else made),
            received_at=minute(self._minute),
        )
        self.take(message, minute(self._minute))

    def under(self, tree: Tree | None) -> Timeline:
        """Another network is in force: the state is built anew on it, as the service does."""
        self.state = on_other_ground(self.state, tree, self.state.rules)
        return self

    def network_told(self, incident: UUID, device: str, home: str, now_in: str | None, **said: Any) -> list[Event]:
        """The watcher tells that the network in force feeds an open outage otherwise."""
        message = OutageMoved(
            area=self.state.area,
            incident_id=incident,
            home=home,
            device=device,
            network=said.pop("network", "2"),
            noticed_at=minute(self._minute),
            now_in=now_in,
            **said,
        )
        return self.take(message, minute(self._minute))

    def hear(self, other: Timeline) -> None:
        """Take what another area has sent on, once."""
        sent, other.sent_on = other.sent_on, []
        for message in sent:
            if message.area == self.state.area:
                self.take(message, minute(self._minute))

    def take(self, message: OutageInput, now: datetime) -> list[Event]:
        """Decide and apply one message; returns its events."""
        self.inputs.append((message, now))
        events = decide(self.state, message, now)
        changes = Changes(now)
        changes.apply(self.state, events)
        self.events += events
        for told in changes.messages():
            if isinstance(told.message, OrderVersion):
                self.orders.append(told.message)
            elif isinstance(told.message, IncidentChanged):
                self.changed.append(told.message)
            elif isinstance(told.message, ReportSettled):
                self.settled.append(told.message)
            elif isinstance(told.message, OutageMoved):
                self.sent_on.append(told.message)
            elif isinstance(told.message, PlanChanged):
                self.plans.append(told.message)
        for event in events:
            if isinstance(event, TimerSet):
                self._timers[event.timer_id] = event
            elif isinstance(event, TimerCleared):
                self._timers.pop(event.timer_id, None)
        return events

    # --- what came of it ---

    def incident_of(self, report: UUID) -> Incident:
        """The open incident a report is in."""
        return self.state.incidents[self.state.members[report]]

    def order_of(self, report: UUID) -> OrderVersion:
        """The order of the open incident a report is in, in its last version."""
        order = self.incident_of(report).order
        assert order is not None, "the incident has no order yet"
        return order

    def live_orders(self) -> dict[str, OrderVersion]:
        """Device to order, of all orders that ask for work now."""
        last: dict[UUID, OrderVersion] = {}
        for order in self.orders:
            last[order.order_id] = order
        live = [o for o in last.values() if o.status in {OrderStatus.ISSUED, OrderStatus.UPDATED}]
        assert len({o.incident_id for o in live}) == len(live), "two live orders for one incident"
        return {order.device.id: order for order in live}

    def history(self, order_id: UUID) -> list[tuple[int, str, str]]:
        """Version, status and device of an order, as they were told."""
        return [(o.version, o.status.value, o.device.id) for o in self.orders if o.order_id == order_id]

    def waiting(self) -> set[UUID]:
        """Timers that were set and neither fired nor cleared."""
        return set(self._timers)

    def answers(self) -> list[tuple[str, str]]:
        """Outcome and reason of the reports that went into no incident."""
        return [(settled.outcome, settled.reason) for settled in self.settled]


def fold(build: Callable[[], AreaState], events: list[Event]) -> AreaState:
    """The state that the events give, from the start."""
    state = build()
    for event in events:
        evolve(state, event)
    return state


def two_outages_and_then_their_common_cause(storm: Timeline) -> tuple[UUID, UUID, UUID]:
    """Two transformers far enough apart in time to be two outages, until a third shows what they share."""
    older = storm.at(0).report("A0TR00026")
    younger = storm.at(10).report("A0TR00104")
    assert storm.order_of(older).order_id != storm.order_of(younger).order_id
    last = storm.at(11).report("A0TR00023")
    return older, younger, last


def an_estate() -> Tree:
    """One feeder with three fuses, of one transformer with sixty homes each."""
    rows = [DeviceRow("S", None, "substation", False, 31.0, 118.0), DeviceRow("B", "S", "breaker", False, 31.0, 118.0)]
    rows += [DeviceRow(f"F{n}", "B", "fuse", False, 31.0, 118.0) for n in (1, 2, 3)]
    rows += [DeviceRow(f"T{n}", f"F{n}", "transformer", False, 31.0, 118.0) for n in (1, 2, 3)]
    return Tree(rows, {"T1": 60, "T2": 60, "T3": 60})


def a_long_feeder() -> Tree:
    """One feeder with sixty transformers of fifty homes each."""
    rows = [DeviceRow("S", None, "substation", False, 31.0, 118.0), DeviceRow("B", "S", "breaker", False, 31.0, 118.0)]
    rows += [DeviceRow(f"T{n}", "B", "transformer", False, 31.0, 118.0) for n in range(60)]
    return Tree(rows, {f"T{n}": 50 for n in range(60)})


def a_substation() -> Tree:
    """Five feeders A to E with sixty transformers of 45 homes each."""
    rows = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    for feeder in "ABCDE":
        rows.append(DeviceRow(feeder, "S", "breaker", False, 31.0, 118.0))
        rows += [DeviceRow(f"{feeder}{n}", feeder, "transformer", False, 31.0, 118.0) for n in range(60)]
    return Tree(rows, {f"{feeder}{n}": 45 for feeder in "ABCDE" for n in range(60)})


def snapshot(state: AreaState) -> dict[str, Any]:
    """Return everything that decides, in a form that two equal states share."""
    for incident in state.incidents.values():
        _ = incident.standing  # counted now, so that equal incidents are equal
    return {
        "area": state.area,
        "latest": state.latest,
        "lag": state.lag,
        "next_seq": state.next_seq,
        "incidents": {key: state.incidents[key] for key in sorted(state.incidents)},
        "order_of_reports": {key: list(state.incidents[key].reports) for key in sorted(state.incidents)},
        "members": dict(sorted(state.members.items())),
        "by_device": dict(sorted(state.by_device.items())),
        "by_premises": dict(sorted(state.by_premises.items())),
        "singles_at": {
            device: sorted(one.incident_id for one in found.values())
            for device, found in sorted(state.singles_at.items())
            if found
        },
        "below": {
            device: sorted(one.incident_id for one in found.values())
            for device, found in sorted(state.below.items())
            if found
        },
        "learned": state.learned,
        "pace": state.pace,
        "restored": dict(sorted(state.restored.items())),
        "restored_premises": dict(sorted(state.restored_premises.items())),
        "waiting": dict(sorted(state.waiting.items())),
        "commands": dict(sorted(state.commands.items())),
        "set_aside": {key: one.merged_into for key, one in sorted(state.set_aside.items())},
        "planned": dict(sorted(state.planned.known.items())),
        "covered": dict(sorted(state.covered.items())),
        "answered": {key: dict(sorted(found.items())) for key, found in sorted(state.answered.items()) if found},
        "telemetry": dict(sorted(state.telemetry.known.items())),
        "elsewhere": dict(sorted(state.elsewhere.items())),
    }
