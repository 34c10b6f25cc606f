"""The KPIs of a hotline, each with its definition and source.

Decided here: how the counts of a period make a KPI. Without anything to count it is none, not 0 or 100 %. Never here:
counting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

COPC: Final = "COPC Customer Experience Standard"
NATIONAL: Final = "State Grid 95598 hotline: six 100 % figures"
GRIDLINE: Final = "Gridline"
RATED: Final = ("complaint", "whistleblow")
"""The business types that ``timely_complaints`` is of, where desk.yaml names none."""


@dataclass(frozen=True, slots=True)
class Told:
    """How often customers told of their matters, of one queue and business type.

    Attributes:
        told: Matters told of for the first time.
        twice: Told of a second time.
        three_times: Told of a third time.
    """

    queue: str
    business_type: str
    told: int
    twice: int
    three_times: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What the log says of a period.

    Attributes:
        answered: Tickets taken by a person, each taking counted.
        answered_within: Of those, within the service level's time of the customer's first word or last transfer.
        wait_s: Their wait in all, seconds.
        rung: Offers to agents that were accepted, declined or lapsed.
        rung_within: Of those, accepted within the limit.
        abandoned: Calls given up before a person answered, and tickets withdrawn while they waited for one.
        completed: Tickets completed, each time counted, by people or because the time to write up was over.
        first: Of those, by one person at one contact, never moved, not opened again until now.
        in_time: Of those, with the last stage of their clock met before it was due.
        rated: Completed tickets that were then of a rated business type: complaints and reports of wrongdoing.
        rated_in_time: Of those, in time.
        called: Completed tickets whose customer was called (back) until now, reached or not.
        correct: Completed tickets that nobody gave back as wrong until now.
        repeated: Completed tickets whose customer told of the matter again until now, in them or in those they repeat.
        urged: Completed tickets that had been urged.
        urged_in_time: Of those, in time.
        moved: Transfers.
        returned: Returns (退单).
        handle_s: People's seconds with tickets, ended in the period.
        after_s: Their seconds of writing up, ended in the period.
        written: Write-ups that ended.
        written_within: Of those, by the agent, before the limit of the queue was over.
        busy_s: Seconds in which agents had a ticket in hand or in writing up: several at once count once.
        idle_s: Seconds in which agents were available and had none.
        told: Matters told of for the first time, by the tickets opened in the period.
        told_twice: Matters told of a second time.
        told_three_times: Matters told of a third time.
    """

    answered: int = 0
    answered_within: int = 0
    wait_s: float = 0.0
    rung: int = 0
    rung_within: int = 0
    abandoned: int = 0
    completed: int = 0
    first: int = 0
    in_time: int = 0
    rated: int = 0
    rated_in_time: int = 0
    called: int = 0
    correct: int = 0
    repeated: int = 0
    urged: int = 0
    urged_in_time: int = 0
    moved: int = 0
    returned: int = 0
    handle_s: float = 0.0
    after_s: float = 0.0
    written: int = 0
    written_within: int = 0
    busy_s: float = 0.0
    idle_s: float = 0.0
    told: int = 0
    told_twice: int = 0
    told_three_times: int = 0


class Figure(NamedTuple):
    """One figure: a share from 0 to 1 or seconds, over ``of``."""

    name: str
    value: float | None
    unit: str
    counted: float
    of: float
    definition: str
    source: str


class _Rule(NamedTuple):
    name: str
    unit: str
    counted: str
    of: tuple[str, ...]
    definition: str
    source: str


