"""The one checker of what Gridline promises, on the evidence of a system at rest. Pure.

Decided here: I1 to I12 and the conservation count, in code. The end-to-end test, the demo and every later test of the
whole use this one. Never here: reading a system (``evidence``), or excusing a finding.

    I1   what a client was told is kept was recorded exactly once, or is a dead letter
    I2   every recorded contact is in one ticket; every report is in one place
    I3   at most one open outage stands at a device
    I4   one order per incident, and the topic has exactly the versions the database has
    I5   equal order and version are equal bytes; versions first appear in ascending order
    I6   committed to Kafka <= position in the database <= end of the log
    I7   epochs and positions never go back
    I8   nothing waits in an outbox
    I9   a consumer that keeps the contract acted once on each version it applied, and ended at the newest
    I10  what got no clear answer was recorded at most once, and nothing was recorded that nobody sent
    I11  every service has read its topics to the end
    I12  every dead letter tells its cause and moved with its position
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from services.cli.conservation import Counts, conserve
from services.cli.dead_letters import REQUIRED
from services.contracts.messages import OutageReported, TelemetryReceived
from services.contracts.topics import (
    CONTACT_RECEIVED,
    DISPATCH_ORDER,
    OUTAGE_INPUT,
    TOPICS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.cli.evidence import Evidence, ReportRow
    from services.cli.topics import Record
    from services.contracts.messages import Message

_CLOSED: Final = frozenset({"restored", "cancelled"})
_MOST_OF_ONE: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was not kept: which, and where."""

    invariant: str
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker says."""

    counts: Counts
    findings: tuple[Finding, ...]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept and the count is exact."""
        return not self.findings and self.counts.exact


def check(evidence: Evidence) -> Verdict:
    """Check every invariant on a system at rest."""
    findings: list[Finding] = []
    for name, rule in _RULES.items():
        found = [Finding(name, detail) for detail in rule(evidence)]
        findings += found[:_MOST_OF_ONE]
        if len(found) > _MOST_OF_ONE:
            findings.append(Finding(name, f"and {len(found) - _MOST_OF_ONE} more"))
    counts, problems = conserve(evidence)
    findings += [Finding("conservation", problem) for problem in problems]
    return Verdict(counts, tuple(findings))


def _i1(evidence: Evidence) -> Iterator[str]:
    on_topic = {record.event_id for record in evidence.records.get(CONTACT_RECEIVED.name, ())}
    known = evidence.inbox("router").keys() | evidence.dead_contacts()
    told = evidence.accepted if evidence.accepted is not None else on_topic
    for contact in sorted(told - {None}, key=str):
        if contact not in on_topic:
            yield f"contact {contact} was answered 202 and is not in {CONTACT_RECEIVED.name}"
        if contact not in known:
            yield f"contact {contact} was accepted and the router neither recorded nor refused it"


def _i2(evidence: Evidence) -> Iterator[str]:
    for contact, seen in evidence.inbox("router").items():
        tickets = evidence.contacts.get(contact, ())
        if seen.topic == CONTACT_RECEIVED.name and len(tickets) != 1:
            yield f"contact {contact} was recorded and is in {len(tickets)} tickets"
    sent = _told(evidence, OutageReported)
    dead = {record.event_id for record in evidence.records.get(OUTAGE_INPUT.dead_letters, ())}
    for report in sorted(sent, key=str):
        row = evidence.reports.get(report)
        if row is not None:
            yield from _place(evidence, report, row)
        elif report not in dead or report in evidence.inbox("dedup"):
            yield f"report {report} was sent to dedup and is nowhere"
    # A meter's last gasp or an opened breaker counts like a report that nobody made: its id is the reading's.
    for report in sorted(evidence.reports.keys() - sent - _told(evidence, TelemetryReceived), key=str):
        yield f"report {report} is with dedup, and nobody sent it"
    members = Counter(incident for row in evidence.reports.values() for incident in row.incidents)
    for incident, about in evidence.incidents.items():
        if about.reports != members[incident]:
            yield f"incident {incident} says it has {about.reports} reports, the ledger has {members[incident]}"


def _told(evidence: Evidence, kind: type[Message]) -> set[UUID]:
    """Return the ids of one kind of what dedup was told; a record's id is its report's, also where it is unreadable."""
    records = [one for one in evidence.records.get(OUTAGE_INPUT.name, ()) if one.header("ce_type") == kind.ce_type]
    return {one.event_id for one in records if one.event_id is not None}


