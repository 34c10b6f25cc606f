"""``gridline forget`` erases customers' data: nothing of them is left in any table, and all that is counted stays.

Rows are those the services write, half a year ago; all tables are searched as text, so that a column that is added
later is searched as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.contracts.ids import recipient_id
from services.contracts.messages import ContactReceived, OutageCommanded
from services.contracts.values import Channel, CommandAction, Crs, Position, Recipient
from services.dedup import erasing as dedup
from services.dedup.domain.figures import figures
from services.dedup.store import reliability
from services.intake.erasing import photos_before
from services.notify import erasing as notify
from services.notify.domain.notice import link_id
from services.router import erasing as router
from services.router import figures as kpis
from services.router.domain.repeats import account_of, number_of
from services.runtime import clock
from services.runtime.retention import prune
from tests.integration.notify.test_links import heard
from tests.integration.ops.conftest import AGO
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.ops.hotline import Hotline

pytestmark = pytest.mark.integration

WANG, LI, OPEN = "13912345671", "13912345672", "13912345673"
HOME, OTHER, THIRD = "A0900001", "A0900150", "A0900301"
WORDS = ("王小明", "幸福路七号", "抽屉里", "不在家", "宠物狗", WANG, HOME, "31.18954", "118.36171")
"""What Wang said, where he is, and what others wrote about him."""


MANY_READINGS = """
INSERT INTO dedup.report (
    report_id, area, ticket_id, ticket_ref, contact_id, channel, account_id, customer_class, suspended, hazards,
    single_premise, unconfirmed, language, reported_at, received_at, outcome, reason
)
SELECT id, 'S1', id, 'ref', id, 'api', 'A' || n, 'normal', false, '{}', false, true, 'zh', at, at, 'answered', 'x'
FROM generate_series(1, 3000) AS n, LATERAL (
    SELECT md5(n::text)::uuid AS id, now() - n * interval '1 hour' AS at
) AS one;
ANALYZE dedup.report
"""


def said(event: str, phone: str, text: str, **more: Any) -> ContactReceived:
    at = clock.now() - timedelta(seconds=5)
    fields = {"channel": Channel.SMS, "occurred_at": at, "received_at": at, "phone": phone, "text": text}
    return contact(event, **{**fields, "reply_to": Recipient(channel=Channel.SMS, address=phone), **more})


async def half_a_year_ago(line: Hotline) -> dict[str, ContactReceived]:
    """Wang's home alone is out and he complains; Li reports as well, and wants no messages; all that is over."""
    came = {
        "wang": said(
            "wang", WANG, "我是王小明,只有我家停电了,钥匙在抽屉里", account_id=HOME, address="幸福路七号2单元",
            position=Position(lat=31.189545, lon=118.361710, crs=Crs.WGS84), business_type="fault_report",
            facts={"single_premise": True},
        ),
        "complaint": said("complaint", WANG, "王小明投诉: 抄表员踢了我的宠物狗", business_type="complaint"),
        "li": said("li", LI, "整栋楼都停电了", account_id=OTHER, business_type="fault_report"),
    }  # fmt: skip
    await line.take(*came.values())
    assert (await line.ann.claim(ticket=str(came["complaint"].ticket_id))).status_code == 200
    done = await line.ann.do("notes", came["complaint"].ticket_id, note="王小明很生气")
    assert done.status_code == 200, done.text
    done = await line.ann.do("complete", came["complaint"].ticket_id, outcome="solved")
    assert done.status_code == 200, done.text
    async with line.room.pool.acquire() as connection:
        [row] = await connection.fetch("SELECT * FROM incident WHERE kind = 'single'")
    assert row["premises"] == HOME, "his is a single home"
    relate = OutageCommanded(
        area=row["area"], command_id=UUID(int=7), action=CommandAction.CONFIRM, author="ann", accepted_at=clock.now(),
        reason="王小明不在家", incident_id=row["incident_id"],
    )  # fmt: skip
    await line.feed(relate)
    await line.tell()
    await line.told.take(heard("unlinked", LI, at=clock.now()), now=clock.now())
    await line.restore_all({row["incident_id"]: "王小明不在家"})
    await line.tell()
    return came


