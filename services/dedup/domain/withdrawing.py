"""A planned outage that is changed or withdrawn: what it no longer explains is an incident's again.

Decided here: which reports it answered in vain, those that a person let it answer and those it answered as they came;
where they go, and who hears of another end, or that power is back. Never here: what a plan answers (``planned``,
``planning``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from services.contracts.ids import split_incident_id, split_order_id
from services.contracts.values import CommandAction
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.acting import lowest_above, standing_at
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.done import Closed, Done
from services.dedup.domain.orders import version_of
from services.dedup.domain.relook import partition
from services.dedup.domain.report import Report
from services.dedup.domain.singles import own_premises

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from services.contracts.messages import PowerRestored
    from services.dedup.domain.acting import Acting
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.planned import Planned
    from services.dedup.domain.state import AreaState


class _Answer(NamedTuple):
    """Reports that a planned outage answers.

    Attributes:
        target: The incident they were in, where a person accepted the plan for it.
        closed: It, where they were all it had.
    """

    reports: tuple[Report, ...]
    planned_id: UUID | None
    target: UUID | None = None
    closed: Closed | None = None


# --- what a change comes to ---


def change(acting: Acting, before: Planned, after: Planned) -> None:
    """Bring back what a planned outage explained and no longer does, and tell the others of another end.

    One that was over explains what it did for good, also when it is put to another day. Whom one answered that was over
    long ago hears nothing more: they may have been erased, which an area where nobody reports is not told.
    """
    state, command = acting.state, acting.command
    if before.ends_at < command.accepted_at - state.rules.restored_memory:
        return
    accepted = acceptances(state, after.planned_id)
    over = before.ends_at <= command.accepted_at
    fallen = [] if over else [one for one in accepted if not _holds(state, before, after, one)]
    in_vain = [] if over else _answered_in_vain(acting, before, after)
    _bring_back(acting, [*(_of(state, one) for one in fallen), *in_vain], Rule.PLAN_WITHDRAWN)
    acting.events += [pa.AcceptanceOver(one.command_id, command.command_id) for one in fallen]
    _tell_end(acting, before, after, [one for one in accepted if one not in fallen])


def _tell_end(acting: Acting, before: Planned, after: Planned, accepted: Iterable[Done]) -> None:
    """Say another end to those whose reports it answers; not while it is of another day or place."""
    state, command = acting.state, acting.command
    reports = [state.covered[report] for done in accepted for report, _ in done.moves]
    acting.events += [
        pa.CoverMoved(one, after, before.ends_at, command.command_id)
        for one in (*reports, *_answered(state, after.planned_id))
        if covers(state, after, one) and (after.ends_at != before.ends_at or not covers(state, before, one))
    ]


def acceptances(state: AreaState, planned: UUID | None = None) -> list[Done]:
    """Return what was accepted and can still be taken back: of one planned outage, or of all. Oldest first."""
    return [
        one
        for one in state.commands.values()
        if one.action is CommandAction.ACCEPT_PLAN and (planned is None or one.planned_id == planned)
    ]


def _holds(state: AreaState, before: Planned, after: Planned, done: Done) -> bool:
    return not any(_falls(state, before, after, state.covered[report]) for report, _ in done.moves)


def _falls(state: AreaState, before: Planned, after: Planned, report: Report) -> bool:
    """Tell whether a planned outage explained a report until now, and does no longer.

    One that was over, and was put to another day, explains what it did for good.
    """
    return before.covers(report.made_at) and not covers(state, after, report)


def covers(state: AreaState, planned: Planned, report: Report) -> bool:
    """Tell whether a report is of a planned outage: made under it, while it lasts."""
    leaf = state.leaf(report.device)
    return leaf is not None and planned.covers(report.made_at) and planned.device in state.upstream(leaf)


def _answered(state: AreaState, planned: UUID) -> list[Report]:
    """Return the reports that a planned outage answered as they came, in an order that is theirs."""
    return sorted(state.answered.get(planned, {}).values(), key=lambda one: (one.made_at, one.report_id))


def _answered_in_vain(acting: Acting, before: Planned, after: Planned) -> list[_Answer]:
    """Return what a planned outage answered as it came and no longer does, by what one outage explains.

    Where another planned outage explains a report, that one answers it.
    """
    state, command = acting.state, acting.command
    found = []
    for one in _answered(state, after.planned_id):
        if not _falls(state, before, after, one):
            continue
        places = state.chain_of(one.device)
        other = state.planned.covering(places, one.made_at, but=(after.planned_id,))
        if other is None:
            found.append(one)
        else:
            moved = pa.CoverMoved(one, other, before.ends_at, command.command_id, instead_of=after.planned_id)
            acting.events.append(moved)
    own: dict[str, list[Report]] = {}
    for one in found:
        if one.single_premise:
            own.setdefault(one.customer, []).append(one)
    answers = [_Answer(tuple(theirs), after.planned_id) for theirs in own.values()]
    if together := [one for one in found if not one.single_premise]:
        top = lowest_above(state, {state.leaf(one.device) for one in together}) or after.device
        pieces = partition(state, top, together, state.heard_until(command.accepted_at.timestamp()))
        answers += [_Answer(piece.reports, after.planned_id) for piece in pieces]
    return answers


def answers_over(state: AreaState, message: PowerRestored, at: datetime) -> list[e.Event]:
    """Return that power is back for whom a planned outage answers: of their place, or their home.

    They do not come back with it: an acceptance is of the others only, and over where there are none.
    """

    def is_of(report: Report) -> bool:
        if message.account_id is not None:
            return report.account_id == message.account_id
        return report.device == message.device or state.is_under(report.device, message.device)

    found: list[e.Event] = [
        pa.AnswerOver(one, planned, Rule.ALREADY_RESTORED)
        for planned in sorted(state.answered)
        for one in _answered(state, planned)
        if one.made_at <= at and is_of(one)
    ]
    for done in acceptances(state):
        covered = [state.covered[report] for report, _ in done.moves]
        back = {one.report_id: one for one in covered if one.made_at <= at and is_of(one)}
        if not back or expired(state, done):
            continue
        found += [pa.AnswerOver(one, done.planned_id, Rule.ALREADY_RESTORED) for one in back.values()]
        if left := tuple(move for move in done.moves if move[0] not in back):
            found.append(pa.AcceptanceNarrowed(replace(done, moves=left)))
        else:
            found.append(pa.AcceptanceOver(done.command_id, gone=_closed_by(done)))
    return found


# --- bringing reports back ---


def _of(state: AreaState, done: Done) -> _Answer:
    reports = tuple(state.covered[report] for report, _ in done.moves)
    return _Answer(reports, done.planned_id, done.target, done.closed[0] if done.closed else None)


def uncover(acting: Acting, acceptance: Done) -> None:
    """Bring the reports that a planned outage answers by a person's word back to their incident."""
    _bring_back(acting, [_of(acting.state, acceptance)], Rule.UNDONE)


