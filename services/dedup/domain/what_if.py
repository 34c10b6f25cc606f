"""What more calls, or none, would come to: tried out on a copy of the area, by the very core that decides.

Decided here: what is tried, and how far. Nothing of it is kept. Never here: a guess at what the likelihood would say.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.ids import derive
from services.contracts.messages import OutageReported, TimerFired
from services.contracts.values import Channel, Place
from services.dedup.domain.decide import decide
from services.dedup.domain.evolve import evolve
from services.dedup.domain.indexing import install_all
from services.dedup.domain.relook import RELOOK
from services.dedup.domain.state import FIELDS, AreaState

if TYPE_CHECKING:
    from uuid import UUID

    from services.contracts.messages import OutageInput
    from services.dedup.domain.incident import Incident

MOST_CALLS: Final = 8
"""More calls than these are not tried."""
_STEPS: Final = 3
_APART: Final = timedelta(seconds=15)  # between two calls that are tried


class Calls(NamedTuple):
    """So many more calls, at these devices, would put an incident at another device."""

    device: str
    at: tuple[str, ...]


class Silence(NamedTuple):
    """If nobody else calls until then, a report's incident stands at another device, or the report is in another."""

    until: datetime
    device: str
    apart: bool


def calls_that_lift(state: AreaState, report: UUID, now: datetime) -> Calls | None:
    """Return the fewest calls from other branches that would move a report's incident up, nearest device first."""
    tree = state.tree
    home = state.incidents[state.members[report]]
    if tree is None or home.device.id not in tree:
        return None
    for step in state.path(home.device.id)[:_STEPS]:
        tried = copy_of(state)
        at: list[str] = []
        for device in tree.transformers_under(step.device):
            if tree.is_under(device, home.device.id) or any(one in state.by_device for one in state.upstream(device)):
                continue
            at.append(device)
            when = now + len(at) * _APART
            _try(tried, _call(state.area, device, when), when)
            moved = _home(tried, report)
            if moved is not None and moved.device.id != home.device.id:
                return Calls(moved.device.id, tuple(at))
            if len(at) == MOST_CALLS:
                break
    return None


def silence_that_moves(state: AreaState, report: UUID) -> Silence | None:
    """Return when and where nobody else calling would put a report; None where that changes nothing."""
    tried = copy_of(state)
    home = tried.incidents[tried.members[report]]
    key, device = home.incident_id, home.device.id
    while home.relook is not None and not home.frozen:
        timer = home.relook
        fired = TimerFired(
            area=state.area,
            timer_id=timer.timer_id,
            kind=RELOOK,
            subject=home.incident_id,
            due_at=timer.due_at,
            fired_at=timer.due_at,
        )
        _try(tried, fired, timer.due_at)
        found = _home(tried, report)
        if found is None:
            return None
        home = found
        if (home.incident_id, home.device.id) != (key, device):
            return Silence(timer.due_at, home.device.id, home.incident_id != key)
    return None


def copy_of(state: AreaState) -> AreaState:
    """Return an area that can be tried on without changing this one."""
    again = AreaState(state.area, state.tree, state.rules)
    for name in FIELDS:  # every one: what is forgotten here would be decided without
        value = getattr(state, name)
        setattr(again, name, dict(value) if isinstance(value, dict) else value)
    again.answered = {planned: dict(reports) for planned, reports in state.answered.items()}
    again.incidents, again.by_device, again.by_premises, again.below, again.singles_at = {}, {}, {}, {}, {}
    copies = (
        replace(incident, reports=dict(incident.reports), _standing=incident.standing.copy())
        for incident in state.incidents.values()
    )
    install_all(again, copies)
    return again


def _home(state: AreaState, report: UUID) -> Incident | None:
    key = state.members.get(report)
    return None if key is None else state.incidents[key]


def _try(state: AreaState, message: OutageInput, now: datetime) -> None:
    for event in decide(state, message, now):
        evolve(state, event)


def _call(area: str, device: str, at: datetime) -> OutageReported:
    made = derive("what if", area, device)
    return OutageReported(
        area=area,
        report_id=made,
        ticket_id=derive("what if", "ticket", area, device),
        ticket_ref="what if",
        contact_id=made,
        channel=Channel.API,
        place=Place(area=area, transformer_id=device),
        reported_at=at,
        received_at=at,
    )
