"""The consumer of dedup on a real Postgres: what is kept, what is told, what a failure leaves."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import pytest

from services.contracts.envelope import fingerprint, open_record
from services.contracts.ids import derive, timer_id
from services.contracts.messages import (
    FieldProgress,
    FieldProgressed,
    IncidentChanged,
    OrderVersion,
    OutageMoved,
    PowerRestored,
    ReportSettled,
    TelemetryReceived,
    TimerFired,
)
from services.contracts.topics import DISPATCH_ORDER, INCIDENT_CHANGED, OUTAGE_INPUT, REPORT_SETTLED
from services.contracts.values import CustomerClass, Etr, OrderStatus, ProgressStage, Reading, Recipient
from services.dedup import handler
from services.dedup.domain.acts import NetworkChange
from services.dedup.ground import Ground
from services.dedup.handler import imbalance
from services.dedup.network_watch import tell_moved
from services.dedup.store import load
from services.dedup.store.reliability import interruptions
from services.dedup.store.views import orders_by_id
from services.dedup.timers import fire_due, fire_overdue, wake_moved, watch_levels
from services.grid.operating import switch_network
from services.grid.store import import_network
from services.grid.switching import Switching
from services.runtime.handling import Received
from services.runtime.outbox import unpack_headers
from services.runtime.positions import totals
from tests.unit.dedup.timeline import NETWORKS, a_report, minute, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import ModuleType
    from uuid import UUID

    from services.contracts.messages import Message
    from services.dedup.domain.state import AreaState
    from services.runtime.handling import Transaction
    from tests.integration.dedup.room import Room

pytestmark = pytest.mark.integration

AREA = "A0SU00000"
CELLS = "cell:85318d9bfffffff"
TRANSFORMERS = [f"A0TR000{n}" for n in (23, 24, 25, 26, 27, 28, 30, 31, 32, 33, 92, 93, 20, 34)]


def same(one: AreaState, other: AreaState) -> bool:
    return snapshot(one) == snapshot(other)


def random_report(rng: random.Random, name: str, at: float) -> Message:
    flavour: dict[str, Any] = rng.choice(
        [
            *({},) * 8,
            {"hazards": ("fire", "smoke")},
            {"only_mine": True},
            {"customer_class": CustomerClass.LIFE_SUPPORT},
            {"customer_class": CustomerClass.IMPORTANT, "unconfirmed": True},
            {"suspended": True},
            {"unconfirmed": True},
        ]
    )
    if rng.random() < 0.15:
        cell = rng.choice(["cell:89318d9a543ffff", "cell:89318d9a547ffff"])
        return a_report(CELLS, cell, name, at, lat=31.0, lon=118.0, **flavour)
    device = rng.choice([*TRANSFORMERS, *TRANSFORMERS, "A0TR99999", None])
    account = rng.choice([None, "A1", "A2", "A3", "A4", "A5"])
    made = at - rng.choice([0, 0, 0, 2, 30, 200])
    address = rng.choice([None, *(f"黄河中路{n}号" for n in range(9))])
    return a_report(
        AREA, device, name, made, arrives=at, account=account, address=address, feeder="A0BR00001", **flavour
    )


async def some_progress(room: Room, rng: random.Random, at: float) -> FieldProgressed | None:
    row = await room.pool.fetchrow(
        "SELECT area, incident_id, order_id FROM incident ORDER BY (hashtext(order_id::text || $1))  LIMIT 1", str(at)
    )
    if row is None:
        return None
    progress = FieldProgress(
        progress_id=derive("test", rng.random()),
        order_id=row["order_id"],
        stage=rng.choice(list(ProgressStage)),
        at=minute(at - rng.choice([0, 1, 20])),
        etr=rng.choice([None, Etr(at=minute(at + 90))]),
        crew="7",
        cause=rng.choice([None, "tree"]),
    )
    return FieldProgressed(area=row["area"], incident_id=row["incident_id"], progress=progress, received_at=minute(at))


async def switch(room: Room, room_dsn: str, operation: Switching) -> None:
    connection = await asyncpg.connect(room_dsn)
    await switch_network(connection, [operation], author="test", reason="")
    await connection.close()
    await room.ground.look_at_network(room.pool)


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_loaded_equals_what_was_in_memory(room: Room, room_dsn: str, seed: int) -> None:
    """Also while the network is switched to and fro under it."""
    rng = random.Random(seed)
    switchings = cycle([Switching("A0TIE00021", "A0SW00012"), Switching("A0SW00012", "A0TIE00021")])
    await room.ground.look_at_network(room.pool)
    if seed % 2:
        await hold_orders(room)
    at, sent = 0.0, 0
    for _ in range(25):
        batch: list[Message] = []
        for _ in range(rng.choice([1, 3, 12])):
            at += rng.choice([0.1, 0.5, 2, 15])
            sent += 1
            batch.append(random_report(rng, f"{seed} {sent}", at))
        if (said := await some_progress(room, rng, at)) is not None:
            batch.insert(rng.randrange(len(batch) + 1), said)
        await room.feed(batch, minute(at))
        stored = await room.loaded(AREA, CELLS)
        for area in {message.partition_key for message in batch}:
            assert same(stored[area], room.cached(area)), f"after {sent} reports in {area}"
        if rng.random() < 0.3:
            room.handler.forget([(OUTAGE_INPUT.name, 0)])
        if rng.random() < 0.3:
            await switch(room, room_dsn, next(switchings))
    async with room.pool.acquire() as connection:
        counts = await totals(connection)
    assert imbalance(counts) == 0
    placed = counts["report_in_incident"] + counts["report_answered"] + counts["report_needs_person"]
    assert placed == sent == await room.pool.fetchval("SELECT count(*) FROM report")
    told = await everything_told(room)
    assert len([m for m in told if isinstance(m, ReportSettled)]) == sent - counts["report_in_incident"]
    check_orders([m for m in told if isinstance(m, OrderVersion)], counts)
    await check_membership(room, [m for m in told if isinstance(m, IncidentChanged)])


async def everything_told(room: Room) -> list[Message]:
    return [
        *await room.published(DISPATCH_ORDER.name),
        *await room.published(INCIDENT_CHANGED.name),
        *await room.published(REPORT_SETTLED.name),
    ]


def check_orders(versions: list[OrderVersion], counts: Counter[str]) -> None:
    seen: dict[object, list[OrderVersion]] = {}
    for version in versions:
        seen.setdefault(version.order_id, []).append(version)
    assert len(seen) == counts["order_issued"]
    for of_one in seen.values():
        assert [one.version for one in of_one] == list(range(1, len(of_one) + 1))
        assert len({one.incident_id for one in of_one}) == 1
    hazards = [of_one for of_one in seen.values() if of_one[0].hazards]
    assert not [o for of_one in hazards for o in of_one if o.status is OrderStatus.CANCELLED]


async def check_membership(room: Room, changes: list[IncidentChanged]) -> None:
    """Who was told to be in an incident is who the database says is in it."""
    told: dict[object, set[object]] = {}
    revisions: dict[object, int] = {}
    for change in changes:
        assert change.revision > revisions.get(change.incident_id, 0)
        revisions[change.incident_id] = change.revision
        told.setdefault(change.incident_id, set()).difference_update(change.left)
        told[change.incident_id].update(member.report_id for member in change.joined)
    stored: dict[object, set[object]] = {}
    for row in await room.pool.fetch("SELECT report_id, incident_id FROM report WHERE outcome = 'in_incident'"):
        stored.setdefault(row["incident_id"], set()).add(row["report_id"])
    assert {key: found for key, found in told.items() if found} == stored
    ledger = Counter[object]()
    for row in await room.pool.fetch("SELECT report_id, action FROM membership ORDER BY area, seq"):
        ledger[row["report_id"]] += 1 if row["action"] == "joined" else -1
        assert ledger[row["report_id"]] in {0, 1}, "a report is in one incident at a time"
    assert {report for report, n in ledger.items() if n} == set().union(*stored.values())


async def hold_orders(room: Room) -> None:
    path = room.rules_file
    path.write_text(path.read_text().replace("transformer: 0", "transformer: 300"))
    room.ground.look_at_rules()
    room.ground.look_at_rules()
    assert room.ground.rules.hold("transformer").total_seconds() == 300


async def test_the_same_batch_again_changes_nothing(room: Room) -> None:
    batch = [a_report(AREA, device, device, 0.0) for device in TRANSFORMERS]
    await room.feed(batch, minute(1))
    before = await room.loaded(AREA)
    again = await room.feed(batch, minute(2))

    assert again.named("duplicate") == len(batch)
    assert same((await room.loaded(AREA))[AREA], before[AREA])


async def test_a_transaction_that_fails_leaves_no_half_changed_state(room: Room) -> None:
    await room.feed([a_report(AREA, "A0TR00023", "first", 0)], minute(0))
    lost = a_report(AREA, "A0TR00024", "lost", 1)
    async with room.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await room.handler.handle(connection, [Received(OUTAGE_INPUT.name, 0, 1, lost, None)], minute(1))
        await transaction.rollback()
    await room.feed([a_report(AREA, "A0TR00026", "second", 2)], minute(2))

    assert same((await room.loaded(AREA))[AREA], room.cached(AREA))
    assert lost.report_id not in room.cached(AREA).members


async def test_what_stands_on_old_ground_goes_over_although_a_batch_beside_it_found_the_new(room: Room) -> None:
    await room.feed([a_report(AREA, "A0TR00023", "before", 0)], minute(0))
    before = room.cached(AREA)
    old = Received(OUTAGE_INPUT.name, 0, 1, a_report(AREA, "A0TR00024", "on the old ground", 1), None)
    new = Received(OUTAGE_INPUT.name, 1, 0, a_report("elsewhere", None, "on the new", 1), None)
    async with room.pool.acquire() as one, room.pool.acquire() as other, one.transaction(), other.transaction():
        first = await room.handler.handle(one, [old], minute(1))
        room.ground.generation += 1
        second = await room.handler.handle(other, [new], minute(1))
    for decided in (second, first):
        assert decided.after_commit is not None
        decided.after_commit()

    assert room.handler._outdated == {(0, AREA)}
    async with room.pool.acquire() as one, one.transaction():
        states, _ = await room.handler._take(one, [old])
    assert states[0, AREA].tree is not before.tree
    assert states[0, AREA].incidents == before.incidents
    assert not room.handler._outdated


async def test_a_switching_costs_the_areas_that_it_changed(room: Room, room_dsn: str) -> None:
    await room.ground.look_at_network(room.pool)
    batch = [a_report(AREA, "A0TR00023", "here", 0), a_report("elsewhere", None, "there", 0)]
    await room.feed(batch, minute(0))
    here, there = room.cached(AREA), room.cached("elsewhere")
    under_way = Received(OUTAGE_INPUT.name, 0, 9, a_report(AREA, "A0TR00024", "under way", 1), None)
    async with room.pool.acquire() as connection, connection.transaction():
        decided = await room.handler.handle(connection, [under_way], minute(1))
        await switch(room, room_dsn, Switching("A0TIE00021", "A0SW00012"))
    assert decided.after_commit is not None
    decided.after_commit()
    assert room.ground.changed_since(1) == {AREA}
    assert room.handler._outdated == {(0, AREA)}, "decided on the tree of before"

    await room.feed([a_report(AREA, "A0TR00025", "again", 2)], minute(2))
    assert room.cached("elsewhere") is there
    assert room.cached(AREA) is not here
    assert room.cached(AREA).incidents.keys() == (await room.loaded(AREA))[AREA].incidents.keys()

    await switch(room, room_dsn, Switching("A0SW00012", "A0TIE00021"))
    await room.feed([a_report("elsewhere", None, "more", 3)], minute(3))
    assert room.handler._outdated == {(0, AREA)}
    assert room.cached("elsewhere") is there
    room.ground.generation += 1  # as by an import
    await room.feed([a_report("elsewhere", None, "most", 4)], minute(4))
    assert room.cached("elsewhere") is not there


async def test_an_area_goes_over_to_another_network_or_other_rules_without_being_read_again(
    room: Room, room_dsn: str
) -> None:
    """What it knows then is what loading it gives; only rules by which the stored reads otherwise have it loaded."""

    async def statements(tag: str, device: str, at: float) -> list[str]:
        received = Received(OUTAGE_INPUT.name, 0, 1, a_report(AREA, device, tag, at), None)
        async with room.pool.acquire() as connection, connection.transaction():
            counting = Counting(connection)
            decided = await room.handler.handle(cast("Transaction", counting), [received], minute(at))
        assert decided.after_commit is not None
        decided.after_commit()
        assert same(room.cached(AREA), (await room.loaded(AREA))[AREA]), tag
        return counting.sent

    def change(old: str, new: str) -> None:
        text = room.rules_file.read_text()
        assert old in text
        room.rules_file.write_text(text.replace(old, new))
        before = room.ground.rules
        for _ in range(2):
            room.ground.look_at_rules()
        assert room.ground.rules is not before

    def read_again(sent: list[str]) -> bool:
        return any("JOIN report AS r" in statement for statement in sent)

    await room.ground.look_at_network(room.pool)
    gasp = TelemetryReceived(
        area=AREA,
        source="test",
        source_event_id="gasp",
        reading=Reading.LAST_GASP,
        device="A0TR00024",
        account_id="A1",
        at=minute(0),
        received_at=minute(0),
    )
    devices = ("A0TR00023", "A0TR00026", "A0TR00104", "A0TR00092")
    await room.feed([gasp, *(a_report(AREA, device, device, 0) for device in devices)], minute(0))
    assert not read_again(await statements("as before", "A0TR00028", 1))

    above = room.cached(AREA).upstream("A0TR00024")
    await switch(room, room_dsn, Switching("A0TIE00021", "A0SW00012"))
    assert not read_again(await statements("switched", "A0TR00030", 2))
    assert room.cached(AREA).upstream("A0TR00024") != above
    for device in {*above, *room.cached(AREA).upstream("A0TR00024")}:
        dark = device in room.cached(AREA).upstream("A0TR00024")
        assert room.cached(AREA).telemetry.dark_under(device) == dark, "a dark meter counts for what feeds it now"

    tree = room.cached(AREA).tree
    change("lift_margin: 0", "lift_margin: 20")
    assert not read_again(await statements("another margin", "A0TR00032", 3))
    assert room.cached(AREA).rules is room.ground.rules
    assert room.cached(AREA).lift_margin(0) == 20
    assert room.cached(AREA).tree is tree

    change("memory_hours: 24", "memory_hours: 48")
    assert read_again(await statements("another memory", "A0TR00035", 4))


class Counting:
    """A connection that notes every statement sent through it."""

    def __init__(self, connection: object) -> None:
        self._connection = connection
        self.sent: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)

        async def counted(*args: Any, **named: Any) -> Any:
            self.sent.append(f"{name} {args[0]}")
            return await method(*args, **named)

        return counted


async def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(room: Room) -> None:
    async def statements(batch: list[Message], at: float) -> list[str]:
        async with room.pool.acquire() as connection, connection.transaction():
            counting = Counting(connection)
            received = [Received(OUTAGE_INPUT.name, 0, n, message, None) for n, message in enumerate(batch)]
            decided = await room.handler.handle(counting, received, minute(at))
        assert decided.after_commit is not None
        decided.after_commit()
        of_storms = [one for one in counting.sent if "INTO storm" in one or "UPDATE storm" in one]
        assert len(of_storms) <= 2, "one for those that begin, one for those that end: seldom any"
        return [one for one in counting.sent if one not in of_storms]

    async with room.pool.acquire() as connection:
        await room.ground.look_at_version(connection)  # type: ignore[arg-type] # a proxy is one in all but type
    rng = random.Random(1)
    cold = await statements([random_report(rng, f"cold {n}", 0) for n in range(200)], 0)
    few = await statements([random_report(rng, f"few {n}", 1) for n in range(40)], 1)
    many = await statements([random_report(rng, f"many {n}", 20) for n in range(800)], 20)
    for sent, copies in ((few, 0), (many, 2)):
        assert len([one for one in sent if one.startswith("copy")]) == copies, "two round trips each: of many rows only"
        # Reports that moved are a statement more. A batch may be at a device the network does not have: one look.
        assert len(sent) == len(set(sent)) <= copies + 1 + 2, "no statement is sent twice"
    assert len(cold) == len(set(cold)) <= 4 + 12, "trees, rows of areas without one, ten tables more: for all at once"


@asynccontextmanager
async def between_turns_of_others(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> AsyncIterator[Counter[int]]:
    """Count how often a function of a module is called between two turns of what else waits, by the turn before."""
    turns = 0
    seen: Counter[int] = Counter()
    function = getattr(module, name)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def noted(*said: Any) -> Any:
        seen[turns] += 1
        return function(*said)

    monkeypatch.setattr(module, name, noted)
    waiting = asyncio.create_task(others())
    try:
        yield seen
    finally:
        waiting.cancel()


@pytest.mark.parametrize(("at_once", "longest"), [(None, 250), (1000, 600)], ids=["as it is", "control: all at once"])
async def test_others_have_their_turn_while_a_large_batch_is_decided(
    room: Room, monkeypatch: pytest.MonkeyPatch, at_once: int | None, longest: int
) -> None:
    if at_once is not None:
        monkeypatch.setattr(handler, "_DECIDED_AT_ONCE", at_once)
    rng = random.Random(1)
    async with between_turns_of_others(monkeypatch, handler, "decide") as seen:
        await room.feed([random_report(rng, f"one {n}", 0) for n in range(600)], minute(0))

    assert seen.total() == 600
    assert max(seen.values()) == longest


async def test_others_have_their_turn_while_a_large_area_is_read(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatcher asks why a report is where it is, in a process that has orders to send."""
    await room.feed([a_report(AREA, "A0TR00023", f"one {n}", 0) for n in range(1200)], minute(0))
    async with between_turns_of_others(monkeypatch, load, "_take_in") as seen:
        loaded = await room.loaded(AREA)

    assert same(loaded[AREA], room.cached(AREA))
    assert sorted(seen.values()) == [200, 500, 500]


