"""Which jars make up Kafka: the exact ones, with their SHA-256 sums (`kafka-jars.lock`; `fetch_jars` writes it)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KAFKA_VERSION = "4.1.0"
LOCK = Path(__file__).with_name("kafka-jars.lock")


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock: a Maven coordinate and the file's SHA-256 in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it sits in a cache folder (the layout of a Maven repository)."""
        name = f"{self.artifact}-{self.version}.jar"
        return Path(*self.group.split("."), self.artifact, self.version, name)


def read_lock() -> list[Jar]:
    """The jars of this version of Kafka, sorted by coordinate."""
    jars = []
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            coordinate, sha256 = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(group, artifact, version, sha256))
    return jars
