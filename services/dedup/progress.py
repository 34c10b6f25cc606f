"""A crew's progress on its way to the area of its order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.envelope import fingerprint
from services.contracts.messages import FieldProgressed
from services.contracts.publication import Publication

if TYPE_CHECKING:
    from datetime import datetime

    from services.contracts.messages import FieldProgress
    from services.dedup.store.views import OrderKey


def rekeyed(order: OrderKey, said: FieldProgress, now: datetime, traceparent: str | None) -> Publication:
    """Return the publication that brings ``said`` to its area.

    The same word sent again is the same event, although it arrives at another time: its fingerprint leaves that out.
    """
    message = FieldProgressed(area=order.area, incident_id=order.incident_id, progress=said, received_at=now)
    return Publication(message, traceparent, fingerprint(message, without=("received_at",)))
