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

    Where the name is a link's, what it points to is written; what is no file (``/dev/stdout``) is written at once.

    Raises:
        OSError: it cannot be written; it has the file's name.
    """
    is_file = path.is_file() or not path.exists()
    there = path.resolve() if is_file else path
    beside = there.with_name(f"{there.name}.part") if is_file else path
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
        if is_file:
            beside.replace(there)
    except OSError as error:
        if error.filename is None or error.filename == str(beside):
            error.filename = str(path)
        raise
    finally:
        if is_file:
            beside.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text as ``written_whole`` does.

    Raises:
        OSError: it cannot be written.
    """
    with written_whole(path) as file:
        file.write(text)
