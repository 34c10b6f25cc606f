"""The KPIs computed once more, from what the topic tells of tickets. Never here: the log the product counts from."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tests.integration.router.story import WITH_AGENT, between, covered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import TicketRouted
    from tests.integration.router.story import Stories

Times = list[tuple["datetime", "datetime"]]
NOBODY: Final[Mapping[str, datetime]] = {}


@dataclass
class Counted:
    """What agents did: how often, how long in seconds by state, and when each of them had a ticket."""

    n: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    busy: defaultdict[str, Times] = field(default_factory=lambda: defaultdict(list))


def counted(
    stories: Mapping[UUID, Sequence[TicketRouted]], ring_s: float, seen: Mapping[str, datetime] = NOBODY
) -> Counted:
    """Count what agents did. What one of them has still, they had until they were ``seen`` last."""
    found = Counted()
    n = found.n
    for story in stories.values():
        changes = Counter(one.change for one in story)
        opened_again = [one.version for one in story if one.change == "reopened"]
        began, taken = story[0].routed_at, 0
        for was, one in pairwise(story):
            at = one.routed_at
            n["rung"] += one.change in {"accepted", "declined", "lapsed"}
            n["rung_within"] += one.change == "accepted" and between(began, at) <= ring_s
            n["answered"] += one.change in {"accepted", "claimed"}
            taken += one.change in {"accepted", "claimed"}
            if one.state == was.state:
                continue
            if was.state in WITH_AGENT and was.agent is not None:
                found.seconds[was.state] += between(began, at)
                found.busy[was.agent].append((began, at))
                by_agent = one.change in {"completed", "transferred", "returned"} and one.outcome != "wrap_up_over"
                by_agent &= was.until is None or at < was.until
                n["written"] += was.state == "wrap_up"
                n["written_within"] += was.state == "wrap_up" and by_agent
            began = at
            if one.change == "completed":
                again = any(version > one.version for version in opened_again)
                before = any(version < one.version for version in opened_again)
                n["completed"] += 1
                n["called"] += changes["contacted"] > 0
                n["first"] += taken == 1 and not again and not before and not one.repeats and not one.repeat_of
        last = story[-1]
        if last.state in WITH_AGENT and last.agent in seen:
            found.busy[last.agent].append((began, seen[last.agent]))
        n["moved"] += changes["transferred"]
        n["returned"] += changes["returned"]
    return found


def computed(stories: Stories) -> dict[str, tuple[float, float]]:
    """Compute the KPIs of tickets that were each completed once, an offer of nine seconds: counted, and of how many."""
    done = counted(stories, 9)
    n, seconds = done.n, done.seconds
    for story in stories.values():
        changes = Counter(one.change for one in story)
        waiting = story[0].opened_at
        before = story[0].state
        for one in story:
            at = one.routed_at
            if one.change in {"accepted", "claimed"}:
                n["within"] += between(waiting, at) <= 20
                seconds["wait"] += between(waiting, at)
            if one.change in {"transferred", "returned", "lost"} and before in WITH_AGENT:
                waiting = at
            if one.change == "completed":
                assert one.due is not None or before
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
    return {
        "service_level": (n["within"], n["answered"]),
        "ring_limit": (n["rung_within"], n["rung"]),
        "supervision": (n["urged"], n["urged"]),
        "answer_rate": (n["answered"], n["answered"]),
        "abandonment": (0, n["answered"]),
        "average_wait": (seconds["wait"], n["answered"]),
        "handle_time": (seconds["assigned"], n["completed"]),
        "after_contact_time": (seconds["wrap_up"], n["completed"]),
        "wrap_up_limit": (n["written_within"], n["written"]),
        "first_contact_resolution": (n["first"], n["completed"]),
        "repeat_contacts": (n["repeated"], n["completed"]),
        "told_twice": (n["twice"], n["told"]),
        "told_three_times": (n["three_times"], n["told"]),
        "transfers": (n["moved"], n["answered"]),
        "returns": (n["returned"], n["answered"]),
        "timely_handling": (n["completed"], n["completed"]),
        "timely_complaints": (n["rated"], n["rated"]),
        "call_back": (n["called"], n["completed"]),
        "correctness": (n["correct"], n["completed"]),
    }


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
    busy = counted(stories, 0).busy
    handling = sum(covered(times) for times in busy.values())
    either = sum(covered([*busy.get(agent, ()), *there.get(agent, ())]) for agent in {*busy, *there})
    return handling, either
