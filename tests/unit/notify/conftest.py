"""A memory and a maker of snapshots for each test."""

from __future__ import annotations

import pytest

from tests.unit.notify.snapshots import Memory, Snapshots


@pytest.fixture
def snapshots() -> Snapshots:
    return Snapshots()


@pytest.fixture
def memory() -> Memory:
    return Memory()
