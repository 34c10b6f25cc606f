"""A second wave of calls under an outage that has been open for long: power was back, and nobody said so.

Decided here: whether what was called lately is too much for the tail of the first outage, and which device explains it.
Changes nothing. The tail is taken as heavy as it can be: as if all who called before had done so evenly. Some
restorations are never told; without this the next outage of the same device would disappear in the one before.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from services.dedup.domain.relook import partition

if TYPE_CHECKING:
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.relook import Piece
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState

_LONG: Final = 9000.0  # seconds an outage is open before its calls could be those of another
_LATELY: Final = 1200.0  # seconds a wave takes to show
_FEWEST: Final = 3
_STRAYS: Final = 0.05  # calls in that time that are nobody's tail


def second_wave(state: AreaState, incident: Incident, report: Report) -> Piece | None:
    """Return the outage that the latest calls are of, this report's last, or None where they may be of the first."""
    weigh = state.likelihood
    n = incident.customers_served
    at = report.made_at.timestamp()
    begun = incident.standing.calls[0] - weigh.lead(n)
    if at - begun < _LONG or incident.frozen or state.tree is None:
        return None
    lately: list[Report] = []
    for known in reversed(incident.reports.values()):
        if known.made_at.timestamp() < at - _LATELY:
            break
        lately.append(known)
    lately.reverse()
    if len(lately) + 1 < _FEWEST:
        return None
    callers = len({one.caller for one in (*lately, report)})
    tail = n * (weigh.called_by(at - begun) - weigh.called_by(at - _LATELY - begun))
    heavy = (incident.standing.callers - len(lately)) * _LATELY / (at - begun)
    expected = max(tail, heavy) + _STRAYS
    if callers < _FEWEST or callers * math.log(callers / expected) - callers + expected < state.rules.inference.wave:
        return None
    pieces = partition(state, incident.device.id, (*lately, report), state.silent_until(report))
    piece = next(piece for piece in pieces if report in piece.reports)
    if len({one.caller for one in piece.reports}) < _FEWEST or len(lately) == len(incident.reports):
        return None
    there = state.by_device.get(piece.device)
    return piece if there is None or there == incident.incident_id else None
