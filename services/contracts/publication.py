"""What a decision has to say to others: a message, its topic, and the trace of what caused it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.frozen import frozen
from services.contracts.topics import TOPIC_OF

if TYPE_CHECKING:
    from services.contracts.messages import Message
    from services.contracts.topics import Topic


@frozen()
class Publication:
    """A message to publish on its topic, once the transaction has committed.

    ``content`` is the fingerprint to send where the message's bytes may differ between two sendings of one event.
    """

    message: Message
    traceparent: str | None = None
    content: bytes | None = None

    @property
    def topic(self) -> Topic:
        """Where it goes."""
        return TOPIC_OF[type(self.message)]
