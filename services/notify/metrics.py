"""Notify's metrics. Labels are small closed sets; never an id, a place or a person."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.notify.domain.notice import Held

MADE: Final = Counter("gridline_notify_notices_total", "Notices decided, by stage and channel", ("stage", "channel"))
QUIET: Final = Counter("gridline_notify_quiet_total", "Times a customer was told nothing, by reason", ("reason",))
ESTIMATES: Final = Counter(
    "gridline_notify_estimates_total",
    "Customers told that power is back: whether the last time they were told held, was missed, or there was none",
    ("outcome",),
)
for _outcome in Held:
    ESTIMATES.labels(_outcome)  # a share needs all of them from the first on
HEARD: Final = Counter(
    "gridline_notify_recipients_heard_total",
    "What channels told of recipients: linked, unlinked, delivered, undelivered, asks_status",
    ("channel", "heard"),
)
BECAME: Final = Counter(
    "gridline_notify_outcomes_total",
    "What notices became: sent, pending (an attempt failed, another follows), failed, unknown, superseded",
    ("stage", "channel", "outcome"),
)
SECONDS: Final = Histogram(
    "gridline_notify_delivery_seconds",
    "From the change of an incident or report to the delivery of a notice of it",
    ("stage",),
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)
PENDING: Final = Gauge("gridline_notify_pending", "Notices made and not settled, of all instances together")
OLDEST: Final = Gauge(
    "gridline_notify_oldest_pending_seconds", "Age of the oldest of them by channel; 0 if none", ("channel",)
)
FAILING: Final = Gauge(
    "gridline_notify_receiver_failing_seconds",
    "For how long every attempt of a sender has failed, or none was allowed; 0 while it takes notices or none waits",
    ("sender",),
)
HELD: Final = Gauge("gridline_notify_held", "Notices that wait for the end of the quiet hours; not among the pending")
IN_PIECES: Final = Gauge(
    "gridline_notify_in_pieces",
    "Reports of large outages with news whose customers are still to be looked at, of all instances together",
)
IN_PIECES_IDLE: Final = Gauge(
    "gridline_notify_in_pieces_idle_seconds",
    "Since when no customer was looked at of the one of these outages that waits longest; 0 if there is none",
)
WAITING: Final = Gauge(
    "gridline_notify_waiting_seconds",
    "Age of the oldest of them by whose turn it is: at_risk, important, others",
    ("turn",),
)
