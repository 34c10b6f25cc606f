"""Recent ids of events, to tell a sender at once that one is in use for something else.

A courtesy, not the guarantee: it is a bounded memory of this process. An unknown key is accepted, and the inbox of the
consumers counts an event once and dead-letters another body under its id. Follows
draft-ietf-httpapi-idempotency-key-header: another body is 422, one still in progress 409. Whoever has an id in the body
and sends it twice at once has sent one event: the draft speaks of the header alone.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.intake.channels.refusal import PayloadRefusedError, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID


class RecentKeys:
    """Remembers the last so many keys and what was sent under them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: OrderedDict[bytes, bytes] = OrderedDict()
        self._under_way: dict[bytes, bytes] = {}

    @contextmanager
    def using(self, contact: UUID, fingerprint: bytes, *, alone: bool = True) -> Iterator[None]:
        """Hold a key while its contact is being accepted.

        Args:
            contact: Its id, which the key and the sender make.
            fingerprint: Of what is sent.
            alone: Whether the same may not be under way already.

        Raises:
            PayloadRefusedError: it is in use for another body, or its first request is still under way.
        """
        key = contact.bytes
        if self._seen.get(key, fingerprint) != fingerprint:
            raise PayloadRefusedError(
                Reason.KEY_REUSED, "This id was sent with another body. Give every event its own."
            )
        under_way = self._under_way.get(key)
        if under_way is not None and (alone or under_way != fingerprint):
            raise PayloadRefusedError(
                Reason.KEY_IN_FLIGHT,
                "A request with this id is still under way. Send it again a little later.",
            )
        self._under_way[key] = fingerprint
        try:
            yield
        except PayloadRefusedError as refusal:
            if refusal.reason is Reason.OUTCOME_UNKNOWN:
                self._remember(key, fingerprint)
            raise
        else:
            self._remember(key, fingerprint)
        finally:
            self._under_way.pop(key, None)

    def _remember(self, key: bytes, fingerprint: bytes) -> None:
        self._seen[key] = fingerprint
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)
