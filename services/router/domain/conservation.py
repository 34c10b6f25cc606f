"""Conservation: every accepted contact is counted in exactly one of three names, and moves with its ticket.

- ``contact_outage``: its ticket's outage report went to dedup and did not come back to a person. Dedup has it in an
  incident or answered it.
- ``contact_closed``: people completed its ticket, or merged it into another that stands for it.
- ``contact_queued``: every other contact. A person has its ticket, or it waits for one in a queue.

So accepted(contact.received.v1) = contact_queued + contact_outage + contact_closed, always; and ``report_sent`` =
reports accepted by dedup once it has caught up. The names follow the report, not the ticket's state: a ticket with a
danger, of a key customer, or whose customer spoke again, waits for a person as well (state ``queued``) while its
contacts stay in ``contact_outage``. ``needs_person`` moves all contacts of the ticket to ``contact_queued``;
``answered`` moves none; that a person placed the report moves them back. ``contact_queued`` may so be the sum of
positive and negative changes. A contact that joined an open ticket is counted with that one; the ticket it had opened,
if it had, is merged and counts none.
``contact_repeats`` counts the contacts by which reporters told of a matter again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.topics import CONTACT_RECEIVED
from services.router.domain.ticket import ReportState
from services.router.domain.work import Phase

if TYPE_CHECKING:
    from collections import Counter

    from services.router.domain.ticket import Ticket

QUEUED: Final = "contact_queued"
OUTAGE: Final = "contact_outage"
CLOSED: Final = "contact_closed"
REPORT_SENT: Final = "report_sent"
_REPEATS: Final = "contact_repeats"
_WITH_DEDUP: Final = frozenset({ReportState.SENT, ReportState.ANSWERED})
_ENDED: Final = frozenset({Phase.CLOSED, Phase.MERGED})


def imbalance(counts: Counter[str]) -> int:
    """Return the accepted contacts less what they are counted as: 0 unless one was lost or counted twice."""
    return counts[f"{CONTACT_RECEIVED.name}/accepted"] - counts[QUEUED] - counts[OUTAGE] - counts[CLOSED]


def counted_as(ticket: Ticket) -> str:
    """Return the one name a ticket's contacts are counted under."""
    if ticket.report in _WITH_DEDUP:
        return OUTAGE
    return CLOSED if ticket.work is not None and ticket.work.phase in _ENDED else QUEUED


def count(tally: Counter[str], was: Ticket | None, ticket: Ticket) -> None:
    """Add to a tally what a ticket's change moves from name to name; ``was`` is None of one that is new."""
    tally[counted_as(ticket)] += ticket.counted
    tally[_REPEATS] += _again(ticket)
    if was is not None:
        tally[counted_as(was)] -= was.counted
        tally[_REPEATS] -= _again(was)


def _again(ticket: Ticket) -> int:
    """Return how often its reporter told of its matter again, in this ticket."""
    return sum(telling > 1 for telling in ticket.tellings)
