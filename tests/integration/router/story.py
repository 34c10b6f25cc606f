"""What the topic tells of tickets, read by somebody who has nothing else: what is wrong with it, and the figures."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from services.contracts.messages import TicketRouted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
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


def computed(stories: Stories) -> dict[str, tuple[float, float]]:
    """Compute the figures from the topic alone."""
    n: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for story in stories.values():
        changes = Counter(one.change for one in story)
        waiting = spell = rings = story[0].opened_at
        before = story[0].state
        for one in story:
            at = one.routed_at
            if one.change == "offered":
                rings = at
            if one.change in {"accepted", "declined", "lapsed"}:
                n["rung"] += 1
                n["rung_within"] += one.change == "accepted" and between(rings, at) <= 9
            if one.change in {"accepted", "claimed"}:
                n["answered"] += 1
                n["within"] += between(waiting, at) <= 20
                seconds["wait"] += between(waiting, at)
                spell = at
            elif before in WITH_AGENT and one.state != before:
                seconds[before] += between(spell, at)
                spell = at
                n["written"] += before == "wrap_up"
            if one.change in {"transferred", "returned", "lost"} and before in WITH_AGENT:
                waiting = at
            if one.change == "completed":
                assert one.due is not None or before
                moved = changes["transferred"] + changes["returned"]
                taken = changes["accepted"] + changes["claimed"]
                n["completed"] += 1
                n["first"] += taken == 1 and not moved and not one.repeats
                n["called"] += changes["contacted"] > 0
                n["correct"] += changes["returned"] == 0
                n["rated"] += one.business_type == "complaint"
                n["urged"] += changes["urged"] > 0
                n["repeated"] += (one.repeats or 0) > 0
            before = one.state
        if story[-1].state != "merged" or "merged" in changes:  # else the router found that it is another's matter
            told_before = (story[0].repeats or 0) if story[0].repeat_of else 0
            tellings = range(told_before + 1, (story[-1].repeats or 0) + 2)
            n["told"] += 1 in tellings
            n["twice"] += 2 in tellings
            n["three_times"] += 3 in tellings
        n["transferred"] += changes["transferred"]
        n["returned"] += changes["returned"]
    return {
        "service_level": (n["within"], n["answered"]),
        "ring_limit": (n["rung_within"], n["rung"]),
        "supervision": (n["urged"], n["urged"]),
        "answer_rate": (n["answered"], n["answered"]),
        "abandonment": (0, n["answered"]),
        "average_wait": (seconds["wait"], n["answered"]),
        "handle_time": (seconds["assigned"], n["completed"]),
        "after_contact_time": (seconds["wrap_up"], n["completed"]),
        "wrap_up_limit": (n["written"], n["written"]),
        "first_contact_resolution": (n["first"], n["completed"]),
        "repeat_contacts": (n["repeated"], n["completed"]),
        "told_twice": (n["twice"], n["told"]),
        "told_three_times": (n["three_times"], n["told"]),
        "transfers": (n["transferred"], n["answered"]),
        "returns": (n["returned"], n["answered"]),
        "timely_handling": (n["completed"], n["completed"]),
        "timely_complaints": (n["rated"], n["rated"]),
        "call_back": (n["called"], n["completed"]),
        "correctness": (n["correct"], n["completed"]),
    }


Times = list[tuple["datetime", "datetime"]]


def wrong_figures(
    stories: Stories, there: Mapping[str, Times], shown: Mapping[str, Mapping[str, float]]
) -> dict[str, str]:
    """Return the figures that are shown otherwise than the topic, and when agents were there, have them."""
    expected = {**computed(stories), "occupancy": occupied(stories, there)}
    told = {name: (shown[name]["counted"], shown[name]["of"]) for name in expected}
    return {
        name: f"shown {told[name]}, told {each}"
        for name, each in expected.items()
        if not all(math.isclose(a, b, rel_tol=1e-6, abs_tol=0.05) for a, b in zip(told[name], each, strict=True))
    }


def occupied(stories: Stories, there: Mapping[str, Times]) -> tuple[float, float]:
    """Return the seconds in which agents had tickets, and with them those in which they were there without any."""
    busy: dict[str, Times] = defaultdict(list)
    for story in stories.values():
        for was, now in pairwise(story):
            if was.state in WITH_AGENT and was.agent is not None:
                busy[was.agent].append((was.routed_at, now.routed_at))
    handling = sum(covered(times) for times in busy.values())
    either = sum(covered([*busy.get(agent, ()), *there.get(agent, ())]) for agent in {*busy, *there})
    return handling, either


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
