"""Reports with the place the grid resolves for them: what baselines and bounds start from, as the engine does.

Decided here: what of a report a baseline may see. Never here: how it merges.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from services.contracts.values import CustomerStatus
from services.dedup.replay_reports import evidence_of
from services.grid.candidates import search
from services.grid.evidence import DEFAULT_RULES, ask
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from services.dedup.replay_files import ReportLine
    from services.dedup.replay_reports import Prepared
    from services.quality.storms import StormFiles


@dataclass(frozen=True, slots=True)
class Placed:
    """One event at its first arrival.

    Attributes:
        at: Arrival.
        said_at: When it says it was made, bounded by arrival as the engine does.
        transformer: None where nothing placed it, or the customer is cut off and was told so.
        lat: Degrees north of the customer or the position, if any.
        danger: Words of danger were heard.
    """

    event: str
    at: datetime
    said_at: datetime
    transformer: str | None
    feeder: str | None
    account: str | None
    lat: float | None
    lon: float | None
    danger: bool


def first_arrivals(lines: Iterable[ReportLine]) -> list[ReportLine]:
    """Return each event once, by arrival."""
    seen: dict[str, ReportLine] = {}
    for line in sorted(lines, key=lambda line: line.received_at):
        seen.setdefault(line.event_id, line)
    return list(seen.values())


def placed(storm: StormFiles, prepared: Iterable[Prepared]) -> list[Placed]:
    """Return every event by arrival, where the product places it."""
    tree = storm.served.tree
    found = []
    for one in prepared:
        message = one.message
        if message is None:
            nowhere = (None, None, None, None, None)
            found.append(Placed(one.event_id, one.received_at, one.received_at, *nowhere, danger=False))
            continue
        place = message.place
        active = place.customer_status is not CustomerStatus.SUSPENDED  # the others are answered, whoever merges
        known = active and place.transformer_id is not None and place.transformer_id in tree
        found.append(
            Placed(
                event=one.event_id,
                at=one.received_at,
                said_at=message.reported_at,
                transformer=place.transformer_id if known else None,
                feeder=place.feeder if known else None,
                account=place.account_id,
                lat=place.lat,
                lon=place.lon,
                danger=bool(message.hazards),
            )
        )
    return found


def truly_placed(storm: StormFiles) -> list[Placed]:
    """Return every event by arrival as an oracle of places sees it: true customer, true time, true danger."""
    tree = storm.served.tree
    found = []
    for line in first_arrivals(storm.lines):
        truth = storm.truth[line.event_id]
        transformer = None if truth.kind is Kind.ARREARS else truth.transformer or None
        feeder = None if transformer is None else tree.feeder_of(transformer)
        device = None if transformer is None else tree.device(transformer)
        found.append(
            Placed(
                event=line.event_id,
                at=line.received_at,
                said_at=truth.happened_at,
                transformer=transformer,
                feeder=feeder,
                account=truth.account or None,
                lat=None if device is None else device.lat,
                lon=None if device is None else device.lon,
                danger=truth.kind is Kind.HAZARD,
            )
        )
    return found


def truly_placed_if_said(storm: StormFiles) -> list[Placed]:
    """Return every event as ``truly_placed``, but nowhere if it says nothing of its place.

    That is: no position, no address, no phone or device that anybody has, no account that anybody has or that is a slip
    away from one. No resolver could place those.
    """
    lines = {line.event_id: line for line in storm.lines}
    return [
        one
        if says_where(storm, lines[one.event])
        else replace(one, transformer=None, feeder=None, account=None, lat=None, lon=None)
        for one in truly_placed(storm)
    ]


def says_where(storm: StormFiles, line: ReportLine) -> bool:
    """Tell whether a report says anything of its place that somebody has."""
    question = ask(evidence_of(line))
    if question.address is not None or question.point is not None:
        return True
    book = storm.served.book
    named = book.named(question)
    if named.account or named.phones or named.devices:
        return True
    return bool(book.around(search(question, named, DEFAULT_RULES)).slips)
