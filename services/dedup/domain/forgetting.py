"""What an area no longer keeps: commands that cannot be undone any more, what was restored too long ago.

Never here: a decision about an incident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import CommandAction

if TYPE_CHECKING:
    from uuid import UUID

    from services.dedup.domain.state import AreaState


def forget_commands(state: AreaState, gone: UUID) -> None:
    """Drop what persons did to an incident that is gone for good: it cannot be undone any more."""
    if not state.commands and not state.set_aside:
        return
    for key, done in list(state.commands.items()):
        if gone in done.incidents and not done.outlives_its_incident:
            forget_command(state, key)
    kept = {closed.incident_id for done in state.commands.values() for closed in done.closed}
    for key in state.set_aside.keys() - kept:
        del state.set_aside[key]


def forget_command(state: AreaState, key: UUID) -> None:
    """Drop one command; what an acceptance had covered is answered for good, unless it is back in an incident."""
    done = state.commands.pop(key, None)
    if done is not None and done.action is CommandAction.ACCEPT_PLAN:
        for report, _ in done.moves:
            state.covered.pop(report, None)


def forget_old(state: AreaState) -> None:
    """Drop the restorations and the plans that ended before what is remembered: who starts now does not load them.

    Asked whenever one of them is new, or what is remembered is of a later time: what an area knows must not depend on
    how long a process has known it.
    """
    if state.latest is None:
        return
    since = state.latest - state.rules.restored_memory
    if state.oldest_restored is not None and state.oldest_restored < since:  # else they need not be looked through
        for known in (state.restored, state.restored_premises):
            for key in [key for key, one in known.items() if one.restored_at < since]:
                del known[key]
        kept = (*state.restored.values(), *state.restored_premises.values())
        state.oldest_restored = min((one.restored_at for one in kept), default=None)
    for gone in state.planned.forget(since):
        state.answered.pop(gone, None)