async def to_the_present(line: Hotline) -> None:
    """Half a year goes by: what is published long since is pruned, as every service does by itself."""
    clock.follow(None)
    connection = await asyncpg.connect(line.dsn)
    try:
        for room in ("router", "dedup", "notify"):
            await connection.execute(f'SET search_path = "{room}"')
            await connection.execute("DELETE FROM outbox_waiting")
            await connection.execute("UPDATE outbox SET created_at = now() - interval '179 days'")
            assert not await prune(connection)
    finally:
        await connection.close()


async def where_found(dsn: str, *sought: str) -> set[tuple[str, str]]:
    """Search all rows of all tables of the services for words, as text, and in what is stored as bytes."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT schemaname AS room, tablename AS name FROM pg_tables"
            " WHERE schemaname IN ('router', 'dedup', 'notify')"
        )
        assert len(tables) > 40
        found = set()
        for room, name in tables:
            for word in sought:
                sql = f'SELECT EXISTS (SELECT FROM "{room}"."{name}" AS t WHERE t::text LIKE ANY($1))'  # noqa: S608
                if await connection.fetchval(sql, [f"%{word}%", f"%{word.encode().hex()}%"]):
                    found.add((f"{room}.{name}", word))
        return found
    finally:
        await connection.close()


def digests(phone: str, account: str) -> tuple[str, ...]:
    """Identifiers that who knows the number or the account can compute."""
    number = number_of(phone)
    assert number is not None
    to = Recipient(channel=Channel.SMS, address=phone)
    return tuple(map(str, (number.key, account_of(account).key, recipient_id("sms", phone), link_id(to))))


async def counted(line: Hotline) -> Any:
    """All that is counted of that time."""
    since, until = clock.present() - AGO - timedelta(days=1), clock.present() - AGO + timedelta(days=1)
    async with line.room.pool.acquire() as connection:
        interrupted = [
            one
            async for some in reliability.interruptions(connection, since, until, None, timedelta(minutes=5))
            for one in some
        ]
        rows = await connection.fetch(
            "SELECT (SELECT count(*) FROM report), (SELECT count(*) FROM incident), (SELECT count(*) FROM membership),"
            " (SELECT count(*) FROM order_version)"
        )
    index = figures(interrupted, 100, momentary=timedelta(minutes=5), until=until, between=(since, until))
    tickets = line.desk.connection
    told = await line.told.pool.fetch("SELECT stage, state, count(*) FROM notice GROUP BY 1, 2 ORDER BY 1, 2")
    return (
        index,
        [tuple(row) for row in rows],
        await kpis.count(tickets, since, until, None, 20, 20),
        await kpis.told(tickets, since, until, None),
        [tuple(row) for row in told],
    )


async def forget(*said: str) -> str:
    """Run the command."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["forget", *said, "--yes", "--full-speed", "--by", "ops"])
    assert result.exit_code == 0, result.output
    return result.output


