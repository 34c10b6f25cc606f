"""Erasing photos by their age. No table says whose a photo is; ``contact.received.v1`` does, as long as it is kept."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


def photos_before(folder: Path, before: datetime) -> Iterator[Path]:
    """Yield the photos that were last sent before a moment; nothing else that may lie in the folder.

    Raises:
        OSError: the folder cannot be read.
    """
    for part in sorted(folder.iterdir()):
        if len(part.name) == 2 and part.is_dir():  # noqa: PLR2004 - as PhotoStore names them: ab/ab12….jpg
            for photo in part.glob(f"{part.name}*.jpg"):
                with suppress(FileNotFoundError):  # another run has it
                    if photo.stat().st_mtime < before.timestamp():
                        yield photo
