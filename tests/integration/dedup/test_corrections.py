"""How far the engine's merging stood: what people corrected, against the same figures computed from who is where."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from services.dedup.store.corrections import Corrections, corrections
from services.quality.score import b_cubed
from tests.integration.dedup.test_dispatching import ANY, AREA, decide_what_was_accepted
from tests.integration.dedup.test_dispatching import desk as desk  # noqa: PLC0414 - a fixture
from tests.unit.dedup.timeline import a_report, minute

if TYPE_CHECKING:
    import httpx

    from tests.integration.dedup.room import Room

pytestmark = pytest.mark.integration
DARK = {
    "A0FU00016": ("A0TR00023", "A0TR00024", "A0TR00025"),
    "A0FU00004": ("A0TR00035", "A0TR00036"),
    "A0FU00009": ("A0TR00045", "A0TR00046"),
    "A0FU00002": ("A0TR00053", "A0TR00062", "A0TR00071"),
}
"""Four fuses, each with transformers below it that report, hours after those of the one before."""
FUSE, BELOW_IT, ABOVE_IT, ELSEWHERE = "A0FU00016", "A0TR00023", "A0SW00015", "A0FU00017"


class Control:
    """A control room: what the engine did, and what people do about it."""

    def __init__(self, room: Room, desk: httpx.AsyncClient) -> None:
        self.room, self.desk, self.commands = room, desk, 0

    async def where(self) -> dict[str, str]:
        rows = await self.room.pool.fetch("""
            SELECT report_id, incident_id FROM report WHERE outcome = 'in_incident' ORDER BY reported_at, report_id
        """)
        return {str(row["report_id"]): str(row["incident_id"]) for row in rows}

    async def act(self, path: str, **said: Any) -> str:
        self.commands += 1
        name = f"c{self.commands}"
        answer = await self.desk.post(f"{path}?wait=0", json={"command_id": name, "reason": "r", **said}, headers=ANY)
        assert answer.status_code == 202, answer.text
        await decide_what_was_accepted(self.room, 10 + self.commands)
        done = (await self.desk.get(answer.headers["Location"].removeprefix("/v1"))).json()
        assert done["outcome"] == "done", str(done)
        return str(done["command_id"])

    async def corrected(self, area: str | None = None) -> Corrections:
        async with self.room.pool.acquire() as connection:
            found = await corrections(connection, minute(-1000), minute(1000), area)
        assert set(found) <= {AREA}
        return found.get(AREA, Corrections())


@pytest.fixture
async def control(room: Room, desk: httpx.AsyncClient) -> Control:
    made = Control(room, desk)
    for hour, (fuse, below) in enumerate(DARK.items()):
        at = 300 * (hour - 3)
        await room.feed([a_report(AREA, device, device, at) for device in below], minute(at))
        assert await room.pool.fetchval("SELECT device_id FROM incident ORDER BY opened_at DESC LIMIT 1") == fuse
    assert len(set((await made.where()).values())) == 4
    return made


async def test_what_nobody_corrected_stands(control: Control) -> None:
    found = await control.corrected()
    stood = Corrections(4, 4, 4, 10, alike_of_engines=10, alike_of_standing=10)
    assert found == stood
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)
    assert await control.corrected("elsewhere") == Corrections()
    assert (Corrections().precision, Corrections().f1) == (None, None)


async def test_what_people_merge_split_and_move_was_wrong_until_they_undo_it(control: Control) -> None:
    """Held against B-cubed as the judge computes it, from where each report was and is."""
    by_engine = await control.where()
    first, second, third, last = dict.fromkeys(by_engine.values())
    of_last = [report for report, incident in by_engine.items() if incident == last]
    acts = [await control.act(f"/incidents/{third}/merge", into=first)]
    acts.append(await control.act(f"/incidents/{last}/split", reports=of_last[:1]))
    acts.append(await control.act(f"/incidents/{last}/move", reports=of_last[1:2], to=second))

    found, stands = await control.corrected(), await control.where()
    expected = b_cubed(by_engine, stands)
    assert 0 < expected.precision < 1
    assert 0 < expected.recall < 1
    assert (found.precision, found.recall) == (pytest.approx(expected.precision), pytest.approx(expected.recall))
    assert found.f1 == pytest.approx(expected.f1)
    moved = sum(by_engine[report] != stands[report] for report in by_engine)
    assert (found.incidents, found.reports, found.merged, found.split, found.moved) == (4, 10, 1, 1, moved)

    answer = (await control.desk.get("/figures/corrections", params=_asked())).json()
    (area,) = answer["areas"]
    assert (area.pop("area"), area) == (AREA, answer["total"])
    assert answer["total"]["f1"] == pytest.approx(found.f1)

    for act in reversed(acts):
        await control.act(f"/commands/{act}/undo")
    undone = await control.corrected()
    assert (undone.merged, undone.split, undone.moved, undone.f1) == (0, 0, 0, 1)


async def test_a_report_that_joins_what_people_merged_was_right_with_those_it_joined(control: Control) -> None:
    by_engine = await control.where()
    *_, third, last = dict.fromkeys(by_engine.values())
    await control.act(f"/incidents/{third}/merge", into=last)
    await control.room.feed([a_report(AREA, "A0TR00053", "later", 2)], minute(30))
    stands = await control.where()
    new = set(stands) - set(by_engine)
    assert new
    found = await control.corrected()
    expected = b_cubed(by_engine | {report: stands[report] for report in new}, stands)
    assert (found.precision, found.recall) == (1, pytest.approx(expected.recall))


@pytest.mark.parametrize(
    ("named", "where"),
    [(FUSE, "last_right"), (ABOVE_IT, "last_below"), (BELOW_IT, "last_above"), (ELSEWHERE, None)],
    ids=["the device of the order", "one above it", "one below it", "one elsewhere"],
)
async def test_where_the_order_had_sent_the_crew(control: Control, named: str, where: str | None) -> None:
    """The first version of the order named the transformer that was read first, the last one the fuse above it."""
    incident = await control.room.pool.fetchval("SELECT incident_id FROM incident WHERE device_id = $1", FUSE)
    await control.act(f"/incidents/{incident}/confirm", device=named)
    found = asdict(await control.corrected())
    wanted = {"confirmed": 1, "first_right": int(named == BELOW_IT), "last_right": 0, "last_above": 0, "last_below": 0}
    wanted |= {where: 1} if where else {}
    assert {name: found[name] for name in wanted} == wanted


def _asked() -> dict[str, str]:
    return {"start": minute(-1000).isoformat(), "end": minute(1000).isoformat()}
