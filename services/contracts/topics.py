"""The one table of topics: what is on each, by what key, how long, who writes and who reads.

``gridline topics apply`` makes the cluster agree with it; AsyncAPI is generated from it; a test holds it complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.contracts import messages as m

if TYPE_CHECKING:
    from services.contracts.messages import Message

_DAY_MS: Final = 24 * 3600 * 1000
BROKERS_TIME: Final = {"message.timestamp.type": "LogAppendTime"}
"""Records bear the time at which the broker had them. By senders' clocks, it refuses what one stamps an hour ahead and
deletes early what one stamps weeks behind: a wrong clock of any host would stop what it says, or lose it."""
MAX_RECORD_BYTES: Final = 900_000
"""Largest value we publish: below the broker's default ``max.message.bytes`` of 1 MiB, with room for headers."""
MAX_LETTER_BYTES: Final = MAX_RECORD_BYTES + 150_000
"""Most of a refused record that its dead letter holds: more than a topic takes, unless the record was compressed."""

OUTSIDE: Final = "outside"
"""Who writes or reads a topic where that is no room: other companies' systems."""
AT_LEAST_ONCE: Final = (
    "Every fact is written at least once. A record may be repeated; records with equal ce_id are the same fact, so "
    "act on the first and drop the others. Per key, first appearances are in the order the facts were decided. "
    "Ignore fields you do not know, and expect new words in enumerations."
)
"""What holds on every topic, in the words of the contract."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        name: ``<noun>.<past tense or noun>.v<n>``.
        messages: Types that may be on it.
        key: What the key is, in words.
        partitions: Default; a cluster may have more.
        retention_ms: How long records are kept.
        producers: Rooms that write it, or ``OUTSIDE``.
        consumers: Rooms that read it, or ``OUTSIDE``.
        compacted: Keep the last record a key for ever, after ``retention_ms`` in full.
        structured: CloudEvents structured mode, for readers outside.
        guarantee: What a reader may rely on and must do, beyond ``AT_LEAST_ONCE``; published in AsyncAPI.
    """

    name: str
    messages: tuple[type[Message], ...]
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    description: str
    partitions: int = 6
    retention_ms: int = 14 * _DAY_MS
    compacted: bool = False
    structured: bool = False
    guarantee: str = ""

    @property
    def types(self) -> dict[str, type[Message]]:
        """CloudEvents type to message class."""
        return {message.ce_type: message for message in self.messages}

    @property
    def is_read_here(self) -> bool:
        """Whether a room reads it: then it can have dead letters."""
        return set(self.consumers) != {OUTSIDE}

    @property
    def dead_letters(self) -> str:
        """Name of the topic for its records that could not be used."""
        return f"{self.name}.dlq"

    @property
    def config(self) -> dict[str, str]:
        """Kafka topic configuration."""
        policy, kept = ("compact", "min.compaction.lag.ms") if self.compacted else ("delete", "retention.ms")
        return {
            "cleanup.policy": policy,
            kept: str(self.retention_ms),
            "max.message.bytes": str(MAX_RECORD_BYTES + 100_000),
            **BROKERS_TIME,
        }


