"""What a replay decides about: a network with its customers, and each report as the router would send it.

Decided here: nothing; ``services.grid`` finds the places. A place depends on the reports before it and the network
alone, so all are found before the first is decided. Never here: a rule of merging.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Mapping  # noqa: TC003 - a named tuple evaluates it
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from services.contracts.ids import derive
from services.contracts.kept_back import Arrivals
from services.contracts.messages import OutageReported
from services.grid.accounts import said_account
from services.grid.book import CustomerBook
from services.grid.evidence import PlaceEvidence
from services.grid.lately import Lately
from services.grid.network_file import open_network
from services.grid.phone import phone_key
from services.grid.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from services.contracts import values
    from services.dedup.replay_files import ReportLine

    Progress = Callable[[str, int, int], None]
    """Called with the stage, steps done and steps in all."""

TELL_EVERY: Final = 2000
_EVENT_LAG: Final = timedelta(hours=24)
"""How long before its arrival a report may say it was made; as in the router."""
_AGAIN: Final = timedelta(hours=4)
"""How long after a report somebody may call of the same without saying where they are."""
_NO_TICKET: Final = "REPL-AYED-000"
"""In place of the reference a customer would be told: nobody is told anything here."""
_A_PERSONS: Final = UUID(int=0)
"""In place of the ticket: a report that is its own ticket is the word of a meter (``Report.has_ticket``)."""


class Served(NamedTuple):
    """A network with its customers, ready to be replayed on any number of times; ``homes``: account to transformer.

    ``warnings`` say what rows of the files lack and what was made of them.
    """

    tree: Tree
    book: CustomerBook
    homes: Mapping[str, str]
    warnings: tuple[str, ...] = ()


class Prepared(NamedTuple):
    """An event as the core gets it; ``message`` is None where nothing placed it or it is no outage: for people."""

    event_id: str
    report_id: UUID
    received_at: datetime
    message: OutageReported | None


class Heard(NamedTuple):
    """What the words of a report say: of danger, of whose power is out, of who they are, and if it is no outage."""

    hazards: tuple[str, ...] = ()
    single_premise: bool = False
    account_id: str | None = None
    other_fault: bool = False
    """They speak of the voltage or the meter and of no outage: for people, as the router has it."""


def load_served(network: Path, customers: Path) -> Served:
    """Read network.csv and customers.csv.

    Raises:
        NetworkFileError: they cannot be used.
    """
    files = open_network(network, customers)
    rows = list(files.read_customers())
    connected: dict[str, int] = {}
    for row in rows:
        connected[row.transformer_id] = connected.get(row.transformer_id, 0) + 1
    tree = Tree(files.devices, connected)
    names = {one.id: one.name for one in files.devices if one.name}
    homes = {row.account_id: row.transformer_id for row in rows}
    served = Served(tree, CustomerBook(tree, rows, names), homes, tuple(files.warnings))
    gc.freeze()  # it stays: looking through it for garbage again and again is a fifth of the time
    return served


def prepare(
    book: CustomerBook, lines: Iterable[ReportLine], hear: Callable[[str], Heard] | None, tell: Progress
) -> list[Prepared]:
    """Return each event at its first arrival, with the message the router would make of it, by arrival.

    Args:
        book: The network's customers.
        lines: The reports, in any order.
        hear: Tells what a report's text says; without it texts only name places.
        tell: Told how far it is.
    """
    reports = sorted(lines, key=lambda line: line.received_at)
    found: dict[str, Prepared] = {}
    lately, callers = Lately(), _Callers()
    with without_garbage_collection():
        for done, (line, kept_back) in enumerate(zip(reports, _kept_back(reports), strict=True)):
            if line.event_id not in found:
                found[line.event_id] = _prepared(book, line, hear, lately, callers, kept_back=kept_back)
            if done % TELL_EVERY == 0:
                tell("places", done, len(reports))
    return list(found.values())


def _kept_back(reports: Sequence[ReportLine]) -> Iterator[bool]:
    """Yield of each report whether its channel had been cut off, as intake tells it of a source.

    Args:
        reports: By arrival; what came at once on a channel is looked at together, as a batch is there.
    """
    channels: defaultdict[values.Channel, Arrivals] = defaultdict(Arrivals)
    for _, at_once in groupby(reports, key=lambda line: (line.received_at, line.channel)):
        lines = list(at_once)
        arrivals = channels[lines[0].channel]
        yield from arrivals.kept_back([(line.reported_at, line.received_at) for line in lines])
        for line in lines:
            arrivals.arrived(line.reported_at, line.received_at)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable the collector for a stage: a replay keeps what it makes, and scanning that is a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # else all that the stage made is looked through as soon as the collector is back
        if was_on:
            gc.enable()


class _Callers:
    """Where those who call again said they were.

    The router adds such a call to the ticket that they have; later, a person who takes it sees where that one was.
    """

    def __init__(self) -> None:
        self._said: dict[str, tuple[datetime, values.Place]] = {}

    def place(self, line: ReportLine, place: values.Place) -> values.Place:
        """Return the place of a report, or of the one before by the same number where this one says none."""
        number = phone_key(line.phone)
        if number is None:
            return place
        if place.transformer_id is not None:
            self._said[number] = line.received_at, place
        elif place.area is None and number in self._said:
            at, before = self._said[number]
            if line.received_at - at <= _AGAIN:
                return before
        return place


def _prepared(
    book: CustomerBook,
    line: ReportLine,
    hear: Callable[[str], Heard] | None,
    lately: Lately,
    callers: _Callers,
    *,
    kept_back: bool,
) -> Prepared:
    report_id = derive("replay", line.event_id)
    heard = hear(line.text) if hear is not None and line.text else Heard()
    if heard.other_fault and not heard.hazards:
        return Prepared(line.event_id, report_id, line.received_at, None)
    if said_account(line.account_id) is None and heard.account_id is not None:
        line = replace(line, account_id=heard.account_id)
    place = callers.place(line, book.resolve(evidence_of(line), lately=lately, at=line.received_at).as_value())
    if place.area is None:
        return Prepared(line.event_id, report_id, line.received_at, None)
    message = OutageReported(
        area=place.area,
        report_id=report_id,
        ticket_id=_A_PERSONS,
        ticket_ref=_NO_TICKET,
        contact_id=report_id,
        channel=line.channel,
        place=place,
        reported_at=_event_time(line),
        received_at=line.received_at,
        hazards=heard.hazards,
        single_premise=heard.single_premise,
        address=line.address,
        kept_back=kept_back or None,
    )
    return Prepared(line.event_id, report_id, line.received_at, message)


def evidence_of(line: ReportLine) -> PlaceEvidence:
    """Return what a line says of its place."""
    return PlaceEvidence(
        account_id=line.account_id,
        phone=line.phone,
        lat=line.lat,
        lon=line.lon,
        crs=line.crs,
        accuracy_m=line.accuracy_m,
        address=line.address,
        text=line.text,
    )


def _event_time(line: ReportLine) -> datetime:
    """Return when a report says it was made, or its arrival where that cannot be: a phone's clock may lie."""
    return line.reported_at if timedelta(0) <= line.received_at - line.reported_at <= _EVENT_LAG else line.received_at
