"""Whether devices are a radial network as operated, and which of them are one area.

Decided here: what keeps a row from being part of one. Never here: I/O, what the tree then says.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final, NamedTuple

from services.grid.device import DeviceType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from services.grid.device import DeviceRow

_SHOWN: Final = 8  # devices of a loop


class Fault(NamedTuple):
    """What keeps a row from being part of a radial network; rows count from 0.

    ``earlier`` is the row it collides with, where there is one.
    """

    row: int
    reason: str
    earlier: int | None = None


class NotRadialError(ValueError):
    """The rows are no radial network; ``faults`` says why, by row."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"row {fault.row}: {fault.reason}" for fault in faults))
        self.faults = faults


def radial_faults(rows: Sequence[DeviceRow]) -> list[Fault]:
    """Return what keeps ``rows`` from being radial as operated, by row.

    A duplicate id, a parent that is not there, a device other than a substation without a parent, a device fed
    through a normally open one, a cycle (told once, at its first row).
    """
    faults: list[Fault] = []
    at: dict[str, int] = {}
    for n, row in enumerate(rows):
        if (first := at.setdefault(row.id, n)) != n:
            faults.append(Fault(n, f"id {row.id!r} is used twice", first))
    for n, row in enumerate(rows):
        if row.parent is None:
            if row.type != DeviceType.SUBSTATION:
                faults.append(Fault(n, f"{row.id!r} is an orphan: only a substation has no parent"))
        elif row.parent not in at:
            faults.append(Fault(n, f"{row.id!r} is an orphan: its parent {row.parent!r} is not in the network"))
        elif rows[at[row.parent]].normally_open:
            faults.append(Fault(n, f"{row.id!r} is fed through {row.parent!r}, which is normally open"))
    faults += _cycles(rows, at)
    return sorted(faults, key=lambda fault: fault.row)


def rows_by_area(rows: Sequence[DeviceRow]) -> Iterator[list[DeviceRow]]:
    """Yield the rows of one area after the other, by the id of its substation; ``rows`` are radial."""
    at = {row.id: n for n, row in enumerate(rows)}
    unknown = -1
    tops = array("i", [unknown]) * len(rows)
    for start in range(len(rows)):
        path, n = [], start
        while tops[n] == unknown and (parent := rows[n].parent) is not None:
            path.append(n)
            n = at[parent]
        top = n if tops[n] == unknown else tops[n]
        tops[n] = top
        for below in path:
            tops[below] = top
    del at
    areas: dict[int, array[int]] = {}
    for n, top in enumerate(tops):
        areas.setdefault(top, array("i")).append(n)
    for top in sorted(areas, key=lambda n: rows[n].id):
        yield [rows[n] for n in areas.pop(top)]


def _cycles(rows: Sequence[DeviceRow], at: Mapping[str, int]) -> Iterator[Fault]:
    unseen, clear = 0, -1
    mark = array("i", [unseen]) * len(rows)  # which walk met a row first; clear once a walk has ended
    for start in range(len(rows)):
        walk, n = start + 1, start
        path: list[int] = []
        while mark[n] == unseen:
            mark[n] = walk
            path.append(n)
            parent = rows[n].parent
            if parent is None or parent not in at:
                break
            n = at[parent]
        else:
            if mark[n] == walk:
                loop = path[path.index(n) :]
                yield Fault(min(loop), f"cycle: {_loop_text([rows[i].id for i in loop])}")
        for i in path:
            mark[i] = clear


def _loop_text(ids: list[str]) -> str:
    """Say who feeds whom: ``a ← b`` is "b feeds a"."""
    if len(ids) > _SHOWN:
        return f"{' ← '.join(ids[:_SHOWN])} ← … ({len(ids)} devices)"
    return " ← ".join([*ids, ids[0]])
