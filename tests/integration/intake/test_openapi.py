"""The OpenAPI document is a promise: thousands of requests made from it, good and bad, must find it kept."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from services.intake.security import DEVELOPMENT_KEYS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.intake.process import Intake

DOORS = {
    "/v1/phone/": "ivr-dev",
    "/v1/web/": "web-dev",
    "/v1/app/": "app-dev",
}
NOT_PROMISED = "positive_data_acceptance"
"""A schema cannot say all: that a key press needs its keys, an hour its offset, a webhook a good signature."""


@pytest.mark.integration
@pytest.mark.parametrize("prefix", DOORS)
async def test_requests_made_from_the_document_are_answered_as_promised(
    intake: Intake, prefix: str, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{intake.url}/openapi.json"),
        *("--include-path-regex", f"^{prefix}", "--header", f"X-API-Key: {DEVELOPMENT_KEYS[DOORS[prefix]]}"),
        *("--checks", "all", "--exclude-checks", NOT_PROMISED),
        *("--max-examples", "150", "--seed", "95598", "--continue-on-failure", "--no-color"),
        cwd=tmp_path,  # it leaves notes where it runs
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6000:]
