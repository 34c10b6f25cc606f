"""Timers: expired offers, SLA warnings, the next step of a plan, agents who are gone.

Decided here: when to look, and that whatever is overdue after a standstill leaves half of the time to contacts and
agents. Never here: what follows. Each look is a transaction that locks what it changes, so two processes never do one
thing twice, and the next process continues what a dead one was about to do.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from services.router import store
from services.router.acting import Change
from services.router.attendance import Listening, give_back, note_signs, sweep
from services.router.domain.desk import overdue, turn_of, work_of
from services.router.domain.versions import moved_on, worked
from services.router.domain.work import Phase
from services.runtime import clock
from services.runtime.postgres import later_if_away

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from services.router.acting import Desk
    from services.router.domain.desk import DeskRules
    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Connection

_PAGE: Final = 25
"""Looked at in one go, in which the process does nothing else: some ten milliseconds."""
_LIMITS_S: Final = 60.0
"""Between two looks for write-ups that have no limit though the rules in force have one: decided in the moment of a
reload, or by a process that had not reloaded yet. Few, and short against any limit."""
_BREAKS: Final = 3
"""So many looks that failed, or such a part of the time an agent may be silent, is a break in which signs are lost."""
_log: Final = structlog.get_logger()


async def watch_time(desk: Desk, every_s: float, limits_every_s: float = _LIMITS_S) -> None:
    """Look again and again, for the life of the service."""
    limits, due, looks = "", 0.0, timedelta(seconds=_BREAKS * every_s)
    listening = Listening(looks)
    while True:
        presence = desk.rules().timings.presence
        listening.break_ = max(looks, presence / _BREAKS)
        with later_if_away():
            if limits != (loaded := desk.rules().hash) or clock.monotonic() >= due:
                while await limit_write_ups(desk):
                    continue
                limits, due = loaded, clock.monotonic() + limits_every_s
            began = clock.monotonic()
            while await wake(desk):
                listening.looked(clock.now())
                await note_signs(desk)  # for other processes, which sweep too
                await asyncio.sleep(clock.monotonic() - began)  # as much time for contacts and agents as a page took
                began = clock.monotonic()
            listening.looked(clock.now())
            while listening.long_enough(presence) and await sweep(desk):
                continue
            await give_back(desk)
        await asyncio.sleep(every_s)


async def limit_write_ups(desk: Desk) -> int:
    """Give write-ups that began while no limit was in force the one that is now, up to a page; return how many changed.

    Time alone never comes to them: nothing says when to look.
    """
    limited = desk.rules().limited
    if limited is not None and not limited:
        return 0
    changes = await _let_pass(desk, lambda tx, _: store.writing_for_ever(tx, limited, _PAGE))
    return sum(change.after is not change.before for change in changes)


async def wake(desk: Desk) -> int:
    """Do what time alone does with tickets that are due, up to a page of them; return how many."""
    return len(await _let_pass(desk, lambda tx, now: store.waking(tx, now, _PAGE)))


async def _let_pass(desk: Desk, find: Callable[[Connection, datetime], Awaitable[list[Ticket]]]) -> list[Change]:
    """Find tickets and let time have done with each what comes first."""
    now, rules = clock.now(), desk.rules()
    async with desk.transaction() as tx:
        changes = [passed(ticket, rules, now) for ticket in await find(tx, now)]
        still = [change.after for change in changes if change.after is change.before]
        if still:  # the clocks in force have changed since it was stored
            await store.keep(tx, [(ticket, turn_of(ticket, rules)) for ticket in still])
        changes = await desk.keep(tx, changes, now)
    desk.committed(changes)
    return changes


def passed(before: Ticket, rules: DeskRules, now: datetime) -> Change:
    """Return the first of what time made of a ticket; the next look sees that more is due."""
    if (event := overdue(before, rules, now)) is not None:
        return Change(before, worked(before, [event], now), (event,))
    return Change(before, moved_on(before, now) if work_of(before).phase is Phase.WAITING else before, ())
