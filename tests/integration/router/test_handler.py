"""Contacts to tickets and reports in a real Postgres."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.cli.record_examples import examples_of
from services.contracts import ids
from services.contracts.envelope import Refusal, decode, open_record
from services.contracts.messages import ContactReceived, ReportSettled
from services.contracts.topics import CONTACT_RECEIVED, OUTAGE_INPUT, REPORT_SETTLED, TICKET_ROUTED
from services.contracts.values import (
    Basis,
    Channel,
    Crs,
    CustomerClass,
    Position,
    Priority,
    Recipient,
    TicketState,
)
from services.dedup.replay_reports import load_served
from services.grid.evidence import PlaceEvidence
from services.grid.lately import Lately
from services.grid.store import import_network
from services.router import metrics
from services.router.domain.ticket import ReportState
from tests.integration.router.desk import Desk, shipped_book
from tests.unit.router.making import NOON, contact

if TYPE_CHECKING:
    from pathlib import Path

    from services.router.domain.ticket import Ticket

pytestmark = pytest.mark.integration


WRITERS = [Recipient(channel=Channel.WECHAT, address=f"o-{n}", account="gh_1") for n in range(3)]


def settled(of: ContactReceived, outcome: str = "needs_person", reason: str = "device_unknown") -> ReportSettled:
    return ReportSettled(
        report_id=ids.report_id(of.ticket_id),
        ticket_id=of.ticket_id,
        ticket_ref=of.ticket_ref,
        area="S1",
        outcome=outcome,
        reason=reason,
        settled_at=NOON,
        language="zh-Hans-CN",
    )


async def test_an_outage_of_a_known_account_is_reported_by_area_and_kept_out_of_peoples_way(desk: Desk) -> None:
    said = contact(text="家里停电了", account_id="A1", address="1 Road")
    decided = await desk.take(said, trace="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    [report], [routed] = desk.reports, desk.routed
    assert report.partition_key == report.area == "S1"
    assert (report.place.transformer_id, report.place.feeder, report.place.basis) == ("T1", "B1", Basis.ACCOUNT)
    assert (routed.queue, routed.state, routed.version) == ("repair", TicketState.WITH_DEDUP, 1)
    assert [each.topic for each in decided.publish] == [OUTAGE_INPUT, TICKET_ROUTED]
    assert {each.traceparent for each in decided.publish} == {"00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
    assert desk.tally == {"contact_outage": 1, "report_sent": 1}


@pytest.mark.parametrize(
    ("told", "basis", "area"),
    [
        ({"phone": "+8613800000001"}, Basis.PHONE, "S1"),
        ({"position": Position(lat=30.0201, lon=110.0201, accuracy_m=20)}, Basis.POSITION, "S1"),
        ({"position": Position(lat=10.0, lon=20.0, accuracy_m=20)}, Basis.CELL, "cell:"),
        ({"account_id": "A4", "position": Position(lat=30.0, lon=110.0, crs=Crs.GCJ02)}, Basis.ACCOUNT, "S2"),
    ],
)
async def test_any_evidence_places_an_outage(desk: Desk, told: dict[str, object], basis: Basis, area: str) -> None:
    await desk.take(contact(text="停电了", **told))
    [report] = desk.reports
    assert report.place.basis is basis
    assert report.area.startswith(area)


@pytest.mark.parametrize("by", [timedelta(seconds=1), timedelta(hours=8), timedelta(days=90)])
async def test_a_host_of_intake_whose_clock_is_ahead_dates_nothing_after_now(desk: Desk, by: timedelta) -> None:
    """Its customers would wait behind all others, and no storm be noticed where they are until then."""
    ahead = NOON + by
    await desk.take(contact(text="家里停电了", account_id="A1", occurred_at=ahead, received_at=ahead))
    [report], [routed] = desk.reports, desk.routed
    believed = ahead if by < timedelta(minutes=1) else NOON  # clocks are never quite the same
    assert (report.received_at, report.reported_at, routed.opened_at) == (believed, believed, believed)


async def test_an_outage_nobody_can_place_waits_for_people_who_locate(desk: Desk) -> None:
    await desk.take(contact(text="停电了", account_id="no such account"))
    assert desk.reports == []
    assert [(each.queue, each.state) for each in desk.routed] == [("locate", TicketState.QUEUED)]
    assert desk.tally == {"contact_queued": 1}


async def test_danger_waits_for_a_person_and_is_reported_as_well(desk: Desk) -> None:
    await desk.take(contact(text="电线掉在地上", account_id="A1"))
    [report], [routed] = desk.reports, desk.routed
    assert report.hazards == ("fallen_wire",)
    assert (routed.queue, routed.state, routed.priority) == ("emergency", TicketState.QUEUED, Priority.EMERGENCY)
    assert desk.tally == {"contact_outage": 1, "report_sent": 1}


async def test_a_life_support_customer_waits_for_a_person_and_is_reported_as_well(desk: Desk) -> None:
    await desk.take(contact(text="停电了", account_id="A2"))
    [report], [routed] = desk.reports, desk.routed
    assert report.place.customer_class is CustomerClass.LIFE_SUPPORT
    assert (routed.queue, routed.state, routed.priority) == ("key_customers", TicketState.QUEUED, Priority.URGENT)


async def test_the_language_in_the_customers_file_serves_where_there_is_nothing_to_read(desk: Desk) -> None:
    await desk.take(contact(business_type="fault_report", account_id="A4", channel=Channel.PHONE))
    assert [each.language for each in desk.routed] == ["en"]
    assert [each.language for each in desk.reports] == ["en"]


async def test_a_call_is_one_ticket_and_one_report_over_several_batches(desk: Desk) -> None:
    call = [
        contact("started", thread="c", final=False, phone="13800000001", channel=Channel.PHONE),
        contact("dtmf", thread="c", minutes=1, final=False, business_type="fault_report", channel=Channel.PHONE),
        contact("ended", thread="c", minutes=2, unconfirmed=True, channel=Channel.PHONE),
        contact("late", thread="c", minutes=3, text="整栋楼停电", channel=Channel.PHONE),
    ]
    await desk.take(call[0], call[1])
    assert desk.reports == []
    assert [each.version for each in desk.routed] == [2]
    assert desk.tally == {"contact_queued": 2}
    await desk.take(call[2])
    [report] = desk.reports
    assert report.contact_id == call[2].contact_id
    assert report.unconfirmed
    assert report.reported_at == NOON + timedelta(minutes=1)
    assert desk.tally == {"contact_queued": 0, "contact_outage": 3, "report_sent": 1}
    await desk.take(call[3])
    assert len(desk.reports) == 1
    assert [each.version for each in desk.routed] == [2, 3, 4]
    assert desk.routed[-1].contacts == 4
    assert desk.tally == {"contact_queued": 0, "contact_outage": 4, "report_sent": 1}


async def test_the_same_batch_boundaries_or_others_make_the_same_report(desk: Desk) -> None:
    def call(name: str) -> list[ContactReceived]:
        told = {"channel": Channel.PHONE, "business_type": "fault_report"}
        return [
            contact(f"{name}1", thread=name, final=False, account_id="A1", **told),
            contact(f"{name}2", thread=name, minutes=1, account_id="A4", address="4 Road", text="停电", **told),
        ]

    await desk.take(*call("whole"))
    for each in call("parts"):
        await desk.take(each)
    whole, parts = desk.reports
    varying = {"report_id", "ticket_id", "ticket_ref", "contact_id", "recipient"}
    assert whole.model_dump(exclude=varying) == parts.model_dump(exclude=varying)
    assert whole.place.account_id == "A1"


async def test_a_contact_seen_before_changes_nothing_even_without_the_inbox(desk: Desk) -> None:
    said = contact(text="停电了", account_id="A1")
    await desk.take(said, said)
    await desk.take(said)
    assert (len(desk.reports), len(desk.routed)) == (1, 1)
    assert desk.tally == {"contact_outage": 1, "report_sent": 1}


async def test_a_report_given_back_moves_its_contacts_to_a_queue(desk: Desk) -> None:
    one, two = contact("a", thread="c", text="停电了", account_id="A1"), contact("b", thread="c", minutes=1)
    await desk.take(one, two)
    await desk.take(settled(one))
    last = desk.routed[-1]
    assert (last.queue, last.state, last.version) == ("locate", TicketState.QUEUED, 3)
    assert desk.tally == {"contact_outage": 0, "contact_queued": 2, "report_sent": 1}
    await desk.take(contact("c", thread="c", minutes=2, text="停电了", account_id="A1"))
    assert len(desk.reports) == 1
    assert desk.tally == {"contact_outage": 0, "contact_queued": 3, "report_sent": 1}


async def test_a_report_given_back_that_a_person_placed_leaves_the_queue_again(desk: Desk) -> None:
    one = contact("a", thread="c", text="停电了", account_id="A1")
    placed = settled(one, "in_incident", "same_device").model_copy(update={"command_id": one.contact_id})
    again = settled(one, reason="placement_undone").model_copy(update={"command_id": one.ticket_id})
    await desk.take(one, settled(one))
    await desk.take(placed)
    last = desk.routed[-1]
    assert (last.state, last.version) == (TicketState.WITH_DEDUP, 3)
    assert desk.tally == {"contact_outage": 1, "contact_queued": 0, "report_sent": 1}
    await desk.take(placed, placed)
    assert desk.routed[-1] is last, "told again, nothing changes"
    await desk.take(again)
    assert (desk.routed[-1].queue, desk.routed[-1].state) == ("locate", TicketState.QUEUED)
    assert desk.tally == {"contact_outage": 0, "contact_queued": 1, "report_sent": 1}


async def test_an_answered_report_stays_counted_with_dedup(desk: Desk) -> None:
    said = contact(text="停电了", account_id="A3")
    await desk.take(said)
    await desk.take(settled(said, "answered", "arrears"))
    ticket = await desk.ticket(said)
    assert (ticket.state, ticket.report) == (TicketState.ANSWERED, ReportState.ANSWERED)
    assert desk.tally == {"contact_outage": 1, "report_sent": 1}


async def test_a_report_that_a_plan_answers_is_answered_until_that_is_taken_back(desk: Desk) -> None:
    """A person accepted a planned outage for the incident it was in, and withdrew it."""
    said = contact(text="停电了", account_id="A1")
    covered = settled(said, "answered", "planned_outage").model_copy(update={"command_id": said.contact_id})
    moved = covered.model_copy(update={"command_id": ids.report_id(said.ticket_id)})
    uncovered = settled(said, "in_incident", "undone_by_person").model_copy(update={"command_id": said.ticket_id})
    await desk.take(said)
    await desk.take(covered)
    ticket = await desk.ticket(said)
    assert (ticket.state, ticket.report, ticket.version) == (TicketState.ANSWERED, ReportState.ANSWERED, 2)
    await desk.take(moved)
    assert (await desk.ticket(said)).version == 2, "the plan has another end"
    await desk.take(uncovered)
    ticket = await desk.ticket(said)
    assert (ticket.state, ticket.report, ticket.version) == (TicketState.WITH_DEDUP, ReportState.SENT, 3)
    assert desk.tally == {"contact_outage": 1, "report_sent": 1}


async def test_a_report_and_its_settlement_in_one_batch_are_taken_in_turn(desk: Desk) -> None:
    said = contact(text="停电了", account_id="A1")
    await desk.take(said, settled(said))
    assert len(desk.reports) == 1
    assert [(each.version, each.queue) for each in desk.routed] == [(2, "locate")]
    assert desk.tally == {"contact_queued": 1, "report_sent": 1}


async def test_a_settlement_nobody_knows_of_is_refused_and_the_rest_of_the_batch_is_not(desk: Desk) -> None:
    unknown, enquiry = contact("unknown"), contact("enquiry", text="查电费")
    await desk.take(enquiry, settled(unknown), settled(enquiry))
    assert [(message.message_id, reason) for message, reason in desk.refused] == [
        (settled(unknown).message_id, Refusal.UNKNOWN_SUBJECT),
        (settled(enquiry).message_id, Refusal.UNKNOWN_SUBJECT),
    ]
    assert [each.queue for each in desk.routed] == ["consultation"]


async def test_a_batch_costs_six_statements_whatever_its_size(desk: Desk) -> None:
    first = contact("first", text="停电了", account_id="A1")
    await desk.take(first, settled(first))  # a connection's first use of an array type looks the type up
    for size in (1, 10, 400):
        said = [contact(f"{size}-{n}", text="停电了", account_id="A1") for n in range(size)]
        with desk.queries() as asked:
            await desk.take(*said, *(settled(each) for each in said[: size // 2]))
        assert len(asked) in {5, 6}, asked  # whom customers know is asked where something new waits


async def test_what_is_stored_is_what_was_decided(desk: Desk) -> None:
    said = contact(text="停电了，只有我家", account_id="A1", phone="13800000001", address="1 Road")
    await desk.take(said)
    row = await desk.connection.fetchrow("SELECT * FROM ticket WHERE ticket_id = $1", said.ticket_id)
    assert row is not None
    assert (row["queue"], row["state"], row["priority"], row["area"]) == ("repair", "with_dedup", 2, "S1")
    assert (row["report"], row["language"], row["channel"]) == ("sent", "zh-Hans-CN", "web")
    ticket = await desk.ticket(said)
    assert ticket.contacts == {said.contact_id}
    assert ticket.taken.tags == ("single_premise",)


async def test_what_lay_in_a_backlog_is_warned_of_in_its_first_version(desk: Desk) -> None:
    """One warning: where more is due (a danger's second stage), the timer gives it, each in a version of its own."""
    fine = contact("fine", thread="fine", text="我要投诉")
    late, danger = contact("1", text="我要投诉"), contact("2", text="着火了")
    await desk.take(fine)
    desk.now = NOON + timedelta(minutes=80)
    await desk.take(late, danger, contact("fine again", thread="fine", text="谢谢"))
    told = {each.ticket_id: each for each in desk.routed}
    levels = [{due.stage: due.level for due in told[one.ticket_id].due or ()} for one in (fine, late, danger)]
    assert levels[0]["dispatch"] == 0, "what was there before is the timer's"
    assert (levels[1]["dispatch"], levels[1]["answer"]) == (4, 0)
    assert (levels[2]["respond"], levels[2]["contact"]) == (4, 0)
    changes = [(told[one.ticket_id].version, told[one.ticket_id].change) for one in (fine, late, danger)]
    assert changes == [(2, None), (1, "escalated"), (1, "escalated")]
    rows = await desk.connection.fetch("SELECT ticket_id, level, wake_at FROM ticket WHERE level > 0")
    assert {row["ticket_id"]: row["wake_at"] <= desk.now for row in rows} == {
        late.ticket_id: False,
        danger.ticket_id: True,
    }
    lines = await desk.connection.fetch("SELECT ticket_id, version, did FROM ticket_log ORDER BY at, did")
    assert {tuple(line) for line in lines} == {(one.ticket_id, 1, "escalated") for one in (late, danger)}


async def test_between_urges_it_is_as_long_as_the_desks_rules_in_force_say(desk: Desk) -> None:
    async def ticket_urged_at(*minutes: int) -> Ticket:
        for n in minutes:
            at = NOON + timedelta(minutes=n)
            desk.now = at
            await desk.take(
                contact(f"u{n}", text="怎么还没来人，快点", reply_to=WRITERS[0], occurred_at=at, received_at=at)
            )
        return await desk.ticket(said)

    said = contact("a", text="电压低", reply_to=WRITERS[0])
    await desk.take(said)
    assert (await ticket_urged_at(31, 37)).urges == 1
    timings = replace(desk.rules.timings, urge=timedelta(minutes=5))
    desk.rules = replace(desk.rules, timings=timings)
    ticket = await ticket_urged_at(38, 44)
    assert (ticket.urges, ticket.repeats) == (3, 4), (
        "each is counted; the first and those five minutes apart take effect"
    )


async def test_a_clock_that_says_the_year_1_loses_nothing(desk: Desk) -> None:
    wrong = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=8)))
    await desk.take(contact(text="停电了", account_id="A1", occurred_at=wrong, received_at=NOON))
    [report] = desk.reports
    assert report.reported_at == NOON


