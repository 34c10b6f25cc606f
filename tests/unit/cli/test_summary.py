"""What a storm came to: the time from a contact to its order."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest

from services.cli import summary
from services.cli.evidence import Evidence
from services.cli.summary import order_seconds
from services.cli.topics import Record
from services.contracts.ids import order_id
from services.contracts.messages import OutageReported
from services.contracts.topics import DISPATCH_ORDER, OUTAGE_INPUT
from services.runtime.clock import CatchUp

REPORT = UUID(int=7)


def record(topic: str, ce_type: str, at: float, value: dict[str, object]) -> Record:
    headers = (("ce_type", ce_type.encode()),)
    return Record(topic, 0, 0, int(at * 1000), b"k", json.dumps(value).encode(), headers)


def test_the_time_to_an_order_is_of_the_present_also_where_hours_are_lived_again() -> None:
    """The broker stamps records with the present; who takes a contact in goes by the rehearsal's clock."""
    rehearsed = CatchUp(behind=6 * 3600.0, begins=1_800_000_000.0, rate=540.0)
    accepted = 1_800_000_010.0
    received_at = datetime.fromtimestamp(rehearsed.shown(accepted), UTC).isoformat()
    report = {"area": "A", "report_id": str(REPORT), "received_at": received_at}
    first = {"data": {"order_id": str(order_id("A", REPORT)), "version": 1}}
    evidence = Evidence()
    evidence.records[OUTAGE_INPUT.name] = [record(OUTAGE_INPUT.name, OutageReported.ce_type, accepted, report)]
    evidence.records[DISPATCH_ORDER.name] = [
        record(DISPATCH_ORDER.name, "order", accepted + 0.25, first),
        record(DISPATCH_ORDER.name, "order", accepted + 9.0, first),
    ]

    assert order_seconds(evidence, rehearsed.present) == pytest.approx([0.25], abs=0.002)


def test_the_tickets_add_up() -> None:
    states = ["with_dedup", "with_dedup", "queued", "merged", "closed"]
    rows = {n: SimpleNamespace(state=state, queue="repair", priority="high") for n, state in enumerate(states)}
    *_, told = summary._queues(Evidence(tickets=rows))  # type: ignore[arg-type]

    assert (
        str(told) == "5 tickets: 2 taken care of by an incident, 0 answered, 1 waiting, 1 part of another, 1 closed\n"
    )
