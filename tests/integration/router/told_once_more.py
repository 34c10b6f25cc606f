"""The KPIs of a period computed once more by a stranger: from what the topic tells of tickets, and when agents were
there. Never here: the product's log, its code, or what happens in a period.

Written from the definitions that ``GET /v1/kpis`` gives, so that a difference is a fault of one of the two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.integration.router.story import WITH_AGENT, between, covered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from services.contracts.messages import TicketRouted
    from tests.integration.router.story import Stories

Times = list[tuple["datetime", "datetime"]]
OPEN: Final = frozenset({"queued", "offered", *WITH_AGENT})
TAKING: Final = frozenset({"claimed", "accepted"})
RINGING: Final = frozenset({"accepted", "declined", "lapsed"})
WRONG: Final = frozenset({"wrong_queue", "wrong_type", "wrong_language", "not_our_area"})
RATED: Final = frozenset({"complaint", "whistleblow"})


@dataclass(frozen=True)
class Done:
    """One thing that counts: what, when, in which queue, and how much (times, or seconds)."""

    what: str
    at: datetime
    queue: str
    much: float = 1.0


@dataclass
class Ledger:
    """What a stranger has written down."""

    done: list[Done] = field(default_factory=list)
    given_up: list[tuple[datetime, str, str]] = field(default_factory=list)
    tellings: list[tuple[datetime, str, str, range]] = field(default_factory=list)
    busy: defaultdict[str, Times] = field(default_factory=lambda: defaultdict(list))


def written_down(
    stories: Stories, returned_as: Mapping[tuple[str, int], str], within_s: float, ring_s: float
) -> Ledger:
    """Return the ledger of these tickets.

    Args:
        stories: The versions of each.
        returned_as: By ticket and version, the reason of each return: the topic does not have it.
        within_s: Of the service level.
        ring_s: Of the ring limit.
    """
    ledger = Ledger()
    for key, story in stories.items():
        _of_one(
            ledger,
            str(key),
            story,
            {n: why for (of, n), why in returned_as.items() if of == str(key)},
            within_s,
            ring_s,
        )
    return ledger


def _of_one(
    ledger: Ledger,
    key: str,
    story: Sequence[TicketRouted],
    returned_as: Mapping[int, str],
    within_s: float,
    ring_s: float,
) -> None:
    first = story[0]
    waits_from: datetime | None = None
    began, taken = first.routed_at, 0
    completed: list[tuple[TicketRouted, TicketRouted, int, int]] = []
    again_at: list[int] = []
    was: TicketRouted | None = None
    for one in story:
        at, change = one.routed_at, one.change
        state = None if was is None else was.state
        queue = one.queue if was is None else was.queue

        def note(what: str, much: float = 1.0) -> None:
            ledger.done.append(Done(what, at, queue, much))  # noqa: B023 - called at once

        if change in RINGING and state == "offered":
            note("rung")
            note("rung_within", float(change == "accepted" and between(began, at) <= ring_s))
        if change in TAKING:
            taken += 1
            wait = between(waits_from or (was or one).opened_at, at)
            note("answered")
            note("answered_within", float(wait <= within_s))
            note("wait_s", wait)
        if change in {"transferred", "returned"}:
            note("moved" if change == "transferred" else "returned")
        if change == "withdrawn" or _is_given_up(was, one):
            ledger.given_up.append((at, queue if change == "withdrawn" else one.queue, key))
        if was is not None and one.state != state:
            if state in WITH_AGENT and was.agent is not None:
                note("handle_s" if state == "assigned" else "after_s", between(began, at))
                ledger.busy[was.agent].append((began, at))
                if state == "wrap_up":
                    note("written")
                    late = was.until is not None and at >= was.until
                    by_agent = change in {"completed", "transferred", "returned"} and one.outcome != "wrap_up_over"
                    note("written_within", float(by_agent and not late))
                waits_from = at
            elif state in {"closed", "answered", "with_dedup"} and change in {"reopened", "recalled", "abandoned"}:
                waits_from = at
            began = at
            if change == "reopened" or (state == "closed" and one.state in OPEN and change != "unmerged"):
                again_at.append(one.version)
        if change == "completed" and was is not None:
            completed.append((was, one, taken, len(again_at)))
        was = one
    for before, one, had, opened in completed:
        _of_completed(ledger, story, before, one, had, opened, again_at, returned_as)
    last = story[-1]
    if was is not None and last.state in WITH_AGENT and last.agent is not None:
        ledger.busy[last.agent].append((began, None))  # type: ignore[arg-type]
    if last.merged_into is None or any(one.change == "merged" for one in story):
        told_before = next(((one.repeats or 0) for one in story if one.repeat_of), 0)
        ledger.tellings.append(
            (last.opened_at, last.queue, last.business_type, range(told_before + 1, (last.repeats or 0) + 2))
        )


def _is_given_up(was: TicketRouted | None, one: TicketRouted) -> bool:
    def marked(each: TicketRouted | None) -> bool:
        return each is not None and each.reason is not None and "tag:call_back" in each.reason.matched

    return one.change == "abandoned" or (was is None and marked(one))


def _of_completed(
    ledger: Ledger,
    story: Sequence[TicketRouted],
    before: TicketRouted,
    one: TicketRouted,
    had: int,
    opened: int,
    again_at: Sequence[int],
    returned_as: Mapping[int, str],
) -> None:
    due = before.due[-1] if before.due else None
    in_time = due is None or due.due_at is None or (due.met_at or one.routed_at) <= due.due_at
    again = any(version > one.version for version in again_at)
    of: dict[str, bool] = {
        "completed": True,
        "first": had == 1 and not opened and not again and not one.repeats,
        "in_time": in_time,
        "rated": one.business_type in RATED,
        "rated_in_time": one.business_type in RATED and in_time,
        "called": any(each.change == "contacted" for each in story),
        "correct": not any(why in WRONG for why in returned_as.values()),
        "repeated": bool(story[-1].repeats),
        "urged": bool(one.urges),
        "urged_in_time": bool(one.urges) and in_time,
    }
    ledger.done += [Done(what, one.routed_at, before.queue) for what, holds in of.items() if holds]


def figures_of(
    ledger: Ledger,
    since: datetime,
    until: datetime,
    queue: str | None,
    there: Mapping[str, Times],
    seen: Mapping[str, datetime],
) -> dict[str, tuple[float, float]]:
    """Return each KPI of a period as counted, and of how many."""
    n: Counter[str] = Counter()
    for each in ledger.done:
        if since <= each.at < until and queue in {None, each.queue}:
            n[each.what] += each.much  # type: ignore[assignment]
    n["lost"] = len({key for at, where, key in ledger.given_up if since <= at < until and queue in {None, where}})
    for at, where, _, tellings in ledger.tellings:
        if since <= at < until and queue in {None, where}:
            for name, telling in (("told", 1), ("twice", 2), ("three_times", 3)):
                n[name] += telling in tellings
    busy_s = either = 0.0
    if queue is None:
        agents = {*ledger.busy, *there}
        had = {who: _cut(((a, b or seen[who]) for a, b in ledger.busy.get(who, ())), since, until) for who in agents}
        busy_s = sum(covered(times) for times in had.values())
        either = sum(covered([*had[who], *_cut(there.get(who, ()), since, until)]) for who in agents)
    offered = n["answered"] + n["lost"]
    return {
        "service_level": (n["answered_within"], offered),
        "ring_limit": (n["rung_within"], n["rung"]),
        "answer_rate": (n["answered"], offered),
        "abandonment": (n["lost"], offered),
        "average_wait": (n["wait_s"], n["answered"]),
        "handle_time": (n["handle_s"], n["completed"]),
        "after_contact_time": (n["after_s"], n["completed"]),
        "wrap_up_limit": (n["written_within"], n["written"]),
        "first_contact_resolution": (n["first"], n["completed"]),
        "repeat_contacts": (n["repeated"], n["completed"]),
        "told_twice": (n["twice"], n["told"]),
        "told_three_times": (n["three_times"], n["told"]),
        "transfers": (n["moved"], n["answered"]),
        "returns": (n["returned"], n["answered"]),
        "occupancy": (busy_s, either),
        "timely_handling": (n["in_time"], n["completed"]),
        "timely_complaints": (n["rated_in_time"], n["rated"]),
        "call_back": (n["called"], n["completed"]),
        "supervision": (n["urged_in_time"], n["urged"]),
        "correctness": (n["correct"], n["completed"]),
    }


def _cut(times: Iterable[tuple[datetime, datetime]], since: datetime, until: datetime) -> Times:
    return [(max(a, since), min(b, until)) for a, b in times if max(a, since) < min(b, until)]
