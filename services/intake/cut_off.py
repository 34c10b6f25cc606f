"""Sources that were cut off: what they kept is marked, so that its times are believed.

A bounded memory of this process: of a source that posts to several, each sees its share, and a process that began
lately knows of no silence before. What no process could tell is as if its sender's clock were wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.kept_back import Arrivals
from services.intake.channels.contact import TIMED_BY_US
from services.intake.metrics import KEPT_BACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.contracts.messages import ContactReceived


class CutOff:
    """What each source's contacts of these minutes have in common, by channel: one may post for several systems."""

    def __init__(self) -> None:
        """Begin with nothing heard from anybody."""
        self._arrivals: dict[tuple[str, str], Arrivals] = {}

    def marked(self, contacts: Sequence[ContactReceived]) -> list[ContactReceived]:
        """Return contacts of one source that came together, with those marked that it had kept back."""
        by_channel: dict[tuple[str, str], list[int]] = {}
        for index, contact in enumerate(contacts):
            if TIMED_BY_US not in contact.facts:
                by_channel.setdefault(_key(contact), []).append(index)
        found = list(contacts)
        for key, places in by_channel.items():
            arrivals = self._arrivals.get(key) or Arrivals()
            moments = [(contacts[index].occurred_at, contacts[index].received_at) for index in places]
            for index, kept_back in zip(places, arrivals.kept_back(moments), strict=True):
                if kept_back:
                    found[index] = contacts[index].model_copy(update={"kept_back": True})
        return found

    def arrived(self, contact: ContactReceived) -> None:
        """Take in a contact that is kept. One that came without a time shows that its source is not cut off."""
        key = _key(contact)
        if contact.kept_back:
            KEPT_BACK.labels(contact.channel.value, contact.source).inc()
        arrivals = self._arrivals.get(key)
        if arrivals is None:
            arrivals = self._arrivals[key] = Arrivals()
        arrivals.arrived(None if TIMED_BY_US in contact.facts else contact.occurred_at, contact.received_at)


def _key(contact: ContactReceived) -> tuple[str, str]:
    return contact.source, contact.channel.value