async def test_a_rolled_back_batch_leaves_nothing(desk: Desk) -> None:
    said = contact(text="停电了", account_id="A1")
    transaction = desk.connection.transaction()
    await transaction.start()
    await desk.handler.handle(desk.connection, [desk._received(said, None)], NOON)
    await transaction.rollback()
    assert await desk.connection.fetchval("SELECT count(*) FROM ticket") == 0
    await desk.take(said)
    assert (len(desk.reports), desk.routed[0].version) == (1, 1)


async def test_metrics_count_what_was_committed(desk: Desk) -> None:
    routed = metrics.ROUTED.labels("emergency", "fault_report", "hazard")
    basis, hazard = metrics.PLACES.labels("account"), metrics.HAZARDS.labels("fire")
    before = [each._value.get() for each in (routed, basis, hazard)]
    await desk.take(contact("a", text="着火了", account_id="A1"))
    assert [each._value.get() for each in (routed, basis, hazard)] == [n + 1 for n in before]


async def test_metrics_count_once_a_ticket_that_begins_to_sound_like_danger(desk: Desk) -> None:
    suspected = metrics.SUSPECTED.labels("emergency")
    before = suspected._value.get()
    for n, text in enumerate(("查电费", "有个老乡从梯子上滚下来了，手里还抓着那根线", "快点")):
        await desk.take(contact(f"s{n}", thread="s", text=text, minutes=n))
    assert suspected._value.get() == before + 1


