"""That an area's storm begins with a report, or was over before a message; the reckoning is ``storm``'s."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.contracts.messages import OutageCommanded, OutageMoved, OutageReported, TimerFired
from services.dedup.domain import acts as a
from services.dedup.domain.decided_by import Rule

if TYPE_CHECKING:
    from services.contracts.messages import OutageInput
    from services.dedup.domain.state import AreaState


def storm_began(state: AreaState, at: datetime) -> a.StormBegan | None:
    """Return that a storm begins with a report that arrives then, if one does."""
    storm = state.rules.storm
    if storm is None or state.pace.since is not None or state.pace.recent + 1.0 < storm.least:
        return None  # seen at once, as they only fade
    pace = state.pace.arrived(at.timestamp(), storm)
    if not pace.begins(storm):
        return None
    figures = round(pace.per_hour(storm), 1), round(pace.usual_per_hour(storm), 1), round(pace.recent)
    return a.StormBegan(at, *figures, Rule.STORM)


def storm_ended(state: AreaState, message: OutageInput) -> a.StormEnded | None:
    """Return that a storm was over before a message, if one was: anything that comes after it says so."""
    storm = state.rules.storm
    if storm is None or state.pace.since is None:
        return None
    calm_at, at = state.pace.calm_at(storm), _arrived(message)
    if calm_at is None or at is None or at.timestamp() < calm_at:
        return None
    return a.StormEnded(datetime.fromtimestamp(state.pace.since, UTC), datetime.fromtimestamp(calm_at, UTC), Rule.STORM)


def _arrived(message: OutageInput) -> datetime | None:
    """Return when a message arrived, by itself: replaying the topic must find the same."""
    if isinstance(message, OutageReported):  # nearly all are, and that is seen at once
        return message.received_at
    if isinstance(message, TimerFired):
        return message.fired_at
    if isinstance(message, OutageMoved):
        return message.noticed_at
    return message.accepted_at if isinstance(message, OutageCommanded) else message.received_at
