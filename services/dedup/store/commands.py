"""Commands and planned outages, for the API. One query per question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.dedup.store.acts import subject

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from services.contracts.messages import OutageCommanded
    from services.runtime.postgres import Connection

_GIVE: Final = """
INSERT INTO command (command_id, area, action, subject, body, author, accepted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING true
"""
_SHOWN: Final = """
SELECT command_id, area, action, subject, body, author, accepted_at, outcome, wrong, decided_at,
       undoable OR undoable_plan AS undoable, undone_by
FROM command
"""
_COMMAND: Final = f"{_SHOWN} WHERE command_id = $1"
_COMMANDS: Final = f"""
{_SHOWN}
WHERE ($1::uuid IS NULL OR subject = $1 OR $1 = ANY(incidents))
  AND ($2::timestamptz IS NULL OR (accepted_at, command_id) < ($2, $3::uuid))
ORDER BY accepted_at DESC, command_id DESC LIMIT $4
"""
_PLANNED: Final = """
SELECT * FROM planned_outage
WHERE ($1::text IS NULL OR area = $1) AND ends_at > $2
  AND ($3::timestamptz IS NULL OR (starts_at, planned_id) > ($3, $4::uuid))
ORDER BY starts_at, planned_id LIMIT $5
"""
_ONE_PLANNED: Final = "SELECT * FROM planned_outage WHERE planned_id = $1"
_METERS: Final = """
SELECT c.account_id, c.transformer_id, d.area FROM grid.customer AS c JOIN grid.device AS d
  ON d.version = c.version AND d.id = c.transformer_id
WHERE c.version = (SELECT version FROM grid.network_version WHERE is_current) AND c.account_id = ANY($1::text[])
"""
_DEVICES: Final = """
SELECT id, area FROM grid.device
WHERE version = (SELECT version FROM grid.network_version WHERE is_current) AND id = ANY($1::text[])
"""
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


async def give(tx: Connection, command: OutageCommanded) -> bool:
    """Keep an accepted command; False where its id is taken or one about the same thing is undecided."""
    row = (
        *(command.command_id, command.area, command.action.value, subject(command)),
        *(command.model_dump_json(exclude_none=True), command.author, command.accepted_at),
    )
    return bool(await tx.fetchval(_GIVE, *row))


async def command_of(connection: Connection, command_id: UUID) -> asyncpg.Record | None:
    """Return one command and what came of it."""
    return await connection.fetchrow(_COMMAND, command_id)


async def commands_about(
    connection: Connection, about: UUID | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return the commands about one thing, or all, youngest first, after the one at ``after``."""
    accepted_at, command_id = after or (None, None)
    return await connection.fetch(_COMMANDS, about, accepted_at, command_id, limit)


async def planned_outages(
    connection: Connection, area: str | None, ending_after: datetime, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return planned outages that end after a moment, by their start, after the one at ``after``."""
    starts_at, planned_id = after or (None, None)
    return await connection.fetch(_PLANNED, area, ending_after, starts_at, planned_id, limit)


async def planned_outage(connection: Connection, planned_id: UUID) -> asyncpg.Record | None:
    """Return one planned outage."""
    return await connection.fetchrow(_ONE_PLANNED, planned_id)


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