async def test_every_accepted_contact_is_counted_once_whatever_happens_to_its_ticket(desk: Desk) -> None:
    chance = random.Random(20260701)
    accepted = 0
    by_ticket: dict[str, ContactReceived] = {}
    texts = [None, "停电了", "我要投诉", "着火了", "查电费", "no power", "电压低"]
    for round_ in range(30):
        batch: list[ContactReceived | ReportSettled] = []
        for n in range(chance.randrange(1, 12)):
            thread = chance.choice([None, *(f"call-{k}" for k in range(15))])
            said = contact(
                f"{round_}-{n}",
                thread=thread,
                minutes=chance.randrange(-60, 120),
                text=chance.choice(texts),
                account_id=chance.choice([None, "A1", "A2", "no such"]),
                phone=chance.choice([None, "13900000000"]),
                reply_to=chance.choice([None, None, *WRITERS]),
                final=chance.random() < 0.5,
                hazard=chance.random() < 0.1,
            )
            accepted += 1
            by_ticket[str(said.ticket_id)] = said
            batch.append(said)
        for said in chance.sample(sorted(by_ticket.values(), key=lambda each: each.source_event_id), 1):
            outcome = chance.choice(["answered", "needs_person"])
            batch.append(settled(said, outcome, chance.choice(["arrears", "device_unknown"])))
        chance.shuffle(batch)
        await desk.take(*batch)
        assert desk.tally["contact_queued"] + desk.tally["contact_outage"] == accepted
        assert min(desk.tally["contact_queued"], desk.tally["contact_outage"]) >= 0
    rows = await desk.connection.fetch(
        "SELECT report IN ('sent', 'answered') AS with_dedup, sum(json_array_length(body -> 'contacts'))::int AS n"
        " FROM ticket WHERE body ->> 'merged_into' IS NULL GROUP BY 1"
    )
    assert {row["with_dedup"]: row["n"] for row in rows} == {
        True: desk.tally["contact_outage"],
        False: desk.tally["contact_queued"],
    }
    reported = await desk.connection.fetchval("SELECT count(*) FROM ticket WHERE report <> 'none'")
    assert reported == len(desk.reports) == desk.tally["report_sent"]
    assert len({each.report_id for each in desk.reports}) == len(desk.reports)
    assert await desk.connection.fetchval("SELECT count(*) FROM ticket_alias") > 0  # some did join
    versions: dict[object, int] = {}
    for each in desk.routed:
        assert each.version > versions.get(each.ticket_id, 0)
        versions[each.ticket_id] = each.version


