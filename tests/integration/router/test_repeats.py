"""Contacts about an open matter, in a real Postgres: one ticket, whoever takes them and in however many batches."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.contracts.values import Channel, Crs, Position, Recipient, TicketState
from services.grid.datum import from_wgs84
from services.router import store
from services.router.domain.ticket import ReportState
from tests.integration.router.desk import Desk, shipped_book
from tests.unit.router.making import BOUNDS, NOON, contact

if TYPE_CHECKING:
    from services.contracts.messages import ContactReceived

pytestmark = pytest.mark.integration

WRITER = {"channel": Channel.WECHAT, "reply_to": Recipient(channel=Channel.WECHAT, address="o-1", account="gh_1")}
SAID = contact("said", text="停电了", **WRITER)
_LAT, _LON = from_wgs84(30.0201, 110.0201, Crs.GCJ02)
SENT = contact("sent", minutes=1, position=Position(lat=_LAT, lon=_LON, crs=Crs.GCJ02, accuracy_m=20), **WRITER)
HURRY = contact("hurry", minutes=2, text="快点", **WRITER)


@pytest.mark.parametrize("batches", [[[SAID], [SENT], [HURRY]], [[SAID, SENT, HURRY]], [[SAID], [SENT, HURRY, SAID]]])
async def test_what_one_writer_says_is_one_ticket_and_their_position_places_its_report(
    desk: Desk, batches: list[list[ContactReceived]]
) -> None:
    for batch in batches:
        await desk.take(*batch)
    ticket = await desk.ticket(SAID)
    assert ticket.contacts == {each.contact_id for each in (SAID, SENT, HURRY)}
    assert (ticket.report, ticket.repeats) == (ReportState.SENT, 1)
    [report] = desk.reports
    assert (report.ticket_id, report.place.transformer_id) == (SAID.ticket_id, "T2")
    assert +desk.tally == {"contact_outage": 3, "report_sent": 1, "contact_repeats": 1}
    for ref in (SAID.ticket_ref, SENT.ticket_ref, HURRY.ticket_ref):
        [found] = await store.by_ref(desk.connection, ref)
        assert found.ticket_id == SAID.ticket_id
    [found] = await store.by_id(desk.connection, HURRY.ticket_id)
    assert found.ticket_id == SAID.ticket_id
    before = len(desk.published)
    await desk.take(SENT, HURRY)  # long after the inbox forgot them
    assert len(desk.published) == before


async def test_a_machine_may_repeat_a_matter_without_end(desk: Desk) -> None:
    await desk.take(SAID)
    repeated = "UPDATE ticket SET body = jsonb_set(body::jsonb, '{repeats}', '40000')"
    await desk.connection.execute(repeated)
    await desk.take(HURRY)
    assert (await desk.ticket(SAID)).repeats == 40_001
    assert await desk.connection.fetchval("SELECT last_telling FROM ticket") == 32_767


async def test_a_call_that_joins_moves_its_contacts_and_its_reference_answers_the_live_ticket(desk: Desk) -> None:
    call = {"channel": Channel.PHONE, "phone": "13700000000", "reply_to": None}
    form = contact("form", text="停电了", phone="13700000000")
    started = contact("started", thread="call", minutes=1, final=False, **call)
    ended = contact("ended", thread="call", minutes=2, text="停电了", **call)
    late = contact("late", thread="call", minutes=3, text="谢谢师傅", **call)
    await desk.take(form)
    await desk.take(started)
    assert desk.tally["contact_queued"] == 2
    await desk.take(ended)
    await desk.take(late)
    [live] = await store.by_ref(desk.connection, started.ticket_ref)
    assert live.ticket_id == form.ticket_id
    assert live.contacts == {each.contact_id for each in (form, started, ended, late)}
    assert (desk.tally["contact_queued"], desk.tally["contact_repeats"]) == (4, 1)
    closed = [each for each in desk.routed if each.ticket_id == started.ticket_id][-1]
    assert (closed.state, closed.merged_into, closed.version) == (TicketState.MERGED, form.ticket_id, 2)
    assert [each.joined for each in desk.routed if each.ticket_id == form.ticket_id][-1] == (started.ticket_id,)


async def test_two_processes_that_meet_a_writer_in_one_moment_open_one_ticket(desk: Desk, router_dsn: str) -> None:
    connection = await asyncpg.connect(router_dsn, server_settings={"search_path": "router"})
    other = Desk(connection, shipped_book())
    first = desk.connection.transaction()
    await first.start()
    await desk.handler.handle(desk.connection, [desk._received(SAID, None)], NOON)
    waiting = asyncio.create_task(other.take(SENT))
    await it_waits_for_a_lock(connection, desk.connection)  # for the writer's handle
    await first.commit()
    await waiting
    assert await connection.fetchval("SELECT count(*) FROM ticket") == 1
    assert len(other.reports) == 1
    await connection.close()


async def test_processes_whose_batches_have_many_writers_in_common_never_wait_in_a_ring(
    desk: Desk, router_dsn: str
) -> None:
    rng = random.Random(5)
    writers = [f"139{n:08}" for n in range(40)]
    opened = [await asyncpg.connect(router_dsn, server_settings={"search_path": "router"}) for _ in range(3)]
    processes = [Desk(connection, shipped_book()) for connection in opened]

    async def work(process: Desk, number: int) -> None:
        for turn in range(8):
            batch = rng.sample(writers, 25)
            await process.take(*(contact(f"{number}-{turn}-{each}", text="停电了", phone=each) for each in batch))

    await asyncio.gather(*(work(process, number) for number, process in enumerate(processes)))
    tickets = await desk.connection.fetch("SELECT ticket_id FROM ticket")
    told = [await store.by_id(desk.connection, row["ticket_id"]) for row in tickets]
    assert len(told) == len(writers)  # a ticket a writer, whoever heard of them first
    assert sum(len(each.contacts) for [each] in told) == 3 * 8 * 25
    assert sum(process.tally["contact_repeats"] for process in processes) == 3 * 8 * 25 - len(writers)
    for connection in opened:
        await connection.close()


async def it_waits_for_a_lock(
    one: asyncpg.Connection[asyncpg.Record], asked: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Return once a connection has come to a row that another transaction has; however long it takes to get there."""
    async with asyncio.timeout(60):
        while not await asked.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", one.get_server_pid()):
            await asyncio.sleep(0.02)


async def test_handles_are_forgotten_once_nothing_can_join(desk: Desk) -> None:
    await desk.take(SAID)
    await store.forget_reporters(desk.connection, NOON - timedelta(seconds=1))
    assert await desk.connection.fetchval("SELECT count(*) FROM ticket_reporter") == 1
    await store.forget_reporters(desk.connection, NOON + BOUNDS.matter)
    assert await desk.connection.fetchval("SELECT count(*) FROM ticket_reporter") == 0
