"""What Postgres is asked for the places of a batch of reports: the queries of ``lookup``, and their arguments.

Decided here: that each report costs a few index look-ups, however many customers there are. Never here: what is made
of the rows (``records``, ``lookup``).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from services.grid.accounts import account_key
from services.grid.alike import MOST_STREETS
from services.grid.evidence import mercator
from services.grid.found import (
    MOST_COUNTED,
    MOST_DEVICES,
    MOST_HOUSES,
    MOST_PHONES,
    MOST_POINTS,
    MOST_ROOMS,
    MOST_SLIPPED,
    MOST_SLIPS,
)
from services.grid.houses import wanted
from services.grid.phone import phone_key
from services.grid.slips import slips
from services.grid.steps import LOOKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.grid.evidence import Question
    from services.grid.found import Search

# ruff: noqa: S608 - the only text put into the queries is ours, and constant
_CUSTOMER: Final = "account_id, transformer_id, phone, status, priority, language, lat, lon, address, voltage_kv"
_DEVICE: Final = """d.id AS transformer_id, NULL::text AS phone,
           NULL::text AS status, NULL::text AS priority, NULL::text AS language, d.lat, d.lon, d.name AS address,
           NULL::real AS voltage_kv"""
"""A device as a row of the same columns."""

# Every table is read in a LATERAL with a LIMIT, so that the plan can only be one index look-up a report, never a
# join that reads the table.
FIND_NAMED: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT n, account_id, phone, account_key
    FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[]) AS a (n, account_id, phone, account_key)
), said AS MATERIALIZED (
    SELECT n, word FROM unnest($5::integer[], $6::text[]) AS s (n, word)
), spelt AS MATERIALIZED (
    SELECT n, key FROM unnest($7::integer[], $8::text[]) AS k (n, key)
), current AS MATERIALIZED (
    SELECT version FROM grid.network_version WHERE is_current
), customer_hit AS (
    SELECT 'account' AS via, asked.n, c.*
    FROM asked CROSS JOIN LATERAL (
        SELECT {_CUSTOMER} FROM grid.customer
        WHERE version = (SELECT version FROM current) AND account_id = asked.account_id
        LIMIT 1
    ) AS c
    UNION ALL
    SELECT 'key', asked.n, c.*
    FROM asked CROSS JOIN LATERAL (
        SELECT {_CUSTOMER} FROM grid.customer
        WHERE version = (SELECT version FROM current) AND account_key = asked.account_key
        ORDER BY account_id
        LIMIT 2
    ) AS c
    UNION ALL
    SELECT 'phone', asked.n, c.*
    FROM asked CROSS JOIN LATERAL (
        SELECT {_CUSTOMER} FROM grid.customer
        WHERE version = (SELECT version FROM current) AND phone = asked.phone
        ORDER BY account_id
        LIMIT {MOST_PHONES + 1}
    ) AS c
), device_hit AS (
    SELECT 'device' AS via, said.n, said.word AS account_id, {_DEVICE}
    FROM said CROSS JOIN LATERAL (
        (SELECT id, lat, lon, name FROM grid.device
        WHERE version = (SELECT version FROM current) AND id = said.word
        LIMIT 1)
        UNION
        (SELECT id, lat, lon, name FROM grid.device
        WHERE version = (SELECT version FROM current) AND name = said.word AND name <> ''
        ORDER BY id LIMIT {MOST_DEVICES})
    ) AS d
), short_hit AS (
    SELECT 'short' AS via, said.n, said.word AS account_id, {_DEVICE}
    FROM said CROSS JOIN LATERAL (
        SELECT id, lat, lon, name FROM grid.device
        WHERE version = (SELECT version FROM current) AND short_name = said.word
        ORDER BY id LIMIT {MOST_DEVICES}
    ) AS d
), id_hit AS (
    SELECT 'id' AS via, spelt.n, spelt.key AS account_id, {_DEVICE}
    FROM spelt CROSS JOIN LATERAL (
        (SELECT id, lat, lon, name FROM grid.device
        WHERE version = (SELECT version FROM current) AND id_key = spelt.key
        ORDER BY id LIMIT {MOST_DEVICES})
        UNION ALL
        (SELECT id, lat, lon, name FROM grid.device
        WHERE version = (SELECT version FROM current) AND id = spelt.key
        LIMIT 1)
    ) AS d
), hit AS (
    SELECT * FROM customer_hit UNION ALL SELECT * FROM device_hit UNION ALL SELECT * FROM short_hit
    UNION ALL SELECT * FROM id_hit
)
SELECT hit.*, d.feeder, d.area, d.span_from, d.span_to
FROM hit CROSS JOIN LATERAL (
    SELECT feeder, area, span_from, span_to FROM grid.device
    WHERE version = (SELECT version FROM current) AND id = hit.transformer_id
    LIMIT 1
) AS d
ORDER BY hit.n, hit.via, hit.account_id, hit.transformer_id
"""

