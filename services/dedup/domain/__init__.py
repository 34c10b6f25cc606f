"""The core of merging: ``decide(state, message, now) -> events`` and ``evolve(state, event) -> state``.

Pure: no I/O, no clock, no randomness. The same messages in the same order give the same incidents, whether they
come from Kafka, from files or from a test.
"""

from services.dedup.domain.decide import decide
from services.dedup.domain.evolve import evolve
from services.dedup.domain.state import AreaState

__all__ = ["AreaState", "decide", "evolve"]
