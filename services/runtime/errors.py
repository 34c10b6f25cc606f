"""The failures a service knows. Everything else is a bug: it is logged, the process exits and is restarted.

Invalid input is ``services.contracts.envelope.RefusedError``: the record goes to the dead-letter topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_words(error: BaseException) -> str:
    """Return an error's kind and its text: some begin with their kind, and a timeout has no text."""
    kind, text = type(error).__name__, str(error)
    return text if text.startswith(kind) else f"{kind}: {text}" if text else kind


class UnavailableError(Exception):
    """Kafka, Postgres or another system cannot be reached now: back off, then the same message again."""


class TopicsRefuseError(UnavailableError):
    """Topics take nothing, though Kafka answers: what is for others need not wait for them.

    ``reasons`` has why, by the topic's plain name: it is missing, its rights or its limits are not as they should be.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(f"kafka: {', '.join(f'{topic}: {reason}' for topic, reason in sorted(reasons.items()))}")
        self.reasons = reasons


class FencedError(Exception):
    """Another owner has taken these partitions: what was decided on them is void."""

    def __init__(self, partitions: list[tuple[str, int]]) -> None:
        super().__init__(f"another owner holds {sorted(partitions)}")
        self.partitions = partitions


class HaltError(Exception):
    """Going on would lose or spoil data: the service stops and says what an operator must look at."""


class StuckError(Exception):
    """A client of ours no longer works though its server does: only a new process has a new one."""
