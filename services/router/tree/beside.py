"""Files that belong to another file of rules and have no setting of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SHIPPED: Final = Path(__file__).parents[3] / "deploy"


def beside(file: Path, name: str) -> Path:
    """Return the file of a name beside a file of rules, else the one that is shipped."""
    there = file.with_name(name)
    try:
        is_there = there.exists()
    except OSError:
        is_there = True  # a disk or a right that is away for a while is told when it is read
    return there if is_there else _SHIPPED / name
