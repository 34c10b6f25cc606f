"""The result of a storm, as a dispatcher would want to read it.

Decided here: which figures are shown, and how the time from acceptance to order is measured. Never here: whether the
count is right (``invariants``) or the merging is (``merging``).
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.cli.console import table
from services.contracts.ids import order_id
from services.contracts.messages import OutageReported
from services.contracts.topics import DISPATCH_ORDER, OUTAGE_INPUT
from services.quality.score import percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import RenderableType

    from services.cli.conservation import Counts
    from services.cli.evidence import Evidence
    from services.cli.invariants import Verdict
    from services.cli.merging import Merging
    from services.simulator.sender import Answers

_TOP: Final = 8
_SHOWN_FINDINGS: Final = 12
_STATES: Final = {
    "with_dedup": "taken care of by an incident",
    "answered": "answered",
    "queued": "waiting",
    "merged": "part of another",
}


def order_seconds(evidence: Evidence, present: Callable[[float], float]) -> list[float]:
    """Return, for each incident, the time from accepting its opening contact to its order on the topic.

    From ``received_at`` of the contact that made the report ready (the intake's clock) to the broker's having the
    order's record (its clock; same machine). In seconds of the present, which is the broker's time: ``present``
    returns the instant at which the clocks of a rehearsal showed another.
    """
    received: dict[UUID, datetime] = {}
    for record in evidence.records.get(OUTAGE_INPUT.name, ()):
        if record.header("ce_type") == OutageReported.ce_type and record.value:
            fields = json.loads(record.value)
            order = order_id(fields["area"], UUID(fields["report_id"]))
            received[order] = datetime.fromisoformat(fields["received_at"])
    first: dict[UUID, int] = {}
    for record in evidence.records.get(DISPATCH_ORDER.name, ()):
        if record.value:
            first.setdefault(UUID(json.loads(record.value)["data"]["order_id"]), record.timestamp_ms)
    return [at / 1000 - present(received[order].timestamp()) for order, at in first.items() if order in received]


def render(
    evidence: Evidence, verdict: Verdict, merging: Merging, answers: Answers, present: Callable[[float], float]
) -> RenderableType:
    """Return the whole summary; ``present`` as for ``order_seconds``."""
    return Group(
        *_contacts(answers),
        *_queues(evidence),
        *_incidents(evidence),
        *_facts("To the field and to the customers", _dispatch(evidence, present)),
        *_facts("How right the merging was, against the simulator's truth", _merging(merging)),
        *_conservation(verdict.counts),
        *_findings(verdict),
    )


def _facts(title: str, facts: Iterable[tuple[str, str]]) -> Iterator[RenderableType]:
    """A heading and facts under it, each with its name."""
    yield Text(title, style="bold")
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts:
        grid.add_row(name, fact)
    yield grid
    yield Text()


def _contacts(answers: Answers) -> Iterator[RenderableType]:
    rows = [(channel, answers.contacts[channel], answers.requests[channel]) for channel in sorted(answers.requests)]
    rows.append(("all", len(answers.accepted), sum(answers.requests.values())))
    columns = ("channel", "contacts accepted", "requests, repeats included")
    yield table("Contacts", columns, rows, right=columns[1:])
    milliseconds = [1000 * percentile(answers.latencies, share) for share in (0.5, 0.99)]
    yield Text(f"due to accepted: p50 {milliseconds[0]:.0f} ms, p99 {milliseconds[1]:.0f} ms\n")


def _queues(evidence: Evidence) -> Iterator[RenderableType]:
    waiting = Counter(row.queue for row in evidence.tickets.values() if row.state == "queued")
    urgent = Counter(
        row.queue for row in evidence.tickets.values() if row.state == "queued" and row.priority == "emergency"
    )
    states = Counter(row.state for row in evidence.tickets.values())
    rows = [(queue, n, urgent[queue] or "") for queue, n in waiting.most_common()]
    columns = ("skill queue", "tickets waiting", "emergencies")
    yield table("Tickets that wait for a person, by skill queue", columns, rows, right=columns[1:])
    parts = [f"{states.pop(state, 0)} {words}" for state, words in _STATES.items()]
    parts += [f"{n} {state}" for state, n in sorted(states.items())]
    yield Text(f"{len(evidence.tickets)} tickets: {', '.join(parts)}\n")


def _incidents(evidence: Evidence) -> Iterator[RenderableType]:
    outages = [row for row in evidence.incidents.values() if row.state != "cancelled"]
    largest = sorted(outages, key=lambda row: (-row.reports, row.area, row.device))[:_TOP]
    rows = [
        (escape(row.device), row.device_type, escape(row.area), row.customers_served, row.reports, row.state)
        for row in largest
    ]
    columns = ("device", "type", "area", "customers", "reports", "state")
    yield table("Largest incidents", columns, rows, right=("customers", "reports"))
    kinds = Counter(row.kind for row in outages)
    states = Counter(row.state for row in outages)
    yield Text(
        f"{len(outages)} incidents: {kinds['outage']} outages, {kinds['single']} single homes, {kinds['hazard']} "
        f"dangers; {states['restored']} restored; {len(evidence.incidents) - len(outages)} were taken over by others\n"
    )


def _dispatch(evidence: Evidence, present: Callable[[float], float]) -> Iterator[tuple[str, str]]:
    newest: dict[UUID, int] = {}
    status: dict[UUID, str] = {}
    for record in evidence.records.get(DISPATCH_ORDER.name, ()):
        if record.value:
            fields = json.loads(record.value)["data"]
            order, version = UUID(fields["order_id"]), int(fields["version"])
            if version >= newest.get(order, 0):
                newest[order], status[order] = version, fields["status"]
    ended = Counter(status.values())
    yield (
        "orders",
        (
            f"{len(newest)} issued, {sum(newest.values()) - len(newest)} later versions, "
            f"{ended['cancelled']} cancelled for a common cause, {ended['closed']} closed"
        ),
    )
    seconds = order_seconds(evidence, present)
    p50, p99 = (1000 * percentile(seconds, share) for share in (0.5, 0.99))
    yield "accept to order", f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, over {len(seconds)} orders"
    notices = Counter(row.stage for row in evidence.notices if row.state == "sent")
    stages = ", ".join(f"{stage} {n}" for stage, n in notices.most_common()) or "none"
    yield "notices", f"{notices.total()} sent: {stages}"


def _merging(merging: Merging) -> Iterator[tuple[str, str]]:
    score, pairs, orders = merging.b_cubed, merging.pairwise, merging.dispatch
    yield (
        "reports merged",
        (
            f"{merging.merged}, of {merging.faults} true faults; {merging.unplaced} more people who are out gave "
            "nothing to place them by, or were answered"
        ),
    )
    yield "B-cubed", f"precision {score.precision:.3f}, recall {score.recall:.3f}, F1 {score.f1:.3f}"
    yield "pairwise", f"precision {pairs.precision:.3f}, recall {pairs.recall:.3f}, F1 {pairs.f1:.3f}"
    yield (
        "orders per true fault",
        f"{orders.orders_per_fault:.2f} ({orders.orders} orders, {orders.faults} faults, {orders.spare} to spare)",
    )
    yield "faults without an own order", f"{orders.hidden} ({100 * orders.hidden_rate:.1f} %)"
    yield (
        "dangers",
        (
            f"{merging.hazards}: {merging.own_order} with an order of their own, {merging.attended} with a person at "
            f"once, {merging.absorbed} with neither"
        ),
    )


def _conservation(counts: Counts) -> Iterator[RenderableType]:
    yield Text("Every contact is in one place", style="bold")
    line = Text(f"{counts.accepted} accepted ")
    line.append("=" if counts.exact else "≠", style="green" if counts.exact else "bold red")
    line.append(
        f" {counts.in_incidents} in incidents + {counts.answered} answered + {counts.in_queues} in queues + "
        f"{f'{counts.closed} closed by people + ' if counts.closed else ''}{counts.dead_lettered} dead-lettered"
    )
    yield line


def _findings(verdict: Verdict) -> Iterator[RenderableType]:
    if not verdict.findings:
        yield Text("Invariants I1 to I12 hold.", style="green")
        return
    yield Text(f"{len(verdict.findings)} promises were not kept:", style="bold red")
    for finding in verdict.findings[:_SHOWN_FINDINGS]:
        yield Text(f"  {finding}")
    if len(verdict.findings) > _SHOWN_FINDINGS:
        yield Text(f"  and {len(verdict.findings) - _SHOWN_FINDINGS} more")
