"""Where a device is taken to be whose coordinates the file does not say.

Decided here: at what feeds it, else at what it feeds. A device is where its own coordinates say, or near them: in a
radial network its neighbours are. Never here: what counts as coordinates (``network_file``), I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from services.grid.device import DeviceColumns


def place_the_unplaced(rows: DeviceColumns, unplaced: Collection[int]) -> Iterator[tuple[int, int | None]]:
    """Give the numbered rows coordinates; yield each with the row whose they are, None where no neighbour has any.

    ``rows`` are radial. What feeds a device comes first, the nearest with coordinates of its own; where nothing above
    has any, the first row below it.
    """
    if not unplaced:
        return
    at = {device: n for n, device in enumerate(rows.ids())}
    parents = [None if (fed_by := rows.parent_of(n)) is None else at[fed_by] for n in range(len(rows))]
    del at
    missing = set(unplaced)
    below: dict[int, int] = {}
    for n in range(len(rows)):
        if n not in missing:
            for up in _climb(parents, n):
                if up not in missing or up in below:
                    break
                below[up] = n
    source: dict[int, int | None] = {}
    for n in unplaced:
        above = next((up for up in _climb(parents, n) if up not in missing), None)
        if above is None:  # what is known of the nearest that anything known hangs on
            above = next((below[up] for up in (n, *_climb(parents, n)) if up in below), None)
        source[n] = above
    for n, other in source.items():
        if other is not None:
            rows.lay(n, other)
        yield n, other


def _climb(parents: Sequence[int | None], n: int) -> Iterator[int]:
    while (up := parents[n]) is not None:
        yield up
        n = up