_RULES: Final = (
    _Rule(
        "service_level",
        "share",
        "answered_within",
        ("answered", "abandoned"),
        "Tickets a person took within {within:g} s, of those taken or given up; the goal is {share:.0%}",
        f"{COPC}: x % in y seconds",
    ),
    _Rule(
        "ring_limit",
        "share",
        "rung_within",
        ("rung",),
        "Offers an agent accepted within {ring:g} s, of those accepted, declined or lapsed; claims ring at nobody",
        f"{NATIONAL}: ring limit (three rings or 9 s)",
    ),
    _Rule(
        "answer_rate",
        "share",
        "answered",
        ("answered", "abandoned"),
        "Tickets a person took, of those taken or given up",
        "95598 call-centre statistics (接通率)",
    ),
    _Rule(
        "abandonment",
        "share",
        "abandoned",
        ("answered", "abandoned"),
        "Calls given up before a person answered, and tickets withdrawn while they waited for one, each ticket once, of"
        " those taken or given up",
        COPC,
    ),
    _Rule(
        "average_wait",
        "seconds",
        "wait_s",
        ("answered",),
        "From first word to a person, on average; from when it came back where a person had it or was done with it",
        COPC,
    ),
    _Rule(
        "handle_time",
        "seconds",
        "handle_s",
        ("completed",),
        "People's time with tickets until the contact is over (or passed on, or lost), for each ticket completed",
        f"{COPC}: average handle time, without after-contact work",
    ),
    _Rule(
        "after_contact_time",
        "seconds",
        "after_s",
        ("completed",),
        "People's time of writing up, for each ticket completed",
        f"{COPC}: after-contact work",
    ),
    _Rule(
        "wrap_up_limit",
        "share",
        "written_within",
        ("written",),
        "Write-ups the agent ended before the limit of the queue (wrap_up of desk.yaml) was over, of those that ended",
        "After-contact work timeout, as in Amazon Connect and Genesys Cloud",
    ),
    _Rule(
        "first_contact_resolution",
        "share",
        "first",
        ("completed",),
        "Completed by the first person at the first contact, never transferred or returned, and not opened again since",
        f"{COPC}; 95598 statistics (一次办结率)",
    ),
    _Rule(
        "repeat_contacts",
        "share",
        "repeated",
        ("completed",),
        "Completed tickets of matters that their customer told of again, before or since, in them or in those that they"
        " repeat, of those completed",
        "95598 call-centre statistics (重复来电率)",
    ),
    _Rule(
        "told_twice",
        "share",
        "told_twice",
        ("told",),
        "Matters a customer told of a second time, by a contact of its own (a hurry, 催办, is one), of matters told of;"
        " in the period in which the ticket that holds the telling was opened",
        "95598 call-centre statistics (重复来电率); COPC: repeat contacts",
    ),
    _Rule(
        "told_three_times",
        "share",
        "told_three_times",
        ("told",),
        "The same of a third time: what was told of oftener is in both",
        "95598 call-centre statistics (重复来电率); COPC: repeat contacts",
    ),
    _Rule("transfers", "share", "moved", ("answered",), "Transfers, of tickets taken", COPC),
    _Rule("returns", "share", "returned", ("answered",), "Returns (退单), of tickets taken", "95598 (退单率)"),
    _Rule(
        "occupancy",
        "share",
        "busy_s",
        ("busy_s", "idle_s"),
        "Time in which an agent had a ticket in hand or in writing up (several at once are one time), of that and the"
        " time they were available without; all queues together",
        f"{COPC}: occupancy, handling of handling and available time; of several chats at once as in Genesys Cloud:"
        " interacting of on-queue time",
    ),
    _Rule(
        "timely_handling",
        "share",
        "in_time",
        ("completed",),
        "Completed, with the last stage of the ticket's clock met before it was due (what is met before the end, as a"
        " danger's contact, or by the end), of those completed",
        NATIONAL,
    ),
    _Rule(
        "timely_complaints",
        "share",
        "rated_in_time",
        ("rated",),
        "Complaints and reports of wrongdoing (timely_complaints of desk.yaml: {rated}) completed in time, of those"
        " completed; what each was as it was completed",
        f"{NATIONAL}: timely complaint and report handling",
    ),
    _Rule(
        "call_back",
        "share",
        "called",
        ("completed",),
        "Completed tickets whose customer was called (back), reached or not, before or since, of those completed",
        f"{NATIONAL}: call-back rate",
    ),
    _Rule(
        "supervision",
        "share",
        "urged_in_time",
        ("urged",),
        "Tickets that had been urged completed in time, of such completed",
        f"{NATIONAL}: supervision rate (督办)",
    ),
    _Rule(
        "correctness",
        "share",
        "correct",
        ("completed",),
        "Completed tickets that nobody gave back as wrongly classified or routed, before or since, of those completed",
        f"{NATIONAL}: work-order correctness",
    ),
)


def with_told(counts: Counts, told: Iterable[Told]) -> Counts:
    """Return the counts with what customers told, all queues and types together."""
    sums = [sum(each) for each in zip(*((one.told, one.twice, one.three_times) for one in told), strict=True)]
    first, twice, three_times = sums or (0, 0, 0)
    return replace(counts, told=first, told_twice=twice, told_three_times=three_times)


def figures(
    counts: Counts, *, within_s: float, share: float, ring_s: float, rated: Collection[str] = RATED
) -> Iterator[Figure]:
    """Yield every figure of a period."""
    values: Mapping[str, float] = {name: getattr(counts, name) for name in Counts.__slots__}
    for rule in _RULES:
        counted, of = values[rule.counted], sum(values[name] for name in rule.of)
        yield Figure(
            name=rule.name,
            value=counted / of if of else None,
            unit=rule.unit,
            counted=counted,
            of=of,
            definition=rule.definition.format(within=within_s, share=share, ring=ring_s, rated=", ".join(rated)),
            source=rule.source,
        )