def _place(evidence: Evidence, report: UUID, row: ReportRow) -> Iterator[str]:
    """A report that dedup has is in one place, by a row of the inbox."""
    if report not in evidence.inbox("dedup"):
        yield f"report {report} is with dedup and not in its inbox"
    places = len(row.incidents) + (row.outcome is not None)
    if places != 1:
        yield f"report {report} is in {places} places: incidents {[str(i) for i in row.incidents]}, {row.outcome}"
    for incident in row.incidents:
        if incident not in evidence.incidents:
            yield f"report {report} is in incident {incident}, which is not there"


def _i3(evidence: Evidence) -> Iterator[str]:
    standing = Counter(
        (row.area, row.device)
        for row in evidence.incidents.values()
        if row.kind == "outage" and row.state not in _CLOSED
    )
    yield from (
        f"{n} open outages stand at device {device} of {area}" for (area, device), n in standing.items() if n > 1
    )


def _i4(evidence: Evidence) -> Iterator[str]:
    on_topic: dict[tuple[UUID, int], UUID] = {}
    for _, order, version, fields in _orders(evidence):
        on_topic[order, version] = UUID(fields["incident_id"])
    for where, versions in (("the topic", on_topic), ("the database", evidence.orders)):
        incidents: dict[UUID, set[UUID]] = defaultdict(set)
        orders: dict[UUID, set[UUID]] = defaultdict(set)
        for (order, _), incident in versions.items():
            incidents[order].add(incident)
            orders[incident].add(order)
        yield from (f"in {where} incident {i} has {len(o)} orders" for i, o in orders.items() if len(o) > 1)
        yield from (f"in {where} order {o} is of {len(i)} incidents" for o, i in incidents.items() if len(i) > 1)
    for order, version in sorted(on_topic.keys() - evidence.orders.keys(), key=str):
        if version > evidence.floor:
            yield f"order {order} v{version} is in the topic and not in the database"
    for order, version in sorted(evidence.orders.keys() - on_topic.keys(), key=str):
        yield f"order {order} v{version} is in the database and not in the topic"
    for key in on_topic.keys() & evidence.orders.keys():
        if on_topic[key] != evidence.orders[key]:
            yield f"order {key[0]} v{key[1]} is of another incident in the topic than in the database"
    known = {row.order_id for row in evidence.incidents.values()}
    yield from (f"order {order} is of no incident" for order in {o for o, _ in evidence.orders} - known)


def _i5(evidence: Evidence) -> Iterator[str]:
    bytes_of: dict[tuple[UUID, int], tuple[bytes | None, bytes | None]] = {}
    newest: dict[UUID, int] = {}
    partition: dict[UUID, int] = {}
    for record, order, version, _ in _orders(evidence):
        content = (record.key, record.value)
        if partition.setdefault(order, record.partition) != record.partition:
            yield f"order {order} is in two partitions"
        if (order, version) not in bytes_of:
            bytes_of[order, version] = content
            if version < newest.get(order, 0):
                yield f"order {order} v{version} first appears after v{newest[order]}"
            newest[order] = max(version, newest.get(order, 0))
        elif bytes_of[order, version] != content:
            yield f"order {order} v{version} has two bodies (offset {record.offset} of partition {record.partition})"
    settled: dict[tuple[UUID, int], bytes] = {}
    for row in evidence.rooms["dedup"].outbox if "dedup" in evidence.rooms else ():
        if row.topic == DISPATCH_ORDER.name:
            fields = json.loads(row.value)["data"]
            settled[UUID(fields["order_id"]), int(fields["version"])] = row.value
    for key, value in settled.items():
        if key in bytes_of and bytes_of[key][1] != value:
            yield f"order {key[0]} v{key[1]} has other bytes in the topic than the database settled"


def _i6(evidence: Evidence) -> Iterator[str]:
    for name, room in evidence.rooms.items():
        for at, position in room.positions.items():
            end = evidence.ends.get(at)
            if end is not None and position.next_offset > end:
                yield f"{name} stands at {position.next_offset} of {_at(at)}, which ends at {end}"
            if room.committed.get(at, 0) > position.next_offset:
                ahead = room.committed[at]
                yield f"{name} committed {ahead} of {_at(at)} to Kafka and stands at {position.next_offset}"