async def test_of_what_is_old_nothing_is_left_but_what_is_counted(line: Hotline) -> None:
    came = await half_a_year_ago(line)
    await to_the_present(line)
    before = await counted(line)
    assert before[0].customer_minutes >= 0
    assert before[2].completed == 1
    in_clear = await where_found(line.dsn, *WORDS, *digests(WANG, HOME))
    assert {word for _, word in in_clear} >= {*WORDS, *digests(WANG, HOME)[:3]}, "the search finds what is there"
    assert len({table for table, _ in in_clear}) >= 9

    dry = await forget("--older-than", "30d", "--dry-run")
    assert await where_found(line.dsn, *WORDS, *digests(WANG, HOME)) == in_clear
    assert "Would be erased" in dry
    done = await forget("--older-than", "30d")

    assert await where_found(line.dsn, *WORDS, *digests(WANG, HOME), *digests(LI, OTHER)[:3], LI, OTHER) == set()
    assert await where_found(line.dsn, digests(LI, OTHER)[3]) == {("notify.link", digests(LI, OTHER)[3])}, "his STOP"
    assert await counted(line) == before
    assert "tickets" in done
    again = await forget("--older-than", "30d", "--again")
    assert "Erased: nothing." in again or "tickets" not in again

    for one in came.values():
        for key in (one.ticket_id, one.ticket_ref):
            [shown] = (await line.ann.ask(f"tickets/{key}", method="GET")).json()["tickets"]
            assert datetime.fromisoformat(shown["erased_at"]) > datetime.now(UTC) - timedelta(minutes=5)
            assert (shown["text"], shown["phone"], shown["address"]) == (None, None, None)
    refused = await line.ann.do("reopen", came["complaint"].ticket_id, reason="customer_called")
    assert (refused.status_code, refused.json()["errors"]) == (409, [{"field": "state", "reason": "erased"}])
    log = (await line.ann.ask(f"tickets/{came['complaint'].ticket_id}/log", method="GET")).json()["log"]
    assert [one["did"] for one in log] == ["claimed", "noted", "completed"]
    rows = await line.desk.connection.fetch("SELECT * FROM erasure ORDER BY 1")
    assert [(row["author"], row["asked"], row["ended_at"] is None) for row in rows] == [("ops", "age", False)] * 2
    assert '"tickets": 3' in rows[0]["counts"]


async def test_what_comes_late_brings_nothing_back(line: Hotline) -> None:
    came = await half_a_year_ago(line)
    await to_the_present(line)
    await forget("--older-than", "30d")
    rows = await line.desk.connection.fetchval("SELECT count(*) FROM ticket")
    await line.take(*came.values())
    assert await line.desk.connection.fetchval("SELECT count(*) FROM ticket") == rows
    found = await where_found(line.dsn, *WORDS)
    assert found == set(), "delivered again it is known"
    late = said("late", WANG, "还有一张照片").model_copy(
        update={"ticket_id": came["wang"].ticket_id, "ticket_ref": came["wang"].ticket_ref}
    )
    await line.take(late)
    [old] = await line.desk.connection.fetch("SELECT * FROM ticket WHERE ticket_id = $1", came["wang"].ticket_id)
    assert old["phone"] is None
    [new] = await line.desk.connection.fetch("SELECT * FROM ticket WHERE ticket_id = $1", late.contact_id)
    assert "还有一张照片" in new["body"]
    assert "抽屉" not in new["body"]


async def test_one_person_who_asks_is_forgotten_and_nobody_else(line: Hotline) -> None:
    await half_a_year_ago(line)
    await to_the_present(line)
    before = await counted(line)
    of_li = {(table, word) for table, word in await where_found(line.dsn, LI, OTHER)}
    await forget("--phone", "+86 139-1234-5671")
    assert await where_found(line.dsn, *WORDS, *digests(WANG, HOME)) == set()
    assert await where_found(line.dsn, LI, OTHER) == of_li != set()
    assert await counted(line) == before
    assert await line.desk.connection.fetchval("SELECT asked FROM erasure") == "person"
    await forget("--account", OTHER)
    assert await where_found(line.dsn, LI, OTHER) == set()
    assert await counted(line) == before


async def test_what_is_going_on_is_left_and_counted_with_the_reason(line: Hotline) -> None:
    open_ticket = said("open", OPEN, "我要投诉", business_type="complaint")
    out = said("out", "13912345674", "整栋楼都停电了", account_id=THIRD, business_type="fault_report")
    await line.take(open_ticket, out)
    clock.follow(None)
    left = await forget("--older-than", "30d")
    assert "Erased: nothing." in left
    assert "a notice is on its way" in left or "in an open outage" in left
    assert await where_found(line.dsn, OPEN) != set()
    assert await where_found(line.dsn, THIRD) != set()
    await line.tell()
    assert "in an open outage" in await forget("--older-than", "30d")
    await line.restore_all({})
    assert "outage changed too lately" in await forget("--older-than", "30d")