async def test_a_crews_word_is_sent_on_to_the_area_of_its_order(room: Room) -> None:
    await room.feed([a_report(AREA, "A0TR00023", "first", 0)], minute(0))
    (order,) = await room.published(DISPATCH_ORDER.name)
    assert isinstance(order, OrderVersion)
    known = FieldProgress(
        progress_id=derive("test", 1), order_id=order.order_id, stage=ProgressStage.ARRIVED, at=minute(500)
    )
    unknown = known.model_copy(update={"progress_id": derive("test", 2), "order_id": derive("nobody's")})
    outcome = await room.post_progress([known, unknown], minute(30))

    (sent,) = await room.published(OUTAGE_INPUT.name)
    assert isinstance(sent, FieldProgressed)
    assert (sent.area, sent.incident_id, sent.progress) == (AREA, order.incident_id, known)
    assert sent.received_at == minute(30)
    assert outcome.reasons == {("dispatch.progress.v1", "unknown_subject"): 1}
    assert outcome.named("accepted") == 1

    await room.feed([sent], minute(31))
    assert await room.pool.fetchval("SELECT stage_at FROM incident") == minute(30), "bounded by arrival"


async def test_a_crews_word_sent_on_twice_is_one_event_although_it_arrives_twice(room: Room) -> None:
    await room.feed([a_report(AREA, "A0TR00023", "first", 0)], minute(0))
    order = await room.pool.fetchrow("SELECT order_id, incident_id FROM incident")
    said = FieldProgress(
        progress_id=derive("test", 1), order_id=order["order_id"], stage=ProgressStage.ARRIVED, at=minute(9)
    )
    for at in (10, 12):
        received = Received("dispatch.progress.v1", 0, at, said, None)
        async with room.pool.acquire() as connection, connection.transaction():
            decided = await room.handler.handle(connection, [received], minute(at))
            await room.outbox.publish(connection, decided.publish, minute(at))
    rows = await room.pool.fetch("SELECT value, headers FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
    opened = [open_record(r["value"], unpack_headers(r["headers"])) for r in rows]
    assert opened[0].id == opened[1].id
    assert (
        opened[0].fingerprint
        == opened[1].fingerprint
        == fingerprint(FieldProgressed(area=AREA, incident_id=order["incident_id"], progress=said))
    )


async def test_a_held_order_goes_out_when_its_timer_has_fired_once(room: Room) -> None:
    await hold_orders(room)
    await room.feed([a_report(AREA, "A0TR00023", "first", 0)], minute(0))
    assert await room.published(DISPATCH_ORDER.name) == []
    key = await room.pool.fetchval("SELECT order_id FROM incident")
    assert await orders_by_id(room.pool, [key]) == {}, "a crew cannot speak of an order nobody was given"

    assert await fire_due(room.pool, room.outbox, minute(4.9)) == 0
    assert await fire_due(room.pool, room.outbox, minute(5.1)) == 1
    assert await fire_due(room.pool, room.outbox, minute(5.2)) == 0
    fired = await room.published(OUTAGE_INPUT.name)
    await room.feed(fired, minute(5.3))

    (order,) = await room.published(DISPATCH_ORDER.name)
    assert isinstance(order, OrderVersion)
    assert (order.version, order.reason) == (1, "hold_over")
    assert same((await room.loaded(AREA))[AREA], room.cached(AREA))


async def test_a_held_order_whose_incident_is_absorbed_has_no_timer_left(room: Room) -> None:
    await hold_orders(room)
    batch = [a_report(AREA, device, device, at) for at, device in ((0, "A0TR00026"), (10, "A0TR00104"))]
    await room.feed(batch, minute(10))
    assert await room.pool.fetchval("SELECT count(*) FROM timer WHERE kind = 'hold'") == 2
    await room.feed([a_report(AREA, "A0TR00023", "common", 11)], minute(11))

    assert await room.pool.fetchval("SELECT count(*) FROM timer WHERE kind = 'hold'") == 0
    assert await room.pool.fetchval("SELECT count(*) FROM timer WHERE kind = 'relook'") == 1
    assert [o.device.id for o in await room.published(DISPATCH_ORDER.name)] == ["A0SW00012"]


async def test_what_is_looked_at_again_is_kept_as_it_is_known_and_told_only_when_it_changes(room: Room) -> None:
    """Two call at once; silence says an hour later that they were two. Every look is in the stored state."""
    await room.feed([a_report(AREA, "A0TR00023", "one", 0), a_report(AREA, "A0TR00104", "two", 1)], minute(1))
    told = len(await room.published(INCIDENT_CHANGED.name))
    looks = 0
    while rows := await room.pool.fetch("SELECT * FROM timer"):
        (timer,) = rows
        fired = TimerFired(
            area=AREA,
            timer_id=timer["timer_id"],
            kind=timer["kind"],
            subject=timer["subject"],
            due_at=timer["due_at"],
            fired_at=timer["due_at"],
        )
        await room.pool.execute("DELETE FROM timer")  # as ``fire_due`` does with the row it fires
        await room.feed([fired], timer["due_at"])
        looks += 1
        loaded = await room.loaded(AREA)
        assert snapshot(loaded[AREA]) == snapshot(room.cached(AREA))
        if looks == 1:
            assert len(await room.published(INCIDENT_CHANGED.name)) == told, "a look that changes nothing tells nobody"

    assert looks == 8
    assert await room.pool.fetchval("SELECT count(*) FROM incident WHERE state = 'predicted'") == 2
    assert len(await room.published(INCIDENT_CHANGED.name)) == told + 2


async def test_what_is_proposed_to_people_is_loaded_as_it_was_known(room: Room) -> None:
    """A crew is at the switch above two calls, and nobody else calls: where they point survives a restart."""
    await room.feed([a_report(AREA, "A0TR00023", "one", 0), a_report(AREA, "A0TR00104", "two", 1)], minute(1))
    (incident,) = room.cached(AREA).incidents.values()
    said = FieldProgress(
        progress_id=derive("test", "there"), order_id=incident.order_id, stage=ProgressStage.ARRIVED, at=minute(2)
    )
    await room.feed([FieldProgressed(area=AREA, incident_id=incident.incident_id, progress=said)], minute(2))
    for _ in range(8):
        await room.pool.execute("DELETE FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
        assert await fire_due(room.pool, room.outbox, minute(200)) == 1
        await room.feed(await room.published(OUTAGE_INPUT.name), minute(200))
    room.handler.forget([(OUTAGE_INPUT.name, 0)])
    loaded = (await room.loaded(AREA))[AREA].incidents[incident.incident_id]
    proposed = loaded.proposed_device
    assert proposed in {"A0TR00023", "A0TR00104"}
    told = len(await room.published(INCIDENT_CHANGED.name))
    await room.feed([a_report(AREA, "A0TR00104", "three", 201, account="A1")], minute(201))  # after the restart

    again = room.cached(AREA).incidents[incident.incident_id]
    assert again is not incident
    assert (again.proposed_device, again.device.id) == (proposed, "A0SW00012")
    changed = await room.published(INCIDENT_CHANGED.name)
    assert [one.proposed_device for one in changed[told:] if isinstance(one, IncidentChanged)] == [proposed]
    assert same(room.cached(AREA), (await room.loaded(AREA))[AREA])


async def test_what_power_that_is_back_changed_is_in_the_stored_state(room: Room) -> None:
    """Steps, outages inside larger ones, what was learned: all that decides is loaded as it was known."""
    first = [a_report(AREA, f"A0TR000{n}", f"r{n}", n / 60) for n in (23, 24, 26, 28, 30, 32)]
    await room.feed([*first, a_report(AREA, "A0TR00104", "beside", 1)], minute(1))
    # Not at once: steps within two minutes of each other are one switching.
    for at, device in ((60, "A0FU00016"), (70, "A0TR00104"), (80, "A0SW00012")):
        back = PowerRestored(
            area=AREA,
            restoration_id=derive("test restoration", device),
            device=device,
            restored_at=minute(at),
            received_at=minute(at),
        )
        await room.feed([back], minute(at))
        loaded = await room.loaded(AREA)
        assert snapshot(loaded[AREA]) == snapshot(room.cached(AREA))

    assert not room.cached(AREA).incidents
    assert room.cached(AREA).learned.dark > 0
    async with room.pool.acquire() as connection:
        story = interruptions(connection, minute(-1), minute(200), AREA, timedelta(minutes=5))
        found = [one async for area in story for one in area]
    steps = {(step.device, step.customers, step.ended_at) for one in found for step in one.steps}
    assert steps == {("A0FU00016", 10, minute(60))}
    assert all(step.upstream[:2] == ("A0FU00016", "A0SW00015") for one in found for step in one.steps)


async def test_changed_rules_hold_from_the_next_batch_on(room: Room) -> None:
    await room.feed([a_report(AREA, "A0TR00023", "first", 0)], minute(0))
    path = room.rules_file
    path.write_text(path.read_text().replace("lift_margin: 0", "lift_margin: 20"))
    room.ground.look_at_rules()
    await room.feed([a_report(AREA, "A0TR00104", "elsewhere", 60)], minute(60))
    old = await room.pool.fetchval("SELECT count(DISTINCT rules_hash) FROM membership")
    room.ground.look_at_rules()
    await room.feed([a_report(AREA, "A0TR00024", "second", 61)], minute(61))

    assert old == 1, "a file that is still being written is not taken in"
    assert await room.pool.fetchval("SELECT count(DISTINCT rules_hash) FROM membership") == 2
    assert await room.pool.fetchval("SELECT count(*) FROM incident WHERE device_type <> 'transformer'") == 0


async def test_bad_rules_are_refused_and_the_old_ones_hold(room: Room) -> None:
    before = room.ground.rules
    room.rules_file.write_text("version: 1\nreporting: nothing\n")
    room.ground.look_at_rules()
    room.ground.look_at_rules()

    assert room.ground.rules is before
    assert room.ground.generation == 0


async def test_a_new_network_version_is_used_from_the_next_batch_on(room: Room, room_dsn: str, tmp_path: Path) -> None:
    await room.ground.look_at_network(room.pool)
    await room.feed([a_report(AREA, "A0TR00023", "first", 0), a_report(AREA, "A0TR90001", "too early", 0)], minute(0))
    folder = NETWORKS / "ieee123"
    larger = tmp_path / "network.csv"
    larger.write_text(
        (folder / "network.csv").read_text() + "A0TR90001,A0FU00016,transformer,0,31.19,118.36,,new,rule\n"
    )
    connection = await asyncpg.connect(room_dsn)
    await import_network(connection, larger, folder / "customers.csv")
    await connection.close()
    await room.ground.look_at_network(room.pool)
    await room.feed([a_report(AREA, "A0TR90001", "second", 1)], minute(1))

    (incident,) = room.cached(AREA).incidents.values()
    assert incident.device.id == "A0FU00016"
    assert {report.device for report in incident.reports.values()} == {"A0TR00023", "A0TR90001"}


async def test_an_outage_of_thousands_is_told_in_records_that_fit(room: Room) -> None:
    batch = []
    for n in range(1500):
        report = a_report(AREA, "A0TR00023", f"r{n}", 0, address="黄" * 500)
        recipient = Recipient(channel=report.channel, address="汉" * 200, account="字" * 200)
        batch.append(report.model_copy(update={"recipient": recipient, "ticket_ref": "长" * 200}))
    await room.feed(batch, minute(0))

    told = [m for m in await room.published(INCIDENT_CHANGED.name) if isinstance(m, IncidentChanged)]
    assert sum(len(m.joined) for m in told) == 1500
    assert [m.revision for m in told] == list(range(1, len(told) + 1))


async def test_an_import_in_mid_storm_loses_no_incident_report_or_order(room: Room, tmp_path: Path) -> None:
    """One fuse's subtree goes from the network, another gets a new name; the crew still closes what was open."""
    gone, renamed = "A0TR00023", "A0TR00092"
    await room.feed([a_report(AREA, gone, "a", 270), a_report(AREA, renamed, "b", 300)], minute(300))
    orders = {order.order_id for order in await room.published(DISPATCH_ORDER.name)}
    assert len(orders) == 2
    folder = NETWORKS / "ieee123"
    for name in ("network.csv", "customers.csv"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        kept = [line.replace(renamed, "NEW-NAME") for line in lines if gone not in line]
        (tmp_path / name).write_text("".join(kept))
    async with room.pool.acquire() as connection:
        imported = await import_network(connection, tmp_path / "network.csv", tmp_path / "customers.csv")  # type: ignore[arg-type] # a proxy is one in all but type
    assert imported.changed

    # Placed by the new version before dedup looked for one: it looks at once.
    await room.feed([a_report(AREA, "NEW-NAME", "c", 303)], minute(303))
    await room.feed([a_report(AREA, gone, "d", 304)], minute(304))
    state = room.cached(AREA)
    assert state.tree is not None
    assert gone not in state.tree
    assert "NEW-NAME" in state.tree
    assert not state.waiting
    assert same(state, (await room.loaded(AREA))[AREA])
    at_gone = state.incidents[state.by_device[gone]]
    assert len(at_gone.reports) == 2
    assert at_gone.order is not None
    assert at_gone.order.order_id in orders
    assert {one.order_id for one in state.incidents.values()} >= orders
    await room.pool.execute("DELETE FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
    sent: set[UUID] = set()
    assert await tell_moved(room.pool, room.outbox, "2", minute(305), sent) == 2
    assert await tell_moved(room.pool, room.outbox, "2", minute(306), sent) == 0
    moved = await room.published(OUTAGE_INPUT.name)
    assert await tell_moved(room.pool, room.outbox, "2", minute(307), set()) == 2, "another process looks too"
    await one_content_an_id(room)
    await room.feed(moved, minute(306))
    assert await tell_moved(room.pool, room.outbox, "2", minute(307), set()) == 0, "once an incident and network"
    assert {one.device.id: one.network_change for one in room.cached(AREA).incidents.values()} == {
        gone: NetworkChange.DEVICE_GONE,
        renamed: NetworkChange.DEVICE_GONE,
        "NEW-NAME": None,
    }
    assert same(room.cached(AREA), (await room.loaded(AREA))[AREA])
    await room.feed(
        [
            PowerRestored(
                restoration_id=derive("test restoration", "gone"),
                area=AREA,
                device=gone,
                restored_at=minute(309),
                received_at=minute(309),
            )
        ],
        minute(309),
    )
    closed = [order for order in await room.published(DISPATCH_ORDER.name) if order.status is OrderStatus.CLOSED]
    assert [order.order_id for order in closed] == [at_gone.order.order_id]


async def one_content_an_id(room: Room) -> None:
    """What was put out twice for the same reason is the same event, although it was noticed at two moments."""
    rows = await room.pool.fetch("SELECT value, headers FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
    opened = [open_record(row["value"], unpack_headers(row["headers"])) for row in rows]
    assert len(opened) == 2 * len({one.id for one in opened})
    assert len({(one.id, one.fingerprint) for one in opened}) == len({one.id for one in opened})


async def test_a_due_time_that_two_processes_notice_is_one_event(room: Room) -> None:
    await room.feed([a_report(AREA, "A0TR00023", "first", 0)], minute(0))
    await room.pool.execute("UPDATE incident SET arrive_by = $1, restore_by = $1", minute(45))
    assert await fire_overdue(room.pool, room.outbox, minute(50), set()) == 2
    assert await fire_overdue(room.pool, room.outbox, minute(51), set()) == 2
    await one_content_an_id(room)


async def test_a_due_time_that_is_none_any_more_is_not_noticed_for_ever(room: Room) -> None:
    await room.feed([a_report(AREA, "A0TR00023", "first", 0)], minute(0))
    (incident,) = room.cached(AREA).incidents
    await room.pool.execute("UPDATE incident SET arrive_by = $1, restore_by = $1", minute(45))
    fired = TimerFired(
        area=AREA,
        timer_id=timer_id(AREA, "arrival_due", incident, minute(45)),
        kind="arrival_due",
        subject=incident,
        due_at=minute(45),
        fired_at=minute(50),
    )
    await room.feed([fired], minute(50))
    assert await fire_overdue(room.pool, room.outbox, minute(51), set()) == 0


async def test_an_outage_of_another_area_is_kept_as_it_is_known(room: Room) -> None:
    elsewhere = OutageMoved(
        area=AREA,
        incident_id=derive("test", "elsewhere"),
        home="S9",
        device="A0FU00017",
        network="1.1",
        noticed_at=minute(0),
        now_in=AREA,
        since=minute(-9),
    )
    await room.feed([elsewhere, a_report(AREA, "A0TR00026", "under it", 1)], minute(1))
    state = room.cached(AREA)
    (incident,) = state.incidents.values()
    assert (incident.device.id, incident.order, incident.waits) == ("A0FU00017", None, True)
    assert same(state, (await room.loaded(AREA))[AREA])
    async with room.pool.acquire() as connection:
        assert imbalance(await totals(connection)) == 0
    over = elsewhere.model_copy(update={"over": True, "ended_at": minute(9)})
    await room.feed([over], minute(10))
    assert not room.cached(AREA).incidents
    assert same(room.cached(AREA), (await room.loaded(AREA))[AREA])
    assert not await room.published(DISPATCH_ORDER.name)


async def test_an_estimate_that_is_no_time_is_none_when_it_is_loaded(room: Room) -> None:
    """Earlier releases kept the year 9999, by which some systems mean never."""
    await room.feed([a_report(AREA, "A0TR00023", "a", 0)], minute(0))
    await room.pool.execute("UPDATE incident SET etr = $1", '{"at": "9999-12-31T23:59:59Z", "source": "crew"}')

    (incident,) = (await room.loaded(AREA))[AREA].incidents.values()
    assert incident.etr is None


async def test_a_reading_of_the_year_1_is_none_when_it_is_loaded(room: Room) -> None:
    """A release before took one in; Postgres keeps that year as infinitely long ago."""
    await room.pool.execute(
        "INSERT INTO telemetry VALUES ($1, $2, $2, 'last_gasp', '-infinity', '-infinity', 'head-end')",
        AREA,
        "A0TR00023",
    )
    assert not (await room.loaded(AREA))[AREA].telemetry.known


async def test_due_times_that_the_service_levels_move_are_noticed_at_once(room: Room, tmp_path: Path) -> None:
    """Whether sooner, later or the first at all: what is open gets the due times that follow now."""

    async def hear(at: float) -> None:
        await room.pool.execute("DELETE FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
        assert room.ground.rules.levels is not None
        await wake_moved(room.pool, room.outbox, minute(at), room.ground.rules.levels)
        if fired := await room.published(OUTAGE_INPUT.name):
            await room.feed(fired, minute(at))
        assert await wake_moved(room.pool, room.outbox, minute(at), room.ground.rules.levels) == 0

    async def due() -> list[tuple[float, float, list[str]]]:
        rows = await room.pool.fetch("SELECT arrive_by, restore_by, breached FROM incident ORDER BY opened_at")
        return [
            ((arrive - minute(0)).total_seconds() / 60, (restore - minute(0)).total_seconds() / 60, breached)
            for arrive, restore, breached in rows
        ]

    def levels(arrive: int, urgent: int) -> None:
        path.write_text(
            f"version: 1\nusual: town\nurgent_arrive_minutes: {urgent}\n"
            f"zones: {{town: {{arrive_minutes: {arrive}, restore_hours: 2}}}}\n"
        )

    path = tmp_path / "levels.yaml"
    home: dict[str, Any] = {"account": "A1", "only_mine": True, "customer_class": CustomerClass.LIFE_SUPPORT}
    urgent = a_report(AREA, "A0TR00092", "urgent", 1, **home)
    await room.feed([a_report(AREA, "A0TR00023", "usual", 0), urgent], minute(1))
    assert await room.pool.fetchval("SELECT count(*) FROM incident WHERE arrive_by IS NULL") == 2
    levels(90, 60)
    room.ground = Ground(room.rules_file, path)
    room.handler._ground = room.ground
    await hear(10)
    assert await due() == [(90, 210, []), (61, 181, [])]

    levels(60, 30)
    for _ in range(2):
        room.ground.look_at_rules()
    await hear(40)
    assert await due() == [(60, 180, []), (31, 151, ["arrival"])], "the sooner one has passed already, and is told"
    assert await fire_overdue(room.pool, room.outbox, minute(40), set()) == 0

    levels(120, 60)
    for _ in range(2):
        room.ground.look_at_rules()
    await hear(45)
    assert await due() == [(120, 240, []), (61, 181, ["arrival"])], "what was told stays told"

    levels(60, 60)
    await room.pool.execute("DELETE FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
    watching = asyncio.create_task(watch_levels(room.pool, room.outbox, room.ground, 0.01))
    for _ in range(2):
        room.ground.look_at_rules()
    async with asyncio.timeout(10):
        while not (fired := await room.published(OUTAGE_INPUT.name)):
            await asyncio.sleep(0.01)
    watching.cancel()
    await room.feed(fired, minute(50))
    assert await due() == [(60, 180, ["arrival"]), (61, 181, ["arrival"])], "by the clock on the wall it has passed"
    assert same(room.cached(AREA), (await room.loaded(AREA))[AREA])


async def test_where_nobody_has_reported_yet_it_is_remembered_whose_power_is_back(room: Room) -> None:
    """Homes of another area's outage are fed from here now: who called before and comes late is answered."""
    refed = OutageMoved(
        area=AREA,
        incident_id=derive("test", "elsewhere"),
        home="S9",
        device="A0SW00012",
        network="1.1",
        noticed_at=minute(5),
        now_in="S9",
        refed=("A0TR00024", "A0TR00025"),
        since=minute(-9),
    )
    await room.feed([refed], minute(5))
    assert room.cached(AREA).restored.keys() == set(refed.refed)
    assert same(room.cached(AREA), (await room.loaded(AREA))[AREA])


async def test_postgres_hears_of_who_reads_or_decides_at_length(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends a session that is silent in a transaction for ten seconds; of a huge outage both take longer."""
    for batch in range(3):
        names = [f"{batch} {n}" for n in range(300)]
        await room.feed([a_report(AREA, TRANSFORMERS[0], name, batch) for name in names], minute(batch))
    take_in, decide = load._take_in, handler._decide

    def at_length(*read: Any) -> None:
        time.sleep(0.003)
        take_in(*read)

    def at_great_length(*decided: Any) -> Any:
        time.sleep(0.6)
        return decide(*decided)

    monkeypatch.setattr(load, "_take_in", at_length)
    monkeypatch.setattr(load, "_READ_AT_ONCE", 50)
    monkeypatch.setattr(handler, "_decide", at_great_length)
    monkeypatch.setattr(handler, "_DECIDED_AT_ONCE", 1)
    room.handler.forget([(OUTAGE_INPUT.name, 0)])
    more = [a_report(AREA, TRANSFORMERS[0], f"more {n}", 4) for n in range(4)]
    async with room.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1500ms'")
        received = [Received(OUTAGE_INPUT.name, 0, n, one, None) for n, one in enumerate(more)]
        await room.handler.handle(cast("Transaction", connection), received, minute(4))
    assert await room.pool.fetchval("SELECT reports FROM incident") == 904
