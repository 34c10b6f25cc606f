"""Forgetting customers who are known by more than one ticket tells, beside what goes on, and broken off anywhere."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from services.cli.forgetting import BEGINNING, YOUNGEST, Forgetting, rooms
from services.contracts.messages import OutageReported
from services.contracts.topics import INCIDENT_CHANGED
from services.contracts.values import Crs, Position
from services.dedup.keys import DEVELOPMENT_KEYS
from services.notify import erasing as notify
from services.router import erasing as router
from services.router import store
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.settings import ServiceSettings, read_settings
from tests.integration.dedup.room import doors
from tests.integration.notify.test_links import heard
from tests.integration.ops.conftest import AGO
from tests.integration.ops.hotline import Hotline, hotline
from tests.integration.ops.test_forget import (
    HOME,
    LI,
    OTHER,
    WANG,
    WORDS,
    counted,
    digests,
    forget,
    half_a_year_ago,
    said,
    to_the_present,
    where_found,
)
from tests.integration.router.test_hostile import _NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.contracts.messages import ContactReceived

pytestmark = pytest.mark.integration

ZHAO = "13912345679"


def asks(line: Hotline, phone: str, about: ContactReceived | None = None, **more: Any) -> Any:
    ref = None if about is None else about.ticket_ref
    return heard("asks_status", phone, at=clock.now(), **more).model_copy(update={"ticket_ref": ref})


async def test_an_outage_that_nothing_placed_is_forgotten_once_people_are_done_with_it(line: Hotline) -> None:
    """Nobody will place it any more; it must not name its customer for ever, nor hold up what is younger."""
    lost = said("lost", WANG, "我是王小明,停电了", account_id=HOME, business_type="fault_report", address="幸福路七号")
    await line.desk.take(lost)
    [report] = [each for each in line.desk.published if isinstance(each, OutageReported)]
    nowhere = report.place.model_copy(update={"transformer_id": "NO-SUCH"})
    await line.feed(report.model_copy(update={"place": nowhere}))
    assert await line.room.pool.fetchval("SELECT outcome FROM report") == "needs_person"
    await line.tell()
    await to_the_present(line)
    assert "open" in await forget("--phone", WANG), "an agent has still to ask where it is"
    assert await where_found(line.dsn, "王小明") != set()

    clock.follow(clock.CatchUp(behind=AGO.total_seconds(), begins=None, rate=2))
    assert (await line.ann.claim(ticket=str(lost.ticket_id))).status_code == 200
    assert (await line.ann.do("complete", lost.ticket_id, outcome="not_reached")).status_code == 200
    await to_the_present(line)
    await forget("--phone", WANG)
    assert await where_found(line.dsn, "王小明", "幸福路七号", *digests(WANG, HOME)) == set()
    async with doors(line.room, {"X-API-Key": DEVELOPMENT_KEYS["desk-dev"]}) as dispatcher:
        assert (await dispatcher.get("/v1/reports/waiting")).json()["reports"] == []
        asked = {"command_id": "late", "reason": "found it", "device": "A0TR00023"}
        placed = await dispatcher.post(f"/v1/reports/{report.report_id}/place", json=asked)
        assert (placed.status_code, placed.json()["errors"]) == (409, [{"field": "report_id", "reason": "erased"}])
        assert (await dispatcher.get(f"/v1/reports/{report.report_id}/explain")).status_code == 200


async def test_where_no_network_is_known_an_outage_does_not_say_where_its_customer_lives(line: Hotline) -> None:
    """There an incident is where its first report came from, to the metre; crews need it as long as it is open."""
    home = Position(lat=35.432198, lon=110.123498, crs=Crs.WGS84)
    out = said("far", WANG, "停电了", business_type="fault_report", position=home)
    danger = said("danger", ZHAO, "电线着火了", business_type="fault_report", position=home)
    await line.take(out, danger)
    assert await line.room.pool.fetchval("SELECT count(*) FROM incident WHERE device_type = 'cell'") == 2
    assert (await line.ann.claim(ticket=str(danger.ticket_id))).status_code == 200
    assert (await line.ann.do("complete", danger.ticket_id, outcome="solved")).status_code == 200
    of_open = [each.device.lat for each in await line.room.published(INCIDENT_CHANGED.name)]
    assert set(of_open) == {home.lat}
    await line.tell()
    await line.restore_all({})
    await line.tell()
    last = {each.incident_id: each for each in await line.room.published(INCIDENT_CHANGED.name)}
    assert {each.device.lat for each in last.values()} == {None}, "the last record of each is kept for ever"
    await to_the_present(line)
    where = ("35.4321", "110.1234")
    tables = {table for table, _ in await where_found(line.dsn, *where)}
    assert tables >= {"dedup.incident", "dedup.order_version", "dedup.report", "router.ticket"}
    await forget("--older-than", "30d")
    assert await where_found(line.dsn, *where) == set()


async def test_who_rang_from_another_number_later_is_found_by_the_first(line: Hotline) -> None:
    """A ticket is found by the number that was told last; who was told is known by the first."""
    first = said("first", WANG, "我是王小明,我家停电了", account_id=HOME, business_type="fault_report")
    thread = {"ticket_id": first.ticket_id, "ticket_ref": first.ticket_ref}
    await line.take(first)
    await line.take(said("again", ZHAO, "打这个号码").model_copy(update=thread))
    assert await line.desk.connection.fetchval("SELECT count(*) FROM ticket") == 1
    await line.tell()
    await line.restore_all({})
    await line.tell()
    await to_the_present(line)
    await store.forget_reporters(line.desk.connection, clock.now() - timedelta(days=2))  # as the router does by itself
    assert await where_found(line.dsn, WANG, "王小明") != set()
    await forget("--phone", WANG)
    assert await where_found(line.dsn, "王小明", ZHAO, *digests(WANG, HOME)) == set()


@pytest.mark.parametrize("way", [("--phone", ZHAO), ("--older-than", "30d")])
async def test_who_only_asked_is_forgotten_as_well(line: Hotline, way: tuple[str, str]) -> None:
    """Zhao asks about his neighbour's ticket and about his own, of which there is none; he follows on the phone."""
    came = await half_a_year_ago(line)
    now = clock.now()
    await line.told.take(asks(line, ZHAO, came["wang"]), asks(line, ZHAO, number=2), now=now)
    await line.told.take(heard("linked", ZHAO, at=now, number=3), now=now)
    await line.tell()
    await to_the_present(line)
    before = await counted(line)
    by = digests(ZHAO, HOME)[2:]
    assert {table for table, _ in await where_found(line.dsn, ZHAO, *by)} >= {"notify.recipient", "notify.notice"}
    await forget(*way)
    assert await where_found(line.dsn, ZHAO, *by) == set()
    assert await counted(line) == before
    assert (await where_found(line.dsn, WANG) == set()) == (way[0] == "--older-than"), "his neighbour was not asked for"


