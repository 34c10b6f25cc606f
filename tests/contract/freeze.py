"""Freezes the contract at a release: run ``python -m tests.contract.freeze`` and commit what it adds.

It copies the example records that no release had yet to ``golden/v1``, the schemas to ``released`` and, to
``released/tables``, the DDL of the tables that processes of this release will need of the next one. What was released
is never changed: a schema that breaks its released one is refused. (Before the first release, delete the folders and
run it again.)
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from services.cli.json_schemas import message_schema
from services.cli.record_examples import examples_of
from services.contracts.topics import TOPIC_OF, TOPICS
from tests.contract.compatibility import breaks
from tests.contract.tables import CURRENT, FROZEN

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "v1"
RELEASED = HERE / "released"


def readers_outside(ce_type: str) -> bool:
    """Whether other companies read messages of this type."""
    return any(ce_type in topic.types and "outside" in topic.consumers for topic in TOPICS)


def main() -> int:
    schemas = {message.ce_type: message_schema(message) for message in TOPIC_OF}
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
    for name, path in CURRENT.items():
        shutil.copyfile(path, FROZEN / f"{name}.sql")
    return 0


if __name__ == "__main__":
    sys.exit(main())
