"""The messages on the topics, one class a fact.

Decided here: what each fact must carry. A field is only ever added, optional; it is never renamed or given a
new meaning (a break is a new ``.v<n>`` topic). We refuse unknown fields in what we make and ignore them in what
we read (``services.contracts.envelope.decode``).
"""

from services.contracts.messages.contacts import ContactReceived, RecipientHeard
from services.contracts.messages.dispatch import FieldProgress, OrderVersion
from services.contracts.messages.incidents import IncidentChanged, Member, ProposedPlan, ReportSettled
from services.contracts.messages.message import Message
from services.contracts.messages.outage_input import (
    FieldProgressed,
    OutageCommanded,
    OutageInput,
    OutageMoved,
    OutageReported,
    PowerRestored,
    TelemetryReceived,
    TimerFired,
)
from services.contracts.messages.plans import PlanChanged
from services.contracts.messages.tickets import Due, RouteReason, TicketRouted

__all__ = [
    "ContactReceived",
    "Due",
    "FieldProgress",
    "FieldProgressed",
    "IncidentChanged",
    "Member",
    "Message",
    "OrderVersion",
    "OutageCommanded",
    "OutageInput",
    "OutageMoved",
    "OutageReported",
    "PlanChanged",
    "PowerRestored",
    "ProposedPlan",
    "RecipientHeard",
    "ReportSettled",
    "RouteReason",
    "TelemetryReceived",
    "TicketRouted",
    "TimerFired",
]
