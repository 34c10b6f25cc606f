"""Whether a report speaks of one customer's own problem that is open already, or of another home's beside it.

Decided here: which single incident at its device a report of an unknown customer may tell of again, and whether a
report from a transformer at which few have called is of a fault of its own. People call again, and say another time who
they are, or do not; a second home's own line at the same transformer breaks the more likely the more homes it feeds.
Changes nothing. Never here: a report that two accounts tell apart, or that another house's address does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from services.dedup.domain.gasps import WAIT
from services.dedup.domain.open_places import called_of
from services.dedup.domain.rules import PLACE
from services.grid.address import parse
from services.grid.device import DeviceType
from services.grid.streets import same_house

_AGAIN: Final = math.log(0.1)
"""Share of the customers who report again, as a logarithm."""
_FEW: Final = 3
"""Callers beyond whom a transformer is taken to be out, whoever calls when."""

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        if at_device.standing.only_of(report.account_id) or _is_of_its_meter(state, report, at_device):
            return at_device
    return None


def _is_of_its_meter(state: AreaState, report: Report, incident: Incident) -> bool:
    """Tell whether an unknown customer whose home alone is dark rather lives where a meter lost its supply."""
    standing = incident.standing
    if standing.people or standing.callers > 1 or not standing.customers or report.account_id is not None:
        return False
    return _again(state.likelihood, incident, report) > _another(state, incident.device.id)


def _said_again(state: AreaState, report: Report, leaf: str) -> Incident | None:
    """Return the newest single incident at a device that a report of an unknown customer may tell of again."""
    if any(step.device in state.by_device for step in state.path(leaf)) or leaf in state.by_device:
        return None  # more than one home is dark there: it rather tells of that
    another = _another(state, leaf)
    for _, incident in sorted(state.singles_at[leaf].items(), reverse=True):
        if (
            _again(state.likelihood, incident, report) > another
            and incident.device.type != PLACE
            and _is_of(report, incident) is not False
        ):
            return incident
    return None


def is_beside(state: AreaState, report: Report, incident: Incident, leaf: str) -> bool:
    """Tell whether a report from a transformer with an open outage is rather of another home's own line.

    Of eighty homes two that call hours apart had two faults of their own: an outage of all would have made more call.
    Whose home alone is dark calls, as nobody else does (so ``share`` has no part in it). Who has called beside the
    outage since it began is weighed with it: of three within minutes none is alone. It may be of the same home again
    where nothing says whose it is: of one of all that it may be of.
    """
    standing, weigh, home = incident.standing, state.likelihood, state.likelihood.home
    if incident.device.id != leaf or standing.callers > _FEW or incident.frozen:
        return False
    kind = state.kind_of(leaf)
    if home is None or kind is not DeviceType.TRANSFORMER or (same := _is_of(report, incident)):
        return False
    at, now, customers = report.made_at.timestamp(), state.silent_until(report), max(1, incident.customers_served)
    singles = [one.standing.calls[0] for one in state.singles_at.get(leaf, {}).values()]
    beside = [*(call for call in singles if call >= standing.calls[0]), at]
    whole = weigh.of_device(kind, customers, standing.calls, standing.callers, now)
    apart = max(whole, standing.callers * home) + len(beside) * home
    together = _some_of(weigh, kind, customers, sorted([*standing.calls, *beside]), standing.callers + len(beside), now)
    if same is None:
        together = max(together, apart - home + _again(weigh, incident, report) - math.log(customers))
    return apart > together


def _some_of(
    weigh: Likelihood, kind: DeviceType, customers: int, calls: Sequence[float], callers: int, now: float
) -> float:
    """Return the log likelihood of one outage of a device or of a part of what it feeds, a house or its riser.

    A part is taken to open as often, and to be of any size; each who called must be one of its homes.
    """
    found = weigh.of_device(kind, customers, calls, callers, now)
    part = customers // 2
    while part >= callers:
        of_part = weigh.of_device(kind, part, calls, callers, now) + callers * math.log(part / customers)
        found, part = max(found, of_part), part // 2
    return found


def outage_above(state: AreaState, report: Report, leaf: str) -> Incident | None:
    """Return the open outage above a transformer that a report from there is rather of than of another home's line.

    It is of none where power has been back since that outage stands there.
    """
    best, most = None, -math.inf if state.likelihood.home is None else state.likelihood.home
    back = state.restored.get(leaf)
    for device, _, _ in state.path(leaf):
        here = state.restored.get(device)
        if here is not None and (back is None or here > back):
            back = here
        if device not in state.by_device:
            continue
        above = state.incidents[state.by_device[device]]
        if (back is None or back.seq <= above.since_seq) and (called := called_of(state, report, above)) > most:
            best, most = above, called
    return best


def _another(state: AreaState, leaf: str) -> float:
    """Return the log likelihood that another home at a device is dark by itself."""
    weigh = state.likelihood
    if weigh.home is None:
        return weigh.rates.get(state.kind_of(leaf), 0.0)
    return weigh.home + math.log(max(1, state.customers_under(leaf)))


def _again(weigh: Likelihood, incident: Incident, report: Report) -> float:
    """Return the log likelihood that a report is of the same home as an incident's last, if no other speaks of it.

    Who has called calls again, now and then; a meter and the people of its home speak of one thing, for the first time.
    """
    at, last = report.made_at.timestamp(), incident.standing.calls[-1]
    if not report.has_ticket:
        return weigh.call(last - at + WAIT) - math.log(weigh.share)
    if not incident.standing.people:
        return weigh.call(at - last + WAIT) - math.log(weigh.share)
    return _AGAIN + weigh.call(at - last) - math.log(weigh.share)


def _is_of(report: Report, incident: Incident) -> bool | None:
    """Tell whether a report is of an incident's customer, by account or house; None where nothing says so or not."""
    if report.account_id is not None and incident.standing.customers:
        return report.account_id in incident.standing.customers
    said = parse(report.address) if report.address else None
    if said is None:
        return None
    houses = [same_house(said, parse(known)) for known in incident.standing.addresses]
    return False if False in houses else True if True in houses else None