async def test_a_contact_and_a_settlement_taken_by_two_processes_at_once_are_both_counted(
    desk: Desk, router_dsn: str
) -> None:
    one = contact("a", thread="c", text="停电了", account_id="A1")
    two = contact("b", thread="c", minutes=1, text="快来")
    await desk.take(one)
    connection = await asyncpg.connect(router_dsn, server_settings={"search_path": "router"})
    other = Desk(connection, shipped_book())
    first = desk.connection.transaction()
    await first.start()
    decided = await desk.handler.handle(desk.connection, [desk._received(two, None)], NOON)
    waiting = asyncio.create_task(other.take(settled(one)))
    await asyncio.sleep(0.3)
    assert not waiting.done()  # it waits for the ticket's row
    await first.commit()
    await waiting
    total = Counter(desk.tally)
    for tally in (decided.tally, other.tally):
        total.update(tally)
    assert +total == {"contact_queued": 2, "report_sent": 1}
    assert (await desk.ticket(one)).contacts == {one.contact_id, two.contact_id}
    assert [each.version for each in other.routed] == [3]
    await connection.close()


async def test_the_contracts_examples_pass_through(desk: Desk) -> None:
    examples = [*examples_of(CONTACT_RECEIVED), *examples_of(REPORT_SETTLED)]
    messages = [
        decode(open_record(one.record.value, one.record.headers), {**CONTACT_RECEIVED.types, **REPORT_SETTLED.types})
        for one in examples
    ]
    await desk.take(*messages)
    contacts = [each for each in messages if isinstance(each, ContactReceived)]
    assert desk.tally["contact_queued"] + desk.tally["contact_outage"] == len(contacts) > 0
    assert {each.ticket_id for each in desk.routed} == {each.ticket_id for each in contacts}
    assert all(reason is Refusal.UNKNOWN_SUBJECT for _, reason in desk.refused)


