"""Contacts, places and rules for the router's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from services.contracts import ids
from services.contracts.messages import ContactReceived
from services.contracts.values import Basis, Channel, CustomerClass, Place, Recipient
from services.router.domain.deciding import receive
from services.router.domain.facts import Bounds, Facts, fold
from services.router.domain.log import Did, Event
from services.router.domain.ticket import Located, Rules, Ticket
from services.router.domain.versions import worked
from services.router.timers import passed
from services.router.tree.book import load_desk, load_rules

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
ROUTES: Final = DEPLOY / "routes.yaml"
CLASSIFY: Final = DEPLOY / "classify.yaml"
SHIPPED: Final[Rules] = load_rules(ROUTES, CLASSIFY)
DESK: Final = DEPLOY / "desk.yaml"
SHIPPED_DESK: Final = load_desk(str(DESK), DESK.read_text(encoding="utf-8"))
BOUNDS: Final = Bounds()
NOON: Final = datetime(2026, 7, 1, 4, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
NOWHERE: Final = Located(Place())
AT_HOME: Final = Located(
    Place(area="S1", feeder="F1", transformer_id="T1", account_id="A1", confidence=0.9, basis=Basis.ACCOUNT)
)
BY_PHONE: Final = Located(AT_HOME.place.model_copy(update={"basis": Basis.PHONE}))


def home_of(customer_class: CustomerClass) -> Located:
    return Located(AT_HOME.place.model_copy(update={"customer_class": customer_class}))


def contact(event: str = "e1", *, thread: str | None = None, minutes: float = 0, **told: Any) -> ContactReceived:
    """A contact; ``minutes`` after noon it happened and arrived, unless ``told`` otherwise."""
    contact_id = ids.contact_id("test", event)
    ticket_id = ids.ticket_id("test", thread, contact_id)
    at = NOON + timedelta(minutes=minutes)
    fields: dict[str, Any] = {
        "channel": Channel.WEB,
        "event": "report",
        "occurred_at": at,
        "received_at": at,
        "reply_to": Recipient(channel=Channel.WEB, address=f"session-{thread or event}"),
        **told,
    }
    return ContactReceived(
        contact_id=contact_id,
        ticket_id=ticket_id,
        ticket_ref=ids.ticket_ref(ticket_id),
        source="test",
        source_event_id=event,
        raw_sha256="0" * 64,
        **fields,
    )


def folded(*contacts: ContactReceived, rules: Rules = SHIPPED) -> Facts:
    facts: Facts | None = None
    for each in contacts:
        facts = fold(facts, each, rules.keywords, BOUNDS)
    assert facts is not None
    return facts


def after(
    *contacts: ContactReceived, located: Located = AT_HOME, before: Ticket | None = None, rules: Rules = SHIPPED
) -> Ticket:
    """The ticket after these contacts, one by one."""
    ticket = before
    for each in contacts:
        facts = fold(ticket.facts if ticket else None, each, rules.keywords, BOUNDS)
        ticket = receive(ticket, each, facts, located, rules, BOUNDS, each.received_at)
    assert ticket is not None
    return ticket


def claimed(ticket: Ticket) -> Ticket:
    """A ticket that ann has."""
    return worked(ticket, [Event(did=Did.CLAIMED, at=NOON, by="t", agent="ann", seconds=1)], NOON)


def done_by_time(ticket: Ticket, now: datetime) -> dict[Did, Event]:
    """All that time alone did to a ticket by then, the first of each kind."""
    found: dict[Did, Event] = {}
    while (change := passed(ticket, SHIPPED_DESK, now)).after is not ticket:
        ticket = change.after
        for event in change.events:
            found.setdefault(event.did, event)
    return found
