"""Files that are written whole or not at all: half of one cannot be told from a small one.

Never here: what is written; that it outlives a failure of the machine's power.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 file that stands under its name once all is written; if that is broken off, what was there stays.

    Raises:
        OSError: it cannot be written.
    """
    beside = path.with_name(f"{path.name}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
