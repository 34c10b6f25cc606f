from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.dedup.timeline import Timeline, rules_of_tests, shipped_tree

if TYPE_CHECKING:
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree

MACHINES: dict[str, Any] = {"closed_after": timedelta(minutes=5), "early": timedelta(minutes=15)}


@pytest.fixture(scope="session")
def rules() -> Rules:
    return rules_of_tests()


@pytest.fixture(scope="session")
def ieee123() -> Tree:
    return shipped_tree("ieee123")


@pytest.fixture(scope="session")
def ckt5() -> Tree:
    return shipped_tree("ckt5")


@pytest.fixture
def storm(ieee123: Tree, rules: Rules) -> Timeline:
    """The IEEE 123-node feeder under the tests' rules."""
    return Timeline("A0SU00000", ieee123, rules)


@pytest.fixture
def held(ieee123: Tree, rules: Rules) -> Timeline:
    """The same feeder, where the order of a transformer waits five minutes and that of a fuse ten."""
    holds = {"transformer": timedelta(minutes=5), "fuse": timedelta(minutes=10)}
    return Timeline("A0SU00000", ieee123, replace(rules, holds=holds))


@pytest.fixture
def metered(ieee123: Tree, rules: Rules) -> Timeline:
    """The same feeder, where what only machines spoke of is closed once power has been back for five minutes."""
    return Timeline("A0SU00000", ieee123, replace(rules, **MACHINES))


@pytest.fixture
def patient(ieee123: Tree, rules: Rules) -> Timeline:
    """The same, where such an outage waits three minutes for its order."""
    return Timeline("A0SU00000", ieee123, replace(rules, **MACHINES, holds={"meters": timedelta(minutes=3)}))


@pytest.fixture
def fresh(ieee123: Tree, rules: Rules) -> Timeline:
    """The same feeder, where a common cause must be likelier by 9 nats; within three minutes, at all."""
    inference = replace(rules.inference, lift_margin=9.0, fresh=180.0)
    return Timeline("A0SU00000", ieee123, replace(rules, inference=inference))


@pytest.fixture
def unmodelled(rules: Rules) -> Timeline:
    """An area that no network model covers."""
    return Timeline("cell:85318d9bfffffff", None, rules)
