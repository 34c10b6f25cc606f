"""What an intake says, changed while it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import deploy

if TYPE_CHECKING:
    from tests.service_process import Service

pytestmark = pytest.mark.integration

DEPLOY = Path(deploy.__file__).parent
SECONDS = 60.0


async def test_a_changed_text_is_shown_without_a_restart_and_a_broken_one_is_not(
    stopped_intake: Service, tmp_path: Path
) -> None:
    form = tmp_path / "form.yaml"
    text = (DEPLOY / "form.yaml").read_text(encoding="utf-8")
    form.write_text(text, encoding="utf-8")
    stopped_intake.start(form_file=str(form), reload_seconds="0.1")
    await stopped_intake.wait_ready()
    async with httpx.AsyncClient(base_url=stopped_intake.url, timeout=30) as client:

        async def page() -> str:
            return (await client.get("/report", params={"lang": "en"})).text

        async def shows(words: str) -> bool:
            async with asyncio.timeout(SECONDS):
                while words not in await page():
                    await asyncio.sleep(0.1)
            return True

        assert await shows("Report a power cut")
        form.write_text(text.replace("Report a power cut", "Is the power off?"), encoding="utf-8")
        assert await shows("Is the power off?")

        form.write_text(text.replace("version: 1", "version: 9"), encoding="utf-8")
        async with asyncio.timeout(SECONDS):
            while 'gridline_file_stale{file="form.yaml"} 1.0' not in await stopped_intake.metrics():
                await asyncio.sleep(0.1)
        assert await shows("Is the power off?")
