"""Switching: a normally open tie closes, a closed switch opens, and what lay between changes its feeder.

Decided here: whether the network stays radial by it, and what then feeds what. Where a tie joins deep below the opened
switch, the devices between the two carry power the other way round. Never here: I/O, a clock.

A device is an edge from what feeds it to its own load side. So closing and opening turns the path between the two
round: each device on it hangs on the one that was below it, and everything else that hung on a load side of the path
hangs on the device that now has that load side. Switching back by the same rule gives the network of before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from services.grid.device import PROTECTIVE, DeviceRow, DeviceType

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN: Final = 8
_OPENS: Final = PROTECTIVE - {DeviceType.SUBSTATION}


class Switching(NamedTuple):
    """One operation.

    Attributes:
        close: The open device that closes, the tie.
        open: The closed device that opens.
        to: The device whose load side the tie's other end is joined to, where the network does not say it.
    """

    close: str
    open: str
    to: str | None = None


class SwitchingError(ValueError):
    """The operation cannot be; ``field`` (close, open, to) is at fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


def switched(rows: Mapping[str, DeviceRow], operation: Switching) -> dict[str, DeviceRow]:
    """Return the rows as they are after an operation.

    Args:
        rows: By id; a radial network, or whole areas of one with the open devices of others.
        operation: What closes and what opens.

    Raises:
        SwitchingError: it would leave a loop or an island, or is no such operation.
    """
    tie, opened = _known(rows, "close", operation.close), _known(rows, "open", operation.open)
    if not tie.normally_open:
        raise SwitchingError("close", f"{tie.id!r} is closed already")
    if opened.normally_open:
        raise SwitchingError("open", f"{opened.id!r} is open already")
    if opened.parent is None or DeviceType.of(opened.type) not in _OPENS:
        raise SwitchingError("open", f"{opened.id!r} is a {opened.type}, which cannot be opened")
    fed, joint = _ends(rows, tie, opened, operation.to)
    path = _way_up(rows, joint, opened.id)
    _carry(rows, path[:-1])
    # Whose load side each load side of the path becomes: turned round, it is that of the device below.
    becomes = {above: below for below, above in zip((tie.id, *path), path, strict=False)}
    after: dict[str, DeviceRow] = {}
    turned = set(path[:-1])
    for key, row in rows.items():
        parent, other_end = row.parent, becomes.get(row.other_end or "", row.other_end)
        if key == tie.id:
            after[key] = row._replace(parent=fed, normally_open=False, other_end=None)
            continue
        if key == opened.id:
            after[key] = row._replace(normally_open=True, other_end=becomes[key])
            continue
        if key in turned:
            parent = becomes[key]
        elif parent is not None:
            parent = becomes.get(parent, parent)
        after[key] = row._replace(parent=parent, other_end=other_end)
    return after


def _carry(rows: Mapping[str, DeviceRow], path: list[str]) -> None:
    """Refuse a path that cannot carry power the other way: through a transformer that customers are served by.

    One that feeds other transformers is none of those, whatever its file calls it: a regulator, a step in a long line.
    """
    for device in path:
        if rows[device].type == DeviceType.TRANSFORMER and not _feeds_transformers(rows, device):
            raise SwitchingError("close", f"power would come back through transformer {device!r}")


def _feeds_transformers(rows: Mapping[str, DeviceRow], device: str) -> bool:
    return any(
        row.type == DeviceType.TRANSFORMER and row.id != device and device in _way_up(rows, row.id)
        for row in rows.values()
    )


def _known(rows: Mapping[str, DeviceRow], field: str, device: str) -> DeviceRow:
    row = rows.get(device)
    if row is None:
        raise SwitchingError(field, f"the network has no device {device!r}")
    return row


def _ends(rows: Mapping[str, DeviceRow], tie: DeviceRow, opened: DeviceRow, to: str | None) -> tuple[str, str]:
    """Return the end of the tie that stays fed, and the one that it will feed."""
    if to is not None:
        _known(rows, "to", to)
        if tie.other_end not in {None, to}:
            raise SwitchingError("to", f"the network says that {tie.id!r} joins {tie.other_end!r}")
    one, other = tie.parent, to or tie.other_end
    if other is None or one is None:
        raise SwitchingError("to", f"is needed: the network does not say what the other end of {tie.id!r} joins")
    if other not in rows:
        raise SwitchingError("to", f"the network has no device {other!r}, which {tie.id!r} joins")
    if rows[other].normally_open:
        raise SwitchingError("to", f"{other!r} is open itself: {tie.id!r} would feed nothing there")
    one_goes, other_goes = opened.id in _way_up(rows, one), opened.id in _way_up(rows, other)
    if one_goes and other_goes:
        island = sum(1 for device in rows if device != opened.id and opened.id in _way_up(rows, device))
        reason = f"{island} devices below {opened.id!r} would be an island: {tie.id!r} joins {one!r} and {other!r}"
        raise SwitchingError("close", f"{reason}, both of them there")
    if not one_goes and not other_goes:
        loop = _loop(rows, one, other)
        names = ", ".join(loop[:_SHOWN]) + (f", … ({len(loop)} devices)" if len(loop) > _SHOWN else "")
        raise SwitchingError("open", f"{opened.id!r} does not break the loop that {tie.id!r} closes: {names}")
    return (other, one) if one_goes else (one, other)


def _way_up(rows: Mapping[str, DeviceRow], device: str, top: str | None = None) -> list[str]:
    """Return a device and what is above it, up to ``top`` or to the substation."""
    path, at = [device], device
    while at != top and at in rows and (parent := rows[at].parent) is not None:
        path.append(parent)
        at = parent
    return path


def _loop(rows: Mapping[str, DeviceRow], one: str, other: str) -> list[str]:
    """Return the devices between two, over what feeds both; over both substations where nothing does."""
    up, down = _way_up(rows, one), _way_up(rows, other)
    common = set(up) & set(down)
    left = [device for device in up if device not in common]
    right = [device for device in down if device not in common]
    return left + [device for device in up if device in common][:1] + right[::-1]
