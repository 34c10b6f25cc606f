"""A ledger service as real processes on real servers, and what must be true of it whatever was done to them."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from services.contracts import envelope, ids, topics
from services.contracts.messages import OutageReported
from services.contracts.values import Basis, Channel, Place
from tests.service_process import Service

if TYPE_CHECKING:
    from tests.service_process import Process

EPOCH = datetime(2026, 7, 1, 8, tzinfo=UTC)
_SETTLED = """
SELECT CASE WHEN read >= $1 AND waiting = 0 THEN 'all' ELSE format('%s read, %s to publish', read, waiting) END
FROM (SELECT coalesce(sum(next_offset), 0) AS read FROM consumer_partition),
    (SELECT count(*) AS waiting FROM outbox_waiting)
"""


def a_report(number: int, *, area: str | None = None, address: str = "somewhere") -> OutageReported:
    """The n-th report; its area spreads reports over partitions."""
    contact = ids.contact_id("test", str(number))
    where = area or f"area-{number % 7}"
    return OutageReported(
        area=where,
        report_id=ids.report_id(contact),
        ticket_id=contact,
        ticket_ref=ids.ticket_ref(contact),
        contact_id=contact,
        channel=Channel.WEB,
        place=Place(area=where, transformer_id="T1", basis=Basis.ACCOUNT, confidence=1.0),
        reported_at=EPOCH + timedelta(seconds=number),
        received_at=EPOCH + timedelta(seconds=number),
        address=address,
    )


def a_record(report: OutageReported) -> envelope.Outgoing:
    return envelope.encode(report, topic=topics.OUTAGE_INPUT.name, source="gridline/test")


class World(Service):
    """The ledger's processes, on one topic prefix and one database."""

    def start(self, *, without: str = "", **settings: str) -> Process:
        """Start one, ``without`` a protection of the kernel where a control takes it out."""
        number = len(self.processes)
        return super().start(instance=f"ledger-{number}", batch_records="40", ledger_without=without, **settings)

    async def settled(self, expected: int) -> None:
        """Wait until ``expected`` records were consumed and the outbox is empty."""
        await self.until("everything is read and published", "all", _SETTLED, expected)

    async def findings(self, reports: list[OutageReported]) -> list[str]:
        """What is wrong: empty when every report had exactly one effect and the order topic tells one story."""
        found: list[str] = []
        effects = await self.sql("SELECT report_id, area, n FROM effect")
        by_report: dict[UUID, int] = defaultdict(int)
        for row in effects:
            by_report[row["report_id"]] += 1
        lost = {one.report_id for one in reports} - by_report.keys()
        twice = [report for report, n in by_report.items() if n > 1]
        if lost:
            found.append(f"I1: {len(lost)} reports had no effect")
        if twice:
            found.append(f"I10: {len(twice)} reports had more than one effect")
        by_area: dict[str, list[int]] = defaultdict(list)
        for row in effects:
            by_area[row["area"]].append(row["n"])
        for area, numbers in sorted(by_area.items()):
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                found.append(f"I3: the numbers of {area} have gaps or repeats: {sorted(numbers)[:20]}")
        bodies: dict[tuple[str, int], set[bytes]] = defaultdict(set)
        firsts: dict[str, list[int]] = defaultdict(list)
        for record in await self.records(topics.DISPATCH_ORDER):
            data = json.loads(record.value)["data"]
            at = (data["area"], data["version"])
            if at not in bodies:
                firsts[data["area"]].append(data["version"])
            bodies[at].add(record.value)
        if any(len(different) > 1 for different in bodies.values()):
            found.append("I5: one (order, version) has two bodies")
        if any(versions != sorted(versions) for versions in firsts.values()):
            found.append("I5: first appearances do not ascend")
        expected = {(area, number) for area, numbers in by_area.items() for number in numbers}
        if expected != bodies.keys():
            found.append(
                f"I4: {len(expected - bodies.keys())} versions never published, {len(bodies.keys() - expected)} unknown"
            )
        tally = {
            row["name"]: int(row["n"]) for row in await self.sql("SELECT name, sum(n) AS n FROM tally GROUP BY name")
        }
        if tally.get("effects", 0) != tally.get("accepted", 0):
            found.append(f"conservation: {tally}")
        return found
