"""Intake's metrics, one inventory. Labels are small closed sets; never an id, a place or a person."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.runtime.metrics import SECONDS

ACCEPTED: Final = Counter(
    "gridline_intake_contacts_accepted_total", "Contacts Kafka acknowledged", ("channel", "source")
)
REFUSED: Final = Counter("gridline_intake_refusals_total", "Requests refused, by reason", ("channel", "reason"))
NO_CONTACT: Final = Counter(
    "gridline_intake_events_without_contact_total", "Events that are answered and open no ticket", ("channel",)
)
HEARD: Final = Counter(
    "gridline_intake_recipients_heard_total",
    "What channels told of recipients, Kafka acknowledged",
    ("channel", "heard"),
)
KEPT_BACK: Final = Counter(
    "gridline_intake_contacts_kept_back_total",
    "Contacts of a source that was cut off, believed to have been made when they say, though they came late",
    ("channel", "source"),
)
ACCEPT_SECONDS: Final = Histogram(
    "gridline_intake_accept_seconds", "From the request's headers to the answer 202", ("channel",), buckets=SECONDS
)
UNRESOLVED: Final = Gauge("gridline_intake_unresolved_sends", "Contacts that wait for Kafka's acknowledgement")
ANNOUNCED: Final = Counter(
    "gridline_intake_announcements_total",
    "Callers told something at once: known, restored, not_known; unanswered where notify did not answer in time",
    ("outcome",),
)
ANNOUNCE_SECONDS: Final = Histogram(
    "gridline_intake_announce_seconds",
    "From asking what is known of a caller's place to having the words",
    buckets=SECONDS,
)
