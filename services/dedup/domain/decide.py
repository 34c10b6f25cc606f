"""What a message means for an area: ``decide(state, message, now) -> events``. Changes nothing.

Decided here: which incident a report belongs to, what a crew's word and a moment change. What is known of the power
at a place is ``covering``; what explains reports together, ``candidates``; what keeps them apart, ``relook``; what
power that is back closes, ``restore``; what an order says, ``orders``. ``now`` is used for the stamps of what is sent
and as the bound of a crew's clock; which incident a report belongs to depends on the messages alone.
Never here: I/O, a clock, a guess. What cannot be placed goes to a person.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from services.contracts.messages import (
    FieldProgressed,
    OutageCommanded,
    OutageMoved,
    OutageReported,
    PowerRestored,
    TelemetryReceived,
    TimerFired,
)
from services.contracts.values import CommandAction, CustomerClass, DeviceRef, ProgressStage
from services.dedup.domain import events as e
from services.dedup.domain.candidates import Lifted, look_up_the_tree
from services.dedup.domain.clock import DUE, overdue, with_due_times
from services.dedup.domain.commands import obey
from services.dedup.domain.covering import cover_of, was_before
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.draft import Draft
from services.dedup.domain.estimating import with_estimates
from services.dedup.domain.left_behind import left_behind
from services.dedup.domain.network_change import network_changed, open_elsewhere
from services.dedup.domain.open_places import called_of, likeliest, open_places
from services.dedup.domain.orders import above
from services.dedup.domain.placing import place
from services.dedup.domain.proposing import evidence_apart, propose_above, propose_below, suggest_over
from services.dedup.domain.readings import all_back, read
from services.dedup.domain.relook import RELOOK, as_one, is_sparse, partition
from services.dedup.domain.report import Report
from services.dedup.domain.restore import restore_account, restore_device
from services.dedup.domain.rules import PLACE
from services.dedup.domain.singles import is_beside, outage_above, own_premises
from services.dedup.domain.storming import storm_began, storm_ended
from services.dedup.domain.told_late import back_since
from services.dedup.domain.undo import undo
from services.dedup.domain.waves import second_wave
from services.dedup.domain.withdrawing import answers_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.contracts.messages import OutageInput
    from services.contracts.values import PlaceCandidate
    from services.dedup.domain.events import Event, Evidence
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.open_places import OpenPlace
    from services.dedup.domain.planned import Planned
    from services.dedup.domain.relook import Piece
    from services.dedup.domain.state import AreaState

_ON_THE_SPOT: Final = frozenset({ProgressStage.ARRIVED, ProgressStage.DIAGNOSED, ProgressStage.REPAIRING})


def decide(state: AreaState, message: OutageInput, now: datetime) -> list[Event]:
    """Return what happens because of ``message``, in order; nothing for what is known already.

    Args:
        state: The area the message belongs to.
        message: A report, a crew's progress, power that is back, a person's command, a reading, or a moment that was
            waited for.
        now: The instant of this decision, the same for the whole batch.
    """
    draft = _Decision(state, now)
    if (over := storm_ended(state, message)) is not None:
        draft.events.append(over)
    if isinstance(message, OutageReported):
        draft.report(Report.of(message, state.rules.trusted_lag), message.place.candidates or ())
    elif isinstance(message, FieldProgressed):
        draft.progress(message)
    elif isinstance(message, OutageCommanded):
        draft.command(message)
    elif isinstance(message, TelemetryReceived):
        draft.events += read(state, message, partial(draft.reported, had_power=True), draft.reported, draft.explained)
    elif isinstance(message, PowerRestored):
        draft.power_back(message)
    elif isinstance(message, OutageMoved):
        network_changed(draft, message)
    else:
        draft.timer(message)
    events = with_due_times(state, with_estimates(state, draft.events, now))
    return above(state.floor, events) if state.floor else events


class _Decision(Draft):
    """The events of one message, as they come together."""

    had_power = False
    """Whether who reports had power until then, as a meter says that lost it: they are not still out."""

    # --- reports ---

    def report(self, report: Report, candidates: Sequence[PlaceCandidate] = ()) -> None:
        """Find the one place a report belongs to. Danger comes first, then what needs no crew."""
        state = self.state
        if report.report_id in state.members:
            return
        if (storm := storm_began(state, report.received_at)) is not None:
            self.events.append(storm)
        open_at = open_places(state, candidates) if candidates else ()
        said = report.device
        if len(open_at) > 1 and not (report.hazards or report.suspended or report.single_premise):
            report = self._settle(report, open_at)
        if report.hazards:
            self._hazard(report)
        elif report.suspended:
            self._in_arrears(report)
        elif (leaf := state.leaf(report.device)) is None:
            self._follow(report, open_at)
        elif (
            state.planned.known  # hardly ever: what is upstream need not be listed
            and (planned := state.planned.covering(state.upstream(leaf), report.made_at)) is not None
        ):
            self._answer(report, Rule.PLANNED, planned)
        elif (own := own_premises(state, report, leaf)) is not None:
            self.join(report, own, Rule.SAME_PREMISE)
        elif report.single_premise:
            self._single(report, leaf, Rule.SINGLE_PREMISE)
        else:
            self._outage(report, leaf, follows=report.device != said)

    def _answer(self, report: Report, rule: Rule, planned: Planned | None = None) -> None:
        """Answer a report that needs no crew; a person sees at once to who depends on power, whatever the answer is."""
        if report.customer_class is CustomerClass.LIFE_SUPPORT:
            self.events.append(e.ReportNeedsPerson(report, rule))
        else:
            self.events.append(e.ReportAnswered(report, rule, planned=planned))

    def _hazard(self, report: Report) -> None:
        """Danger gets its own incident and order at once, whatever else is known there."""
        leaf = self.state.leaf(report.device)
        if leaf is not None:
            device, served = self.device(leaf, report)
            cover = cover_of(self.state, report, leaf).incident
        elif report.address or report.lat is not None:
            device = DeviceRef(id=self.state.area, type=PLACE, feeder=report.feeder, lat=report.lat, lon=report.lon)
            served, cover = 0, None
        else:
            self.events.append(e.ReportNeedsPerson(report, Rule.DEVICE_UNKNOWN))
            return
        related = None if cover is None else cover.incident_id
        self.open(report, e.Kind.HAZARD, device, served, Rule.HAZARD, related_to=related)

    def _in_arrears(self, report: Report) -> None:
        """Tell a customer who is cut off of the outage that has their neighbours dark; else it is the arrears."""
        leaf = self.state.leaf(report.device)
        cover = None if leaf is None else cover_of(self.state, report, leaf)
        if cover is None or cover.incident is None:
            self._answer(report, Rule.ARREARS)
        else:
            self.join(report, cover.incident, cover.rule)

    def _settle(self, report: Report, open_at: Sequence[OpenPlace]) -> Report:
        """Return the report at the likeliest of the places its evidence leaves open, if it is to be placed at all."""
        if self.state.leaf(report.device) is None:
            return report
        covers = [cover_of(self.state, report, one.leaf).incident for one in open_at]
        best = likeliest(self.state, report, open_at, covers)
        return report if best.leaf == report.device else best.of(report)

    def _follow(self, report: Report, open_at: Sequence[OpenPlace]) -> None:
        """Let a report that may be at several places follow the open outage that explains it; else a person asks."""
        covers = [(one, cover_of(self.state, report, one.leaf).incident) for one in open_at]
        covered = [(one, incident) for one, incident in covers if incident is not None]
        if not covered:
            self.events.append(e.ReportNeedsPerson(report, Rule.DEVICE_UNKNOWN))
            return
        best = max(covered, key=lambda pair: pair[0].weight + called_of(self.state, report, pair[1]))
        self.join(best[0].of(report), best[1], Rule.FOLLOWS)

    def _single(self, report: Report, leaf: str, rule: Rule) -> None:
        """One customer's own problem stays one, also under a larger outage."""
        if self._was_own_restored(report):
            return
        device, served = self.device(leaf, report)
        self.open(report, e.Kind.SINGLE, device, min(served, 1), rule, premises=report.account_id)

    def _was_own_restored(self, report: Report) -> bool:
        """Answer a report made before this customer's own problem was mended."""
        restored = self.state.restored_premises.get(report.account_id or "")
        if restored is None or not was_before(self.state, report, restored):
            return False
        self.events.append(e.ReportAnswered(report, Rule.ALREADY_RESTORED, restored.incident_id))
        return True

    def _outage(self, report: Report, leaf: str, *, follows: bool) -> None:
        """Join what covers the device, lift what the new evidence explains together, or open an incident."""
        cover = cover_of(self.state, report, leaf)
        if cover.answer is not None:
            self.events.append(e.ReportAnswered(report, cover.rule, cover.answer.incident_id))
            return
        if cover.incident is None and self._was_own_restored(report):
            return
        if cover.incident is not None:
            if not follows and is_beside(self.state, report, cover.incident, leaf):
                self._beside(report, cover.incident, leaf)
                return
            self._under_open(report, cover.incident, Rule.FOLLOWS if follows else cover.rule)
            return
        there = open_elsewhere(self.state, leaf) if self.state.elsewhere else None
        if there is not None and there.device not in self.state.by_device:
            at = self.device(there.device, report)
            self.open(report, e.Kind.OUTAGE, *at, Rule.OPEN_ELSEWHERE, related_to=there.incident_id)
            return
        now = self.state.silent_until(report)
        one = self._above(report, leaf, now)
        if one is not None:
            self.lift(report, one)
            propose_above(self, one, report, now)
            return
        device, served = self.device(leaf, report)
        rule, before = cover.rule, cover.still_out
        if before is not None:
            rule, before = (Rule.OUT_AGAIN, None) if self.had_power else (Rule.STILL_OUT, before)
        self.open(report, e.Kind.OUTAGE, device, served, rule, continues=before)

    def _above(self, report: Report, leaf: str, now: float) -> Lifted | None:
        """Return what explains a report together with others. A breaker says itself what is out."""
        if report.has_ticket or self.had_power or report.account_id is not None:
            return look_up_the_tree(self.state, leaf, report.made_at, now, gasp=not report.has_ticket)
        return None

    def _beside(self, report: Report, incident: Incident, leaf: str) -> None:
        """Put a report where it is rather of than of its transformer's open outage: above it, or its own home."""
        above = outage_above(self.state, report, leaf)
        if above is not None:
            self._under_open(report, above, Rule.UNDER_OPEN_INCIDENT)
            return
        now = self.state.silent_until(report)
        one = self._above(report, leaf, now)
        if one is None or incident in one.incidents:
            self._single(report, leaf, Rule.BESIDE)
            return
        self.lift(report, one)
        propose_above(self, one, report, now)

    def _under_open(self, report: Report, incident: Incident, rule: Rule) -> None:
        """Join an open outage, unless the calls are another one's; of a confirmed one that is proposed, not done."""
        if incident.frozen:
            self.join(report, incident, rule)
            propose_below(self, incident, self.state.silent_until(report), joins=report)
            suggest_over(self, incident, report)
        elif (wave := second_wave(self.state, incident, report)) is None:
            self.join(report, incident, rule)
        else:
            self.begin_anew(report, incident, wave)

    # --- the field, and time ---

    def progress(self, message: FieldProgressed) -> None:
        """Note what a crew says; power back closes the incident."""
        said = message.progress
        arrived = message.received_at or self.now
        incident = self.state.incidents.get(message.incident_id)
        # A crew's clock may be ahead, or hours behind: nobody went there before the first report.
        if said.at > arrived or (incident is not None and said.at < incident.opened_at < arrived):
            said = said.model_copy(update={"at": arrived})
        if incident is None or incident.order_id != said.order_id:
            self.events.append(e.ProgressIgnored(message.incident_id, said, Rule.NOT_OPEN))
        elif said.stage is ProgressStage.RESTORED:
            if incident.kind is e.Kind.OUTAGE:
                self.learn(incident.device.id, incident.standing, said.at)
            self.close(incident, said.at, Rule.CREW_RESTORED, progress=said)
        elif incident.stage_at is not None and said.at < incident.stage_at:
            self.events.append(e.ProgressIgnored(incident.incident_id, said, Rule.STALE))
        else:
            confirmed = said.stage in _ON_THE_SPOT
            self.events.append(e.ProgressNoted(incident.incident_id, said, confirmed))
            if said.etr is not None and said.etr != incident.etr:
                self.events.append(e.EtrSet(incident.incident_id, said.etr))

    def command(self, message: OutageCommanded) -> None:
        """Do what a person says, or say why not."""
        if message.action is CommandAction.UNDO:
            self.events += undo(self.state, message, self.now)
        elif message.action is CommandAction.PLACE:
            self.events += place(self.state, message, self.now, self.reported)
        else:
            self.events += obey(self.state, message, self.now)

    def reported(self, report: Report, *, had_power: bool = False) -> list[Event]:
        """Return what a report comes to that did not come as one."""
        apart = _Decision(self.state, self.now)
        apart.had_power = had_power
        apart.report(report)
        return apart.events

    def explained(self, report: Report, device: str) -> list[Event]:
        """Return what it comes to that a device is known to be open: it explains what began under it since then."""
        state = self.state
        since = report.reported_at - state.rules.restored_tolerance
        explained = [one for one in state.outages_below(device) if not one.frozen and one.opened_at >= since]
        key = state.by_device.get(device)
        known = None if key is None else state.incidents[key]
        if known is None and not explained:
            return self.reported(report)
        apart = _Decision(state, self.now)
        kind = "" if state.tree is None else state.tree.type_of(device).value
        evidence: Evidence = {"device": device, "device_class": kind}
        if known is None:
            apart.lift(report, Lifted(device, explained, evidence))
        elif explained and known.device.id == device and not known.waits:
            apart.gather(known, explained, evidence)
        return apart.events

    def power_back(self, message: PowerRestored) -> None:
        """Close what power that is back was missing from."""
        at = min(message.restored_at, message.received_at)
        if self.state.answered or self.state.covered:
            self.events += answers_over(self.state, message, at)
        since = back_since(self.state, message)
        if since is None:
            return
        if message.account_id is not None:
            restore_account(self, message.account_id, message.device, since)
        elif (device := self.state.leaf(message.device)) is not None:
            restore_device(self, device, since)

    def timer(self, message: TimerFired) -> None:
        """Issue the order whose hold is over, or look again; a moment nobody waits for any more means nothing."""
        incident = self.state.incidents.get(message.subject)
        if incident is None:
            return
        if message.kind in DUE.values():
            self.events += overdue(self.state, incident, message)
        elif message.kind == RELOOK:
            if incident.relook is not None and incident.relook.timer_id == message.timer_id:
                self._look_again(incident, message.due_at)
        elif incident.hold is not None and incident.hold.timer_id == message.timer_id:
            self._hold_over(incident)

    def _hold_over(self, incident: Incident) -> None:
        """End what only meters and breakers spoke of, if they say that power is back; else its order goes out."""
        back = all_back(self.state, incident)
        if back is not None:
            self.close(incident, back.at, back.rule)
        elif incident.order is None:
            self.issue_held(incident, self.subject(incident, incident.standing), Rule.HOLD_OVER)
        elif incident.hold is not None:
            self.events.append(e.TimerCleared(incident.hold.timer_id, incident.incident_id))

    def _look_again(self, incident: Incident, at: datetime) -> None:
        """Take in what a lift left behind, else split or move down what silence contradicts; set the next look.

        Of what only a person moves that is said.
        """
        relook = incident.relook
        if relook is None:
            return
        self.events.append(e.TimerCleared(relook.timer_id, incident.incident_id))
        now = self.state.heard_until(at.timestamp())
        if incident.suggested_at is not None:  # since then nobody calls because nobody is without power
            now = min(now, incident.suggested_at.timestamp())
        if incident.frozen:
            propose_below(self, incident, now)
        elif (found := left_behind(self.state, incident, now))[0]:
            self.gather(incident, *found)
        elif is_sparse(self.state, incident, now):
            pieces = partition(self.state, incident.device.id, incident.reports.values(), now)
            self._take_apart(incident, pieces, now)
        self.look_again(incident.incident_id, relook.since, relook.step + 1)

    def _take_apart(self, incident: Incident, pieces: list[Piece], now: float) -> None:
        by_device = self.state.by_device
        free = [piece for piece in pieces if by_device.get(piece.device) in {None, incident.incident_id}]
        if not free or (len(pieces) == 1 and free[0].device == incident.device.id):
            return
        kept = max(free, key=lambda piece: len(piece.reports))
        rule = Rule.APART if len(pieces) > 1 else Rule.MOVED_DOWN
        whole = as_one(self.state, incident.device.id, incident.reports.values(), now)
        evidence = evidence_apart(incident, whole, pieces)
        self.split(incident, kept, [piece for piece in pieces if piece is not kept], rule, evidence)