# Each look of ``steps`` is an index range; only the rows of the first that finds any are asked for.
_WHERE: Final = {
    "here": "district = ANY (asked.districts)",
    "within": "district LIKE ANY (asked.within) AND cardinality(asked.within) > 0",
    "anywhere": "true",
}
_NUMBERS: Final = {
    "exact": "number = asked.number AND asked.number > 0",
    "neighbours": "number BETWEEN asked.low AND asked.high AND asked.high > 0",
    "street": "number = 0",
}
_STEPS: Final = tuple(
    (look.step, f"street = ANY (asked.streets) AND {_WHERE[look.where]} AND {_NUMBERS[look.numbers]}") for look in LOOKS
)


def _each_step(select: str) -> str:
    """Return what looks into one step after the other, no further than it is read."""
    return " UNION ALL ".join(
        select.format(look=look, step=step, where=where) for look, (step, where) in enumerate(_STEPS)
    )


_COUNTED: Final = ", ".join(str(look) for look, one in enumerate(LOOKS) if one.numbers != "neighbours")
_FIRST_STEP: Final = _each_step("""
(SELECT {look} AS look FROM grid.house WHERE version = (SELECT version FROM current) AND {where} LIMIT 1)
""")
_OF_STEP: Final = _each_step("""
SELECT {step} AS step, street, number, building, transformer_id, customers FROM grid.house
WHERE {look} = first.look AND version = (SELECT version FROM current) AND {where}
""")
FIND_AROUND: Final = f"""
WITH asked_point AS MATERIALIZED (
    SELECT n, point(x, y) AS at FROM unnest($1::integer[], $2::float8[], $3::float8[]) AS a (n, x, y)
), asked AS MATERIALIZED (
    SELECT n, string_to_array(streets, E'\\n') AS streets, string_to_array(districts, E'\\n') AS districts,
           string_to_array(within, E'\\n') AS within, number, low, high, room, house
    FROM unnest(
        $4::integer[], $5::text[], $6::text[], $7::integer[], $8::integer[], $9::integer[], $10::text[], $13::text[],
        $14::text[]
    ) AS a (n, streets, districts, number, low, high, room, within, house)
), meant AS MATERIALIZED (
    SELECT n, string_to_array(accounts, E'\\n') AS accounts FROM unnest($11::integer[], $12::text[]) AS m (n, accounts)
), current AS MATERIALIZED (
    SELECT version FROM grid.network_version WHERE is_current
), point_hit AS (
    SELECT asked_point.n, s.transformer_id, s.at, s.rank
    FROM asked_point CROSS JOIN LATERAL (
        SELECT transformer_id, at, row_number() OVER () AS rank FROM (
            SELECT transformer_id, at FROM grid.service_point
            WHERE version = (SELECT version FROM current)
            ORDER BY at <-> asked_point.at
            LIMIT {MOST_POINTS}
        ) AS nearest
    ) AS s
), house_hit AS MATERIALIZED (
    SELECT asked.n, asked.room, h.*
    FROM asked
    CROSS JOIN LATERAL (SELECT look FROM ({_FIRST_STEP}) AS steps LIMIT 1) AS first
    CROSS JOIN LATERAL (
        WITH limited AS MATERIALIZED (
            SELECT * FROM ({_OF_STEP}) AS steps LIMIT {MOST_HOUSES + 1} -- what fits everywhere costs no more
        ), counted AS MATERIALIZED ( -- of a number that has too many houses, or a street that has too many rows
            SELECT * FROM ({_OF_STEP}) AS steps
            WHERE (asked.house = '' OR building = asked.house OR number = 0) AND first.look IN ({_COUNTED})
                AND (SELECT count(*) FROM limited) > {MOST_HOUSES}
            LIMIT {MOST_COUNTED + 1}
        ), own AS MATERIALIZED (
            SELECT step, street, number, of AS building, transformer_id, sum(customers)::integer AS customers
            FROM (SELECT *, CASE number WHEN 0 THEN building ELSE asked.house END AS of FROM counted) AS by_number
            WHERE (SELECT count(*) FROM counted)
                <= CASE WHEN asked.house = '' OR number = 0 THEN {MOST_COUNTED} ELSE {MOST_HOUSES} END
            GROUP BY step, street, number, of, transformer_id
            LIMIT {MOST_HOUSES + 1}
        )
        SELECT step, street, number, building, transformer_id, customers, found FROM (
            SELECT meant.*, count(*) OVER () AS found, row_number() OVER () AS rank FROM (
                SELECT * FROM own UNION ALL SELECT * FROM limited WHERE NOT EXISTS (SELECT FROM own)
            ) AS meant
        ) AS ranked
        WHERE found <= {MOST_HOUSES} OR rank = 1
    ) AS h
), room_hit AS (
    SELECT t.n, c.*
    FROM (
        SELECT n, room, transformer_id FROM house_hit WHERE room <> '' AND found <= {MOST_HOUSES}
        GROUP BY n, room, transformer_id
    ) AS t CROSS JOIN LATERAL (
        SELECT {_CUSTOMER} FROM grid.customer
        WHERE version = (SELECT version FROM current) AND transformer_id = t.transformer_id AND room = t.room
            AND room <> ''
        ORDER BY account_id
        LIMIT {MOST_ROOMS}
    ) AS c
), slip_hit AS (
    SELECT meant.n, c.*
    FROM meant CROSS JOIN LATERAL (
        (SELECT {_CUSTOMER} FROM grid.customer
        WHERE version = (SELECT version FROM current) AND account_id = ANY (meant.accounts)
        LIMIT {MOST_SLIPS + 1})
        UNION ALL
        (SELECT {_CUSTOMER} FROM grid.customer
        WHERE version = (SELECT version FROM current) AND account_key = ANY (meant.accounts)
            AND account_key IS NOT NULL
        LIMIT {MOST_SLIPS + 1})
    ) AS c
), hit AS (
    SELECT 'point' AS via, n, transformer_id, at[1] AS lat, at[0] AS lon, rank AS step,
           NULL::text AS street, NULL::integer AS number, NULL::text AS building, NULL::integer AS customers,
           NULL::text AS account_id, NULL::text AS phone, NULL::text AS status, NULL::text AS priority,
           NULL::text AS language, NULL::text AS address, NULL::real AS voltage_kv, 1 AS found
    FROM point_hit
    UNION ALL
    SELECT 'house', n, transformer_id, NULL, NULL, step, street, number, building, customers,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, found
    FROM house_hit
    UNION ALL
    SELECT 'room', n, transformer_id, lat, lon, NULL, NULL, NULL, NULL, NULL,
           account_id, phone, status, priority, language, address, voltage_kv, 1
    FROM room_hit
    UNION ALL
    SELECT 'slip', n, transformer_id, lat, lon, NULL, NULL, NULL, NULL, NULL,
           account_id, phone, status, priority, language, address, voltage_kv, 1
    FROM slip_hit
)
SELECT hit.via, hit.n, hit.transformer_id, coalesce(hit.lat, d.lat) AS lat, coalesce(hit.lon, d.lon) AS lon, hit.step,
       hit.street, hit.number, hit.building, hit.customers, hit.account_id, hit.phone, hit.status, hit.priority,
       hit.language, hit.address, hit.voltage_kv, hit.found, d.feeder, d.area, d.span_from, d.span_to
FROM hit CROSS JOIN LATERAL (
    SELECT feeder, area, lat, lon, span_from, span_to FROM grid.device
    WHERE version = (SELECT version FROM current) AND id = hit.transformer_id
    LIMIT 1
) AS d
"""

