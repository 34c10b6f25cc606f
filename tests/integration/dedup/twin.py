"""Dedup's core beside dedup: the areas in memory from the first message on, never saved, loaded or handed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.contracts.messages import FieldProgress, FieldProgressed, OutageMoved
from services.dedup.domain import AreaState, decide
from services.dedup.domain import events as e
from services.dedup.domain.changes import Changes
from services.dedup.domain.indexing import on_other_ground

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import Message, OrderVersion, OutageInput
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree


@dataclass
class Twin:
    """The areas as they would be if no process ever ended.

    Attributes:
        states: By area.
        orders: The last version of each.
        timers: Those that were set and neither fired nor cleared.
        known: Every incident there ever was, as it stands.
        seen: Ids of what was decided: it is not decided again.
        sent_on: What one area told another, and that has not heard yet.
    """

    rules: Rules
    trees: dict[str, Tree]
    states: dict[str, AreaState] = field(default_factory=dict)
    orders: dict[UUID, OrderVersion] = field(default_factory=dict)
    timers: dict[UUID, e.TimerSet] = field(default_factory=dict)
    known: dict[UUID, Incident] = field(default_factory=dict)
    seen: set[UUID] = field(default_factory=set)
    sent_on: list[OutageInput] = field(default_factory=list)

    def state(self, area: str) -> AreaState:
        if area not in self.states:
            self.states[area] = AreaState(area, self.trees.get(area), self.rules)
        return self.states[area]

    def under(self, trees: dict[str, Tree]) -> None:
        """Another network is in force."""
        self.trees = trees
        self.states = {area: on_other_ground(state, trees.get(area), self.rules) for area, state in self.states.items()}

    def take(self, batch: Sequence[OutageInput], now: datetime) -> list[Message]:
        """Decide a batch; return what is published."""
        changes = Changes(now)
        for message in batch:
            if message.message_id in self.seen:
                continue
            self.seen.add(message.message_id)
            state = self.state(message.area)
            events = decide(state, message, now)
            changes.apply(state, events)
            for event in events:
                if isinstance(event, e.TimerSet):
                    self.timers[event.timer_id] = event
                elif isinstance(event, e.TimerCleared):
                    self.timers.pop(event.timer_id, None)
                elif isinstance(event, e.OrderEvent):
                    self.orders[event.order.order_id] = event.order
        self.known.update((one.incident.incident_id, one.incident) for one in changes.changed())
        told = [one.message for one in changes.messages()]
        self.sent_on += [one for one in told if isinstance(one, OutageMoved)]
        return told

    def rekeyed(self, batch: Sequence[Message], now: datetime) -> list[Message]:
        """What crews said of known orders on their own topic, as it goes on to the orders' areas."""
        told: list[Message] = []
        for one in batch:
            if isinstance(one, FieldProgress) and one.message_id not in self.seen and one.order_id in self.orders:
                self.seen.add(one.message_id)
                told.append(self._on_its_way(self.orders[one.order_id], one, now))
        return told

    def due(self, now: datetime) -> set[UUID]:
        """What is waited for until now, which is fired by that."""
        due = {key for key, timer in self.timers.items() if timer.due_at <= now}
        for key in due:
            del self.timers[key]
        return due

    def area_of(self, device: str) -> str | None:
        """The area that a device is in now."""
        return next((area for area, tree in self.trees.items() if device in tree), None)

    @staticmethod
    def _on_its_way(order: OrderVersion, said: FieldProgress, now: datetime) -> FieldProgressed:
        return FieldProgressed(area=order.area, incident_id=order.incident_id, progress=said, received_at=now)

    def under_rules(self, rules: Rules) -> None:
        """Other rules are in force."""
        self.rules = rules
        self.states = {area: on_other_ground(state, state.tree, rules) for area, state in self.states.items()}
