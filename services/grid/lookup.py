"""The places of a batch of reports, from the network model in Postgres.

Decided here: nothing; ``place`` decides. One query a batch, whose cost does not grow with the number of customers:
each report costs a few index look-ups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from services.contracts.values import CustomerClass, CustomerStatus
from services.grid.place import DEFAULT_RULES, Customer, Found, Near, Point, ask, decide, latitude, mercator

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from services.grid.place import PlaceEvidence, PlaceRules, Question, ResolvedPlace

    Connection = asyncpg.Connection[asyncpg.Record]

# Every table is read in a LATERAL with a LIMIT, so that the plan can only be one index look-up a report, never a
# join that reads the table. The nearest transformer comes first; the second is the nearest service point that is
# not the first one's. Positions are searched only where account and phone do not name one customer.
FIND: Final = """
WITH asked AS MATERIALIZED (
    SELECT n, account_id, phone, point(x, y) AS at
    FROM unnest($1::integer[], $2::text[], $3::text[], $4::float8[], $5::float8[]) AS a (n, account_id, phone, x, y)
), current AS MATERIALIZED (
    SELECT version FROM grid.network_version WHERE is_current
), by_account AS MATERIALIZED (
    SELECT asked.n, c.*
    FROM asked CROSS JOIN LATERAL (
        SELECT * FROM grid.customer
        WHERE version = (SELECT version FROM current) AND account_id = asked.account_id
        LIMIT 1
    ) AS c
), by_phone AS MATERIALIZED (
    SELECT asked.n, c.*
    FROM asked CROSS JOIN LATERAL (
        SELECT * FROM grid.customer
        WHERE version = (SELECT version FROM current) AND phone = asked.phone
        LIMIT 2
    ) AS c
), named AS MATERIALIZED (
    SELECT n FROM by_account
    UNION ALL
    SELECT n FROM by_phone GROUP BY n HAVING count(*) = 1
), unnamed AS MATERIALIZED (
    SELECT n, at FROM asked WHERE at IS NOT NULL AND n NOT IN (SELECT n FROM named)
), nearest AS MATERIALIZED (
    SELECT unnamed.n, unnamed.at AS asked_at, s.transformer_id, s.at
    FROM unnamed CROSS JOIN LATERAL (
        SELECT transformer_id, at FROM grid.service_point
        WHERE version = (SELECT version FROM current)
        ORDER BY at <-> unnamed.at
        LIMIT 1
    ) AS s
), second AS MATERIALIZED (
    SELECT nearest.n, s.transformer_id, s.at
    FROM nearest CROSS JOIN LATERAL (
        SELECT transformer_id, at FROM grid.service_point
        WHERE version = (SELECT version FROM current) AND transformer_id <> nearest.transformer_id
        ORDER BY at <-> nearest.asked_at
        LIMIT 1
    ) AS s
), hit AS (
    SELECT 'account' AS via, n, account_id, transformer_id, phone, status, priority, language, lon AS x, lat AS y
    FROM by_account
    UNION ALL
    SELECT 'phone', n, account_id, transformer_id, phone, status, priority, language, lon, lat FROM by_phone
    UNION ALL
    SELECT 'near', n, NULL, transformer_id, NULL, NULL, NULL, NULL, at[0], at[1] FROM nearest
    UNION ALL
    SELECT 'near', n, NULL, transformer_id, NULL, NULL, NULL, NULL, at[0], at[1] FROM second
)
SELECT hit.*, d.feeder, d.area
FROM hit CROSS JOIN LATERAL (
    SELECT feeder, area FROM grid.device
    WHERE version = (SELECT version FROM current) AND id = hit.transformer_id
    LIMIT 1
) AS d
"""


async def resolve_places(
    connection: Connection, evidence: Sequence[PlaceEvidence], rules: PlaceRules = DEFAULT_RULES
) -> list[ResolvedPlace]:
    """Return the place of each report, in order, by one query (none for an empty batch)."""
    questions = [ask(one, rules) for one in evidence]
    found = await _find(connection, questions) if questions else []
    return [decide(question, one, rules) for question, one in zip(questions, found, strict=True)]


async def _find(connection: Connection, questions: Sequence[Question]) -> list[Found]:
    records = await connection.fetch(FIND, *columns(questions))
    accounts: dict[int, Customer] = {}
    phones: dict[int, list[Customer]] = {}
    near: dict[int, list[Near]] = {}
    for record in records:
        via, n = record["via"], record["n"]
        if via == "near":
            near.setdefault(n, []).append(_near(record))
        elif via == "phone":
            phones.setdefault(n, []).append(_customer(record))
        else:
            accounts[n] = _customer(record)
    return [Found(accounts.get(n), tuple(phones.get(n, ())), tuple(near.get(n, ()))) for n in range(len(questions))]


def columns(questions: Sequence[Question]) -> tuple[list[Any], ...]:
    """Return the arguments of ``FIND``: number, account, phone, x and y of each question."""
    return (
        list(range(len(questions))),
        [q.account_id for q in questions],
        [q.phone for q in questions],
        [None if q.point is None else q.point.lon for q in questions],
        [None if q.point is None else mercator(q.point.lat) for q in questions],
    )


def _customer(record: asyncpg.Record) -> Customer:
    return Customer(
        account_id=record["account_id"],
        transformer_id=record["transformer_id"],
        feeder=record["feeder"],
        area=record["area"],
        phone=record["phone"],
        status=CustomerStatus(record["status"]),
        priority=CustomerClass(record["priority"]),
        language=record["language"],
        point=Point(record["y"], record["x"]),
    )


def _near(record: asyncpg.Record) -> Near:
    return Near(record["transformer_id"], record["feeder"], record["area"], Point(latitude(record["y"]), record["x"]))