def _i7(evidence: Evidence) -> Iterator[str]:
    for name, before in (evidence.earlier or {}).items():
        now = evidence.rooms[name].positions
        for at, old in before.items():
            new = now.get(at)
            if new is None:
                yield f"{name} has forgotten its position in {_at(at)}"
            elif new.epoch < old.epoch or new.next_offset < old.next_offset:
                yield f"{name} went back in {_at(at)}: {old} to {new}"


def _i8(evidence: Evidence) -> Iterator[str]:
    yield from (
        f"{room.unpublished} rows wait in the outbox of {n}" for n, room in evidence.rooms.items() if room.unpublished
    )


def _i9(evidence: Evidence) -> Iterator[str]:
    if evidence.actions is None:
        return
    done: dict[UUID, list[int]] = defaultdict(list)
    for order, version in evidence.actions:
        done[order].append(version)
    newest: dict[UUID, int] = {}
    for _, order, version, _fields in _orders(evidence):
        newest[order] = max(version, newest.get(order, 0))
    for order, versions in done.items():
        if versions != sorted(set(versions)):
            yield f"the consumer acted on order {order} in the sequence {versions}"
        if versions[-1] != newest.get(order):
            yield f"the consumer ended at v{versions[-1]} of order {order}, whose newest is v{newest.get(order)}"
    yield from (f"the consumer never acted on order {order}" for order in sorted(newest.keys() - done.keys(), key=str))


def _i10(evidence: Evidence) -> Iterator[str]:
    for contact in sorted(evidence.unknown, key=str):
        if len(evidence.contacts.get(contact, ())) > 1:
            yield f"contact {contact} got no clear answer and is in {len(evidence.contacts[contact])} tickets"
    if evidence.accepted is not None:
        sent = set(evidence.accepted) | set(evidence.unknown)
        for contact in sorted(evidence.contacts.keys() - sent, key=str):
            yield f"contact {contact} was recorded and nobody sent it"


def _i11(evidence: Evidence) -> Iterator[str]:
    for topic in TOPICS:
        for consumer in topic.consumers:
            room = evidence.rooms.get(consumer)
            if room is None:
                continue
            for at, end in evidence.ends.items():
                position = room.positions.get(at)
                stands = 0 if position is None else position.next_offset
                if at[0] == topic.name and stands < end:
                    yield f"{consumer} stands at {stands} of {_at(at)}, which ends at {end}"


def _i12(evidence: Evidence) -> Iterator[str]:
    letters: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for topic in TOPICS:
        for record in evidence.records.get(topic.dead_letters, ()):
            where = f"dead letter {record.partition}:{record.offset} of {topic.name}"
            if missing := [name for name in REQUIRED if not record.header(name)]:
                yield f"{where} lacks {', '.join(missing)}"
                continue
            consumer, source = str(record.header("dlq.consumer")), str(record.header("dlq.topic"))
            partition, offset = str(record.header("dlq.partition")), str(record.header("dlq.offset"))
            letters[consumer].add((source, partition, offset))
            room = evidence.rooms.get(consumer)
            position = None if room is None else room.positions.get((source, int(partition)))
            if position is None or position.next_offset <= int(offset):
                yield f"{where} came from {source} {partition}:{offset}, which {consumer} has not passed"
    for name, room in evidence.rooms.items():
        counted = sum(n for key, n in room.tally.items() if key.endswith(("/dead_lettered", "/conflict")))
        if counted != len(letters[name]):
            yield f"{name} counts {counted} dead letters, the topics have {len(letters[name])} of it"


_RULES: Final[dict[str, Callable[[Evidence], Iterator[str]]]] = {
    "I1": _i1,
    "I2": _i2,
    "I3": _i3,
    "I4": _i4,
    "I5": _i5,
    "I6": _i6,
    "I7": _i7,
    "I8": _i8,
    "I9": _i9,
    "I10": _i10,
    "I11": _i11,
    "I12": _i12,
}


def _json(record: Record) -> dict[str, Any]:
    try:
        found = json.loads(record.value or b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _orders(evidence: Evidence) -> Iterator[tuple[Record, UUID, int, dict[str, Any]]]:
    """Yield the order records in their order in the topic, with order, version and data."""
    for record in evidence.records.get(DISPATCH_ORDER.name, ()):
        fields = _json(record).get("data")
        if isinstance(fields, dict):
            yield record, UUID(fields["order_id"]), int(fields["version"]), fields


def _at(at: tuple[str, int]) -> str:
    return f"{at[0]} partition {at[1]}"
