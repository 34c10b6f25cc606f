"""The router's settings (prefix ``GRIDLINE_``)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import Field

from services.router.domain.facts import Bounds
from services.runtime.settings import ServiceSettings

_SHIPPED: Final = Path(__file__).parents[2] / "deploy"


class RouterSettings(ServiceSettings):
    """Which rules, how often they are looked at, how far a contact's clock is trusted."""

    http_port: int = Field(default=8002, ge=0, le=65535)
    # Fewer than elsewhere: what two routers may have to wait for from each other, and agents from both, is a batch.
    batch_records: int = Field(default=500, ge=1, le=10_000, description="Maximum records in one transaction")
    routes_file: Path = Field(default=_SHIPPED / "routes.yaml", description="Route tree and queues")
    classify_file: Path = Field(default=_SHIPPED / "classify.yaml", description="Business types and words")
    desk_file: Path = Field(default=_SHIPPED / "desk.yaml", description="Timings, priorities, SLA clocks")
    keys_file: Path = Field(default=_SHIPPED / "keys.yaml", description="API keys and their scopes")
    bell_seconds: float = Field(default=0.2, gt=0, le=10, description="How often waiting agents' queues are polled")
    timer_seconds: float = Field(default=0.5, gt=0, le=60, description="How often timers are checked")
    queue_gauge_seconds: float = Field(default=10.0, gt=0, le=3600, description="How often waiting tickets are counted")
    event_lag_hours: float = Field(
        default=24.0,
        gt=0,
        le=24 * 31,
        description="A stated time this long before arrival is believed; of an earlier one the arrival counts",
    )
    clock_off_hours: float = Field(
        default=8.0,
        ge=0,
        le=24,
        description="A stated time this long before arrival, to two minutes, is a wrong time zone; 0: never",
    )
    follow_up_minutes: float = Field(
        default=30.0,
        gt=0,
        le=24 * 60,
        description="After this long, further words about a reported outage bring in a person",
    )

    matter_hours: float = Field(
        default=24.0, gt=0, le=24 * 7, description="How long after its last contact a ticket may be joined"
    )
    talk_minutes: float = Field(
        default=30.0,
        gt=0,
        le=24 * 60,
        description="How long a contact without a matter of its own joins the previous one",
    )

    def bounds(self) -> Bounds:
        """How far decisions trust and wait; between urges it is ``desk.yaml`` that says."""
        return Bounds(
            event_lag=timedelta(hours=self.event_lag_hours),
            clock_off=timedelta(hours=self.clock_off_hours),
            follow_up=timedelta(minutes=self.follow_up_minutes),
            matter=timedelta(hours=self.matter_hours),
            talk=timedelta(minutes=self.talk_minutes),
        )
