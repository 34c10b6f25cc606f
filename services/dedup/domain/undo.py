"""Taking a command back: everything is where it was, with the times it had, or it is said what stands in the way.

Decided here: whether what a command did still stands so that it can be undone. Reports that joined meanwhile stay with
the incident they joined; those of an incident that the command itself had opened go back with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.ids import incident_id
from services.contracts.values import CommandAction, IncidentState
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain import withdrawing
from services.dedup.domain.acting import Acting, RefusedError, standing_at
from services.dedup.domain.decided_by import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import OutageCommanded
    from services.dedup.domain.done import Closed, Done
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.state import AreaState


def undo(state: AreaState, command: OutageCommanded, now: datetime) -> list[e.Event]:
    """Return the events that take a command back, or the refusal that says what stands in the way."""
    acting = Acting(state, command, now)
    try:
        done = _done(acting)
        _UNDO.get(done.action, _ungroup)(acting, done)
    except RefusedError as error:
        return [a.CommandRefused(command, error.wrong)]
    acting.events.append(a.CommandDone(command, acting.done(), undoes=done.command_id))
    return acting.events


def _done(acting: Acting) -> Done:
    key = acting.command.undoes
    if key is None:
        raise RefusedError(("undoes", "is needed for this action"))
    found = acting.state.commands.get(key)
    if found is None:
        why = "it was refused, undone already, is itself an undo, or what it changed is over since"
        raise RefusedError(("undoes", f"command {key} cannot be undone: {why}"))
    return found


def _in_the_way(acting: Acting, done: Done, incidents: Iterable[UUID]) -> str:
    """Name the last later command on one of these incidents, as advice."""
    about = set(incidents)
    later = [one for one in acting.state.commands.values() if one.seq > done.seq and about & set(one.incidents)]
    return f": undo {later[-1].action.value} {later[-1].command_id} of {later[-1].author} first" if later else ""


def _unpin(acting: Acting, done: Done, incidents: Iterable[UUID]) -> None:
    """Let inference move again what this command arranged first, and no other that stands.

    What was arranged before it may be by a command that can be undone no more, and is not remembered.
    """
    for key in dict.fromkeys(incidents):
        others = any(
            key in one.incidents and one.target is not None and one.action not in _UNDO
            for one in acting.state.commands.values()
            if one.command_id != done.command_id
        )
        if not others and (done.pinned is None or key in done.pinned):
            acting.events.append(a.IncidentUnpinned(key))


def _ungroup(acting: Acting, done: Done) -> None:
    state = acting.state
    target = None if done.target is None else state.incidents.get(done.target)
    if done.target is None or target is None:
        aside = state.set_aside.get(done.target) if done.target else None
        where = f"was merged into {aside.merged_into}" if aside is not None else "is closed"
        way = _in_the_way(acting, done, [done.target] if done.target else [])
        raise RefusedError(("undoes", f"incident {done.target} {where} since{way}"))
    moves = [(report, source) for report, source in done.moves if source is not None]
    _check_reports(acting, done, [report for report, _ in moves], target)
    _check_sources(acting, done, target)
    if done.opened:
        acting.movable("undoes", target, _known(state, moves[0][1]))
    back = [(key, moves[0][1]) for key in target.reports] if done.opened else moves
    if not done.opened and len(back) == len(target.reports):
        way = _in_the_way(acting, done, [target.incident_id])
        raise RefusedError(("undoes", f"nothing would be left in incident {target.incident_id}{way}"))
    for closed in done.closed:
        acting.events.append(a.IncidentReopened(closed.incident_id, closed, Rule.UNDONE))
    for report, source in back:
        acting.move(report, target.incident_id, source, Rule.UNDONE)
    reopened = {closed.incident_id for closed in done.closed}
    sources = [_known(state, key) for key in dict.fromkeys(source for _, source in moves)]
    for one in sources:
        acting.events.append(a.IncidentRecounted(one.incident_id))
        acting.tell_field(one, Rule.UNDONE, again=one.incident_id in reopened, must_go=done.opened)
    if done.opened:
        acting.set_aside(target, sources[0].incident_id, sources[0].order_id, Rule.UNDONE, returns=False)
    else:
        acting.events.append(a.IncidentRecounted(target.incident_id))
        acting.tell_field(target, Rule.UNDONE)
    _unpin(acting, done, [one.incident_id for one in sources] + ([] if done.opened else [target.incident_id]))


def _known(state: AreaState, key: UUID) -> Incident:
    return state.incidents[key] if key in state.incidents else state.set_aside[key]


def _check_reports(acting: Acting, done: Done, reports: list[UUID], target: Incident) -> None:
    for report in reports:
        home = acting.state.members.get(report)
        if home != target.incident_id:
            where = "waits for a place" if home is None else f"is in incident {home}"
            way = _in_the_way(acting, done, [target.incident_id, *([home] if home else [])])
            raise RefusedError(("undoes", f"report {report} {where} since{way}"))


def _check_sources(acting: Acting, done: Done, target: Incident) -> None:
    state = acting.state
    closed = {one.incident_id: one for one in done.closed}
    for _, source in done.moves:
        if source is not None and source not in closed and source not in state.incidents:
            way = _in_the_way(acting, done, [source])
            raise RefusedError(("undoes", f"incident {source}, where report came from, is no longer open{way}"))
    for one in closed.values():
        if one.incident_id not in state.set_aside:
            raise RefusedError(("undoes", f"incident {one.incident_id} cannot be opened again"))
        _check_places(acting, done, target, one)
    later = _in_the_way(acting, done, [target.incident_id]) if done.opened else ""
    if later:
        raise RefusedError(("undoes", f"incident {target.incident_id}, which it opened, was changed since{later}"))


def _check_places(acting: Acting, done: Done, target: Incident, one: Closed) -> None:
    for place, there in standing_at(acting.state, one):
        if there != target.incident_id:
            way = _in_the_way(acting, done, [there, target.incident_id])
            raise RefusedError(("undoes", f"incident {there} stands at {place!r} since{way}"))
    if target.device.id in one.devices:
        way = _in_the_way(acting, done, [target.incident_id])
        raise RefusedError(("undoes", f"incident {target.incident_id} stands at {target.device.id!r} since{way}"))


def _unconfirm(acting: Acting, done: Done) -> None:
    if done.device is None or done.state is None:
        raise AssertionError("a confirmation remembers what was")
    incident = acting.incident(done.target, "undoes")
    way = _in_the_way(acting, done, [incident.incident_id])
    if any(
        one.action is CommandAction.CONFIRM and one.target == done.target and one.seq > done.seq
        for one in acting.state.commands.values()
    ):
        raise RefusedError(("undoes", f"incident {incident.incident_id} was confirmed again since{way}"))
    if done.state is IncidentState.PREDICTED and incident.arrived_at is not None:
        raise RefusedError(("undoes", f"a crew has been on the spot since {incident.arrived_at.isoformat()}"))
    if incident.device != done.device:
        acting.free(done.device.id, but=[incident.incident_id], field="undoes")
        seq = acting.number()
        back = e.PredictionMoved(incident.incident_id, done.device, done.served, seq, Rule.UNDONE, acting.why)
        acting.events.append(back)
        acting.tell_field(incident, Rule.UNDONE, device=(done.device, done.served), must_go=True)
    if incident.state is not done.state:
        acting.events.append(a.IncidentStateSet(incident.incident_id, done.state, Rule.UNDONE))


def _unrelate(acting: Acting, done: Done) -> None:
    key = done.incidents[0]
    incident = acting.incident(key, "undoes")
    if incident.related_to != done.target:
        way = _in_the_way(acting, done, [key])
        raise RefusedError(("undoes", f"incident {key} is related to {incident.related_to} since{way}"))
    acting.events.append(a.IncidentRelated(key, done.related_to, Rule.UNDONE))


def _unplace(acting: Acting, done: Done) -> None:
    ((report, _),) = done.moves
    incident = acting.incident(done.target, "undoes")
    _check_reports(acting, done, [report], incident)
    if incident.incident_id == incident_id(acting.state.area, report) or len(incident.reports) == 1:
        # Its ids are of this report: placed once more it would open the same incident and order a second time.
        why = f"the report opened incident {incident.incident_id}: move it, or confirm the right device"
        raise RefusedError(("undoes", why))
    known = incident.reports[report]
    del acting.inside(incident.incident_id)[report]
    waiting = known._replace(device=done.waited_at)
    by = acting.command
    acting.events.append(
        a.ReportUnplaced(waiting, Rule.UNPLACED, by.author, by.command_id, incident.incident_id, acting.number())
    )
    acting.tell_field(incident, Rule.UNDONE)


def _unaccept(acting: Acting, done: Done) -> None:
    state, key = acting.state, done.incidents[0]
    way = _in_the_way(acting, done, [key])
    if withdrawing.expired(state, done):
        raise RefusedError(("undoes", f"planned outage {done.planned_id} was over long ago: who is out reports anew"))
    if not done.closed:
        if key in state.set_aside and state.set_aside[key].covered_by is None:
            acting.incident(key, "undoes")
    elif done.closed[0].incident_id not in state.set_aside:
        raise RefusedError(("undoes", f"incident {key} cannot be opened again{way}"))
    elif (taken := next(standing_at(state, done.closed[0]), None)) is not None:
        place, there = taken
        way = _in_the_way(acting, done, [there])
        raise RefusedError(("undoes", f"incident {there} stands at {place!r} since{way}"))
    withdrawing.uncover(acting, done)


def _undecline(acting: Acting, done: Done) -> None:
    incident = acting.incident(done.incidents[0], "undoes")
    if done.planned_id is None:
        raise AssertionError("who declines names a plan")
    acting.events.append(pa.PlanSettled(incident.incident_id, done.planned_id, Rule.UNDONE, settled=False))


_UNDO: Final[Mapping[CommandAction, Callable[[Acting, Done], None]]] = {
    CommandAction.CONFIRM: _unconfirm,
    CommandAction.RELATE: _unrelate,
    CommandAction.PLACE: _unplace,
    CommandAction.ACCEPT_PLAN: _unaccept,
    CommandAction.DECLINE_PLAN: _undecline,
}
"""What regroups nothing, and so pins nothing: a confirmation holds by the incident's state."""
