"""The failures a service knows. Everything else is a bug: it is logged, the process exits and is restarted.

Invalid input is ``services.contracts.envelope.RefusedError``: the record goes to the dead-letter topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Place = tuple[str, int | None]
    """A topic's plain name and one of its partitions; None for whatever is for a topic whose partitions are unknown."""


def in_words(error: BaseException) -> str:
    """Return an error's kind and its text: some begin with their kind, and a timeout has no text."""
    kind, text = type(error).__name__, str(error)
    return text if text.startswith(kind) else f"{kind}: {text}" if text else kind


class UnavailableError(Exception):
    """Kafka, Postgres or another system cannot be reached now: back off, then the same message again."""


class PartitionsRefuseError(UnavailableError):
    """Partitions take nothing, or not in time, though others do: what is for those need not wait for them.

    Attributes:
        reasons: Why, by place: its topic is missing, its rights or limits are not as they should be, no broker leads
            it, too few have copies of it.
        left: By place, which records were not acknowledged, as indices of those that were to be sent.
    """

    def __init__(self, reasons: Mapping[Place, str], left: Mapping[Place, Sequence[int]]) -> None:
        said = sorted(f"{topic if n is None else f'{topic}[{n}]'}: {reason}" for (topic, n), reason in reasons.items())
        super().__init__(f"kafka: {', '.join(said)}")
        self.reasons = reasons
        self.left = left


class FencedError(Exception):
    """Another owner has taken these partitions: what was decided on them is void."""

    def __init__(self, partitions: list[tuple[str, int]]) -> None:
        super().__init__(f"another owner holds {sorted(partitions)}")
        self.partitions = partitions


class HaltError(Exception):
    """Going on would lose or spoil data: the service stops and says what an operator must look at."""


class StuckError(Exception):
    """A client of ours no longer works though its server does: only a new process has a new one."""