TWINS_NETWORK = "id,parent,type,normally_open,lat,lon,name\n" + "".join(
    f"S{n},,substation,0,3{n}.0,118.0,\nB{n},S{n},breaker,0,3{n}.0,118.0,93{n}宋北线\n"
    + "".join(f"T{n}{t},B{n},transformer,0,3{n}.0,118.0{t},\n" for t in range(3))
    for n in (1, 2)
)
TWINS_CUSTOMERS = "account_id,transformer_id,lat,lon,address,phone\n" + "".join(
    f"A{n}{t}{c},T{n}{t},3{n}.0,118.0{t},{n}区人民路{10 * t + c + 1}号1栋101室,\n"
    for n in (1, 2)
    for t in range(3)
    for c in range(8)
)


async def test_recent_reports_tell_between_places_as_in_a_replay_and_only_once_committed(
    desk: Desk, tmp_path: Path
) -> None:
    network, customers = tmp_path / "twins.csv", tmp_path / "twin_customers.csv"
    network.write_text(TWINS_NETWORK, encoding="utf-8")
    customers.write_text(TWINS_CUSTOMERS, encoding="utf-8")
    await import_network(desk.connection, network, customers)
    book, lately = load_served(network, customers).book, Lately()
    desk.now = NOON + timedelta(hours=2)
    said: list[dict[str, str]] = [{"address": "人民路15号"}]
    said += [{"account_id": f"A2{n % 3}{n}"} for n in range(5)]
    said += [{"address": "人民路15号"}, {"account_id": "A110"}, {"address": "人民路3号"}, {"text": "931宋北线停电"}]
    said += [{"address": "人民路4号", "text": "931宋北线停电"}, {"address": "人民路5号"}]
    expected, contacts = [], []
    for n, told in enumerate(said):
        at = n * 7 if n > 9 else n  # the last ones long after the outage
        expected.append(book.resolve(PlaceEvidence(**told), lately=lately, at=NOON + timedelta(minutes=at)).as_value())
        contacts.append(contact(f"r{n}", minutes=at, **({"text": "停电了"} | told)))
    lost = [contact(f"lost{n}", text="停电了", account_id=f"A1{n}1") for n in range(3)]
    await desk.handler.handle(desk.connection, [desk._received(each, None) for each in lost], desk.now)  # no commit
    for first, end in ((0, 1), (1, 4), (4, 7), (7, 12)):
        await desk.take(*contacts[first:end])
    found = [(await desk.ticket(each)).place for each in contacts]
    assert found == expected
    assert (found[0].transformer_id, found[6].transformer_id, found[10].transformer_id) == (None, "T21", "T10")
    assert "recent_reports" in found[6].evidence


