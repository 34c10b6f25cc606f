"""What the network in force says: of open incidents that have moved or lost their device, and where a meter is.

One query per question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from services.runtime.postgres import Connection

_CURRENT: Final = "(SELECT version FROM grid.network_version WHERE is_current)"
_MOVED: Final = f"""
SELECT i.incident_id, i.area, i.device_id, coalesce(i.out_since, i.opened_at) AS since, d.area AS now_in
FROM incident AS i LEFT JOIN grid.device AS d ON d.version = {_CURRENT} AND d.id = i.device_id
WHERE i.state IN ('predicted', 'confirmed') AND i.device_type NOT IN ('cell', 'place')
  AND (d.area IS DISTINCT FROM i.area OR i.network_change IS NOT NULL) AND i.network IS DISTINCT FROM $1
ORDER BY i.incident_id
"""  # noqa: S608 - the only text put in is ours, and constant
# What a person arranged or confirmed elsewhere may hold reports that never were below its device.
_REFED: Final = f"""
SELECT i.incident_id, i.area, i.device_id, coalesce(i.out_since, i.opened_at) AS since, d.area AS now_in,
       array_agg(DISTINCT d.id ORDER BY d.id) AS devices
FROM incident AS i
JOIN grid.device AS own ON own.version = {_CURRENT} AND own.id = i.device_id AND own.area = i.area
JOIN report AS r ON r.incident_id = i.incident_id AND r.outcome = 'in_incident'
JOIN grid.device AS d ON d.version = {_CURRENT} AND d.id = r.device_id
WHERE i.state IN ('predicted', 'confirmed') AND i.kind = 'outage' AND NOT i.pinned AND NOT i.device_id = ANY(d.chain)
  AND ($1::text[] IS NULL OR i.area = ANY($1)) AND NOT EXISTS (
    SELECT FROM command AS c WHERE c.subject = i.incident_id AND c.action = 'confirm' AND c.outcome = 'done'
  )
GROUP BY i.incident_id, i.area, i.device_id, since, d.area ORDER BY i.incident_id, d.area
"""  # noqa: S608 - same
_CHANGED: Final = """
SELECT network_change, count(*) AS n FROM incident
WHERE state IN ('predicted', 'confirmed') AND network_change IS NOT NULL GROUP BY network_change
"""
_METERS: Final = f"""
SELECT c.account_id, c.transformer_id, d.area FROM grid.customer AS c JOIN grid.device AS d
  ON d.version = c.version AND d.id = c.transformer_id
WHERE c.version = {_CURRENT} AND c.account_id = ANY($1::text[])
"""  # noqa: S608 - same
_DEVICES: Final = f"""
SELECT id, area FROM grid.device
WHERE version = {_CURRENT} AND id = ANY($1::text[])
"""  # noqa: S608 - same
_HOMES: Final = """
SELECT DISTINCT device_id, area FROM incident
WHERE state IN ('predicted', 'confirmed') AND kind = 'outage' AND network_change IS NOT NULL
  AND device_id = ANY($1::text[])
ORDER BY device_id, area
"""
# The few open outages that another network has elsewhere come first: no index finds an account among all reports.
_HOMES_OF_ACCOUNTS: Final = """
SELECT DISTINCT r.account_id, r.device_id, r.area
FROM incident AS i JOIN report AS r ON r.incident_id = i.incident_id AND r.outcome = 'in_incident'
WHERE i.state IN ('predicted', 'confirmed') AND i.network_change IS NOT NULL AND r.device_id IS NOT NULL
  AND r.account_id = ANY($1::text[])
ORDER BY r.account_id, r.area, r.device_id
"""


class Moved(NamedTuple):
    """An open incident that the network in force has elsewhere.

    Attributes:
        now_in: Area of its device; None where the device is gone. With ``devices``, the area of those.
        devices: Reported devices that are no longer below its device.
    """

    incident_id: UUID
    area: str
    device: str
    since: datetime
    now_in: str | None
    devices: tuple[str, ...] = ()


async def moved_incidents(connection: Connection, network: str) -> list[Moved]:
    """Return the open incidents whose device is gone or in another area, and those that are here again."""
    return [Moved(*_row(row)) for row in await connection.fetch(_MOVED, network)]


async def refed_devices(connection: Connection, areas: Collection[str] | None) -> list[Moved]:
    """Return reported devices of open incidents that something else feeds now, by incident and area.

    It costs by the number of reports in them: ``areas`` are those to look at, None all.
    """
    asked = None if areas is None else sorted(areas)
    return [Moved(*_row(row), tuple(row["devices"])) for row in await connection.fetch(_REFED, asked)]


async def count_moved(connection: Connection) -> dict[str, int]:
    """Return how many open incidents the network in force has not where they are, by what became of the device."""
    return {row["network_change"]: row["n"] for row in await connection.fetch(_CHANGED)}


def _row(row: asyncpg.Record) -> tuple[UUID, str, str, datetime, str | None]:
    return row["incident_id"], row["area"], row["device_id"], row["since"], row["now_in"]


async def area_of_device(connection: Connection, device: str) -> str | None:
    """Return the area of a device of the network in force; None where there is no such device."""
    return (await areas_of_devices(connection, (device,))).get(device)


async def meters(connection: Connection, accounts: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return transformer and area of each account that is known."""
    rows = await connection.fetch(_METERS, list(accounts))
    return {row["account_id"]: (row["transformer_id"], row["area"]) for row in rows}


async def areas_of_devices(connection: Connection, devices: Collection[str]) -> dict[str, str]:
    """Return the area of each device that is known."""
    return {row["id"]: row["area"] for row in await connection.fetch(_DEVICES, list(devices))}


async def homes_of_outages(connection: Connection, devices: Collection[str]) -> dict[str, list[str]]:
    """Return the areas with an open outage at each device that another network has elsewhere, or not at all."""
    homes: dict[str, list[str]] = {}
    for row in await connection.fetch(_HOMES, list(devices)):
        homes.setdefault(row["device_id"], []).append(row["area"])
    return homes


async def homes_of_accounts(connection: Connection, accounts: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Return area and device of the reports of each account in open outages that another network has elsewhere."""
    homes: dict[str, list[tuple[str, str]]] = {}
    for row in await connection.fetch(_HOMES_OF_ACCOUNTS, list(accounts)):
        homes.setdefault(row["account_id"], []).append((row["area"], row["device_id"]))
    return homes
