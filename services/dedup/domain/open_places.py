"""At which of the places its evidence leaves open a report was made: where it explains best that somebody calls now.

Decided here: that choice, from the weight of each place by the evidence and from what is open there. A call of an
outage that is open has the density of its calls at that time; one that would open an outage has the rate at which its
device opens; one that makes several calls one outage has what that explains. Changes nothing. Never here: placing what
the evidence does not place: an order goes nowhere because of a guess.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain.candidates import look_up_the_tree
from services.dedup.domain.relook import is_sparse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.contracts.values import PlaceCandidate
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState

_LEAST: Final = 1e-6
_ABOVE: Final = 3.0
"""How much likelier, as a logarithm, the call must be of the outage above."""


class OpenPlace(NamedTuple):
    """One of the places a report may have been made at; ``weight`` is the logarithm of its probability."""

    leaf: str
    feeder: str | None
    account: str | None
    weight: float

    def of(self, report: Report) -> Report:
        """Return the report as made here."""
        return report._replace(device=self.leaf, feeder=self.feeder, account_id=self.account)


def open_places(state: AreaState, candidates: Iterable[PlaceCandidate]) -> list[OpenPlace]:
    """Return the candidates that are in this area, likeliest by the evidence first."""
    found = []
    for one in candidates:
        leaf = state.leaf(one.transformer_id) if one.area == state.area else None
        if leaf is not None:
            found.append(OpenPlace(leaf, one.feeder, one.account_id, math.log(max(one.weight, _LEAST))))
    return found


def called_of(state: AreaState, report: Report, incident: Incident) -> float:
    """Return the log density of one given customer's call of an open outage at the time of a report."""
    delay = report.made_at.timestamp() - incident.standing.calls[0]
    return state.likelihood.call(delay + state.likelihood.lead(incident.customers_served))


def lately_begun_above(state: AreaState, report: Report, incident: Incident) -> Incident | None:
    """Return the outage above an open one that a report from there is rather of; None as a rule.

    What opened there hours ago may be one home's, as the silence of the others has it; when the whole street then goes
    dark, its neighbours tell of that. Who is in the lower one already tells of it again.
    """
    by_device, later = state.by_device, []
    for device, _, _ in state.path(incident.device.id):
        if device in by_device:
            above = state.incidents[by_device[device]]
            if above.standing.calls[0] > incident.standing.calls[0]:
                later.append(above)
    if not later or (report.account_id is not None and report.account_id in incident.standing.customers):
        return None
    best: Incident | None = None
    margin = called_of(state, report, incident) + _ABOVE
    for above in later:
        if (called := called_of(state, report, above)) > margin:
            best, margin = above, called
    return best if best is not None and is_sparse(state, incident, best.standing.calls[0]) else None


def likeliest(
    state: AreaState, report: Report, places: Sequence[OpenPlace], covers: Sequence[Incident | None]
) -> OpenPlace:
    """Return the place at which a report explains itself best.

    Args:
        state: The area, before the report.
        report: Whose evidence leaves the places open.
        places: At least one, likeliest by the evidence first.
        covers: For each the open incident that covers it, if any.
    """
    if covers[0] is not None and all(incident is covers[0] for incident in covers):
        return places[0]  # whichever it is, the same outage explains it
    weigh, at = state.likelihood, report.made_at.timestamp()
    now = state.silent_until(report)
    best: tuple[float, OpenPlace] | None = None
    for place, incident in zip(places, covers, strict=True):
        if incident is not None:
            score = called_of(state, report, incident)
        else:
            score = weigh.outage(state.kind_of(place.leaf), state.customers_under(place.leaf), (at,), 1, now)
            lifted = look_up_the_tree(state, place.leaf, report.made_at, now)
            if lifted is not None:
                score += lifted.gain
        if best is None or place.weight + score > best[0]:
            best = place.weight + score, place
    if best is None:
        raise AssertionError("a report whose place is open has places")
    return best[1]