FIND_CHAINS: Final = """
SELECT d.id, d.chain, d.chain_customers
FROM unnest($1::text[]) AS asked (id) CROSS JOIN LATERAL (
    SELECT id, chain, chain_customers FROM grid.device
    WHERE version = (SELECT version FROM grid.network_version WHERE is_current) AND id = asked.id
    LIMIT 1
) AS d
"""

FIND_ALIKE: Final = f"""
SELECT asked.key, s.street
FROM unnest($1::text[]) AS asked (key) CROSS JOIN LATERAL (
    SELECT street FROM grid.street_key
    WHERE version = (SELECT version FROM grid.network_version WHERE is_current) AND key = asked.key
    ORDER BY street
    LIMIT {MOST_STREETS + 1}
) AS s
"""


def named_arguments(questions: Sequence[Question]) -> tuple[list[Any], ...]:
    """Return the arguments of ``FIND_NAMED``."""
    asked = [(n, q.account_id, q.phone, q.account_key) for n, q in enumerate(questions) if q.account_id or q.phone]
    asked += [(n, one, None, None) for n, q in enumerate(questions) for one in q.spellings[1:]]  # of hardly any
    asked += [(n, one, phone_key(one), account_key(one)) for n, q in enumerate(questions) for one in q.numbers]
    said = [(n, word) for n, q in enumerate(questions) for word in q.devices]
    spelt = [(n, key) for n, q in enumerate(questions) for key in q.id_keys]
    return (
        [n for n, _, _, _ in asked],
        [account for _, account, _, _ in asked],
        [phone for _, _, phone, _ in asked],
        [key for _, _, _, key in asked],
        [n for n, _ in said],
        [word for _, word in said],
        [n for n, _ in spelt],
        [key for _, key in spelt],
    )


