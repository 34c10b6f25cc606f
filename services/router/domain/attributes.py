"""What the route tree sees of a ticket: its attributes, as words to match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from services.contracts.frozen import frozen
from services.router.domain.classify import Classification, LanguageRule, priority_of
from services.router.domain.routes import VoltageLevel

if TYPE_CHECKING:
    from services.contracts.values import Channel, Place, Priority
    from services.router.domain.facts import Facts
    from services.router.domain.routes import Attributes
    from services.router.domain.ticket import Ticket
    from services.router.domain.work import Work


_LOW_KV: Final = 1.0
_MEDIUM_KV: Final = 35.0


@frozen(kw_only=True)
class Standing:
    """What a ticket is beside what it is about and where: how it came, how it stands."""

    channel: Channel
    priority: Priority
    final: bool = True
    unconfirmed: bool = False
    needs_person: str | None = None
    repeats: int = 0
    urges: int = 0


class Told(Protocol):
    """A ticket, or what is to be one."""

    @property
    def facts(self) -> Facts: ...  # noqa: D102 - as of a ticket, like those below
    @property
    def need(self) -> str | None: ...  # noqa: D102
    @property
    def repeats(self) -> int: ...  # noqa: D102
    @property
    def urges(self) -> int: ...  # noqa: D102
    @property
    def work(self) -> Work | None: ...  # noqa: D102


def standing_of(ticket: Told, priority: Priority) -> Standing:
    """Return how a ticket stands; its customer and people at desks may have urged it."""
    return Standing(
        channel=ticket.facts.channel.value,
        priority=priority,
        final=ticket.facts.final,
        unconfirmed=ticket.facts.is_unconfirmed,
        needs_person=ticket.need,
        repeats=ticket.repeats,
        urges=ticket.urges + (ticket.work.urges if ticket.work else 0),
    )


def attributes(about: Classification, place: Place, standing: Standing) -> Attributes:
    """Return a ticket as the route tree sees it."""
    return {
        "business_type": (about.business_type,),
        "classified_by": (about.type_rule,),
        "fault": _some(about.fault),
        "is_outage": _yes(about.is_outage),
        "hazards": about.hazards,
        "suspected": _yes(about.suspected is not None),
        "single_premise": _yes(about.single_premise),
        "language": (about.language,),
        "language_sure": _yes(about.language_rule is not LanguageRule.UNSURE),
        "channel": (standing.channel,),
        "priority": (standing.priority,),
        "customer_class": (place.customer_class,),
        "customer_status": (place.customer_status,),
        "voltage_level": _some(voltage_level(place.voltage_kv)),
        "placed": _yes(place.area is not None),
        "area": _some(place.area),
        "feeder": _some(place.feeder),
        "final": _yes(standing.final),
        "unconfirmed": _yes(standing.unconfirmed),
        "needs_person": _some(standing.needs_person),
        "repeats": (str(standing.repeats),),
        "urged": _yes(standing.urges > 0),
        "tags": (),
    }


def as_seen(ticket: Ticket) -> Attributes:
    """Return a ticket as the route tree sees it."""
    priority, _ = priority_of(ticket.classification, ticket.place.customer_class)
    return attributes(ticket.classification, ticket.place, standing_of(ticket, priority))


def voltage_level(kilovolts: float | None) -> VoltageLevel | None:
    """Return the level of a nominal voltage, if it is known."""
    if kilovolts is None:
        return None
    if kilovolts <= _LOW_KV:
        return VoltageLevel.LOW
    return VoltageLevel.MEDIUM if kilovolts <= _MEDIUM_KV else VoltageLevel.HIGH


_TRUE: Final = ("true",)
_FALSE: Final = ("false",)


def _some(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _yes(value: bool) -> tuple[str, ...]:  # noqa: FBT001 - the value itself, not a switch
    return _TRUE if value else _FALSE