CONTACT_RECEIVED: Final = Topic(
    name="contact.received.v1",
    messages=(m.ContactReceived,),
    key="ticket_id: the events of one call stay in order",
    producers=("intake",),
    consumers=("router",),
    description="Every accepted inbound event, on every channel.",
)
RECIPIENT_HEARD: Final = Topic(
    name="recipient.heard.v1",
    messages=(m.RecipientHeard,),
    key="recipient_id: news about one recipient stays in order",
    producers=("intake",),
    consumers=("notify",),
    description="Opt-ins, opt-outs, delivery receipts and status requests of recipients.",
)
TICKET_ROUTED: Final = Topic(
    name="ticket.routed.v1",
    messages=(m.TicketRouted,),
    key="queue",
    producers=("router",),
    consumers=(OUTSIDE, "notify"),
    description=(
        "The state of tickets in their skill queues, for agents' desktops and chat systems; "
        "and which references name a ticket, for customers who ask by theirs."
    ),
    guarantee="Apply a record only if its version is greater than the version you hold for that ticket_id.",
)
OUTAGE_INPUT: Final = Topic(
    name="outage.input.v1",
    messages=(
        *(m.OutageReported, m.FieldProgressed, m.PowerRestored, m.TimerFired),
        *(m.OutageCommanded, m.TelemetryReceived, m.OutageMoved),
    ),
    key="area: one writer per area, in order",
    producers=("router", "dedup"),
    consumers=("dedup",),
    retention_ms=30 * _DAY_MS,
    description="Everything that can change an incident; folding it again gives the same incidents.",
)
DISPATCH_PROGRESS: Final = Topic(
    name="dispatch.progress.v1",
    messages=(m.FieldProgress,),
    key="order_id",
    producers=(OUTSIDE,),
    consumers=("dedup",),
    description="Crews' progress on orders, from field-repair systems.",
    guarantee=(
        "The id of an event is the progress_id of its data. A record with another id, or about an order that never "
        "was, goes to the dead letters: nobody tells its sender, as the answer of POST /v1/orders/{id}/progress does."
    ),
)
DISPATCH_ORDER: Final = Topic(
    name="dispatch.order.v1",
    messages=(m.OrderVersion,),
    key="order_id",
    producers=("dedup",),
    consumers=(OUTSIDE,),
    structured=True,
    retention_ms=30 * _DAY_MS,
    description="One order per outage, version by version, for field-repair systems.",
    guarantee=(
        "For each incident, at most one order_id ever exists. Every version of the order committed in our database is "
        "written to this topic at least once. A record may be repeated, and an older version may reappear after a "
        "newer one. Records with equal (order_id, version) are byte-identical. Per key, first appearances are in "
        "version order. Apply a record only if its version is greater than the version you have stored for that "
        "order_id, and store that version in the same transaction as your action. A cancelled order is issued again, "
        "by a later version with status issued, only where a dispatcher took back what had cancelled it."
    ),
)
INCIDENT_CHANGED: Final = Topic(
    name="incident.changed.v1",
    messages=(m.IncidentChanged,),
    key="incident_id",
    producers=("dedup",),
    consumers=("notify", OUTSIDE),
    compacted=True,
    description="The state of incidents, with the reports that joined and left.",
    guarantee=(
        "Apply a record only if its revision is greater than the revision you hold for that incident_id. The last "
        "record of an incident is kept for ever; earlier ones may be compacted away once retention has passed."
    ),
)
REPORT_SETTLED: Final = Topic(
    name="report.settled.v1",
    messages=(m.ReportSettled,),
    key="ticket_id",
    producers=("dedup",),
    consumers=("router", "notify"),
    description="Reports answered without an incident, or handed to a person; and where a person then placed them.",
)
PLAN_CHANGED: Final = Topic(
    name="plan.changed.v1",
    messages=(m.PlanChanged,),
    key="planned_id",
    producers=("dedup",),
    consumers=("notify",),
    compacted=True,
    description="Planned outages as they are, in force or to come, for customers who ask before anybody has reported.",
    guarantee="The last record of a planned outage holds, and is kept for ever.",
)

TOPICS: Final[tuple[Topic, ...]] = (
    CONTACT_RECEIVED,
    RECIPIENT_HEARD,
    TICKET_ROUTED,
    OUTAGE_INPUT,
    DISPATCH_PROGRESS,
    DISPATCH_ORDER,
    INCIDENT_CHANGED,
    REPORT_SETTLED,
    PLAN_CHANGED,
)
BY_NAME: Final[dict[str, Topic]] = {topic.name: topic for topic in TOPICS}
TOPIC_OF: Final[dict[type[Message], Topic]] = {message: topic for topic in TOPICS for message in topic.messages}
"""Each type of message is on one topic."""