def read_whole(plan: dict[str, Any]) -> Iterator[str]:
    """Yield the tables of which a plan reads all rows, or all entries of an index."""
    if "Scan" in plan["Node Type"] and "Relation Name" in plan and "Bitmap" not in plan["Node Type"]:
        if "Index Cond" not in plan and "TID Cond" not in plan:
            yield plan["Relation Name"]
    elif plan["Node Type"] == "Bitmap Index Scan" and "Index Cond" not in plan:
        yield plan["Index Name"]
    for each in plan.get("Plans", ()):
        yield from read_whole(each)


async def test_nobody_is_looked_for_in_whole_tables(line: Hotline) -> None:
    statements = [
        (room, sql)
        for room, module in (("router", router), ("dedup", dedup), ("notify", notify))
        for sql in vars(module).values()
        if isinstance(sql, str) and sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE"))
    ]
    assert len(statements) > 25
    records = {"erasure", "pseudonym"}  # a row a run, and one row
    connection = await asyncpg.connect(line.dsn)
    try:
        for way in ("seqscan", "hashjoin", "mergejoin"):  # what a plan for tables of no rows would choose
            await connection.execute(f"SET enable_{way} = off")
        await connection.execute(MANY_READINGS)
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        for room, sql in statements:
            await connection.execute(f'SET search_path = "{room}"')
            await connection.execute(f"PREPARE asked AS {sql}")
            given = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", sql))))
            asked = f"asked({given})" if given else "asked"
            [plan] = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE {asked}"))
            await connection.execute("DEALLOCATE asked")
            assert set(read_whole(plan["Plan"])) <= records, f"{room}: {sql}"
        [plan] = json.loads(await connection.fetchval("EXPLAIN (FORMAT JSON) SELECT FROM dedup.incident"))
        assert list(read_whole(plan["Plan"])), "the control: all of a table"
    finally:
        await connection.close()


async def test_what_is_not_asked_well_is_refused() -> None:
    for said_, what in (
        (["--older-than", "3d"], "too young"),
        ([], "Say one of"),
        (["--phone", "12", "--account", "A1"], "Say one of"),
        (["--before", "yesterday"], "neither a day"),
        (["--before", "2025-01-01T00:00"], "no offset"),
    ):
        result = CliRunner().invoke(app, ["forget", "--yes", *said_])
        assert result.exit_code != 0
        assert what in result.output + str(getattr(result.exception, "what", "")), result.output
    result = CliRunner().invoke(app, ["forget", "--older-than", "30d"])
    assert "--yes" in result.output


async def test_a_machine_whose_clock_is_weeks_ahead_erases_nothing_young(
    line: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.follow(None)
    await line.take(said("wang", WANG, "我要投诉", business_type="complaint"))
    right = clock.of_host
    monkeypatch.setattr(clock, "_held", None)
    monkeypatch.setattr(clock, "of_host", lambda: right() + timedelta(days=60))
    asked = ["forget", "--older-than", "30d", "--yes", "--full-speed", "--by", "ops"]
    result = await asyncio.to_thread(CliRunner().invoke, app, asked)
    assert result.exit_code != 0
    assert "too young" in str(getattr(result.exception, "what", "")), result.output


def test_photos_go_by_their_age(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in ("ab/ab12.jpg", "cd/cd34.jpg", "notes/plan.jpg"))
    for photo in (old, new, other):
        photo.parent.mkdir()
        photo.touch()
    long_ago = (clock.now() - timedelta(days=90)).timestamp()
    for photo in (old, other):
        os.utime(photo, (long_ago, long_ago))
    assert list(photos_before(tmp_path, clock.now() - timedelta(days=30))) == [old]
