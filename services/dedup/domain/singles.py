"""Whether a report with no account speaks of one customer's own problem that is open already.

Decided here: which single incident at its device a report may tell of again. People call again, and say another time
who they are, or do not; that a second home's own line breaks at the same transformer within hours is far less likely.
Changes nothing. Never here: a report that two accounts tell apart, or that another house's address does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from services.dedup.domain.rules import PLACE
from services.grid.address import parse, same_house

_AGAIN: Final = math.log(0.1)
"""Share of the customers who report again, as a logarithm."""

if TYPE_CHECKING:
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState


def said_again(state: AreaState, report: Report, leaf: str) -> Incident | None:
    """Return the newest single incident at a device that a report of an unknown customer may tell of again."""
    if any(step.device in state.by_device for step in state.path(leaf)) or leaf in state.by_device:
        return None  # more than one home is dark there: it rather tells of that
    weigh, at = state.likelihood, report.made_at.timestamp()
    another = weigh.rates.get(state.kind_of(leaf), 0.0)
    for _, incident in sorted(state.singles_at[leaf].items(), reverse=True):
        again = _AGAIN + weigh.call(at - incident.standing.calls[-1]) - math.log(weigh.share)
        if again > another and incident.device.type != PLACE and _may_be_of(report, incident):
            return incident
    return None


def _may_be_of(report: Report, incident: Incident) -> bool:
    """Tell whether nothing says that a report is another customer's: an account, or the address of another house."""
    if report.account_id is not None and incident.standing.customers:
        return report.account_id in incident.standing.customers
    said = parse(report.address) if report.address else None
    return said is None or not any(same_house(said, parse(known)) is False for known in incident.standing.addresses)
