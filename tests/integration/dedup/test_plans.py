"""Planned outages entered late, each story told to a room that forgets everything after every message."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from services.contracts.topics import OUTAGE_INPUT
from tests.integration.dedup.room import plain
from tests.unit.dedup import test_planning
from tests.unit.dedup.timeline import Timeline, rules_of_tests, shipped_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.dedup.room import Room

pytestmark = pytest.mark.integration
AREA = "A0SU00000"
AT_LEAST = 20
EMPTY = """TRUNCATE area, storm, incident, report, membership, order_version, progress, restored_part, timer, command,
    planned_outage, telemetry, outage_elsewhere, inbox"""


def stories() -> Iterator[tuple[str, Timeline]]:
    tree, rules = shipped_tree("ieee123"), rules_of_tests()
    for name, function in vars(test_planning).items():
        if name.startswith("test_") and list(inspect.signature(function).parameters) == ["storm"]:
            timeline = Timeline(AREA, tree, rules)
            function(timeline)
            yield name, timeline


async def test_what_is_loaded_after_every_message_decides_the_next_as_what_was_in_memory(room: Room) -> None:
    told = list(stories())
    assert len(told) >= AT_LEAST
    for name, timeline in told:
        await room.pool.execute(EMPTY)
        room.handler.forget({(OUTAGE_INPUT.name, 0)})
        for number, (message, now) in enumerate(timeline.inputs):
            await room.feed([message], now)
            loaded = (await room.loaded(AREA))[AREA]
            assert loaded.snapshot() == room.cached(AREA).snapshot(), f"{name}: message {number} is stored otherwise"
            room.handler.forget({(OUTAGE_INPUT.name, 0)})
        assert plain(loaded) == plain(timeline.state), f"{name}: another end"
