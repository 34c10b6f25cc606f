"""The dedup service's own metrics, one inventory. Labels are small closed sets; never an id, a place or a person."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.dedup.domain.clock import DUE
from services.runtime.metrics import SECONDS

COMPILED: Final = Gauge("gridline_dedup_core_compiled", "1 where the core is compiled to C, 0 where it is plain")
REPORTS: Final = Counter(
    "gridline_dedup_reports_total",
    "Reports decided, by outcome (in_incident, answered, needs_person) and rule",
    ("outcome", "rule"),
)
OPENED: Final = Counter(
    "gridline_dedup_incidents_opened_total", "Incidents opened, by kind and device class", ("kind", "device_class")
)
LIFTED: Final = Counter(
    "gridline_dedup_predictions_moved_total", "Predictions moved, by the new class", ("device_class",)
)
ABSORBED: Final = Counter(
    "gridline_dedup_incidents_absorbed_total",
    "Incidents absorbed, by their device class",
    ("device_class",),
)
RESTORED: Final = Counter("gridline_dedup_incidents_restored_total", "Incidents restored, by class", ("device_class",))
ORDERS: Final = Counter(
    "gridline_dedup_order_versions_total", "Order versions, by status and urgency", ("status", "priority")
)
PROGRESS: Final = Counter(
    "gridline_dedup_progress_total", "Crews' words, by stage and outcome (noted, or why ignored)", ("stage", "outcome")
)
OPEN: Final = Gauge(
    "gridline_dedup_incidents_open",
    "Open incidents in the database, by kind and class",
    ("kind", "device_class"),
)
MOVED: Final = Gauge(
    "gridline_dedup_incidents_moved",
    "Open incidents whose device the network in force has not where they are, by what became of it",
    ("change",),
)
PLAN_PROPOSED: Final = Gauge(
    "gridline_dedup_incidents_plan_proposed",
    "Open incidents that a planned outage entered later may explain, and no dispatcher has accepted or declined it",
)
DECIDE_SECONDS: Final = Histogram(
    "gridline_dedup_decide_seconds", "Deciding and applying the messages of one batch, without I/O", buckets=SECONDS
)
ORDER_SECONDS: Final = Histogram(
    "gridline_dedup_accept_to_order_seconds",
    "From a contact's acceptance to the commit of the order it opened, orders that were not held",
    buckets=SECONDS,
)
TIMERS: Final = Counter("gridline_dedup_timers_fired_total", "Timers fired, by kind", ("kind",))
AREAS_CACHED: Final = Gauge("gridline_dedup_areas_cached", "Areas kept in memory by this process")
AREA_LOADS: Final = Counter("gridline_dedup_area_loads_total", "Areas loaded from the database")
COMMANDS: Final = Counter(
    "gridline_dedup_commands_total", "Commands of persons decided, by action and outcome", ("action", "outcome")
)
READINGS: Final = Counter(
    "gridline_dedup_readings_total", "Readings of meters and breakers that said something new", ("reading",)
)
SUGGESTED: Final = Counter(
    "gridline_dedup_restorations_suggested_total",
    "Open incidents that telemetry says are over, by what said so",
    ("rule",),
)
BREACHED: Final = Counter(
    "gridline_dedup_deadlines_breached_total", "Due times missed: arrival, restoration; once an incident", ("what",)
)
for _what in DUE:  # a count of none is said from the start: an alert that finds nothing cannot be told from calm
    BREACHED.labels(_what)
STORMS: Final = Counter("gridline_dedup_storms_total", "Storms of areas that began and ended", ("change",))
STORMY: Final = Gauge("gridline_dedup_areas_in_storm", "Areas in a storm by the database, all processes alike")
SAIDI: Final = Gauge("gridline_dedup_saidi_minutes", "SAIDI of the last 24 hours, minutes, all areas")
SAIFI: Final = Gauge("gridline_dedup_saifi", "SAIFI of the last 24 hours, all areas")
CAIDI: Final = Gauge("gridline_dedup_caidi_minutes", "CAIDI of the last 24 hours, minutes, all areas")
MAIFI: Final = Gauge("gridline_dedup_maifi", "MAIFI (events) of the last 24 hours, all areas")