def _bring_back(acting: Acting, answers: Iterable[_Answer], rule: Rule) -> None:
    """Bring reports that a planned outage answered back to their incidents, and let orders go out.

    An incident that was closed opens again, with its order in a next version; where another stands at its place by now,
    or it was merged meanwhile, the reports go there. Where they were in none, or what they had left went on without
    them and is over, they are an outage of their own.
    """
    state, command = acting.state, acting.command
    homes: dict[UUID, Incident] = {}
    founded: dict[UUID, e.IncidentOpened] = {}
    again: set[UUID] = set()
    places: dict[str, UUID] = {}
    for answer in answers:
        closed = answer.closed
        home = _open_one(state, answer.target) if closed is None else _reopened(state, closed, places, homes)
        if home is None:
            home = _standing_over(state, answer, places, homes)
        if home is None:
            key = _found(acting, answer, rule, places, founded)
        else:
            key = home.incident_id
            homes[key] = home
        if closed is not None and closed.incident_id == key:
            again.add(key)
            places.update(dict.fromkeys((*closed.devices, *closed.premises), key))
            acting.events.append(pa.IncidentUncovered(key, closed, rule))
        why = rule if answer.target is not None else Rule.NOT_PLANNED  # by which notify knows who tells the customer
        for report in answer.reports:
            acting.inside(key)[report.report_id] = report
            said = command.author, command.command_id, acting.why
            acting.events.append(pa.ReportUncovered(report, key, answer.planned_id, acting.number(), why, *said))
        if closed is not None and closed.incident_id != key:
            acting.events.append(pa.IncidentUncovered(closed.incident_id, closed, rule, into=key))
        if closed is None and answer.planned_id is not None and key == answer.target:
            acting.events.append(pa.PlanSettled(key, answer.planned_id, rule, settled=False))
    for key, home in homes.items():
        acting.events.append(a.IncidentRecounted(key))
        acting.tell_field(home, rule, again=key in again, must_go=not home.waits)
    for key, new in founded.items():
        subject = acting.subject(key, new.order_id, new.kind, new.device, new.customers_served)
        acting.events += [a.IncidentRecounted(key), e.OrderIssued(version_of(subject, 1, rule, acting.now))]


