"""What every message on a topic has: a type, an id for deduplication, a time, a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from services.contracts.values import Timestamp, Value

if TYPE_CHECKING:
    from uuid import UUID


class Message(Value):
    """A fact with a type, an id of its own and the time it happened."""

    ce_type: ClassVar[str]

    @property
    def message_id(self) -> UUID:
        """Identity for deduplication: equal ids are the same fact."""
        raise NotImplementedError

    @property
    def occurred(self) -> Timestamp:
        """When the fact happened, by the observer's clock."""
        raise NotImplementedError

    @property
    def partition_key(self) -> str:
        """Kafka key."""
        raise NotImplementedError
