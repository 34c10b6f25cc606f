"""The kernel's metrics, one inventory. Labels are small closed sets; never an id, a place or a person."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Durations(Histogram):
    """A histogram that takes a batch's values at once: one by one it took as long as opening their records."""

    def observe_all(self, values: Sequence[float]) -> None:
        """Observe each value."""
        self._sum.inc(sum(values))
        for bucket, n in Tally([bisect_left(self._upper_bounds, value) for value in values]).items():
            self._buckets[bucket].inc(n)


def set_all(gauge: Gauge, values: Mapping[tuple[str, ...], float]) -> None:
    """Give a gauge these series and no others; none that stays is missing from a page that is written meanwhile."""
    before = {tuple(sample.labels.values()) for family in gauge.collect() for sample in family.samples}
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
    for labels in before - values.keys():
        gauge.remove(*labels)


RECORDS: Final = Counter(
    "gridline_records_total",
    "Records read, by topic and what became of them: accepted, duplicate, conflict, dead_lettered",
    ("topic", "outcome"),
)
DEAD_LETTERS: Final = Counter("gridline_dead_letters_total", "Dead letters, by topic and reason", ("topic", "reason"))
BATCH_SECONDS: Final = Histogram("gridline_batch_seconds", "Duration of one batch's transaction", buckets=SECONDS)
BATCH_RECORDS: Final = Histogram(
    "gridline_batch_records", "Records in one batch", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
)
HOP_SECONDS: Final = Durations(
    "gridline_hop_seconds", "From the broker's having a record to the commit of its batch", ("topic",), buckets=SECONDS
)
FENCED: Final = Counter("gridline_fenced_total", "Batches void because another owner had taken a partition")
CLAIMS: Final = Counter("gridline_claims_total", "Partitions claimed, by topic", ("topic",))
OWNED: Final = Gauge("gridline_partitions_owned", "Partitions this process reads, by topic", ("topic",))
LAG: Final = Gauge("gridline_lag_records", "Records between our position and the end of the log", ("topic",))
UNAVAILABLE: Final = Counter("gridline_unavailable_total", "Times Kafka or Postgres could not answer", ("what",))
SILENT_SESSIONS_ENDED: Final = Counter(
    "gridline_silent_sessions_ended_total",
    "Database sessions ended because their process was silent in the middle of a statement: it is frozen",
)
OUTBOX_UNPUBLISHED: Final = Gauge("gridline_outbox_unpublished", "Rows committed and not yet published")
OUTBOX_AGE: Final = Gauge("gridline_outbox_oldest_seconds", "Age of the oldest unpublished row; 0 if none")
PUBLISHED: Final = Counter("gridline_published_total", "Records the relay published, by topic", ("topic",))
PUBLISH_SECONDS: Final = Durations(
    "gridline_outbox_publish_seconds", "From a row's creation to Kafka's acknowledgement", buckets=SECONDS
)
PRODUCER_REBUILDS: Final = Counter("gridline_producer_rebuilds_total", "Producers discarded after a fatal error")
CLOCK_AHEAD: Final = Gauge(
    "gridline_clock_ahead_seconds",
    "Seconds this host's clock is ahead of Kafka's, below 0: behind; at least, by the last record published",
)
TIME_AHEAD: Final = Gauge(
    "gridline_time_ahead_seconds",
    "Seconds the time this process goes by (the database's; of an intake Kafka's) is ahead of its host's clock",
)
TIME_AHEAD.set_function(clock.ahead)
TALLY: Final = Gauge("gridline_tally", "The service's exact counts, from its database", ("name",))
IMBALANCE: Final = Gauge(
    "gridline_conservation_imbalance",
    "Accepted less what is accounted for; anything but 0 means a message was lost or counted twice",
)
FILE_LOADS: Final = Counter(
    "gridline_file_loads_total",
    "Operators' files that changed, by what became of it: loaded, refused",
    ("file", "result"),
)
FILE_STALE: Final = Gauge(
    "gridline_file_stale", "1 while a file on disk is refused and what it said before holds", ("file",)
)
LOG_LINES_LOST: Final = Counter(
    "gridline_log_lines_lost_total", "Log lines that could not be written: a full disk, a reader that stands still"
)
LOOP_SILENT: Final = Gauge("gridline_loop_silent_seconds", "Seconds since the consume loop last came round")
