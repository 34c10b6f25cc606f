"""The router's own metrics, one inventory. Labels are small closed sets; never an id, a place or a person."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

ROUTED: Final = Counter(
    "gridline_router_tickets_routed_total",
    "Decisions on tickets, by queue, business type and what decided the type",
    ("queue", "business_type", "rule"),
)
CONTACTS: Final = Counter(
    "gridline_router_contacts_total", "Contacts taken in, by channel and business type", ("channel", "business_type")
)
HAZARDS: Final = Counter("gridline_router_hazards_total", "Tickets in which a danger was first named", ("hazard",))
LANGUAGES: Final = Counter("gridline_router_languages_total", "Tickets opened, by language rule", ("rule",))
PLACES: Final = Counter("gridline_router_places_total", "Tickets opened, by the evidence that placed them", ("basis",))
REPORTS: Final = Counter("gridline_router_reports_total", "Outage reports: sent, answered, returned", ("step",))
REPEATS: Final = Counter(
    "gridline_router_repeats_total", "Matters told again: repeats, urges that counted, tickets merged", ("what",)
)
RULE_LOADS: Final = Counter(
    "gridline_router_rule_loads_total", "Changed rule files looked at: loaded, unchanged, refused", ("result",)
)
RULES_STALE: Final = Gauge(
    "gridline_router_rules_stale", "1 while the rule files on disk are refused and older rules hold"
)
WAITING: Final = Gauge("gridline_router_queue_waiting", "Tickets that wait for a person", ("queue", "priority"))
OLDEST: Final = Gauge(
    "gridline_router_queue_oldest_seconds", "Age of the ticket that waits longest; 0 if none", ("queue",)
)
