"""The consumer of dedup: reports, crews' progress and timers of an area, decided in order.

Decided here: nothing of the domain. A state is taken out of the cache before the first event touches it and goes back
in only after the commit, so a failure in between leaves no half-changed state: it is loaded again. Where the network
or the rules became others, it goes over to them when a message next needs it. Never here: a commit, a publication that
is not returned.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final

from services.contracts.envelope import Refusal
from services.contracts.messages import (
    FieldProgress,
    FieldProgressed,
    OutageCommanded,
    OutageMoved,
    OutageReported,
    PowerRestored,
    TelemetryReceived,
    TimerFired,
)
from services.contracts.topics import DISPATCH_PROGRESS, OUTAGE_INPUT
from services.dedup import metrics
from services.dedup.domain import acts as a
from services.dedup.domain import decide
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.changes import Changes
from services.dedup.domain.indexing import on_other_ground
from services.dedup.progress import rekeyed
from services.dedup.store.load import load_areas
from services.dedup.store.save import save
from services.dedup.store.views import orders_by_id
from services.grid.store import load_trees
from services.runtime import clock
from services.runtime.handling import Decided, Received, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from services.contracts.topics import Topic
    from services.dedup.domain.state import AreaState
    from services.dedup.ground import Ground
    from services.grid.tree import Tree
    from services.runtime.handling import Transaction

_Input = (
    OutageReported | FieldProgressed | PowerRestored | TimerFired | OutageCommanded | TelemetryReceived | OutageMoved
)
_INPUT_TALLY: Final = {
    FieldProgressed: "input_progress",
    PowerRestored: "input_restored",
    TimerFired: "input_timer",
    OutageCommanded: "input_command",
    TelemetryReceived: "input_telemetry",
    OutageMoved: "input_moved",
}
_DECIDED_AT_ONCE: Final = 250
"""So many messages of a batch, some 20 ms, before whatever else waits in this process has its turn."""
_SILENT_SECONDS: Final = 0.5
_OUTCOME: Final = {
    e.ReportJoined: "in_incident",
    e.ReportAnswered: "answered",
    e.ReportNeedsPerson: "needs_person",
}
_TALLY: Final = {
    e.ReportJoined: "report_in_incident",
    e.ReportAnswered: "report_answered",
    e.ReportNeedsPerson: "report_needs_person",
    e.IncidentOpened: "incident_opened",
    e.IncidentAbsorbed: "incident_absorbed",
    e.IncidentRestored: "incident_restored",
    e.OrderIssued: "order_issued",
}


def imbalance(counts: Counter[str]) -> int:
    """Return the accepted inputs less what they came to: 0 unless something was lost or counted twice."""
    placed = ("report_in_incident", "report_answered", "report_needs_person", *_INPUT_TALLY.values())
    return counts[f"{OUTAGE_INPUT.name}/accepted"] - sum(counts[name] for name in placed)


class DedupHandler:
    """Decides what a batch means."""

    def __init__(self, ground: Ground, *, cached_areas: int) -> None:
        """Start with nothing cached.

        Args:
            ground: Rules in force and network version.
            cached_areas: Areas kept in memory at most; the longest unused go first.
        """
        self._ground = ground
        self._most = cached_areas
        self._generation = ground.generation
        self._cache: OrderedDict[tuple[int, str], AreaState] = OrderedDict()
        self._outdated: set[tuple[int, str]] = set()
        """Those in the cache whose network has changed."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Everything that can change an incident, and what field-repair systems post."""
        return (OUTAGE_INPUT, DISPATCH_PROGRESS)

    def forget(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Drop the areas of these partitions."""
        dropped = {partition for topic, partition in partitions if topic == OUTAGE_INPUT.name}
        for key in [key for key in self._cache if key[0] in dropped]:
            del self._cache[key]
            self._outdated.discard(key)
        metrics.AREAS_CACHED.set(len(self._cache))

    async def handle(self, tx: Transaction, batch: Sequence[Received], now: datetime) -> Decided:
        """Load the batch's areas, decide message by message, save, return what to publish."""
        decided = Decided()
        await self._rekey(tx, [one for one in batch if one.topic == DISPATCH_PROGRESS.name], decided, now)
        inputs = [one for one in batch if isinstance(one.message, _Input)]
        if not inputs:
            return decided
        states, generation = await self._take(tx, inputs)
        changes = Changes(now)
        issued_for: list[datetime] = []
        seconds = 0.0
        for place in range(0, len(inputs), _DECIDED_AT_ONCE):
            started = clock.monotonic()
            issued_for += _decide(inputs[place : place + _DECIDED_AT_ONCE], states, changes, decided, now)
            seconds += await _heard_after(tx, clock.monotonic() - started)
        started = clock.monotonic()
        decided.publish += changes.messages()
        seconds += await _heard_after(tx, clock.monotonic() - started)
        await save(tx, changes, now)
        _count(decided.tally, changes)

        def committed() -> None:
            self._put_back(states, generation)
            _observe(changes, issued_for, seconds)

        decided.after_commit = committed
        return decided

    async def _rekey(self, tx: Transaction, batch: Sequence[Received], decided: Decided, now: datetime) -> None:
        """Send crews' words on to the area of their order."""
        said = [(one, one.message) for one in batch if isinstance(one.message, FieldProgress)]
        if not said:
            return
        known = await orders_by_id(tx, [message.order_id for _, message in said])
        for one, message in said:
            order = known.get(message.order_id)
            if order is None:
                detail = f"order_id: no order {message.order_id} was ever issued here"
                decided.refused.append(Refused(one, Refusal.UNKNOWN_SUBJECT, detail))
                continue
            decided.publish.append(rekeyed(order, message, now, one.traceparent))

    async def _take(self, tx: Transaction, inputs: Sequence[Received]) -> tuple[dict[tuple[int, str], AreaState], int]:
        """Take the batch's areas out of the cache, or load them, a constant number of queries for all.

        Returns: the areas, and the generation of the network they stand on: a batch beside this one may find another.
        """
        rules = self._ground.rules
        if self._names_unknown_device(inputs):
            await self._ground.look_at_version(tx)  # placed by a network that is newer than the cached one
        self._note_outdated(self._cache, self._generation)
        generation = self._generation = self._ground.generation
        wanted = dict.fromkeys((one.partition, one.message.partition_key) for one in inputs)
        states = {key: self._cache.pop(key) for key in wanted if key in self._cache}
        states = {key: state for key, state in states.items() if rules.read_alike(state.rules)}
        missing = {area: partition for partition, area in wanted if (partition, area) not in states}
        outdated = self._outdated.intersection(states)
        self._outdated -= wanted.keys()
        trees: dict[str, Tree] = {}
        if missing or outdated:
            trees = await load_trees(tx, [*missing, *(area for _, area in outdated)])
        for key, state in states.items():
            if key in outdated or state.rules is not rules:
                tree = trees.get(state.area) if key in outdated else state.tree
                states[key] = on_other_ground(state, tree, rules)
        if missing:
            loaded = await load_areas(tx, list(missing), trees, rules)
            states.update({(missing[area], area): state for area, state in loaded.items()})
            metrics.AREA_LOADS.inc(len(missing))
        return states, generation

    def _names_unknown_device(self, inputs: Sequence[Received]) -> bool:
        """Tell whether a report or reading is at a device that the cached tree of its area does not have."""
        for one in inputs:
            message = one.message
            if isinstance(message, OutageReported):
                device = message.place.transformer_id
            elif isinstance(message, TelemetryReceived):
                device = message.device
            else:
                continue
            state = self._cache.get((one.partition, message.area))
            if state is not None and device is not None and state.leaf(device) is None:
                return True
        return False

    def _note_outdated(self, keys: Iterable[tuple[int, str]], generation: int) -> None:
        """Note those of these areas whose network is another one now than at that generation."""
        if generation != self._ground.generation:
            changed = self._ground.changed_since(generation)
            self._outdated.update(key for key in keys if changed is None or key[1] in changed)

    def _put_back(self, states: dict[tuple[int, str], AreaState], generation: int) -> None:
        self._cache.update(states)
        self._note_outdated(states, generation)
        while len(self._cache) > self._most:
            key, _ = self._cache.popitem(last=False)
            self._outdated.discard(key)
        metrics.AREAS_CACHED.set(len(self._cache))


async def _heard_after(tx: Transaction, seconds: float) -> float:
    """Let whatever else waits in this process have its turn, and Postgres hear of us if it did not for long.

    A person may merge an outage that a hundred thousand reported. A session that is silent for as long as what comes of
    that takes is ended, and the command would come again for ever.
    """
    await asyncio.sleep(0)
    if seconds > _SILENT_SECONDS:
        await tx.execute("SELECT")
    return seconds


def _count(tally: Counter[str], changes: Changes) -> None:
    """Count what a batch's events did with reports, incidents and orders."""
    for _, event in changes.events:
        if type(event) in _TALLY:
            tally[_TALLY[type(event)]] += 1
        elif isinstance(event, a.ReportPlaced):
            tally["report_needs_person"] -= 1
        elif isinstance(event, a.ReportUnplaced):
            tally["report_needs_person"] += 1
            tally["report_in_incident"] -= 1
        elif isinstance(event, (pa.ReportCovered, pa.ReportUncovered)):
            back = 1 if isinstance(event, pa.ReportUncovered) else -1
            tally["report_in_incident"] += back
            tally["report_answered"] -= back


def _decide(
    inputs: Sequence[Received],
    states: Mapping[tuple[int, str], AreaState],
    changes: Changes,
    decided: Decided,
    now: datetime,
) -> list[datetime]:
    """Decide messages in order; return when each report arrived because of which an order was issued."""
    issued_for: list[datetime] = []
    for one in inputs:
        message = one.message
        if not isinstance(message, _Input):
            continue
        state = states[one.partition, message.area]
        events = decide(state, message, now)
        changes.apply(state, events, one.traceparent)
        if isinstance(message, OutageReported):
            issued_for += [message.received_at for event in events if isinstance(event, e.OrderIssued)]
        else:
            decided.tally[_INPUT_TALLY[type(message)]] += _of_its_own(message, events)
    return issued_for


def _of_its_own(message: _Input, events: Sequence[e.Event]) -> int:
    """Return 1 for an input that is counted as such; 0 for a reading that is counted as the report it made."""
    made = any(isinstance(event, (e.ReportJoined, e.ReportAnswered, e.ReportNeedsPerson)) for event in events)
    return 0 if isinstance(message, TelemetryReceived) and made else 1


def _observe(changes: Changes, issued_for: Sequence[datetime], seconds: float) -> None:
    """Put a committed batch into the metrics."""
    metrics.DECIDE_SECONDS.observe(seconds)
    committed_at = clock.now()
    for received_at in issued_for:
        metrics.ORDER_SECONDS.observe(max(0.0, (committed_at - received_at).total_seconds()))
    counts: Counter[tuple[str, str]] = Counter()
    for _, event in changes.events:
        if isinstance(event, (e.ReportJoined, e.ReportAnswered, e.ReportNeedsPerson)):
            counts[_OUTCOME[type(event)], event.rule.value] += 1
        else:
            _observe_one(changes, event)
    for (outcome, rule), n in counts.items():
        metrics.REPORTS.labels(outcome, rule).inc(n)


def _observe_one(changes: Changes, event: e.Event) -> None:
    if isinstance(event, e.IncidentOpened):
        metrics.OPENED.labels(event.kind.value, event.device.type).inc()
    elif isinstance(event, e.PredictionMoved):
        metrics.LIFTED.labels(event.device.type).inc()
    elif isinstance(event, e.IncidentAbsorbed):
        metrics.ABSORBED.labels(changes.touched[event.incident_id].incident.device.type).inc()
    elif isinstance(event, e.IncidentRestored):
        metrics.RESTORED.labels(changes.touched[event.incident_id].incident.device.type).inc()
        if event.progress is not None:
            metrics.PROGRESS.labels(event.progress.stage.value, "noted").inc()
    elif isinstance(event, e.OrderEvent):
        metrics.ORDERS.labels(event.order.status.value, event.order.priority.value).inc()
    elif isinstance(event, e.ProgressNoted):
        metrics.PROGRESS.labels(event.progress.stage.value, "noted").inc()
    elif isinstance(event, e.ProgressIgnored):
        metrics.PROGRESS.labels(event.progress.stage.value, event.rule.value).inc()
    else:
        _observe_act(event)


def _observe_act(event: e.Event) -> None:
    if isinstance(event, (a.CommandDone, a.CommandRefused)):
        outcome = "done" if isinstance(event, a.CommandDone) else "refused"
        metrics.COMMANDS.labels(event.command.action.value, outcome).inc()
    elif isinstance(event, a.TelemetryNoted):
        metrics.READINGS.labels(event.telemetry.reading.value).inc()
    elif isinstance(event, a.RestorationSuggested) and event.at is not None:
        metrics.SUGGESTED.labels(event.rule.value).inc()
    elif isinstance(event, a.DeadlineBreached):
        metrics.BREACHED.labels(event.what).inc()
    elif isinstance(event, (a.StormBegan, a.StormEnded)):
        metrics.STORMS.labels("began" if isinstance(event, a.StormBegan) else "ended").inc()
