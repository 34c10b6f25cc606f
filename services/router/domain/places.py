"""The places of a batch's contacts, by what they say and by what was reported around there lately.

Decided here: when a report counts for those after it (once it goes to dedup, and only if its evidence left nothing
open). Never here: I/O; which evidence to believe (``services.grid.place``).

What was reported lately is a hint of this process: it knows the reports it read itself, and nothing after a restart.
Losing it makes more reports abstain or stay open, never one go lost. The place it told is written in the report, so
folding dedup's topic again needs no hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from services.grid.evidence import PlaceEvidence, telling_words
from services.grid.lately import NO_CHAIN
from services.router.domain.ticket import Located

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from services.contracts.values import Position
    from services.grid.lately import Chain, Lately
    from services.grid.place import Weighed
    from services.router.domain.facts import Facts


class Clues(NamedTuple):
    """What facts say of a place; equal clues are the same place."""

    account_id: str | None
    phone: str | None
    position: Position | None
    address: str | None
    text: str | None


def clues(facts: Facts) -> Clues:
    """Return what facts say of their place."""
    return Clues(
        facts.account_id.value if facts.account_id else None,
        facts.phone.value if facts.phone else None,
        facts.position.value if facts.position else None,
        facts.address.value if facts.address else None,
        telling_words(facts.text),
    )


def evidence_of(said: Clues) -> PlaceEvidence:
    """Return clues as the grid looks them up."""
    position = said.position
    return PlaceEvidence(
        account_id=said.account_id,
        phone=said.phone,
        lat=position.lat if position else None,
        lon=position.lon if position else None,
        crs=position.crs.value if position else None,
        accuracy_m=position.accuracy_m if position else None,
        address=said.address,
        text=said.text,
    )


class Places(Mapping[Clues, Located]):
    """The place of each set of clues that was looked up, as it stands when it is asked for."""

    def __init__(self, lately: Lately, at: datetime) -> None:
        """Start a batch, with no place known.

        Args:
            lately: Where to note the reports of the batch: a draft.
            at: Any instant of the batch; ``arrived`` sets it contact by contact.
        """
        self._weighed: dict[Clues, Weighed] = {}
        self._chains: dict[str, Chain] = {}
        self._lately = lately
        self._at = at
        self._clear: dict[Clues, Located] = {}

    def __getitem__(self, wanted: Clues) -> Located:
        known = self._clear.get(wanted)
        if known is not None:
            return known
        weighed = self._weighed[wanted]
        place = self._lately.place(weighed, self._chain, self._at)
        located = Located(place.as_value(), place.language)
        if not weighed.open:
            self._clear[wanted] = located
        return located

    def __iter__(self) -> Iterator[Clues]:
        return iter(self._weighed)

    def __len__(self) -> int:
        return len(self._weighed)

    def __contains__(self, wanted: object) -> bool:
        return wanted in self._weighed

    def learn(self, weighed: Mapping[Clues, Weighed], chains: Mapping[str, Chain]) -> None:
        """Take in what was looked up, and what feeds the devices there."""
        self._weighed.update(weighed)
        self._chains.update(chains)

    def arrived(self, received_at: datetime, now: datetime) -> None:
        """Go on to the contact that was received then; a clock ahead of ours is not believed."""
        self._at = min(received_at, now)

    def reported(self, wanted: Clues) -> None:
        """Count a report with these clues for those after it."""
        weighed = self._weighed.get(wanted)
        if weighed is not None and weighed.sure is not None:
            self._lately.note(self._chain(weighed.sure), self._at)

    def keep(self) -> None:
        """Let the reports of the batch count for good: it has committed."""
        self._lately.keep()

    def _chain(self, device: str) -> Chain:
        return self._chains.get(device, NO_CHAIN)