def _place(state: AreaState, reports: Sequence[Report]) -> tuple[str, e.Kind, str | None]:
    """Return the lowest device above reports, and what they are there: one customer's own, if they all say so."""
    leaves = [state.leaf(one.device) or one.device for one in reports]
    name = lowest_above(state, set(leaves)) or leaves[0]
    if name is None:
        raise AssertionError("a planned outage covers a place")
    if all(one.single_premise for one in reports) and len({one.customer for one in reports}) == 1:
        return name, e.Kind.SINGLE, reports[0].account_id
    return name, e.Kind.OUTAGE, None


def _standing_over(
    state: AreaState, answer: _Answer, places: dict[str, UUID], homes: dict[UUID, Incident]
) -> Incident | None:
    """Return the open incident that an outage at the place of these reports is part of, if one is.

    One customer's own problem stays one, also under a larger outage.
    """
    device, kind, premises = _place(state, answer.reports)
    if kind is e.Kind.SINGLE:
        own = own_premises(state, answer.reports[0], device)
        at = [places.get(premises or ""), None if own is None else own.incident_id]
    else:
        at = [places.get(one) or state.by_device.get(one) for one in state.upstream(device)]
    for key in at:
        if key is not None and (key in homes or key in state.incidents):
            return homes[key] if key in homes else state.incidents[key]
    return None


def _found(
    acting: Acting, answer: _Answer, rule: Rule, places: dict[str, UUID], founded: dict[UUID, e.IncidentOpened]
) -> UUID:
    """Open an outage of their own for these reports, or return the one that this command opened there."""
    device, kind, premises = _place(acting.state, answer.reports)
    single = kind is e.Kind.SINGLE
    for one in (premises or "",) if single else acting.state.upstream(device):
        if places.get(one) in founded:
            return places[one]
    ref, served = acting.reference(device, answer.reports[0])
    area, by, seq = acting.state.area, acting.command.command_id, acting.number()
    new = e.IncidentOpened(
        *(split_incident_id(area, by, seq), split_order_id(area, by, seq), kind, ref),
        *(min(served, 1) if single else served, seq, rule),
        premises=premises,
    )
    acting.events.append(new)
    founded[new.incident_id] = new
    if (name := premises if single else device) is not None:
        places[name] = new.incident_id
    return new.incident_id


def _open_one(state: AreaState, key: UUID | None) -> Incident | None:
    """Return an incident that is open, or the open one that it was merged into."""
    while key is not None and key not in state.incidents:
        aside = state.set_aside.get(key)
        key = None if aside is None else aside.merged_into
    return None if key is None else state.incidents[key]


def _reopened(
    state: AreaState, closed: Closed, places: dict[str, UUID], homes: dict[UUID, Incident]
) -> Incident | None:
    """Return a closed incident, or the one that stands at its place by now or, in this command, by ``places``."""
    for _, there in standing_at(state, closed, places):
        return homes[there] if there in homes else state.incidents[there]
    return state.set_aside.get(closed.incident_id)


def expired(state: AreaState, done: Done) -> bool:
    """Tell whether a planned outage that was accepted was over so long ago that this is not taken back any more."""
    planned = None if done.planned_id is None else state.planned.known.get(done.planned_id)
    if planned is None or state.latest is None:
        return planned is None
    return planned.ends_at < state.latest - state.rules.restored_memory


def forget_expired(acting: Acting) -> None:
    """Let acceptances that are not taken back any more stand for good, so that they are not kept for ever."""
    for done in acceptances(acting.state):
        if expired(acting.state, done):
            acting.events.append(pa.AcceptanceOver(done.command_id, gone=_closed_by(done)))


def _closed_by(done: Done) -> UUID | None:
    """Return the incident that an acceptance closed, if it did."""
    return done.closed[0].incident_id if done.closed else None
