"""In which order the houses of an address are looked for: the first step that finds any is the last.

Decided here: the steps. Never here: the looking (``houses`` in memory, ``lookup`` in Postgres), or how far to believe
what is found (``candidates``).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Look(NamedTuple):
    """One look at an index.

    Attributes:
        step: Its step; the lower, the better.
        where: ``here`` in the district that was said, ``within`` what has it within, or ``anywhere``.
        numbers: ``exact`` the house that was said, its ``neighbours``, or the ``street``.
    """

    step: int
    where: str
    numbers: str


LOOKS: Final = (
    Look(0, "here", "exact"),
    Look(0, "within", "exact"),
    Look(1, "here", "neighbours"),
    Look(1, "within", "neighbours"),
    Look(2, "here", "street"),
    Look(2, "within", "street"),
    Look(3, "anywhere", "exact"),
    Look(4, "anywhere", "neighbours"),
    Look(5, "anywhere", "street"),
)
HOUSE_STEPS: Final = frozenset(look.step for look in LOOKS if look.numbers == "exact")
NEIGHBOUR_STEPS: Final = frozenset(look.step for look in LOOKS if look.numbers == "neighbours")
STREET_STEPS: Final = frozenset(look.step for look in LOOKS if look.numbers == "street")
ANYWHERE: Final = min(look.step for look in LOOKS if look.where == "anywhere")
"""From this step on a house is not in the district that was said."""
