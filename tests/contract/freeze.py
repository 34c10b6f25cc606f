"""Freezes the contract at a release: run ``python -m tests.contract.freeze`` and commit what it adds.

It copies the example records that no release had yet to ``golden/v1``, the schemas to ``released`` and the tables that
processes of this release will need of the next one to ``released/tables``. What was released is never changed: a schema
that breaks its released one is refused. (Before the first release, delete the folders and run it again.)
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

import asyncpg

from deploy.native.ports import free_port
from deploy.native.postgres import PostgresServer
from services.cli.commands.db import migrate_all
from services.cli.json_schemas import message_schema, message_types
from services.cli.record_examples import examples_of
from services.contracts.topics import TOPICS
from tests.contract.compatibility import breaks
from tests.contract.tables import FROZEN, Table, describe

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "v1"
RELEASED = HERE / "released"


def readers_outside(ce_type: str) -> bool:
    """Whether other companies read messages of this type."""
    return any(ce_type in topic.types and "outside" in topic.consumers for topic in TOPICS)


def main() -> int:
    schemas = {message.ce_type: message_schema(message) for message in message_types()}
    for ce_type, schema in schemas.items():
        path = RELEASED / f"{ce_type}.json"
        found = []
        if path.exists():
            found = breaks(json.loads(path.read_text(encoding="utf-8")), schema, others_read=readers_outside(ce_type))
        for one in found:
            sys.stderr.write(f"{ce_type}: {one}\n")
        if found:
            return 1
    RELEASED.mkdir(exist_ok=True)
    for ce_type, schema in schemas.items():
        text = json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
        (RELEASED / f"{ce_type}.json").write_text(text, encoding="utf-8")
    for example in (example for topic in TOPICS for example in examples_of(topic)):
        kept = GOLDEN / example.topic / example.path.name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(example.path, kept)
    _freeze_tables()
    return 0


def _freeze_tables() -> None:
    folder = Path(tempfile.mkdtemp(prefix="gridline-freeze-"))
    folder.chmod(0o711)  # Postgres has an account of its own where this runs as root
    server = PostgresServer(folder / "pg", port=free_port(), log=folder / "postgres.log")
    try:
        server.start()
        tables = asyncio.run(_tables(server.create_database("gridline")))
    finally:
        server.stop()
        server.remove_data()
        shutil.rmtree(folder)
    FROZEN.parent.mkdir(exist_ok=True)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(table)}" for name, table in tables.items())
    FROZEN.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


async def _tables(dsn: str) -> dict[str, Table]:
    await migrate_all(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        return await describe(connection)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(main())
