"""The checker of I1 to I12 finds nothing in a system that keeps its promises, and finds each promise broken.

Every test below plants one violation in the evidence of a small healthy system: the checker's negative controls.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.cli.evidence import (
    Evidence,
    IncidentRow,
    Position,
    Published,
    ReportRow,
    Room,
    Seen,
    TicketRow,
)
from services.cli.invariants import check
from services.cli.topics import Record
from services.contracts.envelope import encode
from services.contracts.ids import contact_id, incident_id, order_id, report_id, ticket_id, ticket_ref
from services.contracts.messages import ContactReceived, OrderVersion, OutageReported, TelemetryReceived
from services.contracts.topics import CONTACT_RECEIVED, DISPATCH_ORDER, OUTAGE_INPUT, TOPICS
from services.contracts.values import Channel, DeviceRef, OrderStatus, Place, Priority, Reading

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
AREA = "A1"
SOURCE = "site"


class World:
    """A small healthy system: five contacts, three outage reports, two incidents, one of them with two versions."""

    def __init__(self) -> None:
        self.evidence = Evidence(records={}, ends={})
        self.router, self.dedup, self.notify = Room(), Room(), Room()
        self.evidence.rooms = {"router": self.router, "dedup": self.dedup, "notify": self.notify}
        self.contacts = [self._contact(f"event-{n}") for n in range(6)]
        self.reports = [report_id(contact) for contact in self.contacts[:4]]
        self.incidents = [self._incident(self.reports[0], "TR-1"), self._incident(self.reports[2], "TR-2")]
        for n, incident in ((0, 0), (1, 0), (2, 1)):
            self._report(n, (self.incidents[incident],), None)
        self._report(3, (), "answered")
        for contact in self.contacts[4:]:
            self._ticket(contact, "none", "queued")
        self._order(0, 1, OrderStatus.ISSUED)
        self._order(0, 2, OrderStatus.UPDATED)
        self._order(1, 1, OrderStatus.ISSUED)
        self.evidence.accepted = frozenset(self.contacts)
        self.evidence.actions = [(self.order(0), 1), (self.order(0), 2), (self.order(1), 1)]
        self.router.tally.update({"contact_queued": 2, "contact_outage": 4, "report_sent": 4})
        self.dedup.tally.update({"report_in_incident": 3, "report_answered": 1})
        self.stand_at_the_ends()

    def order(self, incident: int) -> UUID:
        return self.evidence.incidents[self.incidents[incident]].order_id

    def stand_at_the_ends(self) -> None:
        """Every consumer has read what there is."""
        for topic in TOPICS:
            end = len(self.evidence.records.get(topic.name, ()))
            self.evidence.ends[topic.name, 0] = end
            for name, room in self.evidence.rooms.items():
                if name in topic.consumers:
                    room.positions[topic.name, 0] = Position(1, end)
                    room.committed[topic.name, 0] = end

    def put(self, topic: str, key: bytes, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> Record:
        records = self.evidence.records.setdefault(topic, [])
        record = Record(topic, 0, len(records), 1_700_000_000_000, key, value, headers)
        records.append(record)
        return record

    def _contact(self, event: str) -> UUID:
        contact = contact_id(SOURCE, event)
        ticket = ticket_id(SOURCE, None, contact)
        message = ContactReceived(
            contact_id=contact,
            ticket_id=ticket,
            ticket_ref=ticket_ref(ticket),
            source=SOURCE,
            source_event_id=event,
            channel=Channel.WEB,
            event="report",
            occurred_at=NOW,
            received_at=NOW,
            text="停电了",
            raw_sha256="0" * 64,
        )
        sent = encode(message, topic=CONTACT_RECEIVED.name, source="gridline/intake")
        record = self.put(CONTACT_RECEIVED.name, sent.key, sent.value, sent.headers)
        self.router.inbox[contact] = Seen(b"", CONTACT_RECEIVED.name, 0, record.offset)
        self.router.tally[f"{CONTACT_RECEIVED.name}/accepted"] += 1
        return contact

    def _ticket(self, contact: UUID, report: str, state: str) -> None:
        self.evidence.tickets[contact] = TicketRow("outage", state, "high", report, frozenset({contact}))
        self.evidence.contacts[contact] = (contact,)

    def _incident(self, opening: UUID, device: str) -> UUID:
        incident = incident_id(AREA, opening)
        self.evidence.incidents[incident] = IncidentRow(
            area=AREA,
            device=device,
            device_type="transformer",
            kind="outage",
            state="predicted",
            order_id=order_id(AREA, opening),
            reports=0,
            customers_served=5,
        )
        return incident

    def _report(self, n: int, incidents: tuple[UUID, ...], outcome: str | None) -> None:
        contact, report = self.contacts[n], self.reports[n]
        message = OutageReported(
            area=AREA,
            report_id=report,
            ticket_id=contact,
            ticket_ref=ticket_ref(contact),
            contact_id=contact,
            channel=Channel.WEB,
            place=Place(area=AREA, transformer_id="TR-1"),
            reported_at=NOW,
            received_at=NOW,
        )
        sent = encode(message, topic=OUTAGE_INPUT.name, source="gridline/router")
        record = self.put(OUTAGE_INPUT.name, sent.key, sent.value, sent.headers)
        self.dedup.inbox[report] = Seen(b"", OUTAGE_INPUT.name, 0, record.offset)
        self.evidence.reports[report] = ReportRow(contact, incidents, outcome)
        for incident in incidents:
            row = self.evidence.incidents[incident]
            self.evidence.incidents[incident] = replace(row, reports=row.reports + 1)
            self.evidence.ever.setdefault(incident, set()).add(report)
        settled = outcome == "answered"
        self._ticket(contact, "answered" if settled else "sent", "answered" if settled else "with_dedup")

    def _order(self, incident: int, version: int, status: OrderStatus) -> None:
        which = self.incidents[incident]
        order = self.evidence.incidents[which].order_id
        sent = self.record_of(order, which, version, status)
        self.put(DISPATCH_ORDER.name, sent.key, sent.value, sent.headers)
        self.dedup.outbox.append(Published(DISPATCH_ORDER.name, sent.key, sent.value))
        self.evidence.orders[order, version] = which

    def record_of(self, order: UUID, incident: UUID, version: int, status: OrderStatus, reason: str = "test"):
        message = OrderVersion(
            order_id=order,
            version=version,
            incident_id=incident,
            status=status,
            priority=Priority.HIGH,
            area=AREA,
            device=DeviceRef(id="TR-1", type="transformer"),
            reports=1,
            customers_served=5,
            first_reported_at=NOW,
            issued_at=NOW,
            reason=reason,
        )
        return encode(message, topic=DISPATCH_ORDER.name, source="gridline/dedup", structured=True)

    def dead_letter(self, contact: UUID, offset: int, *, without: str = "") -> None:
        cause = {
            "dlq.reason": "bad_field",
            "dlq.topic": CONTACT_RECEIVED.name,
            "dlq.partition": "0",
            "dlq.offset": str(offset),
            "dlq.consumer": "router",
            "dlq.at": NOW.isoformat(),
        }
        headers = [("ce_id", str(contact).encode())]
        headers += [(name, text.encode()) for name, text in cause.items() if name != without]
        self.put(CONTACT_RECEIVED.dead_letters, b"key", b"value", tuple(headers))
        self.router.tally[f"{CONTACT_RECEIVED.name}/dead_lettered"] += 1


@pytest.fixture
def world():
    return World()


def broken(world: World) -> set[str]:
    """Which promises the checker finds broken."""
    return {finding.invariant for finding in check(world.evidence).findings}


def test_a_healthy_system_has_no_findings_and_an_exact_count(world):
    verdict = check(world.evidence)
    assert verdict.findings == ()
    assert verdict.kept
    assert (verdict.counts.accepted, verdict.counts.in_incidents) == (6, 3)
    assert (verdict.counts.answered, verdict.counts.in_queues, verdict.counts.dead_lettered) == (1, 2, 0)


@pytest.mark.parametrize("state", ["closed", "merged"])
def test_a_ticket_that_people_closed_has_left_the_queues_and_is_still_counted(world, state):
    contact, row = next((c, r) for c, r in world.evidence.tickets.items() if r.report == "none")
    world.evidence.tickets[contact] = replace(row, state=state)
    assert "conservation" in broken(world), "the router's own count does not say so yet"
    world.router.tally["contact_queued"] -= 1
    world.router.tally["contact_closed"] += 1
    verdict = check(world.evidence)
    assert verdict.kept
    assert (verdict.counts.in_queues, verdict.counts.closed) == (1, 1)


def test_an_empty_system_keeps_every_promise():
    assert check(Evidence()).kept


def test_i1_a_contact_answered_202_that_the_router_never_recorded(world):
    lost = world.contacts[5]
    del world.router.inbox[lost], world.evidence.tickets[lost], world.evidence.contacts[lost]
    assert {"I1", "conservation"} <= broken(world)


def test_i1_a_contact_answered_202_that_never_reached_kafka(world):
    world.evidence.accepted |= {contact_id(SOURCE, "never sent on")}
    assert {"I1", "conservation"} <= broken(world)


def test_i1_a_dead_letter_accounts_for_a_contact(world):
    lost = world.contacts[5]
    del world.router.inbox[lost], world.evidence.tickets[lost], world.evidence.contacts[lost]
    world.router.tally["contact_queued"] -= 1
    world.dead_letter(lost, 5)
    verdict = check(world.evidence)
    assert verdict.kept
    assert verdict.counts.dead_lettered == 1


def test_i2_a_recorded_contact_in_no_ticket(world):
    del world.evidence.tickets[world.contacts[5]], world.evidence.contacts[world.contacts[5]]
    assert {"I2", "conservation"} <= broken(world)


def test_i2_a_contact_in_two_tickets(world):
    contact = world.contacts[5]
    world.evidence.contacts[contact] = (contact, world.contacts[4])
    assert "I2" in broken(world)


def test_i2_a_report_that_dedup_lost(world):
    del world.evidence.reports[world.reports[1]]
    assert {"I2", "conservation"} <= broken(world)


def test_i2_a_report_in_two_incidents(world):
    row = world.evidence.reports[world.reports[1]]
    world.evidence.reports[world.reports[1]] = replace(row, incidents=tuple(world.incidents))
    assert "I2" in broken(world)


def test_i2_a_report_in_an_incident_and_answered(world):
    row = world.evidence.reports[world.reports[1]]
    world.evidence.reports[world.reports[1]] = replace(row, outcome="answered")
    assert "I2" in broken(world)


def test_i2_a_membership_row_deleted(world):
    row = world.evidence.reports[world.reports[1]]
    world.evidence.reports[world.reports[1]] = replace(row, incidents=())
    assert {"I2", "conservation"} <= broken(world)


def test_i2_a_report_nobody_sent(world):
    world.evidence.reports[report_id(contact_id(SOURCE, "nobody"))] = ReportRow(world.contacts[5], (), "answered")
    assert "I2" in broken(world)


def test_i2_a_meters_last_gasp_is_a_report_that_somebody_sent(world):
    reading = TelemetryReceived(
        area=AREA,
        source="head-end",
        source_event_id="gasp",
        reading=Reading.LAST_GASP,
        device="TR-1",
        at=NOW,
        received_at=NOW,
    )
    made = reading.message_id
    sent = encode(reading, topic=OUTAGE_INPUT.name, source="gridline/dedup")
    record = world.put(OUTAGE_INPUT.name, sent.key, sent.value, sent.headers)
    world.stand_at_the_ends()
    world.dedup.inbox[made] = Seen(b"", OUTAGE_INPUT.name, 0, record.offset)
    world.evidence.reports[made] = ReportRow(made, (), "answered")
    world.dedup.tally["report_answered"] += 1
    assert broken(world) == set()
    del world.evidence.records[OUTAGE_INPUT.name][record.offset]
    world.stand_at_the_ends()
    assert "I2" in broken(world), "without its reading nobody sent it"


@pytest.mark.parametrize("body", [b"", b"\x00", b"[" * 100_000, b'{"report_id":1}', b'{"a":1}'])
def test_i2_a_report_that_nobody_can_read_is_a_dead_letter_or_missing(world, body):
    event = ("ce_id", str(world.contacts[0]).encode())
    kind = ("ce_type", OutageReported.ce_type.encode())
    record = world.put(OUTAGE_INPUT.name, b"key", body, (event, kind))
    world.stand_at_the_ends()
    assert broken(world) == {"I2"}
    cause = {"reason": "bad_json", "topic": record.topic, "partition": "0", "offset": str(record.offset), "at": "now"}
    headers = [(f"dlq.{name}", text.encode()) for name, text in (*cause.items(), ("consumer", "dedup"))]
    world.put(OUTAGE_INPUT.dead_letters, b"key", body, (event, kind, *headers))
    world.dedup.tally[f"{OUTAGE_INPUT.name}/dead_lettered"] += 1
    assert broken(world) == set()


def test_i3_two_open_outages_at_one_device(world):
    one, other = world.incidents
    world.evidence.incidents[other] = replace(world.evidence.incidents[other], device="TR-1")
    assert broken(world) == {"I3"}
    world.evidence.incidents[one] = replace(world.evidence.incidents[one], state="restored")
    assert broken(world) == set()


def test_i4_an_incident_with_two_orders(world):
    stray = order_id(AREA, contact_id(SOURCE, "another"))
    sent = world.record_of(stray, world.incidents[0], 1, OrderStatus.ISSUED)
    world.put(DISPATCH_ORDER.name, sent.key, sent.value, sent.headers)
    world.evidence.orders[stray, 1] = world.incidents[0]
    assert "I4" in broken(world)


def test_i4_a_version_that_was_committed_and_never_published(world):
    world.evidence.records[DISPATCH_ORDER.name].pop()
    world.evidence.ends[DISPATCH_ORDER.name, 0] -= 1
    assert "I4" in broken(world)


def test_i4_a_version_that_was_published_and_never_committed(world):
    del world.evidence.orders[world.order(0), 2]
    assert "I4" in broken(world)


def test_i5_an_order_repeated_with_the_same_bytes_is_right(world):
    again = world.evidence.records[DISPATCH_ORDER.name][0]
    world.put(again.topic, again.key, again.value, again.headers)
    assert broken(world) == set()


def test_i5_an_order_repeated_with_other_bytes(world):
    sent = world.record_of(world.order(0), world.incidents[0], 1, OrderStatus.ISSUED, reason="another")
    world.put(DISPATCH_ORDER.name, sent.key, sent.value, sent.headers)
    assert broken(world) == {"I5"}


def test_i5_a_version_that_first_appears_after_a_newer_one(world):
    records = world.evidence.records[DISPATCH_ORDER.name]
    records[0], records[1] = records[1], records[0]
    assert broken(world) == {"I5"}


def test_i5_bytes_on_the_topic_that_the_database_did_not_settle(world):
    row = world.dedup.outbox[0]
    event = json.loads(row.value)
    event["data"]["reports"] = 7
    world.dedup.outbox[0] = replace(row, value=json.dumps(event).encode())
    assert broken(world) == {"I5"}


def test_i6_a_position_beyond_the_end_of_the_log(world):
    world.router.positions[CONTACT_RECEIVED.name, 0] = Position(1, 99)
    assert broken(world) == {"I6"}


def test_i6_an_offset_committed_to_kafka_beyond_the_position(world):
    world.dedup.committed[OUTAGE_INPUT.name, 0] = 99
    assert broken(world) == {"I6"}


@pytest.mark.parametrize("old", [Position(2, 0), Position(1, 99)])
def test_i7_an_epoch_or_a_position_that_went_back(world, old):
    world.evidence.earlier = {"dedup": {(OUTAGE_INPUT.name, 0): old}}
    assert broken(world) == {"I7"}


def test_i7_a_position_that_went_forward_is_right(world):
    world.evidence.earlier = {"dedup": {(OUTAGE_INPUT.name, 0): Position(1, 2)}}
    assert broken(world) == set()


def test_i8_a_row_left_in_an_outbox(world):
    world.dedup.unpublished = 1
    assert broken(world) == {"I8"}


@pytest.mark.parametrize("plant", ["twice", "backwards", "missed", "short"])
def test_i9_a_consumer_that_acted_wrongly(world, plant):
    actions = list(world.evidence.actions)
    planted = {
        "twice": [*actions, actions[1]],
        "backwards": [actions[1], actions[0], actions[2]],
        "missed": actions[:2],
        "short": [actions[0], actions[2]],
    }
    world.evidence.actions = planted[plant]
    assert broken(world) == {"I9"}


def test_i9_a_consumer_that_missed_a_version_in_between_is_right(world):
    world.evidence.actions = [(world.order(0), 2), (world.order(1), 1)]
    assert broken(world) == set()


def test_i10_an_unclear_contact_may_be_there_or_not(world):
    world.evidence.accepted -= {world.contacts[5]}
    world.evidence.unknown = frozenset({world.contacts[5], contact_id(SOURCE, "lost on the way")})
    assert check(world.evidence).kept


def test_i10_a_contact_nobody_sent(world):
    world.evidence.accepted -= {world.contacts[5]}
    assert "I10" in broken(world)


def test_i11_a_topic_that_was_not_read_to_its_end(world):
    world.dedup.positions[OUTAGE_INPUT.name, 0] = Position(1, 2)
    world.dedup.committed[OUTAGE_INPUT.name, 0] = 2
    assert broken(world) == {"I11"}


def test_i11_a_partition_nobody_ever_claimed(world):
    del world.dedup.positions[OUTAGE_INPUT.name, 0]
    assert "I11" in broken(world)


@pytest.mark.parametrize("header", ["dlq.reason", "dlq.topic", "dlq.partition", "dlq.offset", "dlq.consumer", "dlq.at"])
def test_i12_a_dead_letter_without_a_cause_header(world, header):
    world.dead_letter(world.contacts[5], 5, without=header)
    assert "I12" in broken(world)


def test_i12_a_dead_letter_whose_position_did_not_move_with_it(world):
    world.dead_letter(world.contacts[5], 6)
    assert "I12" in broken(world)


def test_i12_a_dead_letter_that_was_counted_and_never_published(world):
    world.router.tally[f"{CONTACT_RECEIVED.name}/dead_lettered"] += 1
    assert broken(world) == {"I12"}


def test_the_count_finds_a_ticket_whose_report_dedup_does_not_have(world):
    row = world.evidence.tickets[world.contacts[4]]
    world.evidence.tickets[world.contacts[4]] = replace(row, report="sent")
    assert "conservation" in broken(world)


def test_the_count_finds_services_that_disagree_on_a_settlement(world):
    contact = world.contacts[3]
    world.evidence.tickets[contact] = replace(world.evidence.tickets[contact], report="sent")
    assert broken(world) == {"conservation"}


@pytest.mark.parametrize(
    ("room", "name"),
    [("router", "contact_queued"), ("router", "contact_outage"), ("dedup", "report_in_incident")],
)
def test_the_count_finds_a_tally_that_differs_from_the_rows(world, room, name):
    world.evidence.rooms[room].tally[name] += 1
    assert broken(world) == {"conservation"}


def test_a_flood_of_findings_is_told_by_its_number(world):
    world.evidence.accepted = frozenset(contact_id(SOURCE, f"lost-{n}") for n in range(200)) | world.evidence.accepted
    findings = Counter(finding.invariant for finding in check(world.evidence).findings)
    assert findings["I1"] == 21
    assert any("more" in finding.detail for finding in check(world.evidence).findings)
