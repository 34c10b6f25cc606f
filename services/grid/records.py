"""What the rows that ``queries`` finds say.

Decided here: whom and what the rows of one report name. Never here: the queries, or which evidence to believe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import CustomerClass, CustomerStatus
from services.grid.accounts import account_key
from services.grid.device_names import Hit, loosely_meant, meant
from services.grid.evidence import Point
from services.grid.found import MOST_DEVICES, MOST_PHONES, Customer, Named, Spot

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from services.grid.evidence import Question


def named_by(question: Question, records: Iterable[asyncpg.Record]) -> Named:
    """Return whom and what a question names, by the rows of ``FIND_NAMED`` that were found for it.

    The account and the phone that were given go before numbers in the words.
    """
    spellings = question.spellings
    own: dict[int, Customer] = {}
    alike: dict[str, Customer] = {}
    numbered: dict[str, Customer] = {}
    phones: dict[str, Customer] = {}
    numbered_phones: dict[str, Customer] = {}
    spots: dict[str, Spot] = {}
    hits: list[Hit] = []
    loose: list[Hit] = []
    for record in records:
        via, who = record["via"], record["account_id"]
        if via in {"device", "short"}:
            device = record["transformer_id"]
            spots[device] = spot_of(record, record["lat"])
            hits.append(Hit(who, device, record["address"], via == "short"))
        elif via == "id":
            device = record["transformer_id"]
            spots[device] = spot_of(record, record["lat"])
            loose.append(Hit(who, device, "", is_short=False))
        elif via == "phone":
            (phones if record["phone"] == question.phone else numbered_phones)[who] = customer_of(record)
        elif via == "account" and who in spellings:
            own[spellings.index(who)] = customer_of(record)
        elif via == "key" and account_key(who) == question.account_key:
            alike[who] = customer_of(record)
        else:
            numbered[who] = customer_of(record)
    # Of several that differ in their signs alone, or stand in one text, none is meant more than another.
    account = own[min(own)] if own else _the_only(alike) or _the_only(numbered)
    devices = meant(hits, question.devices) | loosely_meant(loose, hits)
    return Named(
        account,
        tuple(one for _, one in sorted((phones or numbered_phones).items())[: MOST_PHONES + 1]),
        tuple(spots[device] for device in sorted(devices)[:MOST_DEVICES]),
    )


def _the_only(found: dict[str, Customer]) -> Customer | None:
    return next(iter(found.values())) if len(found) == 1 else None


def customer_of(record: asyncpg.Record) -> Customer:
    """Return the customer that a row is of."""
    return Customer(
        account_id=record["account_id"],
        transformer_id=record["transformer_id"],
        feeder=record["feeder"],
        area=record["area"],
        phone=record["phone"],
        status=CustomerStatus(record["status"]),
        priority=CustomerClass(record["priority"]),
        language=record["language"],
        point=Point(record["lat"], record["lon"]),
        address=record["address"],
        voltage_kv=_kilovolts(record["voltage_kv"]),
        span=(record["span_from"], record["span_to"]),
    )


def _kilovolts(stored: float | None) -> float | None:
    """Return what was imported: the column has seven digits, Python has more."""
    return None if stored is None else float(f"{stored:.6g}")


def spot_of(record: asyncpg.Record, lat: float) -> Spot:
    """Return the transformer or device that a row is of, at that latitude."""
    return Spot(
        record["transformer_id"],
        record["feeder"],
        record["area"],
        Point(lat, record["lon"]),
        (record["span_from"], record["span_to"]),
    )
