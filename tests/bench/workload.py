"""What is sent: storms of the simulator, moved about a network of any size.

Decided here: how a storm drawn on a few feeders is spread over many. Every fault moves as a whole, with the people
who report it, by an even number of feeders (the two shipped networks alternate), so faults and reports a fault stay
the same whatever the network's size. Never here: what a storm is (``services.simulator``), or sending.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from services.cli.commands.storm import development_senders
from services.contracts.envelope import Outgoing, encode
from services.contracts.ids import contact_id, derive, report_id, ticket_ref
from services.contracts.topics import CONTACT_RECEIVED, OUTAGE_INPUT
from services.contracts.values import Channel
from services.grid.book import CustomerBook
from services.grid.evidence import PlaceEvidence
from services.intake.channels import app, phone, web, wechat
from services.intake.channels.contact import Accepted, NotAContact, contact_fingerprint
from services.intake.channels.conversation import Talk
from services.intake.security import load_sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases
from services.router.domain.deciding import receive
from services.router.domain.facts import fold
from services.router.domain.telling import outage_reported
from services.router.domain.ticket import Located, Ticket
from services.router.settings import RouterSettings
from services.router.tree.book import load_rules
from services.simulator.generate import Storm, dice, draw_storm
from services.simulator.payloads import at_steady_rate, events_of, render
from tests.bench.grids import Size, in_memory
from tests.bench.http_load import post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from uuid import UUID

    from services.contracts.messages import ContactReceived, OutageReported
    from services.contracts.values import Place
    from services.simulator.cases import Case
    from services.simulator.faults import Network
    from services.simulator.payloads import Request
    from services.simulator.shape import Shape

START = datetime(2026, 7, 1, 18, tzinfo=UTC)
STORM = Size("storm", 6)
"""What a storm is drawn on where it is copied side by side: six substations, some 20,000 customers."""
SEEDS = 4
"""Different storms among the copies."""
_TILE = re.compile(r"T(\d+)-")
_ROWS = """
SELECT c.account_id, coalesce(c.phone, '') AS phone, c.lat, c.lon, c.address
FROM grid.customer AS c
WHERE c.version = (SELECT version FROM grid.network_version WHERE is_current) AND c.account_id = ANY($1::text[])
"""


@dataclass(frozen=True)
class Move:
    """From the feeders a storm was drawn on to those of a larger network."""

    size: Size

    def name(self, text: str, shift: int) -> str:
        """Return a device, area or account of the storm's feeders ``shift`` feeders further on."""
        digits = max(3, len(str(self.size.tiles)))
        return _TILE.sub(lambda found: f"T{int(found[1]) + shift:0{digits}d}-", text, count=1)


def even_shifts(storm_size: Size, size: Size) -> int:
    """Return how many places a fault can be moved to."""
    return (size.tiles - storm_size.tiles) // 2 + 1


def scattered(storm_size: Size, size: Size, seed: int) -> Callable[[str], int]:
    """Return a rule that moves each fault to a place of its own, anywhere in the network."""
    places = even_shifts(storm_size, size)
    return lambda group: 2 * dice(seed, f"bench place {group}").randrange(places)


async def moved(storm: Storm, dsn: str, size: Size, shift_of: Callable[[str], int]) -> Storm:
    """Return the storm with every case moved; what people say of their place is that of the new one.

    Args:
        storm: Drawn on the first feeders.
        dsn: Where the larger network is imported.
        size: Its size.
        shift_of: From a fault's id, or ``case <n>`` where there is none, to feeders.
    """
    move = Move(size)
    shifts = {case.number: shift_of(case.fault or f"case {case.number}") for case in storm.cases}
    targets = {case.number: move.name(_account(storm, case), shifts[case.number]) for case in storm.cases}
    connection = await asyncpg.connect(dsn)
    try:
        rows = {row["account_id"]: row for row in await connection.fetch(_ROWS, sorted(set(targets.values())))}
    finally:
        await connection.close()
    cases = tuple(
        _moved_case(storm, case, move, shifts[case.number], rows[targets[case.number]]) for case in storm.cases
    )
    return replace(storm, cases=cases)


def _account(storm: Storm, case: Case) -> str:
    if case.customer is None:
        raise ValueError("only a storm without passers-by can be moved: their place is no customer's")
    return storm.network.customers[case.customer].account_id


def _moved_case(storm: Storm, case: Case, move: Move, shift: int, target: asyncpg.Record) -> Case:
    said, own = case.said, storm.network.customers[case.customer or 0]
    account = None if said.account is None else move.name(said.account, shift)
    lat = None if said.lat is None else round(said.lat + target["lat"] - own.lat, 6)
    lon = None if said.lon is None else round(said.lon + target["lon"] - own.lon, 6)
    telephone = target["phone"] or None if said.phone == own.phone else said.phone
    home = None if said.home is None else target["address"]
    return replace(case, said=replace(said, account=account, lat=lat, lon=lon, phone=telephone, home=home))


def copies(size: Size, storm_size: Size, most: int) -> Iterator[tuple[int, int, int, timedelta]]:
    """Yield copies of storms: number, seed, by how many feeders it is moved, how much later it is.

    Each has areas of its own while there are any left; then they are struck again, by another storm three hours later.
    """
    places = size.tiles // storm_size.tiles
    for copy in range(most):
        lap, place = divmod(copy, places)
        yield copy, 1 + (copy + lap) % SEEDS, place * storm_size.tiles, timedelta(hours=3 * lap, seconds=place)


