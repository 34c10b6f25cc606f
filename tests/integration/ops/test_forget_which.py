"""Which tickets ``gridline forget`` erases: killed in its midst, beside new contacts, of merged ones."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.router import store
from services.runtime import clock
from tests.integration.notify.test_links import heard
from tests.integration.ops.test_forget import (
    HOME,
    LI,
    OTHER,
    WANG,
    WORDS,
    digests,
    forget,
    half_a_year_ago,
    said,
    to_the_present,
    where_found,
)

if TYPE_CHECKING:
    from services.contracts.messages import ContactReceived
    from tests.integration.ops.hotline import Hotline

pytestmark = pytest.mark.integration

ASKER = "13912345679"
STOPS = {"notify": "notify.recipient", "dedup": "dedup.report", "router": "router.ticket_log"}
"""By service: a table in which a run cannot write if somebody has it; what goes before it is done then."""


async def complaint(line: Hotline, event: str, phone: str) -> ContactReceived:
    """Let a customer complain and an agent see to it."""
    about = said(event, phone, f"投诉 {event}", business_type="complaint")
    await line.take(about)
    assert (await line.ann.claim(ticket=str(about.ticket_id))).status_code == 200
    assert (await line.ann.do("complete", about.ticket_id, outcome="solved")).status_code == 200
    return about


async def test_of_two_tickets_with_one_reference_the_one_that_is_said_is_erased(line: Hotline) -> None:
    """With fifty bits two customers have the same now and then; the other's ticket is not asked for."""
    wang, li = await complaint(line, "wangs", WANG), await complaint(line, "lis", LI)
    await line.desk.connection.execute(
        "UPDATE ticket SET ticket_ref = $1 WHERE ticket_id = $2", wang.ticket_ref, li.ticket_id
    )
    await to_the_present(line)
    asked = ["forget", "--ticket", wang.ticket_ref, "--yes", "--full-speed", "--by", "ops"]
    refused = await asyncio.to_thread(CliRunner().invoke, app, asked)
    assert refused.exit_code != 0
    assert "2 tickets have this reference" in refused.output
    assert await where_found(line.dsn, "投诉 wangs", "投诉 lis") != set(), "neither is erased"
    await forget("--ticket", str(wang.ticket_id))
    assert await where_found(line.dsn, "投诉 wangs", WANG) == set()
    assert await where_found(line.dsn, "投诉 lis") != set()


async def test_a_dry_run_counts_who_only_asked(line: Hotline) -> None:
    await half_a_year_ago(line)
    now = clock.now()
    await line.told.take(heard("asks_status", ASKER, at=now, number=2), now=now)
    await line.tell()
    await to_the_present(line)
    before = await where_found(line.dsn, ASKER, *WORDS)
    for way in (("--older-than", "30d"), ("--phone", ASKER)):
        assert re.search("recipients without a report +1", await forget(*way, "--dry-run")), way
    assert "recipients" not in await forget("--phone", WANG, "--dry-run"), "the control: he goes with his tickets"
    assert await where_found(line.dsn, ASKER, *WORDS) == before
    await forget("--older-than", "30d")
    assert "recipients" not in await forget("--older-than", "30d", "--again", "--dry-run")


@pytest.mark.parametrize("service", STOPS)
async def test_killed_in_its_midst_it_is_brought_to_its_end_by_the_next(line: Hotline, service: str) -> None:
    """``kill -9`` of the real command while it waits for a table; what it had done by then stays done."""
    await half_a_year_ago(line)
    await to_the_present(line)
    names = (*WORDS, *digests(WANG, HOME), LI, OTHER)
    before = await where_found(line.dsn, *names)
    holder = await asyncpg.connect(line.dsn)
    try:
        async with holder.transaction():
            await holder.execute(f"LOCK TABLE {STOPS[service]} IN EXCLUSIVE MODE")
            asked = ["--older-than", "30d", "--yes", "--full-speed", "--by", "ops"]
            command = ["-c", "from services.cli.start import main; main()", "forget", *asked]
            process = await asyncio.create_subprocess_exec(sys.executable, *command)
            async with asyncio.timeout(30):
                while not await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                    assert process.returncode is None
                    await asyncio.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL
    finally:
        await holder.close()
    left = await where_found(line.dsn, *names)
    assert {table for table, _ in left} >= {"router.ticket"}, "the router's row goes last"
    assert (left == before) == (service == "notify"), "the control: it was broken off half done"
    await forget("--older-than", "30d")
    assert await where_found(line.dsn, *names) == set()


async def test_what_a_customer_sends_while_they_are_erased_is_a_ticket_of_its_own_and_stays(line: Hotline) -> None:
    await half_a_year_ago(line)
    await to_the_present(line)
    sent: list[ContactReceived] = []
    done = asyncio.Event()

    async def customers() -> None:
        """Wang complains, and reports that his home is out, again and again."""
        while not done.is_set() or len(sent) < 6:
            kinds = {"business_type": "fault_report", "account_id": HOME} if len(sent) % 2 else {}
            new = said(f"new-{len(sent)}", WANG, f"新的 {len(sent)}", **(kinds or {"business_type": "complaint"}))
            await line.take(new)
            sent.append(new)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(customers())
        while not sent:
            await asyncio.sleep(0)
        began = len(sent)
        assert "tickets" in await forget("--phone", WANG)
        assert len(sent) > began, "the control: contacts were taken in beside it"
        done.set()
    assert await where_found(line.dsn, *WORDS[:5]) == set()
    for one in sent:
        [ticket] = await store.by_id(line.desk.connection, one.ticket_id)
        assert ticket.erased_at is None
        assert ticket.facts.texts, one
    assert {word for _, word in await where_found(line.dsn, *(f"新的 {n}" for n in range(len(sent))))} == {
        f"新的 {n}" for n in range(len(sent))
    }
    await forget("--phone", WANG)
    assert await where_found(line.dsn, "新的 0") != set(), "too young"


async def test_a_ticket_merged_into_an_open_one_goes_once_that_is_over(line: Hotline) -> None:
    old = said("old", WANG, "投诉 old", business_type="complaint")
    stays = said("stays", LI, "投诉 stays", business_type="complaint")
    await line.take(old, stays)
    into = {"into": str(stays.ticket_id), "reason": "same_matter", "across_customers": True}
    assert (await line.ann.ask(f"tickets/{old.ticket_id}/merge", **into)).status_code == 200
    await to_the_present(line)
    assert "part of an open ticket" in await forget("--ticket", old.ticket_ref)
    assert await where_found(line.dsn, "投诉 old") != set()

    clock.follow(clock.CatchUp(behind=timedelta(days=179).total_seconds(), begins=None, rate=2))
    assert (await line.ann.claim(ticket=str(stays.ticket_id))).status_code == 200
    assert (await line.ann.do("complete", stays.ticket_id, outcome="solved")).status_code == 200
    await to_the_present(line)
    await forget("--ticket", old.ticket_ref)
    assert await where_found(line.dsn, "投诉 old", WANG) == set()
    assert await where_found(line.dsn, "投诉 stays") != set(), "of another customer, who was not asked for"
    await forget("--ticket", stays.ticket_ref)
    assert await where_found(line.dsn, "投诉 stays", LI) == set()
