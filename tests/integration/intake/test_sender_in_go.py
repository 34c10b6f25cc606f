"""The example of a sender in Go, with a key and signing, against a real intake that comes up only while it tries."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from services.contracts.topics import CONTACT_RECEIVED
from services.intake.settings import IntakeSettings
from tests.integration.intake.test_intake import contact_of

if TYPE_CHECKING:
    from tests.service_process import Service

GO = shutil.which("go")
SENDER = Path(__file__).parents[3] / "examples" / "ivr_sender.go"
SECRET = "whsec_b25seSBhbiBleGFtcGxlLCBtYWtlIHlvdXIgb3duIQ=="
pytestmark = [pytest.mark.integration, pytest.mark.skipif(GO is None, reason="the example needs Go")]


async def test_a_call_is_one_ticket_however_often_it_is_told(stopped_intake: Service, tmp_path: Path) -> None:
    shipped = yaml.safe_load(IntakeSettings.model_fields["sources_file"].default.read_text(encoding="utf-8"))
    shipped["phone"]["ivr-dev"]["webhook_secrets"] = [SECRET]
    sources = tmp_path / "sources.json"
    sources.write_text(json.dumps(shipped), encoding="utf-8")
    program = str(tmp_path / "sender")
    assert GO is not None
    built = await asyncio.create_subprocess_exec(GO, "build", "-o", program, str(SENDER))
    assert await built.wait() == 0

    async def call(*how: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(program, "-intake", stopped_intake.url, *how), stdout=asyncio.subprocess.PIPE
        )

    early = await call("-call", "c-1")  # nobody is there yet: it tries again
    stopped_intake.start(sources_file=str(sources))
    await stopped_intake.wait_ready()
    said, _ = await early.communicate()
    assert early.returncode == 0
    refs = {json.loads(line)["ticket_ref"] for line in said.splitlines()}
    assert len(refs) == 1
    again = await call("-call", "c-1", "-secret", SECRET)  # by the other way, the same events of the same source
    said, _ = await again.communicate()
    assert again.returncode == 0
    assert {json.loads(line)["ticket_ref"] for line in said.splitlines()} == refs
    wrong = await call("-call", "c-2", "-secret", "whsec_" + "QUJD" * 8)
    await wrong.communicate()
    assert wrong.returncode == 1, "the control: another's signature is refused, and it does not go on"

    contacts = [contact_of(record) for record in await stopped_intake.records(CONTACT_RECEIVED)]
    assert len(contacts) == 6
    assert len({one.contact_id for one in contacts}) == 3
    assert len({one.ticket_id for one in contacts}) == 1
