"""A disk of a test's own that is small enough to be filled to the last byte.

It is a file system in memory, which only root may mount: without that right a test skips and says so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SmallDisk:
    """A mounted disk. Servers that have files on it must have ended before it goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        """Bytes that are left."""
        return shutil.disk_usage(self.folder).free

    def fill(self) -> None:
        """Leave no byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for piece in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * piece):
                        pass

    def make_room(self) -> None:
        """Let there be room again."""
        self._ballast.unlink()

    def unmount(self) -> None:
        """Take it away, with all that is on it."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True)  # -l: what has ended may not be gone yet
        self.folder.rmdir()


def mount(folder: Path, megabytes: int) -> SmallDisk | None:
    """Mount a disk on a new folder; None where that is not allowed."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", str(folder)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        folder.rmdir()
    return SmallDisk(folder) if mounted else None


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk on a new folder, and take it away at the end."""
    disk = mount(folder, megabytes)
    if disk is None:
        pytest.skip("a disk that can be filled needs the right to mount one, which root has outside of most containers")
    try:
        yield disk
    finally:
        disk.unmount()