async def test_who_asks_by_the_reference_of_a_forgotten_ticket_is_forgotten_in_their_turn(line: Hotline) -> None:
    came = await half_a_year_ago(line)
    await to_the_present(line)
    await forget("--older-than", "30d")
    long_ago = clock.now() - timedelta(days=40)
    asked = heard("asks_status", WANG, at=long_ago).model_copy(update={"ticket_ref": came["wang"].ticket_ref})
    assert await line.told.take(asked, now=long_ago) == 1
    await line.tell()
    assert await where_found(line.dsn, WANG) != set()
    await forget("--older-than", "30d")
    assert await where_found(line.dsn, *digests(WANG, HOME)[2:], WANG) == set()


async def test_who_asks_while_they_are_erased_is_answered_and_erased_another_time(
    line: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look whether something is to be told and the erasure somebody has a question answered."""
    await half_a_year_ago(line)
    await to_the_present(line)
    looked = notify.live
    asked: list[int] = []

    async def a_moment_before(connection: Any, reports: Any) -> Any:
        found = await looked(connection, reports)
        if not asked:
            asked.append(await line.told.take(asks(line, WANG), now=clock.now()))
        return found

    monkeypatch.setattr(notify, "live", a_moment_before)
    async with rooms(read_settings(ServiceSettings, {"postgres_dsn": line.dsn})) as opened:
        work = Forgetting(opened, clock.now() - YOUNGEST, rest=0)
        left = await work.of_person(await router.of_person(opened.router, phone=WANG), "ops", WANG, None)
    assert asked == [1]
    assert left.kept == {"a_notice_is_on_its_way": 1}
    answer = "SELECT state, address FROM notice LEFT JOIN recipient USING (recipient_id) WHERE stage = 'asked'"
    assert [tuple(row) for row in await line.told.pool.fetch(answer)] == [("pending", WANG)]
    await line.tell()
    assert await line.told.pool.fetchval("SELECT state FROM notice WHERE stage = 'asked'") == "sent"
    await store.forget_reporters(line.desk.connection, clock.now() - timedelta(days=2))  # as the router does by itself
    await forget("--phone", WANG)
    assert await where_found(line.dsn, *WORDS, *digests(WANG, HOME)) == set()


async def test_a_dead_letter_that_is_put_back_is_erased_by_the_next_run(line: Hotline) -> None:
    """Its ticket is of a time that was erased before; the next run must look there once more."""
    await half_a_year_ago(line)
    await to_the_present(line)
    await forget("--older-than", "30d")
    came = clock.now() - timedelta(days=80)
    late = said("late", ZHAO, "我要投诉", business_type="complaint", occurred_at=came, received_at=came)
    await line.take_at(clock.now() - timedelta(days=31), late)
    closed = "UPDATE ticket SET body = jsonb_set(body::jsonb, '{work}', $2::jsonb)::json WHERE ticket_id = $1"
    await line.desk.connection.execute(closed, late.ticket_id, '{"phase": "closed"}')
    await to_the_present(line)
    assert await where_found(line.dsn, ZHAO) != set()
    await forget("--older-than", "30d")
    assert await where_found(line.dsn, ZHAO) == set()


async def test_an_account_is_found_however_it_is_written(line: Hotline) -> None:
    reading = """
    INSERT INTO report (
        report_id, area, ticket_id, ticket_ref, contact_id, channel, account_id, customer_class, suspended, hazards,
        single_premise, unconfirmed, language, reported_at, received_at, outcome, reason
    ) VALUES ($1, 'S1', $1, 'ref', $1, 'api', $2, 'normal', false, '{}', false, true, 'zh', now() - interval '99 days',
              now() - interval '99 days', 'answered', 'x')
    """
    await line.room.pool.execute(reading, _NOTHING, HOME)
    await to_the_present(line)
    await forget("--account", "户号:a090-0001")
    assert await where_found(line.dsn, HOME) == set()


async def test_the_photos_folder_is_looked_for_before_anything_is_erased(line: Hotline) -> None:
    await half_a_year_ago(line)
    await to_the_present(line)
    before = await where_found(line.dsn, *WORDS)
    with pytest.raises(AssertionError, match="no-such"):
        await forget("--older-than", "30d", "--photos", "/no-such-folder")
    assert await where_found(line.dsn, *WORDS) == before


class Cut:
    """A connection that ends at the n-th statement of all: before it is sent, or after it is done and nobody heard."""

    def __init__(self, real: Any, left: list[int], *, done: bool) -> None:
        self._real, self._left, self._done = real, left, done

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._real, name)
        if name not in {"execute", "fetch", "fetchval"}:
            return attribute

        async def one(*said: Any) -> Any:
            self._left[0] -= 1
            if self._left[0] == 0:
                if self._done:
                    await attribute(*said)
                raise ConnectionResetError("cut")
            return await attribute(*said)

        return one


AT = (2, 5, 9, 12, 16, 19, 21, 22, 24)
"""At which of some 25 statements: all that are between two transactions, and some within."""


async def run(dsn: str, cut: Callable[[Any], Any] = lambda real: real) -> Forgetting:
    settings = read_settings(ServiceSettings, {"postgres_dsn": dsn})
    async with rooms(settings) as opened:
        worn = replace(opened, router=cut(opened.router), dedup=cut(opened.dedup), notify=cut(opened.notify))
        work = Forgetting(worn, clock.now() - timedelta(days=30), rest=0)
        await work.by_age(BEGINNING, "ops")
    return work


async def test_broken_off_anywhere_it_is_brought_to_its_end_by_the_next(
    make_database: Callable[..., str], hotline_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hotline_dsn
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", first)
    clock.follow(clock.CatchUp(behind=AGO.total_seconds(), begins=None, rate=2))
    try:
        async with hotline(first) as line:
            await half_a_year_ago(line)
            await to_the_present(line)
    finally:
        clock.follow(None)
    names = (*WORDS, *digests(WANG, HOME), *digests(LI, OTHER)[:3], LI, OTHER)
    halves = set()
    for n in AT:
        dsn, left = make_database(urlsplit(first).path[1:]), [n]
        with suppress(UnavailableError):
            await run(dsn, partial(Cut, left=left, done=n % 2 == 0))
        halves.add(len(await where_found(dsn, *names)))
        await run(dsn)
        assert await where_found(dsn, *names) == set(), n
    assert len(halves - {0}) > 3, "the control: it was broken off half done"


async def test_two_at_once_erase_all_and_wait_for_nobody(line: Hotline) -> None:
    await half_a_year_ago(line)
    await to_the_present(line)
    before = await counted(line)
    async with asyncio.timeout(20):
        runs = await asyncio.gather(*(run(line.dsn) for _ in range(3)))
    assert sum(one.result.counts["tickets"] for one in runs) == 3
    await forget("--older-than", "30d")
    assert await where_found(line.dsn, *WORDS, *digests(WANG, HOME), LI, OTHER) == set()
    assert await counted(line) == before
