"""Where an incident is found in its area: at its device, its premises, below what is upstream, among the restored.

Used for what happens (``evolve``), for loading what happened (``services.dedup.store``), and where the network or the
rules under it become others. Never here: a decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.dedup.domain.events import Kind
from services.dedup.domain.state import FIELDS, AreaState
from services.dedup.domain.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.dedup.domain.done import Closed
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.rules import Rules
    from services.dedup.domain.state import Restored
    from services.grid.tree import Tree

_OF_THE_GROUND: Final = frozenset(
    {"tree", "rules", "likelihood", "incidents", "by_device", "by_premises", "singles_at", "below", "telemetry"}
)
"""What of a state depends on the network or the rules, beside what it keeps for itself."""


def on_other_ground(state: AreaState, tree: Tree | None, rules: Rules) -> AreaState:
    """Return an area on another network or under other rules, as loading it again would, without reading its reports.

    Its incidents go over: the state given is of no use any more.

    Args:
        state: The area.
        tree: Its network now.
        rules: Rules in force, by which the stored reads as by the area's own (``Rules.read_alike``).
    """
    moved = AreaState(state.area, tree, rules)
    for name in FIELDS:  # every one: what is forgotten here would be decided without
        if name not in _OF_THE_GROUND and not name.startswith("_"):
            setattr(moved, name, getattr(state, name))
    moved.learn(state.learned)
    for incident in state.incidents.values():
        incident.weighed = incident.call_times = None
    install_all(moved, state.incidents.values())
    moved.telemetry = Telemetry()
    for subject, known in state.telemetry.known.items():
        moved.telemetry.install(subject, known, moved.upstream(known.device))
    return moved


def install(state: AreaState, incident: Incident) -> None:
    """Put an open incident where it is found: used for opening and for loading."""
    state.incidents[incident.incident_id] = incident
    if incident.kind is Kind.OUTAGE:
        stand_at(state, incident)
    elif incident.kind is Kind.SINGLE:
        state.singles_at.setdefault(incident.device.id, {})[incident.opened_seq] = incident
        if incident.premises is not None:  # where an outage stands for them already, a person put them there
            state.by_premises.setdefault(incident.premises, incident.incident_id)


def install_all(state: AreaState, incidents: Iterable[Incident]) -> None:
    """Put open incidents where they are found, in the order in which they came to stand there, as they are loaded."""
    for incident in sorted(incidents, key=lambda one: (one.since_seq, one.opened_seq)):
        install(state, incident)


def stand_at(state: AreaState, incident: Incident) -> None:
    """Let an outage be found at its device, and below everything upstream of it."""
    there = state.incidents.get(state.by_device.get(incident.device.id, incident.incident_id))
    if there is not None and there is not incident and there.device.id != incident.device.id:
        there.also = tuple(one for one in there.also if one != incident.device.id)  # it stands for itself from now on
    state.by_device[incident.device.id] = incident.incident_id
    stand_for(state, incident)
    for step in state.path(incident.device.id):
        state.below.setdefault(step.device, {})[incident.opened_seq] = incident


def leave_device(state: AreaState, incident: Incident) -> None:
    """Take an outage from its device alone, before it moves to another."""
    if state.by_device.get(incident.device.id) == incident.incident_id:
        del state.by_device[incident.device.id]
    for step in state.path(incident.device.id):
        if (below := state.below.get(step.device)) is not None:
            below.pop(incident.opened_seq, None)


def stand_for(state: AreaState, incident: Incident) -> None:
    """Let the incident be found at the places of those that a person merged into it."""
    for device in incident.also:
        state.by_device.setdefault(device, incident.incident_id)
    for premises in incident.also_premises:
        state.by_premises.setdefault(premises, incident.incident_id)


def leave(state: AreaState, incident: Incident) -> None:
    """Take an incident from where it is found: its device or its premises, and those it stands for."""
    if incident.kind is Kind.OUTAGE:
        leave_device(state, incident)
        for device in incident.also:
            if state.by_device.get(device) == incident.incident_id:
                del state.by_device[device]
    elif incident.kind is Kind.SINGLE and (there := state.singles_at.get(incident.device.id)) is not None:
        there.pop(incident.opened_seq, None)
    for premises in (incident.premises, *incident.also_premises):
        if premises is not None and state.by_premises.get(premises) == incident.incident_id:
            del state.by_premises[premises]


def leave_off(state: AreaState, incident: Incident, closed: Closed) -> None:
    """Stop standing for the places of an incident that comes back."""
    incident.also = tuple(one for one in incident.also if one not in closed.devices)
    incident.also_premises = tuple(one for one in incident.also_premises if one not in closed.premises)
    for known, places in ((state.by_device, closed.devices), (state.by_premises, closed.premises)):
        for place in places:
            if known.get(place) == incident.incident_id and place not in {incident.device.id, incident.premises}:
                del known[place]


def remember(
    state: AreaState,
    kind: Kind,
    device: str,
    premises: str | None,
    restored: Restored,
    also: Iterable[str] = (),
) -> None:
    """Let a restoration answer late reports: used for restoring and for loading."""
    if state.oldest_restored is None or restored.restored_at < state.oldest_restored:
        state.oldest_restored = restored.restored_at
    if kind is Kind.OUTAGE:
        for one in (device, *also):
            _keep_later(state.restored, one, restored)
    elif premises is not None:
        _keep_later(state.restored_premises, premises, restored)


def _keep_later(known: dict[str, Restored], key: str, restored: Restored) -> None:
    if key not in known or known[key] < restored:
        known[key] = restored
