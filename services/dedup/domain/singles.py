"""Whether a report speaks of one customer's own problem that is open already, or of another home's beside it.

Decided here: which single incident at its device a report of an unknown customer may tell of again, and whether a
report from a transformer at which few have called is of a fault of its own. People call again, and say another time who
they are, or do not; a second home's own line at the same transformer breaks the more likely the more homes it feeds.
Changes nothing. Never here: a report that two accounts tell apart, or that another house's address does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from services.dedup.domain.rules import PLACE
from services.grid.address import parse
from services.grid.streets import same_house

_AGAIN: Final = math.log(0.1)
"""Share of the customers who report again, as a logarithm."""
_FEW: Final = 3
"""Callers beyond whom a transformer is taken to be out, whoever calls when."""

if TYPE_CHECKING:
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.likelihood import Likelihood
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState


def own_premises(state: AreaState, report: Report, leaf: str) -> Incident | None:
    """Return the open incident of this one customer and no other, if the report speaks of that again."""
    if report.account_id is not None:
        known = state.by_premises.get(report.account_id)
        if known is not None:
            return state.incidents[known]
    if leaf in state.singles_at and (same := _said_again(state, report, leaf)) is not None:
        return same
    if report.single_premise and leaf in state.by_device:
        at_device = state.incidents[state.by_device[leaf]]
        if at_device.standing.only_of(report.account_id):
            return at_device
    return None


def _said_again(state: AreaState, report: Report, leaf: str) -> Incident | None:
    """Return the newest single incident at a device that a report of an unknown customer may tell of again."""
    if any(step.device in state.by_device for step in state.path(leaf)) or leaf in state.by_device:
        return None  # more than one home is dark there: it rather tells of that
    weigh, at = state.likelihood, report.made_at.timestamp()
    another = weigh.rates.get(state.kind_of(leaf), 0.0)
    if weigh.home is not None:
        another = weigh.home + math.log(max(1, state.customers_under(leaf)))
    for _, incident in sorted(state.singles_at[leaf].items(), reverse=True):
        if _again(weigh, incident, at) > another and incident.device.type != PLACE and _may_be_of(report, incident):
            return incident
    return None


def is_beside(state: AreaState, report: Report, incident: Incident, leaf: str) -> bool:
    """Tell whether a report from a transformer with an open outage is rather of another home's own line.

    Of eighty homes two that call hours apart had two faults of their own: an outage of all would have made more call.
    It may be of the same home again where nothing says whose it is.
    """
    standing = incident.standing
    if incident.device.id != leaf or standing.callers > _FEW or incident.frozen:
        return False
    if report.account_id in standing.customers:
        return False
    weigh, at, now = state.likelihood, report.made_at.timestamp(), state.silent_until(report)
    kind = state.kind_of(leaf)
    if (another := weigh.homes(kind, 1)) == -math.inf:
        return False
    customers = incident.customers_served
    apart = weigh.outage(kind, customers, standing.calls, standing.callers, now) + another
    together = weigh.of_device(kind, customers, sorted([*standing.calls, at]), standing.callers + 1, now)
    if _may_be_of(report, incident):
        together = max(together, apart - another + _again(weigh, incident, at))
    return apart > together


def _again(weigh: Likelihood, incident: Incident, at: float) -> float:
    """Return the log likelihood that who called for an incident calls again at ``at``."""
    return _AGAIN + weigh.call(at - incident.standing.calls[-1]) - math.log(weigh.share)


def _may_be_of(report: Report, incident: Incident) -> bool:
    """Tell whether nothing says that a report is another customer's: an account, or the address of another house."""
    if report.account_id is not None and incident.standing.customers:
        return report.account_id in incident.standing.customers
    said = parse(report.address) if report.address else None
    return said is None or not any(same_house(said, parse(known)) is False for known in incident.standing.addresses)
