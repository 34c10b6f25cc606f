"""Every event has something that it does: one that nothing applies would stop its area for good."""

from __future__ import annotations

from typing import get_args

from services.dedup.domain.events import Event
from services.dedup.domain.evolve import _APPLY


def test_every_event_is_applied():
    assert _APPLY.keys() == set(get_args(Event))
