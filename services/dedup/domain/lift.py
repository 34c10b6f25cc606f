"""When a prediction moves up: count and share thresholds over the devices above a new piece of evidence.

Decided here: what counts as evidence, which device explains it, which incidents it explains. Changes nothing.
This is the part that a likelihood over candidate devices can replace: it is asked with a state and a report, and
answers with a device and the incidents it explains, or with nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from services.dedup.domain.events import Evidence
    from services.dedup.domain.evidence import Count, Step
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState, Incident


class Lifted(NamedTuple):
    """A device that explains several incidents at once.

    Attributes:
        device: The common upstream device.
        incidents: What it explains, oldest first; the oldest survives.
        evidence: The counts that passed, for the ledger.
    """

    device: str
    incidents: list[Incident]
    evidence: Evidence


def evidence_time(state: AreaState, incident: Incident | None, leaf: str, report: Report) -> datetime | None:
    """Return from when a report's transformer counts as evidence; None where the report adds none.

    The first report of a transformer counts. One that joins a long-open incident tells nothing new about what is
    upstream of it, so it counts from that incident's own beginning. What a crew has confirmed counts for nothing.
    """
    if state.tree is None or leaf in state.counted:
        return None
    if incident is None:
        return report.reported_at
    if incident.frozen:
        return None
    late = report.reported_at - incident.opened_at > state.rules.separation
    return incident.opened_at if late else report.reported_at


def look_up_the_tree(
    state: AreaState, current: Incident | None, leaf: str, report: Report, evidence_at: datetime | None
) -> Lifted | None:
    """Return the device that explains the evidence better than what is predicted now, or None.

    Args:
        state: The area, before the report.
        current: The open incident that covers the report, if any.
        leaf: The report's device.
        report: The report.
        evidence_at: When its transformer counts from (``evidence_time``).
    """
    if evidence_at is None:
        return None
    latest = state.seen_from(report.reported_at)
    found = _climb(state, current, leaf, evidence_at, latest)
    if found is None:
        return None
    step, count = found
    if step.lift is None:
        raise AssertionError("only a device with thresholds can pass them")
    since = latest - step.lift.window
    explained = [
        incident
        for key in state.below.get(step.device, ())
        if not (incident := state.incidents[key]).frozen
        and (incident is current or any(at >= since for at in incident.leaves.values()))
    ]
    if not explained:
        return None
    explained.sort(key=lambda incident: incident.opened_seq)
    return Lifted(step.device, explained, _evidence(state, step, count, since))


def _climb(
    state: AreaState, current: Incident | None, leaf: str, evidence_at: datetime, latest: datetime
) -> tuple[Step, Count] | None:
    """Return the highest device that passes its thresholds with evidence on several of its branches.

    Each device that passes explains more than the one below it, and a device with all its evidence on one branch
    never passes: so the answer is the lowest device that explains all the evidence that can be explained.
    """
    best: tuple[Step, Count] | None = None
    covered = current is not None and current.device.id != leaf
    for step in state.path(leaf):
        if covered:
            covered = current is not None and step.device != current.device.id
            continue
        above = state.by_device.get(step.device)
        if above is not None:
            # An older incident under a younger one is another outage in time: it stays where it is.
            separated = current is not None and current.opened_seq < state.incidents[above].since_seq
            return None if separated else best
        if step.lift is None or state.telemetry.closed(step.device, latest):
            continue
        count = state.evidence.count(step, leaf, evidence_at, latest)
        enough = count.transformers >= step.lift.transformers and count.branches >= step.lift.branches
        if enough and count.transformers >= step.lift.share * step.served:
            best = step, count
    return best


def _evidence(state: AreaState, step: Step, count: Count, since: datetime) -> Evidence:
    kind = "" if state.tree is None else state.tree.type_of(step.device).value
    return {
        "device": step.device,
        "device_class": kind,
        "transformers": count.transformers,
        "transformers_under": step.served,
        "branches": count.branches,
        "since": since.isoformat(),
    }
