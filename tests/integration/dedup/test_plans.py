"""Planned outages, entered late and early, each story told to a room that forgets everything after every message."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from services.contracts.topics import OUTAGE_INPUT
from services.dedup.domain.planning import proposed_plan
from services.dedup.store import views
from services.dedup.store.incident_pages import count_proposed
from tests.integration.dedup.room import plain
from tests.unit.dedup import test_declined_plans, test_known_plans, test_planning, test_power_back_under_plans
from tests.unit.dedup.timeline import Timeline, minute, rules_of_tests, shipped_tree, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from services.dedup.domain.state import AreaState
    from tests.integration.dedup.room import Room

pytestmark = pytest.mark.integration
AREA = "A0SU00000"
AT_LEAST = 43
BEFORE = minute(-10_000)
"""No plan of a story has ended by then: what is proposed depends on the stories alone."""
EMPTY = """TRUNCATE area, storm, incident, report, membership, order_version, progress, restored_part, timer, command,
    planned_outage, plan_answer, telemetry, outage_elsewhere, inbox"""


def stories() -> Iterator[tuple[str, Timeline]]:
    tree, rules = shipped_tree("ieee123"), rules_of_tests()
    modules = test_planning, test_known_plans, test_declined_plans, test_power_back_under_plans
    for name, function in (pair for module in modules for pair in vars(module).items()):
        if name.startswith("test_") and list(inspect.signature(function).parameters) == ["storm"]:
            timeline = Timeline(AREA, tree, rules)
            function(timeline)
            yield name, timeline


def proposed(state: AreaState) -> dict[UUID, UUID]:
    """Planned outage by incident, as the core says."""
    plans = {key: proposed_plan(state, incident) for key, incident in state.incidents.items()}
    return {key: plan.planned_id for key, plan in plans.items() if plan is not None}


async def shown(room: Room, state: AreaState) -> dict[UUID, UUID]:
    """The same, as people see it in the list."""
    async with room.pool.acquire() as connection:
        rows = [await views.incident_of(connection, key, BEFORE) for key in state.incidents]
        assert await count_proposed(connection, BEFORE) == sum(row["planned_id"] is not None for row in rows)
    return {row["incident_id"]: row["planned_id"] for row in rows if row["planned_id"] is not None}


async def test_what_is_loaded_after_every_message_decides_the_next_as_what_was_in_memory(room: Room) -> None:
    told = list(stories())
    assert len(told) >= AT_LEAST
    for name, timeline in told:
        await room.pool.execute(EMPTY)
        room.handler.forget({(OUTAGE_INPUT.name, 0)})
        for number, (message, now) in enumerate(timeline.inputs):
            await room.feed([message], now)
            loaded = (await room.loaded(AREA))[AREA]
            assert snapshot(loaded) == snapshot(room.cached(AREA)), f"{name}: message {number} is stored otherwise"
            assert await shown(room, loaded) == proposed(loaded), f"{name}: after message {number} others are shown"
            room.handler.forget({(OUTAGE_INPUT.name, 0)})
        assert plain(loaded) == plain(timeline.state), f"{name}: another end"
