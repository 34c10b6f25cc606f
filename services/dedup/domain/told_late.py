"""When power came back, by a word that may be late or by a wrong clock.

Decided here: what a word is of that tells of a time before anybody said that power was out there. An outage that was
there then and is over: it is a late word, or a second one, of that, and ends nothing that began since. Where none is
known its clock is behind, as nobody mends what is not out: it counts from its arrival. Never here: what it closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.dedup.domain.restore import inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from services.contracts.messages import PowerRestored
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.state import AreaState


def back_since(state: AreaState, message: PowerRestored) -> datetime | None:
    """Return since when power is back, not later than the word arrived; None where it is of an outage that is over."""
    at = min(message.restored_at, message.received_at)
    over = _are_over(state, message.account_id, message.device, at)
    told = False
    for incident, first in _out(state, message):
        if first <= at:
            return at
        told = True
        over = over or _are_over(state, None, incident.device.id, at)
    if over and told:
        return None
    return message.received_at if told else at


def _are_over(state: AreaState, account: str | None, device: str, at: datetime) -> bool:
    """Tell whether an outage of a device, or of a customer, is over that had begun by a time and ended about then."""
    known = [state.restored.get(one) for one in state.upstream(state.leaf(device) or device)]
    known += [None if account is None else state.restored_premises.get(account)]
    return any(one is not None and one.since <= at <= one.restored_at + state.rules.still_out for one in known)


def _out(state: AreaState, message: PowerRestored) -> Iterator[tuple[Incident, datetime]]:
    """Yield the open incidents that a word may be of, each with when that was first said of it there."""
    leaf, account = state.leaf(message.device), message.account_id
    if account is not None:
        yield from _out_of(state, account, leaf)
        return
    if leaf is None:
        return
    yield from ((one, one.opened_at) for one in (*state.outages_at([leaf]), *state.outages_below(leaf)))
    yield from ((incident, min(report.made_at for report in under)) for incident, under in inside(state, leaf))


def _out_of(state: AreaState, account: str, leaf: str | None) -> Iterator[tuple[Incident, datetime]]:
    """Yield the same of one customer: where they were named, else where it may have been them."""
    own = state.by_premises.get(account)
    named = [] if own is None else [(state.incidents[own], state.incidents[own].opened_at)]
    there = [] if leaf is None else state.outages_at(state.upstream(leaf))
    named += [
        (incident, report.made_at)
        for incident in there
        for report in incident.reports.values()
        if report.account_id == account
    ]
    if named:
        yield from named
        return
    unnamed = () if leaf is None else state.singles_at.get(leaf, {}).values()
    there += [one for one in unnamed if not one.standing.customers]
    yield from ((one, one.opened_at) for one in there)
