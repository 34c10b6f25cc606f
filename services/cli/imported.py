"""The imported network, for a simulated storm.

Decided here: which areas are used where the network is larger than a storm needs. Never here: what is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.cli.errors import CommandError, Exit
from services.contracts.values import CustomerClass, CustomerStatus
from services.grid.device import DeviceRow
from services.grid.network_file import CustomerRow
from services.simulator.faults import Network

if TYPE_CHECKING:
    import asyncpg

_AREAS: Final = """
SELECT DISTINCT area FROM grid.device
WHERE version = (SELECT version FROM grid.network_version WHERE is_current) ORDER BY area LIMIT $1
"""
_DEVICES: Final = """
SELECT id, parent, type, normally_open, lat, lon FROM grid.device
WHERE version = (SELECT version FROM grid.network_version WHERE is_current) AND area = ANY($1)
"""
_CUSTOMERS: Final = """
SELECT c.account_id, c.transformer_id, c.lat, c.lon, c.address, coalesce(c.phone, '') AS phone, c.name, c.status,
       c.priority, coalesce(c.language, '') AS language, c.voltage_kv
FROM grid.customer AS c JOIN grid.device AS d ON d.version = c.version AND d.id = c.transformer_id
WHERE c.version = (SELECT version FROM grid.network_version WHERE is_current) AND d.area = ANY($1)
ORDER BY c.account_id
"""


async def read_network(connection: asyncpg.Connection[asyncpg.Record], most_areas: int) -> Network:
    """Read the first ``most_areas`` areas of the current network.

    Raises:
        CommandError: no network has been imported.
    """
    areas = [row["area"] for row in await connection.fetch(_AREAS, most_areas)]
    if not areas:
        what = "no network has been imported"
        raise CommandError(what, "Run `gridline grid import`, or name --network and --customers.", Exit.NO)
    devices = [DeviceRow(*row) for row in await connection.fetch(_DEVICES, areas)]
    customers = [
        CustomerRow(
            **{**dict(row), "status": CustomerStatus(row["status"]), "priority": CustomerClass(row["priority"])}
        )
        for row in await connection.fetch(_CUSTOMERS, areas)
    ]
    return Network(devices, customers)
