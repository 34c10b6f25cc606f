"""One outage report as the core needs it: a slim copy of ``OutageReported``, kept while its incident is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from services.contracts.ids import ticket_ref
from services.contracts.messages import Member
from services.contracts.values import Channel, CustomerClass, CustomerStatus, Recipient

if TYPE_CHECKING:
    from services.contracts.messages import OutageReported, TelemetryReceived

SAT_OUT: Final = timedelta(seconds=30)
"""How long a meter is dark before it says so: a recloser's first tries take less (30 to 45 s by vendors)."""


def made_at(reported_at: datetime, received_at: datetime, trusted_lag: timedelta, *, kept_back: bool) -> datetime:
    """Return when a report is believed to have been made.

    One that says it was made longer than ``trusted_lag`` before it arrived has a wrong clock more often than a long
    way: taken at its word it could be answered as restored long ago, while its home is dark. Not so what a source kept
    while it was cut off.
    """
    return reported_at if kept_back or received_at - reported_at <= trusted_lag else received_at


class Report(NamedTuple):
    """A claim that power is out. A tuple, as there are many: a frozen dataclass takes three times as long to make.

    Attributes:
        device: What the report hangs on: a transformer as a rule, a ``cell:`` where no model covers the ground.
        reported_at: Event time, bounded by arrival.
        received_at: Arrival at intake.
        kept_back: Its source was cut off, and posted it late.
        made_at: When it is believed to have been made: what decisions use.
        lat: Degrees north, WGS-84.
        lon: Degrees east, WGS-84.
    """

    report_id: UUID
    ticket_id: UUID
    ticket_ref: str
    contact_id: UUID
    channel: Channel
    device: str | None
    feeder: str | None
    account_id: str | None
    customer_class: CustomerClass
    suspended: bool
    hazards: tuple[str, ...]
    single_premise: bool
    unconfirmed: bool
    lat: float | None
    lon: float | None
    address: str | None
    language: str
    recipient: Recipient | None
    reported_at: datetime
    received_at: datetime
    kept_back: bool
    made_at: datetime

    @classmethod
    def of(cls, message: OutageReported, trusted_lag: timedelta) -> Report:
        """Take from the message what merging, telling the customer and sending a crew need."""
        reported_at = message.reported_at.astimezone(UTC)  # times of one zone compare several times as fast
        received_at = message.received_at.astimezone(UTC)
        place = message.place
        kept_back = message.kept_back is True
        return cls(
            message.report_id,
            message.ticket_id,
            message.ticket_ref,
            message.contact_id,
            message.channel,
            place.transformer_id,
            place.feeder,
            place.account_id,
            place.customer_class,
            place.customer_status is CustomerStatus.SUSPENDED,
            message.hazards,
            message.single_premise,
            message.unconfirmed,
            place.lat,
            place.lon,
            message.address,
            message.language,
            message.recipient,
            reported_at,
            received_at,
            kept_back,
            made_at(reported_at, received_at, trusted_lag, kept_back=kept_back),
        )

    @classmethod
    def of_reading(cls, message: TelemetryReceived, feeder: str | None, trusted_lag: timedelta) -> Report:
        """Return the report that a meter's last gasp or an opened breaker stands for: nobody is told of it."""
        key = message.message_id
        reported_at = min(message.at, message.received_at).astimezone(UTC)
        received_at = message.received_at.astimezone(UTC)
        return cls(
            report_id=key,
            ticket_id=key,
            ticket_ref=ticket_ref(key),
            contact_id=key,
            channel=Channel.API,
            device=message.device,
            feeder=feeder,
            account_id=message.account_id,
            customer_class=CustomerClass.NORMAL,
            suspended=False,
            hazards=(),
            single_premise=False,
            unconfirmed=True,
            lat=None,
            lon=None,
            address=None,
            language="zh-Hans-CN",
            recipient=None,
            reported_at=reported_at,
            received_at=received_at,
            kept_back=False,
            made_at=made_at(reported_at, received_at, trusted_lag, kept_back=False),
        )

    @property
    def has_ticket(self) -> bool:
        """Whether a customer made it, whose ticket the hotline has; a reading stands for no ticket."""
        return self.ticket_id != self.report_id

    @property
    def dark_at(self) -> datetime:
        """When it was dark for certain: a meter says so only if what reclosed at once has not brought power back."""
        return self.made_at if self.has_ticket else self.made_at + SAT_OUT

    @property
    def special(self) -> bool:
        """Whether a life-support or important customer made it."""
        return self.customer_class is CustomerClass.LIFE_SUPPORT or self.customer_class is CustomerClass.IMPORTANT

    @property
    def customer(self) -> str:
        """What tells this customer from others: the account, or the report where there is none."""
        return self.account_id or str(self.report_id)

    @property
    def caller(self) -> str | UUID:
        """The same where nobody reads it: spelling out an id costs more than all else that is done with it."""
        return self.account_id or self.report_id

    def member(self) -> Member:
        """Return the report as far as telling its customer needs."""
        return Member(
            report_id=self.report_id,
            ticket_id=self.ticket_id,
            ticket_ref=self.ticket_ref,
            language=self.language,
            recipient=self.recipient,
            customer_class=None if self.customer_class is CustomerClass.NORMAL else self.customer_class,
            contacted_at=self.received_at,
        )
