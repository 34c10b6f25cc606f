"""The router's own metrics, one inventory. Labels are small closed sets; never an id, a place or a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

from services.router.domain.log import Did
from services.router.domain.work import Phase

if TYPE_CHECKING:
    from services.router.domain.log import Event

ROUTED: Final = Counter(
    "gridline_router_tickets_routed_total",
    "Decisions on tickets, by queue, business type and what decided the type",
    ("queue", "business_type", "rule"),
)
CONTACTS: Final = Counter(
    "gridline_router_contacts_total", "Contacts taken in, by channel and business type", ("channel", "business_type")
)
HAZARDS: Final = Counter("gridline_router_hazards_total", "Tickets in which a danger was first named", ("hazard",))
SUSPECTED: Final = Counter(
    "gridline_router_suspected_total",
    "Tickets that first sounded like a danger that no word of the lists names, by queue",
    ("queue",),
)
LANGUAGES: Final = Counter("gridline_router_languages_total", "Tickets opened, by language rule", ("rule",))
PLACES: Final = Counter("gridline_router_places_total", "Tickets opened, by the evidence that placed them", ("basis",))
REPORTS: Final = Counter("gridline_router_reports_total", "Outage reports: sent, answered, returned", ("step",))
TELLINGS: Final = Counter(
    "gridline_router_tellings_total",
    "Times customers told of a matter: the first, the second, the third_and_later, each by a contact of its own",
    ("queue", "business_type", "telling"),
)
REPEATS: Final = Counter(
    "gridline_router_repeats_total", "Of matters told again: urges that counted, tickets that joined", ("what",)
)
WAITING: Final = Gauge("gridline_router_queue_waiting", "Tickets that wait for a person", ("queue", "priority"))
OLDEST: Final = Gauge(
    "gridline_router_queue_oldest_seconds",
    "How long the ticket that waits longest has waited; 0 if none does",
    ("queue", "priority"),
)
HOLIDAYS_UNTIL: Final = Gauge(
    "gridline_router_holidays_until_seconds",
    "Unix time from which on a list of holidays.yaml has no year: office clocks then run on days off",
    ("list",),
)
DESK_UNKNOWN: Final = Gauge(
    "gridline_router_desk_unknown_queues", "Queues and business types named in desk.yaml that no rules in force have"
)
ACTS: Final = Counter(
    "gridline_router_acts_total", "What was done with tickets, by the queue they were in then", ("did", "queue")
)
REFUSED_ACTS: Final = Counter("gridline_router_acts_refused_total", "Acts that were not allowed, by reason", ("why",))
ANSWER_SECONDS: Final = Histogram(
    "gridline_router_answer_seconds",
    "From a customer's first word until a person took the ticket",
    ("queue",),
    buckets=(1, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 14400),
)
HANDLE_SECONDS: Final = Histogram(
    "gridline_router_handle_seconds",
    "A person's time with a ticket: handling, and writing up after the contact",
    ("part",),
    buckets=(10, 30, 60, 120, 300, 600, 1200, 3600),
)
CLAIM_SECONDS: Final = Histogram(
    "gridline_router_claim_seconds",
    "To find and take the next ticket for an agent, in the database",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
POLLING: Final = Gauge("gridline_router_agents_polling", "Agents who wait at this process for a ticket")


def acted(event: Event, queue: str) -> None:
    """Count a committed act as the KPIs do: of the queue it was done in; ``queue``: where the ticket is now."""
    ACTS.labels(event.did.value, event.queue or queue).inc()
    if event.seconds is None:
        return
    if event.did in {Did.ACCEPTED, Did.CLAIMED}:
        ANSWER_SECONDS.labels(event.queue or queue).observe(event.seconds)
    elif event.ended is not None:
        HANDLE_SECONDS.labels("handling" if event.ended == Phase.ASSIGNED else "after_contact").observe(event.seconds)
