"""What the topic tells of tickets, read by somebody who has nothing else, and what is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from services.contracts.messages import TicketRouted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import Message

Stories = dict["UUID", list[TicketRouted]]
IN_HAND = frozenset({"offered", "assigned", "wrap_up"})
WITH_AGENT = frozenset({"assigned", "wrap_up"})


def told(messages: Iterable[Message]) -> Stories:
    """Return each ticket's versions in order; a repeated one must be the same."""
    versions: dict[UUID, dict[int, TicketRouted]] = defaultdict(dict)
    for one in messages:
        assert isinstance(one, TicketRouted)
        assert versions[one.ticket_id].setdefault(one.version, one) == one
    return {key: [found[n] for n in sorted(found)] for key, found in versions.items()}


def faults(stories: Stories, said: Collection[UUID]) -> list[str]:
    """Return what is wrong: a ticket lost or made up, a version missing, two agents, no end or two, a warning twice."""
    found = [f"{key}: lost" for key in set(said) - stories.keys()]
    found += [f"{key}: of nobody's contact" for key in stories.keys() - set(said)]
    for key, story in stories.items():
        if [one.version for one in story] != list(range(1, len(story) + 1)):
            found.append(f"{key}: a version is missing")
        if story[-1].state != "closed" or [one.change for one in story].count("completed") != 1:
            found.append(f"{key}: not completed once")
        steps = zip([None, *story[:-1]], story, strict=True)
        wrong = [(now.version, _step(was, now)) for was, now in steps]
        found += [f"{key} version {version}: {fault}" for version, fault in wrong if fault is not None]
    return found


def _step(was: TicketRouted | None, now: TicketRouted) -> str | None:
    """Return what is wrong with a step from one version to the next."""
    if (now.state in IN_HAND) != (now.agent is not None) and now.state != "closed":
        return f"{now.state} by {now.agent}"
    before = was.agent if was is not None and was.state in IN_HAND else None
    if now.change in {"offered", "claimed"} and before is not None:
        return f"{now.agent} took what {before} had"
    if now.state in IN_HAND and now.change not in {"offered", "claimed"} and now.agent != before:
        return f"{now.agent} has it, {before} had it"
    if now.change == "completed" and now.agent != before:
        return f"{now.agent} completed what {before} had"
    if now.change == "escalated" and was is not None:
        levels = {due.stage: due.level or 0 for due in was.due or ()}
        risen = [due.stage for due in now.due or () if (due.level or 0) > levels.get(due.stage, 0)]
        if not risen or any((due.level or 0) < levels.get(due.stage, 0) for due in now.due or ()):
            return "a warning that was given before"
    return None


def between(start: datetime, end: datetime) -> float:
    """Return the seconds from one moment to another: of two processes, the later act may bear the earlier time."""
    return max(0.0, (end - start).total_seconds())


def covered(times: Sequence[tuple[datetime, datetime]]) -> float:
    """Return how long it is that at least one of these was."""
    total, until = 0.0, None
    for start, end in sorted(times):
        begins = start if until is None else max(start, until)
        total += between(begins, end)
        until = end if until is None else max(until, end)
    return total