class Storms:
    """Storms on the first feeders, drawn once a seed."""

    def __init__(self, size: Size, shape: Shape) -> None:
        """Take the feeders of a network of ``size`` and the kind of storm."""
        self.size = size
        self._shape = replace(shape, street_hazards=0.0)
        self._network: Network = in_memory(size)
        self._drawn: dict[int, Storm] = {}

    @property
    def network(self) -> Network:
        """The feeders they strike."""
        return self._network

    def drawn(self, seed: int) -> Storm:
        """Return the storm of a seed."""
        if seed not in self._drawn:
            self._drawn[seed] = draw_storm(self._network, self._shape, seed)
        return self._drawn[seed]


def requests_of(storm: Storm, start: datetime, *, copy: int = 0, seconds: float | None = None) -> list[Request]:
    """Return every request of a storm, by due time; copies have ids of their own.

    Args:
        storm: What happens.
        start: Its second 0.
        copy: Number of this copy.
        seconds: Spread it evenly over so many; in storm time if absent.
    """
    numbered = replace(storm, seed=1000 * (copy + 1) + storm.seed)
    requests = render(numbered, events_of(numbered), start + timedelta(milliseconds=copy), development_senders())
    return requests if seconds is None else at_steady_rate(requests, seconds)


def as_http(requests: Iterable[Request], path: str | None = None) -> list[bytes]:
    """Return requests ready to send, to ``path`` in place of their own door if it is given."""
    return [post(path or one.path, one.body, one.headers) for one in requests]


class Doors:
    """The intake's parsers without its HTTP: from a request to the contact the intake would publish."""

    def __init__(self) -> None:
        """Read the shipped sources."""
        settings = IntakeSettings()
        self._sources = load_sources(settings.sources_file)
        phrases = load_phrases(settings.phrases_file)
        self._talk = Talk.fresh(lambda: phrases)

    def contact(self, request: Request, now: datetime) -> ContactReceived:
        """Return the contact."""
        senders = development_senders()
        accepted: Accepted | NotAContact
        if request.channel is Channel.WECHAT:
            message = wechat.in_clear(request.body)
            accepted = wechat.accept(self._sources.wechat[senders.account], message, now, self._talk)
        elif request.channel is Channel.PHONE:
            accepted = phone.accept(self._sources.phone[senders.sources[Channel.PHONE]], request.body, None, now)
        elif request.channel is Channel.APP:
            accepted = app.accept(self._sources.app[senders.sources[Channel.APP]], request.body, None, now)
        else:
            accepted = web.accept(self._sources.web[senders.sources[Channel.WEB]], request.body, None, now)
        if isinstance(accepted, NotAContact):
            raise TypeError("a storm sends contacts only")
        return accepted.contact

    def contacts(self, requests: Iterable[Request], start: datetime) -> list[ContactReceived]:
        """Return contacts that arrived when they were due."""
        return [self.contact(one, start + timedelta(seconds=one.at)) for one in requests]


def contact_records(contacts: Iterable[ContactReceived]) -> list[Outgoing]:
    """Return the records the intake would publish."""
    return [
        encode(one, topic=CONTACT_RECEIVED.name, source="gridline/intake", content=contact_fingerprint(one))
        for one in contacts
    ]


def reports_of(network: Network, contacts: Sequence[ContactReceived]) -> list[OutageReported]:
    """Return the outage reports the router makes of contacts, by its own rules, with the network in memory."""
    settings = RouterSettings()
    rules, bounds = load_rules(settings.routes_file, settings.classify_file), settings.bounds()
    book = CustomerBook(network.tree, network.customers)
    tickets: dict[UUID, Ticket] = {}
    reports: dict[UUID, OutageReported] = {}
    for contact in contacts:
        was = tickets.get(contact.ticket_id)
        if was is not None and contact.contact_id in was.contacts:
            continue
        facts = fold(was.facts if was else None, contact, rules.keywords, bounds)
        position = facts.position.value if facts.position else None
        evidence = PlaceEvidence(
            account_id=facts.account_id.value if facts.account_id else None,
            phone=facts.phone.value if facts.phone else None,
            lat=position.lat if position else None,
            lon=position.lon if position else None,
            crs=position.crs.value if position else None,
            accuracy_m=position.accuracy_m if position else None,
            address=facts.address.value if facts.address else None,
            text=facts.text,
        )
        place = book.resolve(evidence)
        located = Located(place.as_value(), place.language)
        ticket = tickets[contact.ticket_id] = receive(was, contact, facts, located, rules, bounds, contact.received_at)
        if ticket.reported_at is not None and ticket.ticket_id not in reports:
            reports[ticket.ticket_id] = outage_reported(ticket, contact.contact_id, contact.received_at)
    return list(reports.values())


def copied(report: OutageReported, copy: int, move: Move, shift: int, later: timedelta) -> OutageReported:
    """Return a report of another ticket, ``shift`` feeders further on and so much later."""
    ticket = derive("bench ticket", report.ticket_id, copy)
    return report.model_copy(
        update={
            "area": move.name(report.area, shift),
            "report_id": report_id(ticket),
            "ticket_id": ticket,
            "ticket_ref": ticket_ref(ticket),
            "contact_id": contact_id("bench", str(ticket)),
            "place": _copied_place(report.place, move, shift),
            "reported_at": report.reported_at + later,
            "received_at": report.received_at + later,
        }
    )


def _copied_place(place: Place, move: Move, shift: int) -> Place:
    names = ("area", "feeder", "transformer_id", "account_id")
    said = {name: getattr(place, name) for name in names}
    return place.model_copy(update={name: move.name(text, shift) for name, text in said.items() if text})


def report_records(reports: Iterable[OutageReported]) -> list[Outgoing]:
    """Return the records the router would publish."""
    return [encode(one, topic=OUTAGE_INPUT.name, source="gridline/router") for one in reports]
