"""The OpenAPI document is a promise: thousands of requests made from it, good and bad, must find it kept."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from services.intake.security import DEVELOPMENT_KEYS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service_process import Service

DOORS = {
    "phone/": ("ivr-dev", 150),
    "web/": ("web-dev", 100),
    "app/": ("app-dev", 100),
    "(form/reports|sms/generic$)": ("sms-dev", 100),
    "events": ("api-dev", 100),
    "wechat/": ("ivr-dev", 100),
}
"""Paths to who knocks there and how many requests are made of each kind. What a report has become is notify's to say:
without it that door answers 503, as its document has it."""
NO_LIMITS = {"address_burst": "1e9", "customer_burst": "1e9"}
NOT_PROMISED = {
    "*": "positive_data_acceptance",
    "events": "positive_data_acceptance,negative_data_rejection",
}
"""A schema cannot say all: that a key press needs its keys, an hour its offset, a webhook a good signature. And what is
wrong in a batch of events is refused in the answer's 207, by its index."""

REFUSED = """\
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 406, 413, 415, 422, 428, "5xx"]
"""
"""What refuses a request that no schema allows: also that it is too large, which Schemathesis does not count."""


@pytest.mark.integration
@pytest.mark.parametrize("paths", DOORS)
async def test_requests_made_from_the_document_are_answered_as_it_says(
    stopped_intake: Service, paths: str, tmp_path: Path
) -> None:
    source, examples = DOORS[paths]
    stopped_intake.start(**NO_LIMITS)
    await stopped_intake.wait_ready()
    (tmp_path / "schemathesis.toml").write_text(REFUSED, encoding="ascii")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{stopped_intake.url}/openapi.json"),
        *("--include-path-regex", f"^/v1/{paths}", "--header", f"X-API-Key: {DEVELOPMENT_KEYS[source]}"),
        *("--checks", "all", "--exclude-checks", NOT_PROMISED.get(paths, NOT_PROMISED["*"])),
        *("--max-examples", str(examples), "--seed", "95598", "--continue-on-failure", "--no-color"),
        cwd=tmp_path,  # it keeps what it found where it runs
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6000:]