async def test_a_street_said_by_its_sound_is_reported_where_it_is_and_two_that_fit_go_to_people_with_both(
    desk: Desk, tmp_path: Path
) -> None:
    network, customers = tmp_path / "twins.csv", tmp_path / "twin_customers.csv"
    network.write_text(TWINS_NETWORK, encoding="utf-8")
    customers.write_text(TWINS_CUSTOMERS.replace("2区人民路", "2区仁民路"), encoding="utf-8")
    await import_network(desk.connection, network, customers)
    sure, open_, absent = (
        contact(name, text=f"停电了，我住在{said}")
        for name, said in (("a", "1区任民路3号"), ("b", "任民路15号"), ("c", "任民路99号"))
    )
    await desk.take(sure, open_, absent)
    placed, left_open = (report.place for report in desk.reports)
    assert (placed.transformer_id, placed.basis) == ("T10", Basis.ADDRESS)
    assert placed.confidence < 0.9
    assert left_open.transformer_id is None  # who places it is told of both
    assert {one.transformer_id for one in left_open.candidates or ()} == {"T11", "T21"}
    assert all("address_misspelt" in place.evidence for place in (placed, left_open))
    nowhere = (await desk.ticket(absent)).place  # the control: no such house
    assert (nowhere.area, nowhere.candidates) == (None, None)
