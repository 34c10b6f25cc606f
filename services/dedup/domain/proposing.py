"""What a crew confirmed or a person arranged, and the evidence points elsewhere: it is proposed and not done.

Decided here: whether one further up, one further down, or several apart explain the calls better, by the same
likelihoods and margins that move a prediction; and whether it is over and another has begun. Changes nothing but what
is proposed; only a person moves or ends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.dedup.domain import acts as a
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.relook import as_one, is_sparse, partition
from services.dedup.domain.waves import after_silence, second_wave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.dedup.domain.candidates import Lifted
    from services.dedup.domain.draft import Draft
    from services.dedup.domain.events import Evidence
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.relook import Piece
    from services.dedup.domain.report import Report


def propose_above(draft: Draft, lifted: Lifted, report: Report, now: float) -> None:
    """Say of what is confirmed below a device that just explained several others that it explains that too."""
    state, weigh = draft.state, draft.state.likelihood
    calls = [report.made_at.timestamp(), *(call for one in lifted.incidents for call in one.standing.calls)]
    lead = weigh.lead(state.customers_under(lifted.device))
    without = sum(weigh.call(call - min(calls) + lead) for call in calls)
    for known in state.outages_below(lifted.device):
        if not known.frozen or known.waits or known.proposed_device == lifted.device:
            continue
        all_calls = [*calls, *known.standing.calls]
        together = sum(weigh.call(call - min(all_calls) + lead) for call in all_calls)
        if together - without - state.own_score(known, now) > state.lift_margin(now):
            draft.events.append(a.RelocationProposed(known.incident_id, lifted.device, Rule.ELSEWHERE, lifted.evidence))


def propose_below(draft: Draft, incident: Incident, now: float, *, joins: Report | None = None) -> None:
    """Say where below its device the calls of a confirmed incident point; take that back once they no longer do.

    Asked when it is looked at again, and of a report that joins at every doubling: so one costs the same,
    however many.
    """
    state, proposed = draft.state, incident.proposed_device
    count = len(incident.reports) + 1
    if incident.waits or state.tree is None or incident.device.id not in state.tree:
        return
    if joins is not None and count & (count - 1):
        return
    device = incident.device.id
    if is_sparse(state, incident, now):
        reports = (*incident.reports.values(), *(() if joins is None else (joins,)))
        pieces = partition(state, device, reports, now)
        device = max(pieces, key=lambda piece: len(piece.reports)).device
        if device not in {incident.device.id, proposed}:
            evidence = evidence_apart(incident, as_one(state, incident.device.id, reports, now), pieces)
            draft.events.append(a.RelocationProposed(incident.incident_id, device, Rule.ELSEWHERE, evidence))
    if (
        device == incident.device.id
        and proposed is not None
        and proposed in state.tree
        and state.tree.is_under(proposed, device)
    ):
        draft.events.append(a.RelocationProposed(incident.incident_id, None, Rule.ELSEWHERE, {}))


def suggest_over(draft: Draft, incident: Incident, joins: Report) -> None:
    """Say that a confirmed outage must be over once a second wave calls under it: the crew's last word is missing.

    After a day of silence one call is enough.
    """
    state, device = draft.state, incident.device.id
    if incident.waits or incident.suggested_at is not None or state.tree is None or device not in state.tree:
        return
    if state.telemetry.open(device):
        return
    wave = second_wave(state, incident, joins)
    if wave is not None or after_silence(incident, joins):
        since = joins.made_at if wave is None else min(report.made_at for report in wave.reports)
        draft.events.append(a.RestorationSuggested(incident.incident_id, since, Rule.SECOND_WAVE))


def evidence_apart(incident: Incident, whole: float, pieces: Sequence[Piece]) -> Evidence:
    """Return what speaks for outages apart, for the ledger."""
    return {
        "device": incident.device.id,
        "device_class": incident.device.type,
        "calls": incident.standing.callers,
        "customers": incident.customers_served,
        "together": round(whole, 2),
        "apart": round(sum(piece.score for piece in pieces), 2),
        "pieces": "; ".join(f"{piece.device} ({len(piece.reports)})" for piece in pieces[:8]),
    }