def around_arguments(wants: Sequence[Search]) -> tuple[list[Any], ...]:
    """Return the arguments of ``FIND_AROUND``."""
    points = [(n, want.point) for n, want in enumerate(wants) if want.point is not None]
    said = [
        (n, want.address, each)
        for n, want in enumerate(wants)
        if want.address is not None
        for each in wanted(want.address, want.alike)
    ]
    meant = list(enumerate(map(slips, slipped(wants))))
    return (
        [n for n, _ in points],
        [point.lon for _, point in points],
        [mercator(point.lat) for _, point in points],
        [n for n, _, _ in said],
        ["\n".join(want.streets) for _, _, want in said],
        ["\n".join(want.districts) for _, _, want in said],
        [want.number for _, _, want in said],
        [want.low for _, _, want in said],
        [want.high for _, _, want in said],
        [address.room for _, address, _ in said],
        [n for n, _ in meant],
        ["\n".join(accounts) for _, accounts in meant],
        ["\n".join(want.within) for _, _, want in said],
        [want.building for _, _, want in said],
    )


def slipped(wants: Sequence[Search]) -> list[str]:
    """Return the accounts whose slips are looked up: each once, and no more of them than a batch may cost."""
    return list(islice(dict.fromkeys(want.slipped for want in wants if want.slipped is not None), MOST_SLIPPED))
