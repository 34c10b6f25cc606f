"""The same storms where homes have smart meters and breakers telemetry: what that brings, and what it costs.

Decided here: which instruments are compared. Never here: what an instrument says (``services.simulator.instruments``).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain.rules import BREAKERS
from services.quality.methods import judged, outcome_of, run_engine
from services.quality.told import told
from services.simulator.instruments import Instruments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.dedup.domain.rules import Rules
    from services.dedup.replay_reports import Prepared
    from services.quality.storms import StormFiles

SEEDS_OF_THEM: Final = 4
"""So many seeds of a preset are run with instruments: a storm has a hundred times as many words as reports."""


class Equipped(NamedTuple):
    """What a network has, and how long the order of what only a breaker spoke of waits, in seconds."""

    instruments: Instruments
    wait: int = 0


_ALL: Final = Instruments(meters=0.9, telemetry=1.0)
EQUIPPED: Final = {
    "people alone": Equipped(Instruments()),
    "30 % of homes have a meter": Equipped(Instruments(meters=0.3)),
    "90 % of homes": Equipped(Instruments(meters=0.9)),
    "90 %, and all breakers telemetry": Equipped(_ALL),
    "the same, `breakers: 60`": Equipped(_ALL, 60),
}
"""By name; a run's method has ``WITH`` before it."""
WITH: Final = "with "


def figures_with(storm: StormFiles, prepared: Sequence[Prepared], rules: Rules, wait: int) -> dict[str, float | None]:
    """Return the engine's figures on a storm with readings: those of ``judge``, and those of ``told``.

    ``prepared``: its reports, which are the same whatever instruments there are.
    """
    rules = replace(rules, holds={**rules.holds, BREAKERS: timedelta(seconds=wait)})
    outcome = outcome_of(run_engine(storm, prepared, rules))
    return judged(storm, outcome).as_json() | told(outcome, storm).as_json()
